//! Gives API clients tokens for their secret, new ones for a refresh token, and takes them back.

use std::sync::Arc;

use super::api_key::{ApiKey, ApiKeys};
use super::pepper::{KeyMac, Pepper};
use super::session::StoreUnavailable;
use super::token_family::{
    Access, KeepFamilyError, NewFamily, Refreshed, TokenFamilies, TokenFamily, TokenLifetimes,
    TokenPair, family_of_access, family_of_refresh,
};
use crate::model::{Entropy, FamilyId, KeyId, Refusal, TenantId, UnixNanos};

/// Everything that gives and takes tokens.
#[derive(Debug)]
pub struct Tokens {
    parts: TokensParts,
}

/// What tokens are made with.
#[derive(Debug)]
pub struct TokensParts {
    /// The clients.
    pub keys: Arc<dyn ApiKeys>,
    /// Where families are kept.
    pub families: Arc<dyn TokenFamilies>,
    /// The one the keys were issued under.
    pub pepper: Pepper,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How long tokens live.
    pub lifetimes: TokenLifetimes,
}

/// A client that proved its secret.
#[derive(Clone, Debug)]
pub struct ProvedClient {
    pub(super) key: Arc<ApiKey>,
    pub(super) secret: KeyMac,
}

impl ProvedClient {
    /// The client.
    pub const fn key(&self) -> &Arc<ApiKey> {
        &self.key
    }
}

/// Tokens, and whose they are.
#[derive(Debug)]
pub struct Issued {
    /// The tokens.
    pub pair: TokenPair,
    /// The client.
    pub client: Arc<ApiKey>,
    /// Their family.
    pub family: FamilyId,
    /// Whether the same were given before.
    pub again: bool,
}

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTokens {
    /// The refresh token is none that counts.
    #[error("the refresh token does not count")]
    Grant,
    /// The refresh token was used before, or by another client: its family is ended now.
    #[error("the refresh token was used before, or by another client")]
    Used {
        /// Whose it was.
        tenant: TenantId,
        /// The client it was made for.
        key: KeyId,
        /// The family that is ended.
        family: FamilyId,
    },
    /// More is asked for than the client has.
    #[error("a scope is asked for that the client does not have")]
    Scope,
    /// Keys of this kind get no tokens.
    #[error("a key of this kind is not exchanged for tokens")]
    Kind,
    /// The client is not to be given tokens here.
    #[error("the client gets no tokens here")]
    Unwelcome(Refusal),
    /// It cannot be kept, or made.
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
}

/// A token as introspection tells of it.
#[derive(Debug)]
pub struct TokenState {
    /// The client.
    pub client: Arc<ApiKey>,
    /// When it ends.
    pub until: UnixNanos,
    /// When it was given.
    pub since: UnixNanos,
    /// Whether it is a refresh token.
    pub refresh: bool,
}

/// Proof of an access token.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    pub(super) key: Arc<ApiKey>,
    pub(super) family: Arc<TokenFamily>,
    pub(super) token: KeyMac,
    pub(super) since: UnixNanos,
    pub(super) until: UnixNanos,
}

/// Says why a client is not to be given tokens, if so.
pub type Welcome<'a> = &'a (dyn Fn(&ApiKey) -> Result<(), Refusal> + Sync);

/// How often tokens are tried for against other uses of the same refresh token. Whoever loses sees the winner's.
const TRIES: usize = 8;

impl Tokens {
    /// Puts them together.
    pub const fn new(parts: TokensParts) -> Self {
        Self { parts }
    }

    /// How long tokens live.
    pub const fn lifetimes(&self) -> &TokenLifetimes {
        &self.parts.lifetimes
    }

    /// The client `id`, if `secret` is its secret. The same work is done for a client nobody knows (AS-03).
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    pub async fn client(
        &self,
        id: &str,
        secret: &str,
        now: UnixNanos,
    ) -> Result<Option<ProvedClient>, StoreUnavailable> {
        // What cannot be an id is looked for under one that nobody has.
        let id = KeyId::parse(id).or_else(|_| KeyId::parse("nobody"));
        let key = match id {
            Ok(id) => self.parts.keys.find(&id).await?,
            Err(_) => None,
        };
        let mac = self.parts.pepper.mac(secret);
        let counts = ApiKey::proves(key.as_deref(), &mac, now);
        let key = key.filter(|key| counts && key.in_force(now));
        if let Some(key) = &key
            && key.used.is_news(now)
        {
            self.parts.keys.note_use(key, now);
        }
        Ok(key.map(|key| ProvedClient { key, secret: mac }))
    }

    /// The client a refresh token was made for, if the token was ever one and the client is in force. It may have been used
    /// already: [`Tokens::refresh`] tells.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    pub async fn holder(
        &self,
        token: &str,
        now: UnixNanos,
    ) -> Result<Option<ProvedClient>, StoreUnavailable> {
        let Ok(id) = family_of_refresh(token) else { return Ok(None) };
        let Some((family, _)) = self.parts.families.kept(&id).await? else { return Ok(None) };
        if !family.knows(token, &self.parts.pepper) {
            return Ok(None);
        }
        let key = self.parts.keys.find(&family.key).await?;
        let key = key.filter(|key| holds(key, &family, now));
        Ok(key.map(|key| ProvedClient { key, secret: family.secret }))
    }

    /// Gives tokens to a client that proved its secret, narrowed to `scopes`.
    ///
    /// # Errors
    /// [`NoTokens`].
    pub async fn issue(
        &self,
        client: &ProvedClient,
        (scopes, refresh): (Option<Vec<String>>, bool),
        now: UnixNanos,
    ) -> Result<Issued, NoTokens> {
        let key = &client.key;
        if key.bootstrap || key.emergency {
            return Err(NoTokens::Kind);
        }
        if !covers(&key.scopes, scopes.as_deref()) {
            return Err(NoTokens::Scope);
        }
        let parts = &self.parts;
        let with = (&parts.pepper, &*parts.entropy);
        let new = NewFamily { client: key, secret: client.secret, scopes, refresh };
        let (family, pair) =
            TokenFamily::begin(new, &parts.lifetimes, with, now).map_err(|_| StoreUnavailable)?;
        let id = family.id.clone();
        match parts.families.create(family).await {
            Ok(()) => {}
            // Of 80 random bits the same: not in this world, and not twice.
            Err(KeepFamilyError::Changed) => return Err(NoTokens::Store(StoreUnavailable)),
            Err(KeepFamilyError::Store(error)) => return Err(NoTokens::Store(error)),
        }
        Ok(Issued { pair, client: Arc::clone(key), family: id, again: false })
    }

    /// Gives new tokens for a refresh token. A client that proved its secret must be the one the token was made for; without
    /// one the token is proof enough. Nothing changes for a client that is not welcome.
    ///
    /// # Errors
    /// [`NoTokens`].
    pub async fn refresh(
        &self,
        (token, scopes): (&str, Option<Vec<String>>),
        (client, welcome): (Option<&ProvedClient>, Welcome<'_>),
        now: UnixNanos,
    ) -> Result<Issued, NoTokens> {
        let id = family_of_refresh(token).map_err(|_| NoTokens::Grant)?;
        let parts = &self.parts;
        for _ in 0..TRIES {
            let Some((family, version)) = parts.families.kept(&id).await? else {
                return Err(NoTokens::Grant);
            };
            let wish = (token, scopes.clone());
            let refreshed = family.refreshed(wish, &parts.lifetimes, &parts.pepper, now);
            if matches!(refreshed, Refreshed::Nothing) {
                return Err(NoTokens::Grant);
            }
            if client.is_some_and(|client| client.key.id != family.key) {
                return Err(self.used(&family).await?);
            }
            let key = parts.keys.find(&family.key).await?;
            let key = key.filter(|key| holds(key, &family, now)).ok_or(NoTokens::Grant)?;
            welcome(&key).map_err(NoTokens::Unwelcome)?;
            let within = family.scopes.as_deref().unwrap_or(&key.scopes);
            if !covers(within, scopes.as_deref()) || !covers(&key.scopes, scopes.as_deref()) {
                return Err(NoTokens::Scope);
            }
            let issued = |pair, again| Issued { pair, client: key, family: id.clone(), again };
            match refreshed {
                Refreshed::Nothing => return Err(NoTokens::Grant),
                Refreshed::Used => return Err(self.used(&family).await?),
                Refreshed::Again(pair) => return Ok(issued(pair, true)),
                Refreshed::Anew(next, pair) => match parts.families.replace(*next, version).await {
                    Ok(()) => return Ok(issued(pair, false)),
                    Err(KeepFamilyError::Changed) => {}
                    Err(KeepFamilyError::Store(error)) => return Err(NoTokens::Store(error)),
                },
            }
        }
        Err(NoTokens::Store(StoreUnavailable))
    }

    /// Takes back the tokens of the family `token` is of, if the client is the one they were made for; which one it was.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when they may still count.
    pub async fn revoke(
        &self,
        token: &str,
        client: &ProvedClient,
    ) -> Result<Option<FamilyId>, StoreUnavailable> {
        let Ok(id) = family_of_access(token).or_else(|_| family_of_refresh(token)) else {
            return Ok(None);
        };
        let Some((family, _)) = self.parts.families.kept(&id).await? else { return Ok(None) };
        let own = family.key == client.key.id && family.tenant == client.key.tenant;
        if !own || !family.knows(token, &self.parts.pepper) {
            return Ok(None);
        }
        self.parts.families.end(&id).await?;
        Ok(Some(id))
    }

    /// What a token is good for now; nothing, if it does not count.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    pub async fn state(
        &self,
        token: &str,
        now: UnixNanos,
    ) -> Result<Option<TokenState>, StoreUnavailable> {
        if let Some(bearer) = self.bearer(token, now).await? {
            let (since, until) = (bearer.since, bearer.until);
            return Ok(Some(TokenState { client: bearer.key, until, since, refresh: false }));
        }
        let Ok(id) = family_of_refresh(token) else { return Ok(None) };
        let Some(family) = self.parts.families.find(&id).await? else { return Ok(None) };
        let found = family.refreshes(token, &self.parts.pepper, now);
        let Some((since, until)) = found else { return Ok(None) };
        let key = self.parts.keys.find(&family.key).await?;
        let key = key.filter(|key| holds(key, &family, now));
        Ok(key.map(|key| {
            let client = family.narrowed(&key, family.scopes.as_deref());
            TokenState { client, until, since, refresh: true }
        }))
    }

    /// Whose access token `token` is.
    pub(super) async fn bearer(
        &self,
        token: &str,
        now: UnixNanos,
    ) -> Result<Option<Bearer>, StoreUnavailable> {
        let Ok(id) = family_of_access(token) else { return Ok(None) };
        let mac = self.parts.pepper.mac(token);
        let admits = |family: &Arc<TokenFamily>| family.admitted(mac, now).is_some();
        let family = match self.parts.families.cached(&id).filter(admits) {
            Some(family) => family,
            // What was refreshed elsewhere may be used here before that is heard of.
            None => match self.parts.families.kept(&id).await? {
                Some((family, _)) => family,
                None => return Ok(None),
            },
        };
        let Some(access) = family.admitted(mac, now) else { return Ok(None) };
        let key = match self.parts.keys.cached(&family.key) {
            Some(key) => Some(key),
            None => self.parts.keys.find(&family.key).await?,
        };
        let Some(key) = key.filter(|key| holds(key, &family, now)) else { return Ok(None) };
        if key.used.is_news(now) {
            self.parts.keys.note_use(&key, now);
        }
        let Access { scopes, since, until } = access;
        let key = family.narrowed(&key, scopes);
        Ok(Some(Bearer { key, family, token: mac, since, until }))
    }

    /// The same proof as it is now, for requests that live long.
    pub(super) async fn renewed(&self, bearer: &Bearer, now: UnixNanos) -> Option<Bearer> {
        let family = self.parts.families.find(&bearer.family.id).await.ok()??;
        let Access { scopes, since, until } = family.admitted(bearer.token, now)?;
        let key = self.parts.keys.find(&family.key).await.ok()??;
        if !holds(&key, &family, now) {
            return None;
        }
        let key = family.narrowed(&key, scopes);
        Some(Bearer { key, token: bearer.token, since, until, family })
    }

    /// Ends a family whose refresh token somebody else may have.
    async fn used(&self, family: &TokenFamily) -> Result<NoTokens, StoreUnavailable> {
        self.parts.families.end(&family.id).await?;
        let (tenant, key) = (family.tenant.clone(), family.key.clone());
        Ok(NoTokens::Used { tenant, key, family: family.id.clone() })
    }
}

/// Whether the key still gives what its family was made for.
fn holds(key: &ApiKey, family: &TokenFamily, now: UnixNanos) -> bool {
    key.tenant == family.tenant && key.in_force(now) && key.counts(&family.secret, now)
}

/// Whether all that is wished for is among what there is.
fn covers(given: &[String], wished: Option<&[String]>) -> bool {
    wished.is_none_or(|wished| wished.iter().all(|scope| given.contains(scope)))
}

#[cfg(test)]
mod tests;
