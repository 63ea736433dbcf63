//! Token families: what an API client gets for its secret, and what it gets for a refresh token after that (RFC 6749 §6).
//!
//! Of each token only its MAC under the pepper is kept. A refresh token is good for one use: its successors are made from
//! the pepper and the token itself, so that whoever sends it again within [`TokenLifetimes::grace`], because the answer was
//! lost, gets the very same ones, without their being kept anywhere (AS-05). Later than that, two hold one token, one of
//! them a thief: the family ends.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::api_key::ApiKey;
use super::pepper::{KeyMac, Pepper};
use super::session::StoreUnavailable;
use super::token_text::{TokenError, TokenText};
use crate::model::{
    ACCESS_TOKEN_PREFIX, Entropy, EntropyError, FamilyId, KeyId, REFRESH_TOKEN_PREFIX, Secret,
    TenantId, UnixNanos,
};

/// 80 bits of id: of a million families, two share one with a chance of 1 in 2 million million; creation notices.
const ACCESS: TokenText = TokenText { prefix: ACCESS_TOKEN_PREFIX, id_chars: 16 };
const REFRESH: TokenText = TokenText { prefix: REFRESH_TOKEN_PREFIX, id_chars: 16 };

/// Uses of refresh tokens in one family: one in twenty minutes for a month. Every one of them is known for one that was used:
/// each step back costs a microsecond.
const USES_MAX: u32 = 2_000;

/// How long tokens live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLifetimes {
    /// An access token.
    pub access: Duration,
    /// A refresh token that is not used.
    pub refresh: Duration,
    /// All tokens that follow from one use of the client's secret (ASVS 10.4.8).
    pub family: Duration,
    /// How long a refresh token that was used gives the same answer again.
    pub grace: Duration,
}

impl Default for TokenLifetimes {
    /// An hour and a day, as clients of the Partner API know them; a month for a family, after which the secret is asked
    /// for again.
    fn default() -> Self {
        Self {
            access: Duration::from_hours(1),
            refresh: Duration::from_hours(24),
            family: Duration::from_hours(24 * 30),
            grace: Duration::from_secs(30),
        }
    }
}

/// One kept token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    mac: KeyMac,
    /// When it was given.
    at: UnixNanos,
    until: UnixNanos,
    /// What an access token was narrowed to; everything its family has, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
}

/// A refresh token that was used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Used {
    mac: KeyMac,
    at: UnixNanos,
}

/// A family as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenFamily {
    /// The public half of its tokens.
    pub id: FamilyId,
    /// The organisation of the client.
    pub tenant: TenantId,
    /// The client.
    pub key: KeyId,
    /// MAC of the secret the client proved: when that counts no more, nor do the tokens.
    pub secret: KeyMac,
    /// What the client narrowed it to; everything the client has, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// When it began.
    pub created: UnixNanos,
    /// When it ends, however often it is refreshed.
    pub ends: UnixNanos,
    access: Kept,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_before: Option<Kept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Kept>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<Used>,
    /// How often a refresh token was used.
    #[serde(default)]
    uses: u32,
    #[serde(skip)]
    narrowed: Narrowed,
}

/// The client's key as the tokens of a family may use it, kept as long as the key is the same value.
#[derive(Debug, Default)]
struct Narrowed(Mutex<Vec<Narrow>>);

#[derive(Debug)]
struct Narrow {
    from: Arc<ApiKey>,
    scopes: Vec<String>,
    key: Arc<ApiKey>,
}

/// Two access tokens of a family are alive at most.
const NARROWED_MAX: usize = 2;

/// Tokens just made. They exist here and nowhere else.
#[derive(Debug)]
pub struct TokenPair {
    /// The access token.
    pub access: Secret<String>,
    /// When it ends.
    pub access_until: UnixNanos,
    /// The refresh token, where there is one.
    pub refresh: Option<(Secret<String>, UnixNanos)>,
    /// What the access token was narrowed to.
    pub scopes: Option<Vec<String>>,
}

/// What somebody wants tokens for.
#[derive(Debug)]
pub struct NewFamily<'a> {
    /// The client.
    pub client: &'a ApiKey,
    /// The secret it proved.
    pub secret: KeyMac,
    /// What it narrows them to.
    pub scopes: Option<Vec<String>>,
    /// Whether it wants a refresh token.
    pub refresh: bool,
}

/// What a refresh token is good for.
#[derive(Debug)]
pub enum Refreshed {
    /// For new tokens: once the family is kept like this.
    Anew(Box<TokenFamily>, TokenPair),
    /// For those it gave already a moment ago.
    Again(TokenPair),
    /// For nothing: it was used before. Somebody else may have it.
    Used,
    /// For nothing.
    Nothing,
}

/// The family an access token says it is of.
///
/// # Errors
/// [`TokenError`] when it is no access token.
pub(super) fn family_of_access(token: &str) -> Result<FamilyId, TokenError> {
    FamilyId::parse(ACCESS.id(token)?).map_err(|_| TokenError::Form)
}

/// The family a refresh token says it is of.
///
/// # Errors
/// [`TokenError`] when it is no refresh token.
pub(super) fn family_of_refresh(token: &str) -> Result<FamilyId, TokenError> {
    FamilyId::parse(REFRESH.id(token)?).map_err(|_| TokenError::Form)
}

impl TokenFamily {
    /// Begins a family with its first tokens.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness.
    pub fn begin(
        new: NewFamily<'_>,
        lifetimes: &TokenLifetimes,
        (pepper, entropy): (&Pepper, &dyn Entropy),
        now: UnixNanos,
    ) -> Result<(Self, TokenPair), EntropyError> {
        let id = REFRESH.random_id(entropy)?;
        let access = Secret::new(ACCESS.write(&id, Secret::new(entropy.token()?).expose()));
        let refresh = if new.refresh {
            Some(Secret::new(REFRESH.write(&id, Secret::new(entropy.token()?).expose())))
        } else {
            None
        };
        let key_ends = new.client.expires;
        let ends = now.plus(if new.refresh { lifetimes.family } else { lifetimes.access });
        let ends = key_ends.map_or(ends, |end| end.min(ends));
        let keep = |token: &Secret<String>, life| Kept {
            mac: pepper.mac(token.expose()),
            at: now,
            until: now.plus(life).min(ends),
            scopes: None,
        };
        let family = Self {
            id: FamilyId::parse(&id).map_err(|_| EntropyError)?,
            tenant: new.client.tenant.clone(),
            key: new.client.id.clone(),
            secret: new.secret,
            scopes: new.scopes,
            created: now,
            ends,
            access: keep(&access, lifetimes.access),
            access_before: None,
            refresh: refresh.as_ref().map(|token| keep(token, lifetimes.refresh)),
            used: None,
            uses: 0,
            narrowed: Narrowed::default(),
        };
        let pair = family.pair(access, refresh);
        Ok((family, pair))
    }

    /// What the refresh token `token` is good for at `now`. The access token that follows is narrowed to `scopes`.
    pub fn refreshed(
        &self,
        (token, scopes): (&str, Option<Vec<String>>),
        lifetimes: &TokenLifetimes,
        pepper: &Pepper,
        now: UnixNanos,
    ) -> Refreshed {
        let Some(current) = &self.refresh else { return Refreshed::Nothing };
        let mac = pepper.mac(token);
        if bool::from(mac.is(&current.mac)) {
            if now >= current.until || now >= self.ends || self.uses >= USES_MAX {
                return Refreshed::Nothing;
            }
            let (access, refresh) = self.successors(pepper, token);
            let family =
                self.after(Used { mac, at: now }, (&access, &refresh), scopes, (lifetimes, pepper));
            let pair = family.pair(access, Some(refresh));
            return Refreshed::Anew(Box::new(family), pair);
        }
        if let Some(used) = &self.used
            && bool::from(mac.is(&used.mac))
        {
            let in_time = now.since(used.at) <= lifetimes.grace && now < self.ends;
            if !in_time {
                return Refreshed::Used;
            }
            let (access, refresh) = self.successors(pepper, token);
            return Refreshed::Again(self.pair(access, Some(refresh)));
        }
        if self.descends_from(token, pepper) { Refreshed::Used } else { Refreshed::Nothing }
    }

    /// What the access token with this MAC is good for at `now`.
    pub fn admitted(&self, mac: KeyMac, now: UnixNanos) -> Option<Access<'_>> {
        let is_it = |kept: &&Kept| bool::from(mac.is(&kept.mac));
        let before = self.access_before.as_ref().filter(is_it);
        let found = before.or_else(|| Some(&self.access).filter(is_it))?;
        let scopes = found.scopes.as_deref().or(self.scopes.as_deref());
        (now < found.until && now < self.ends).then_some(Access {
            scopes,
            since: found.at,
            until: found.until,
        })
    }

    /// Whether `token` is the refresh token of this family at `now`, since when and until when.
    pub fn refreshes(
        &self,
        token: &str,
        pepper: &Pepper,
        now: UnixNanos,
    ) -> Option<(UnixNanos, UnixNanos)> {
        let kept = self.refresh.as_ref()?;
        let is_it = bool::from(pepper.mac(token).is(&kept.mac));
        (is_it && now < kept.until && now < self.ends).then_some((kept.at, kept.until))
    }

    /// Whether `token` is or was a token of this family: who shows it may end the family.
    pub fn knows(&self, token: &str, pepper: &Pepper) -> bool {
        let mac = pepper.mac(token);
        let accesses = std::iter::once(&self.access).chain(&self.access_before);
        let kept = accesses.chain(&self.refresh).any(|kept| bool::from(mac.is(&kept.mac)));
        kept || self.descends_from(token, pepper)
    }

    /// The client's key with what tokens narrowed to `scopes` may use of it: what is still given to the key. The same
    /// value each time, as long as the key is.
    pub fn narrowed(&self, key: &Arc<ApiKey>, scopes: Option<&[String]>) -> Arc<ApiKey> {
        let Some(scopes) = scopes else { return Arc::clone(key) };
        let mut known = self.narrowed.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|it| Arc::ptr_eq(&it.from, key));
        if let Some(found) = known.iter().find(|it| it.scopes == scopes) {
            return Arc::clone(&found.key);
        }
        let given = key.scopes.iter().filter(|scope| scopes.contains(scope)).cloned().collect();
        let narrow = Arc::new(ApiKey { scopes: given, ..ApiKey::clone(key) });
        if known.len() >= NARROWED_MAX {
            known.clear();
        }
        let (from, scopes) = (Arc::clone(key), scopes.to_vec());
        known.push(Narrow { from, scopes, key: Arc::clone(&narrow) });
        narrow
    }

    /// When nothing of it is of any use any more.
    pub fn kept_until(&self) -> UnixNanos {
        let refresh = self.refresh.as_ref().map_or(self.access.until, |kept| kept.until);
        self.access.until.max(refresh).min(self.ends)
    }

    fn successors(&self, pepper: &Pepper, token: &str) -> (Secret<String>, Secret<String>) {
        let access = ACCESS.write(self.id.as_str(), pepper.successor("access", token).expose());
        (Secret::new(access), self.next(pepper, token))
    }

    fn next(&self, pepper: &Pepper, token: &str) -> Secret<String> {
        let secret = pepper.successor("refresh", token);
        Secret::new(REFRESH.write(self.id.as_str(), secret.expose()))
    }

    /// The family after the refresh token with this MAC was used.
    fn after(
        &self,
        used: Used,
        (access, refresh): (&Secret<String>, &Secret<String>),
        scopes: Option<Vec<String>>,
        (lifetimes, pepper): (&TokenLifetimes, &Pepper),
    ) -> Self {
        let keep = |token: &Secret<String>, life, scopes| Kept {
            mac: pepper.mac(token.expose()),
            at: used.at,
            until: used.at.plus(life).min(self.ends),
            scopes,
        };
        Self {
            id: self.id.clone(),
            tenant: self.tenant.clone(),
            key: self.key.clone(),
            secret: self.secret,
            scopes: self.scopes.clone(),
            created: self.created,
            ends: self.ends,
            access: keep(access, lifetimes.access, scopes),
            access_before: Some(self.access.clone()),
            refresh: Some(keep(refresh, lifetimes.refresh, None)),
            used: Some(used),
            uses: self.uses.saturating_add(1),
            narrowed: Narrowed::default(),
        }
    }

    fn pair(&self, access: Secret<String>, refresh: Option<Secret<String>>) -> TokenPair {
        let kept = self.refresh.as_ref().map(|kept| kept.until);
        TokenPair {
            access,
            access_until: self.access.until,
            refresh: refresh.zip(kept),
            scopes: self.access.scopes.clone().or_else(|| self.scopes.clone()),
        }
    }

    /// Whether the refresh token of now follows from `token`.
    fn descends_from(&self, token: &str, pepper: &Pepper) -> bool {
        let Some(current) = &self.refresh else { return false };
        let mut next = self.next(pepper, token);
        for _ in 0..self.uses.min(USES_MAX) {
            if bool::from(pepper.mac(next.expose()).is(&current.mac)) {
                return true;
            }
            next = self.next(pepper, next.expose());
        }
        false
    }
}

/// What an access token is good for.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// What it is narrowed to.
    pub scopes: Option<&'a [String]>,
    /// When it was given.
    pub since: UnixNanos,
    /// When it ends.
    pub until: UnixNanos,
}

/// Why a family was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepFamilyError {
    /// Somebody else was quicker: read it again. For a new one: its id is taken.
    #[error("the family was changed by somebody else")]
    Changed,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
}

/// Where families are kept.
#[async_trait]
pub trait TokenFamilies: Send + Sync + fmt::Debug {
    /// Looks in memory only. `None` says nothing about the store.
    fn cached(&self, id: &FamilyId) -> Option<Arc<TokenFamily>>;

    /// Finds a family, in memory first.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    async fn find(&self, id: &FamilyId) -> Result<Option<Arc<TokenFamily>>, StoreUnavailable>;

    /// The family as it is in the store, with its version.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    async fn kept(
        &self,
        id: &FamilyId,
    ) -> Result<Option<(Arc<TokenFamily>, u64)>, StoreUnavailable>;

    /// Keeps a new family.
    ///
    /// # Errors
    /// [`KeepFamilyError`].
    async fn create(&self, family: TokenFamily) -> Result<(), KeepFamilyError>;

    /// Keeps a family instead of the one of `version`.
    ///
    /// # Errors
    /// [`KeepFamilyError`].
    async fn replace(&self, family: TokenFamily, version: u64) -> Result<(), KeepFamilyError>;

    /// Ends a family: at once here, within two seconds on every node.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when it may still be alive.
    async fn end(&self, id: &FamilyId) -> Result<(), StoreUnavailable>;
}
