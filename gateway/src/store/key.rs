//! Keys: `<organisation>/<kind>/<id>`.
//!
//! Every record lies under its organisation, so an organisation can be listed, exported or erased by prefix
//! and no look-up can cross (MT-10). A credential, though, names no organisation: it arrives before one is
//! known. So each has a second entry under the pseudo organisation `_gateway`, which no organisation can be
//! called (an id starts with a letter or digit): `_gateway/<kind>/<id>` holds the organisation and nothing else.
//! The organisation is not part of the token: a token would then tell whose it is to everybody who sees it, and
//! could not move.

use std::fmt;
use std::sync::Arc;

use crate::model::TenantId;

/// What kinds of entries there are. The names are a contract with stores already written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A session, by the hash of its id.
    Session,
    /// An API key, by its public half.
    ApiKey,
    /// An open login, by the hash of its state.
    Login,
    /// A resource of the directory, by the hash of its name.
    Resource,
    /// A resource of an upload that replaces all, not yet in force; by the hash of its name.
    Staged,
    /// How far an organisation's feed has come; one entry, `head`.
    Feed,
    /// How far an organisation's administration has come; one entry, `head`.
    Managed,
    /// A member the administration API keeps, by id.
    Member,
    /// What happened to an organisation, by time: the latest first.
    AuditEvent,
    /// The answer to a request that may be sent again, by the hash of its key.
    Answered,
    /// A connection to an identity provider, by id.
    Connection,
    /// An e-mail domain, by name.
    Domain,
    /// What the platform says of an organisation; one entry, `profile`.
    Profile,
    /// How people are provisioned; one entry, `settings`.
    Provisioning,
    /// A user as an identity provider provisioned it, by id.
    ScimUser,
    /// A group as an identity provider provisioned it, by id.
    ScimGroup,
    /// Finds a provisioned user or group by the hash of a name.
    ScimName,
    /// Says that a provisioned user is in a group, by both ids.
    ScimMembership,
    /// Base policies the platform's administrators added, by name.
    Policy,
    /// A change of those on its way, by id.
    PolicyChange,
    /// An organisation the platform created, by id.
    Organisation,
    /// When an API key was last used, by its public half.
    ApiKeyUse,
    /// The tokens that follow from one use of a client's secret, by their public half.
    TokenFamily,
    /// How much of a quota is used, by credential and quota.
    QuotaCount,
}

impl Kind {
    const ALL: [Self; 24] = [
        Self::Session,
        Self::ApiKey,
        Self::Login,
        Self::Resource,
        Self::Staged,
        Self::Feed,
        Self::Managed,
        Self::Member,
        Self::AuditEvent,
        Self::Answered,
        Self::Connection,
        Self::Domain,
        Self::Profile,
        Self::Provisioning,
        Self::ScimUser,
        Self::ScimGroup,
        Self::ScimName,
        Self::ScimMembership,
        Self::Policy,
        Self::PolicyChange,
        Self::Organisation,
        Self::ApiKeyUse,
        Self::TokenFamily,
        Self::QuotaCount,
    ];

    /// The word in the key.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::ApiKey => "api-key",
            Self::Login => "login",
            Self::Resource => "resource",
            Self::Staged => "staged",
            Self::Feed => "feed",
            Self::Managed => "managed",
            Self::Member => "member",
            Self::AuditEvent => "audit-event",
            Self::Answered => "answered",
            Self::Connection => "connection",
            Self::Domain => "domain",
            Self::Profile => "profile",
            Self::Provisioning => "provisioning",
            Self::ScimUser => "scim-user",
            Self::ScimGroup => "scim-group",
            Self::ScimName => "scim-name",
            Self::ScimMembership => "scim-membership",
            Self::Policy => "policy",
            Self::PolicyChange => "policy-change",
            Self::Organisation => "organisation",
            Self::ApiKeyUse => "api-key-use",
            Self::TokenFamily => "token-family",
            Self::QuotaCount => "quota-count",
        }
    }
}

/// The pseudo organisation of index entries. No [`TenantId`] starts with `_`.
const GATEWAY: &str = "_gateway";

/// Longest id within a key: a SHA-256 in hex is 64, and 128 leaves room for names.
const ID_BYTES_MAX: usize = 128;

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no store key: expected `organisation/kind/id`, the id of 1 to 128 letters, digits, `-`, `_` and `.`"
)]
pub struct KeyError(String);

/// Names an entry of the store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    text: Arc<str>,
    kind: Kind,
}

impl Key {
    /// The entry `id` of an organisation.
    ///
    /// # Errors
    /// [`KeyError`] when `id` is empty, too long or has other characters than a key may.
    pub fn of(tenant: &TenantId, kind: Kind, id: &str) -> Result<Self, KeyError> {
        Self::build(tenant.as_str(), kind, id)
    }

    /// The index entry that tells the organisation of `id`.
    ///
    /// # Errors
    /// As [`Key::of`].
    pub fn index(kind: Kind, id: &str) -> Result<Self, KeyError> {
        Self::build(GATEWAY, kind, id)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] when `text` is none.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '/');
        let (space, kind, id) = (parts.next(), parts.next(), parts.next());
        let space = space.filter(|s| *s == GATEWAY || TenantId::parse(s).is_ok());
        let kind = kind.and_then(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name));
        match (space, kind, id) {
            (Some(space), Some(kind), Some(id)) => Self::build(space, kind, id),
            _ => Err(error(text)),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of entry.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The part after organisation and kind.
    pub fn id(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The organisation's part; `_gateway` for an index entry.
    pub fn space(&self) -> &str {
        self.text.split('/').next().unwrap_or_default()
    }

    /// Whether this is an index entry rather than a record.
    pub fn is_index(&self) -> bool {
        self.text.split('/').next() == Some(GATEWAY)
    }

    fn build(space: &str, kind: Kind, id: &str) -> Result<Self, KeyError> {
        let text = format!("{space}/{}/{id}", kind.name());
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(allowed) {
            return Err(error(&text));
        }
        Ok(Self { text: Arc::from(text), kind })
    }
}

fn error(text: &str) -> KeyError {
    // A hostile text is cut, so an error line stays an error line.
    KeyError(text.chars().take(80).collect())
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.text)
    }
}

/// Names all entries of one kind of one organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// All `kind` entries of `tenant`.
    pub fn of(tenant: &TenantId, kind: Kind) -> Self {
        Self(Arc::from(format!("{tenant}/{}/", kind.name())))
    }

    /// The text all the keys start with; it ends in `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[test]
    fn a_key_starts_with_its_organisation_and_reads_back() {
        let key = Key::of(&tenant("nordvolt"), Kind::ApiKey, "abc234").unwrap();
        assert_eq!(key.as_str(), "nordvolt/api-key/abc234");
        assert_eq!((key.kind(), key.id(), key.is_index()), (Kind::ApiKey, "abc234", false));
        assert_eq!(Key::parse(key.as_str()).unwrap(), key);
        assert!(key.as_str().starts_with(Prefix::of(&tenant("nordvolt"), Kind::ApiKey).as_str()));
    }

    #[test]
    fn an_index_entry_can_be_no_organisation_s() {
        let key = Key::index(Kind::Session, "00").unwrap();
        assert!(key.is_index());
        assert_eq!(Key::parse("_gateway/session/00").unwrap(), key);
        assert!(TenantId::parse("_gateway").is_err());
    }

    #[test]
    fn rejects_what_is_no_key() {
        let long = "a".repeat(129);
        for id in ["", "a/b", "a b", "å", "a\n", "*", &long] {
            assert!(Key::of(&tenant("t"), Kind::Login, id).is_err(), "{id}");
        }
        for text in ["", "t", "t/login", "t/other/x", "T/login/x", "t/login/a/b", "_other/login/x"]
        {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }
}
