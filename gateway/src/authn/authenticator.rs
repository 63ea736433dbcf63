//! Who asks: reads the one credential of a request and says whose it is, or refuses.
//!
//! `Authorization: Bearer` (RFC 6750 §2.1) with an API key or an access token, or `Cookie: __Host-hubgate=…`, never both. A credential that
//! fails ends the request: it never falls through to another scheme or to [`Principal::Anonymous`].

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::api_key::{ApiKey, ApiKeyToken, ApiKeys};
use super::cookies::{Presented, session_cookie};
use super::pepper::{KeyMac, Pepper};
use super::session::{
    Session, SessionId, SessionLimits, Sessions, StoreUnavailable, TOUCH_INTERVAL,
};
use super::tokens::{Bearer, ProvedClient, Tokens};
use crate::model::{
    AuthMethod, Dependency, KeyId, Malformed, MemberId, Principal, Refusal, TenantId, UnixNanos,
};

/// Proves who asks. Only [`Authenticator::authenticate`] makes one, and for a client that asks for tokens,
/// [`Authenticated::of_client`].
#[derive(Clone, Debug)]
pub struct Authenticated {
    principal: Principal,
    proof: Proof,
}

#[derive(Clone, Debug)]
enum Proof {
    Nothing,
    Session(Arc<Session>),
    /// The key as it was found, and the secret that was proved.
    ApiKey(Arc<ApiKey>, KeyMac),
    /// An access token, with the key as it may be used by it.
    AccessToken(Bearer),
}

impl Authenticated {
    const ANONYMOUS: Self = Self { principal: Principal::Anonymous, proof: Proof::Nothing };

    fn person(session: Arc<Session>) -> Self {
        let principal = Principal::User { person: session.person.clone(), member: None };
        Self { principal, proof: Proof::Session(session) }
    }

    fn machine(key: Arc<ApiKey>, mac: KeyMac) -> Self {
        let principal = Principal::ApiClient { tenant: key.tenant.clone(), key: key.id.clone() };
        Self { principal, proof: Proof::ApiKey(key, mac) }
    }

    /// An API client that proved itself by what it asks for tokens with.
    pub fn of_client(client: &ProvedClient) -> Self {
        Self::machine(Arc::clone(&client.key), client.secret)
    }

    fn bearer(bearer: Bearer) -> Self {
        let key = &bearer.key;
        let principal = Principal::ApiClient { tenant: key.tenant.clone(), key: key.id.clone() };
        Self { principal, proof: Proof::AccessToken(bearer) }
    }

    /// The one who asks. A person's membership is `None` until [`Authenticated::with_member`].
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Sets the membership the organisation's directory has for this person, or that it has none. Nothing
    /// for others.
    #[must_use]
    pub fn with_member(mut self, found: Option<MemberId>) -> Self {
        if let Principal::User { member, .. } = &mut self.principal {
            *member = found;
        }
        self
    }

    /// How it was proved.
    pub const fn method(&self) -> AuthMethod {
        match self.proof {
            Proof::Nothing => AuthMethod::None,
            Proof::Session(_) => AuthMethod::Session,
            Proof::ApiKey(..) => AuthMethod::ApiKey,
            Proof::AccessToken(_) => AuthMethod::AccessToken,
        }
    }

    /// The session, where there is one.
    pub const fn session(&self) -> Option<&Arc<Session>> {
        match &self.proof {
            Proof::Session(session) => Some(session),
            Proof::Nothing | Proof::ApiKey(..) | Proof::AccessToken(_) => None,
        }
    }

    /// The API key, where there is one; of an access token the key it was given for, as far as the token goes.
    pub const fn api_key(&self) -> Option<&Arc<ApiKey>> {
        match &self.proof {
            Proof::ApiKey(key, _) | Proof::AccessToken(Bearer { key, .. }) => Some(key),
            Proof::Nothing | Proof::Session(_) => None,
        }
    }

    /// Whether the very same value of the same credential proves both. A secret and its successor are two proofs of one
    /// key: a stream that was opened by one does not go on by the other.
    pub fn is_proved_as(&self, other: &Self) -> bool {
        match (&self.proof, &other.proof) {
            (Proof::Session(one), Proof::Session(other)) => Arc::ptr_eq(one, other),
            (Proof::ApiKey(one, mac), Proof::ApiKey(other, others)) => {
                Arc::ptr_eq(one, other) && bool::from(mac.is(others))
            }
            (Proof::AccessToken(one), Proof::AccessToken(other)) => {
                Arc::ptr_eq(&one.key, &other.key) && bool::from(one.token.is(&other.token))
            }
            _ => false,
        }
    }

    /// Tells most proofs of one key apart; [`Authenticated::is_proved_as`] tells all.
    pub fn proof_hint(&self) -> u64 {
        match &self.proof {
            Proof::Nothing | Proof::Session(_) => 0,
            Proof::ApiKey(_, mac) => mac.hint(),
            Proof::AccessToken(bearer) => bearer.token.hint(),
        }
    }

    /// Names the credential in limits and records without giving it away: the session's hash, the key's
    /// public half, or nothing.
    pub fn credential_handle(&self) -> String {
        match &self.proof {
            Proof::Nothing => String::new(),
            Proof::Session(session) => session.key.to_string(),
            Proof::ApiKey(key, _) | Proof::AccessToken(Bearer { key, .. }) => key.id.to_string(),
        }
    }
}

/// Authenticates requests.
#[derive(Debug)]
pub struct Authenticator {
    sessions: Arc<dyn Sessions>,
    keys: Arc<dyn ApiKeys>,
    pepper: Pepper,
    tokens: Arc<Tokens>,
    limits: SessionLimits,
}

impl Authenticator {
    /// Gathers what it asks. `pepper` is the one the keys were issued under.
    pub fn new(
        sessions: Arc<dyn Sessions>,
        keys: Arc<dyn ApiKeys>,
        (pepper, tokens): (Pepper, Arc<Tokens>),
        limits: SessionLimits,
    ) -> Self {
        Self { sessions, keys, pepper, tokens, limits }
    }

    /// Says who asks, from `Authorization` and `Cookie`.
    ///
    /// # Errors
    /// The [`Refusal`]: repeated or mixed credentials, one that is not in force, or a silent store.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        now: UnixNanos,
    ) -> Result<Authenticated, Refusal> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let (authorization, second) = (lines.next(), lines.next());
        if second.is_some() {
            return Err(Refusal::Malformed(Malformed::Repeated));
        }
        match (authorization, session_cookie(headers)) {
            (None, Presented::One(id)) => self.person(&id, now).await,
            // CK-03: a cookie somebody tossed in beside ours must not end or replace a session of its
            // choosing; the request goes on as if there were none.
            (None, Presented::Nothing | Presented::Repeated) => Ok(Authenticated::ANONYMOUS),
            (None, Presented::Malformed) => Err(Refusal::CredentialInvalid),
            (Some(value), Presented::Nothing) => {
                let value = value.to_str().map_err(|_| Refusal::CredentialInvalid)?;
                self.machine(value, now).await
            }
            // RFC 6750 §2: clients MUST NOT use more than one method to transmit the token.
            (Some(_), _) => Err(Refusal::Malformed(Malformed::CredentialPlacement)),
        }
    }

    /// Who asks as they are now, for requests that live long: nobody, once the credential or the secret that was proved
    /// is not in force any more; with what the key is given now, not what it was given then. A silent store means no.
    pub async fn renewed(
        &self,
        authenticated: &Authenticated,
        now: UnixNanos,
    ) -> Option<Authenticated> {
        match &authenticated.proof {
            Proof::Nothing => Some(authenticated.clone()),
            Proof::Session(session) => {
                let found = self.sessions.find(&session.key).await.ok()??;
                let same = self.limits.allow(&found, now) && found.person == session.person;
                same.then(|| authenticated.clone())
            }
            Proof::ApiKey(key, mac) => {
                let found = self.keys.find(&key.id).await.ok()??;
                let same = found.tenant == key.tenant && found.in_force(now);
                (same && found.counts(mac, now)).then(|| Authenticated::machine(found, *mac))
            }
            Proof::AccessToken(bearer) => {
                self.tokens.renewed(bearer, now).await.map(Authenticated::bearer)
            }
        }
    }

    /// The key of an organisation with this id, if it is in force.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when the store is silent.
    pub async fn key_in_force(
        &self,
        tenant: &TenantId,
        id: &KeyId,
        now: UnixNanos,
    ) -> Result<Option<Arc<ApiKey>>, Refusal> {
        let found = self.keys.find(id).await.map_err(unavailable)?;
        Ok(found.filter(|key| key.tenant == *tenant && key.in_force(now)))
    }

    async fn person(&self, id: &SessionId, now: UnixNanos) -> Result<Authenticated, Refusal> {
        let key = id.key();
        let session = match self.sessions.cached(&key) {
            Some(session) => session,
            None => self
                .sessions
                .find(&key)
                .await
                .map_err(unavailable)?
                .ok_or(Refusal::CredentialInvalid)?,
        };
        if !self.limits.allow(&session, now) {
            return Err(Refusal::CredentialInvalid);
        }
        if now.since(session.last_seen) >= TOUCH_INTERVAL {
            // The session is in force whether or not its use can be noted; unnoted, it ends sooner.
            if let Err(error) = self.sessions.touch(&key, now).await {
                tracing::warn!(session = %key, %error, "a session's use was not noted");
            }
        }
        Ok(Authenticated::person(session))
    }

    async fn machine(&self, value: &str, now: UnixNanos) -> Result<Authenticated, Refusal> {
        let token = bearer(value).ok_or(Refusal::CredentialInvalid)?;
        let Ok(token) = ApiKeyToken::parse(token) else {
            let bearer = self.tokens.bearer(token, now).await.map_err(unavailable)?;
            return bearer.map(Authenticated::bearer).ok_or(Refusal::CredentialInvalid);
        };
        let key = match self.keys.cached(token.id()) {
            Some(key) => Some(key),
            None => self.keys.find(token.id()).await.map_err(unavailable)?,
        };
        let proved = token.proof(key.as_deref(), &self.pepper, now);
        let key = key.filter(|key| key.in_force(now)).zip(proved);
        let (key, mac) = key.ok_or(Refusal::CredentialInvalid)?;
        if key.used.is_news(now) {
            self.keys.note_use(&key, now);
        }
        Ok(Authenticated::machine(key, mac))
    }
}

const fn unavailable(_: StoreUnavailable) -> Refusal {
    Refusal::Unavailable(Dependency::Store)
}

/// The token of `Bearer <token>`. RFC 9110 §11.1: the scheme's name is case-insensitive.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests;
