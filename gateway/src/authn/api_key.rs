//! API keys: the token a machine presents, the record kept of it, and how one is made.
//!
//! `hg_<key id>_<secret><checksum>`, the key id 12 characters of `a-z0-9`. Of the token only HMAC-SHA-256 under the pepper
//! is kept, so a stolen store opens no door.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::pepper::{KeyMac, Pepper};
use super::session::StoreUnavailable;
use super::token_text::{TokenError, TokenText};
use crate::model::{
    API_KEY_PREFIX, Entropy, EntropyError, KeyId, MemberId, RoleAssignment, Secret, TenantId,
    UnixNanos, lies_in,
};

/// A well-formed token, not yet known to be anybody's.
#[derive(Debug)]
pub struct ApiKeyToken<'a> {
    id: KeyId,
    whole: Redacted<'a>,
}

/// 60 bits of id: two of a million keys share one with a chance of 1 in 2 million; creation notices.
const TEXT: TokenText = TokenText { prefix: API_KEY_PREFIX, id_chars: 12 };

impl<'a> ApiKeyToken<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError`] when it cannot have been made by [`NewApiKey::issue`].
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        let id = TEXT.id(text)?;
        let id = KeyId::parse(id).map_err(|_| TokenError::Form)?;
        Ok(Self { id, whole: Redacted(text) })
    }

    /// The public half.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The secret this proves, if the key kept as `key` is this one at `now`: its present one, or the one before while
    /// both count. Without a kept key the same work is done and the answer is no, so that time does not tell an unknown
    /// id from a wrong secret (AS-03).
    pub fn proof(&self, key: Option<&ApiKey>, pepper: &Pepper, now: UnixNanos) -> Option<KeyMac> {
        let mac = pepper.mac(self.whole.0);
        let equal = counts(key, &mac, now);
        (equal & key.is_some_and(|key| key.id == self.id)).then_some(mac)
    }
}

/// Whether `mac` is of a secret that counts for `key` at `now`, in time that does not tell.
fn counts(key: Option<&ApiKey>, mac: &KeyMac, now: UnixNanos) -> bool {
    let kept = key.map_or(&KeyMac::NOBODY, |key| &key.mac);
    let previous = key.and_then(|key| key.previous.as_ref());
    let before = previous.map_or(&KeyMac::NOBODY, |previous| &previous.mac);
    let still = u8::from(previous.is_some_and(|previous| now < previous.until));
    let equal = mac.is(kept) | (mac.is(before) & subtle::Choice::from(still));
    bool::from(equal) & key.is_some()
}

struct Redacted<'a>(&'a str);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// An API key as it is kept: everything but the secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// The public half, unique over all organisations.
    pub id: KeyId,
    /// The organisation it belongs to.
    pub tenant: TenantId,
    /// What its maker calls it.
    pub name: String,
    /// HMAC of the token.
    pub mac: KeyMac,
    /// Its roles.
    pub roles: Vec<RoleAssignment>,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: UnixNanos,
    /// When it was changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<UnixNanos>,
    /// When it ends by itself.
    pub expires: Option<UnixNanos>,
    /// When it was revoked.
    pub revoked: Option<UnixNanos>,
    /// A disabled key is in force again when it is enabled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The secret before the present one, while both count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSecret>,
    /// A bootstrap key makes the key that takes its place, and does nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bootstrap: bool,
    /// A key for an emergency: it ends when it was to end, is for the hub alone, and everything done with it is on the
    /// disk before it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// Where it may be used from; everywhere, where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
    /// The members who were shown a secret of it; empty where that is not known of all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<MemberId>,
    /// When its last use was noted; every copy knows.
    #[serde(skip)]
    pub used: LastUse,
}

/// When the use of something was last noted.
#[derive(Clone, Debug, Default)]
pub struct LastUse(Arc<AtomicU64>);

/// Uses are told by the minute: who looks for keys nobody uses needs no more, and a use costs one look at a number.
const USES_NOTED_EVERY: u64 = 60;

impl LastUse {
    /// Whether a use at `now` is to be noted: one caller hears so each minute.
    pub fn is_news(&self, now: UnixNanos) -> bool {
        let (now, noted) = (now.seconds(), self.0.load(Ordering::Relaxed));
        // Also when the clock stepped back.
        now.abs_diff(noted) >= USES_NOTED_EVERY
            && self.0.compare_exchange(noted, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// A secret that was replaced.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousSecret {
    /// HMAC of its token.
    pub mac: KeyMac,
    /// When it counts no more.
    pub until: UnixNanos,
}

impl ApiKey {
    /// Whether the key is in force at `now`. The moment of expiry is over already; a revoked key never
    /// comes back, whatever the clock says.
    pub fn in_force(&self, now: UnixNanos) -> bool {
        self.revoked.is_none() && !self.disabled && self.expires.is_none_or(|end| now < end)
    }

    /// Whether it may be used from `address`.
    pub fn usable_from(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || lies_in(address, &self.networks)
    }

    /// Whether the secret with this MAC counts for `key` at `now`. The same work is done without one.
    pub fn proves(key: Option<&Self>, mac: &KeyMac, now: UnixNanos) -> bool {
        counts(key, mac, now)
    }

    /// Whether the secret with this MAC still counts at `now`.
    pub fn counts(&self, mac: &KeyMac, now: UnixNanos) -> bool {
        counts(Some(self), mac, now)
    }

    /// The same key with another secret; the present one counts for `overlap` more.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness.
    pub fn rotated(
        &self,
        overlap: Duration,
        (pepper, entropy): (&Pepper, &dyn Entropy),
        now: UnixNanos,
    ) -> Result<IssuedApiKey, EntropyError> {
        let token = new_token(self.id.as_str(), entropy)?;
        let previous = PreviousSecret { mac: self.mac, until: now.plus(overlap) };
        let (mac, changed) = (pepper.mac(&token), Some(now));
        let key = Self { mac, changed, previous: Some(previous), ..self.clone() };
        Ok(IssuedApiKey { key, token: Secret::new(token) })
    }
}

/// A key somebody wants.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// The organisation it will belong to.
    pub tenant: TenantId,
    /// What to call it: 1 to 100 bytes without control characters.
    pub name: String,
    /// Its roles.
    pub roles: Vec<RoleAssignment>,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// When it ends by itself.
    pub expires: Option<UnixNanos>,
    /// Where it may be used from; everywhere, where none is named.
    pub networks: Vec<IpNet>,
}

/// A key just made. The token exists here and nowhere else: it is shown once.
#[derive(Debug)]
pub struct IssuedApiKey {
    /// What is kept.
    pub key: ApiKey,
    /// What the client gets.
    pub token: Secret<String>,
}

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The name is empty, too long or holds a control character.
    #[error("the name of an API key has 1 to 100 bytes and no control characters")]
    Name,
    /// It would be over before it began.
    #[error("the API key would expire before it is made")]
    Expiry,
    /// More roles or scopes than a decision should carry.
    #[error("an API key has at most {GRANTS_MAX} roles and {GRANTS_MAX} scopes")]
    Grants,
    /// More networks than anybody reads in a list.
    #[error("an API key has at most {NETWORKS_MAX} networks")]
    Networks,
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

const NAME_BYTES_MAX: usize = 100;
/// Roles travel into every decision of the key; 64 nodes are more than anybody reads in a list.
const GRANTS_MAX: usize = 64;
/// Each request of the key is compared with all of them.
const NETWORKS_MAX: usize = 32;

impl NewApiKey {
    /// Makes the key and its token.
    ///
    /// # Errors
    /// [`IssueError`] naming what is wrong with the wish, or that there is no randomness.
    pub fn issue(
        self,
        pepper: &Pepper,
        entropy: &dyn Entropy,
        now: UnixNanos,
    ) -> Result<IssuedApiKey, IssueError> {
        self.check(now)?;
        let id = TEXT.random_id(entropy)?;
        let token = new_token(&id, entropy)?;
        let id = KeyId::parse(&id).map_err(|_| EntropyError)?;
        let mac = pepper.mac(&token);
        let Self { tenant, name, roles, scopes, expires, networks } = self;
        let created = now;
        let (revoked, disabled, previous) = (None, false, None);
        let key = ApiKey {
            id,
            tenant,
            name,
            mac,
            roles,
            scopes,
            created,
            changed: None,
            expires,
            revoked,
            disabled,
            previous,
            bootstrap: false,
            emergency: false,
            networks,
            people: Vec::new(),
            used: LastUse::default(),
        };
        Ok(IssuedApiKey { key, token: Secret::new(token) })
    }

    /// Whether such a key can be made.
    ///
    /// # Errors
    /// [`IssueError`] naming what is wrong with the wish.
    pub fn check(&self, now: UnixNanos) -> Result<(), IssueError> {
        let name = &self.name;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(IssueError::Name);
        }
        if self.roles.len() > GRANTS_MAX || self.scopes.len() > GRANTS_MAX {
            return Err(IssueError::Grants);
        }
        if self.networks.len() > NETWORKS_MAX {
            return Err(IssueError::Networks);
        }
        if self.expires.is_some_and(|end| end <= now) {
            return Err(IssueError::Expiry);
        }
        Ok(())
    }
}

fn new_token(id: &str, entropy: &dyn Entropy) -> Result<String, EntropyError> {
    Ok(TEXT.write(id, &entropy.token()?))
}

/// Why a key was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateApiKeyError {
    /// Another key has this id: issue again.
    #[error("another API key has this id")]
    IdTaken,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
}

/// Where API keys are kept.
#[async_trait]
pub trait ApiKeys: Send + Sync + fmt::Debug {
    /// Looks in memory only. `None` says nothing about the store.
    fn cached(&self, id: &KeyId) -> Option<Arc<ApiKey>>;

    /// Notes that a key was used at `now`. It is kept a little later, and lost if the process ends before.
    fn note_use(&self, key: &ApiKey, now: UnixNanos);

    /// Finds a key, in memory first. It may be over: the caller asks [`ApiKey::in_force`].
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    async fn find(&self, id: &KeyId) -> Result<Option<Arc<ApiKey>>, StoreUnavailable>;

    /// Keeps a new key.
    ///
    /// # Errors
    /// [`CreateApiKeyError`] when it could not be kept.
    async fn create(&self, key: ApiKey) -> Result<(), CreateApiKeyError>;

    /// All keys of an organisation, expired and revoked ones too, by id.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    async fn list(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreUnavailable>;

    /// Revokes a key: at once here, within two seconds on every node. False when the organisation has no
    /// such key; true also when it was revoked before.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when it may still be in force.
    async fn revoke(
        &self,
        tenant: &TenantId,
        id: &KeyId,
        now: UnixNanos,
    ) -> Result<bool, StoreUnavailable>;
}

#[cfg(test)]
mod tests;
