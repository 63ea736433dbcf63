//! Who asks.

use super::{ConnectionId, EntityUid, KeyId, MemberId, TenantId};

/// A person: (connection, issuer, subject) inside one organisation. Never an e-mail address (promise P6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct PersonId {
    /// The organisation whose connection vouched for the person.
    pub tenant: TenantId,
    /// The connection.
    pub connection: ConnectionId,
    /// The issuer, byte for byte.
    pub issuer: String,
    /// The subject, byte for byte.
    pub subject: String,
}

/// How a principal proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// Nothing was presented.
    None,
    /// A session cookie from an OpenID Connect sign-in.
    Session,
    /// An API key.
    ApiKey,
    /// An access token that was given for an API key.
    AccessToken,
}

impl AuthMethod {
    /// The name used in records, assertions and `context.authentication.method`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "session",
            Self::ApiKey => "api_key",
            Self::AccessToken => "access_token",
        }
    }
}

/// The one who asks, after authentication.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A person, signed in. `member` is set when the organisation has made them a member;
    /// without it they have no authority at all.
    User {
        /// The person.
        person: PersonId,
        /// The membership that gives authority.
        member: Option<MemberId>,
    },
    /// A machine with an API key.
    ApiClient {
        /// The organisation that owns the key.
        tenant: TenantId,
        /// The public half of the key.
        key: KeyId,
    },
    /// Nobody known.
    Anonymous,
}

impl Principal {
    /// The organisation, where there is one.
    pub const fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::User { person, .. } => Some(&person.tenant),
            Self::ApiClient { tenant, .. } => Some(tenant),
            Self::Anonymous => None,
        }
    }

    /// The Cedar entity: `User::<member>`, `ApiClient::<key id>` or `Anonymous::anonymous`.
    /// A person without membership has none: no policy can speak of them.
    pub fn entity(&self) -> Option<EntityUid> {
        let (kind, id) = match self {
            Self::User { member, .. } => ("User", member.as_ref()?.as_str()),
            Self::ApiClient { key, .. } => ("ApiClient", key.as_str()),
            Self::Anonymous => ("Anonymous", "anonymous"),
        };
        EntityUid::new(kind, id).ok()
    }
}
