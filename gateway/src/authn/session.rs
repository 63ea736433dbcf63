//! A person's session: the secret in the cookie, its key in the store, how long it lives.
//!
//! The cookie value itself is kept nowhere; the store and the log know its SHA-256 only.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::model::{EntityUid, Entropy, EntropyError, PersonId, Secret, UnixNanos};

/// The secret in the session cookie: 256 random bits as 43 characters of base64url.
#[derive(Clone, Debug)]
pub struct SessionId(Secret<String>);

/// Characters of a session id: 32 bytes in base64url without padding (RFC 4648 §5).
const ID_CHARS: usize = 43;

impl SessionId {
    /// Makes a new id.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        entropy.token().map(|token| Self(Secret::new(token)))
    }

    /// Reads a cookie value; `None` when it cannot be an id of ours.
    pub fn parse(value: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        let is_id = value.len() == ID_CHARS
            && URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).is_ok_and(|length| length == 32);
        is_id.then(|| Self(Secret::new(value.to_owned())))
    }

    /// The name the session is kept under.
    pub fn key(&self) -> SessionKey {
        SessionKey(Sha256::digest(self.0.expose().as_bytes()).into())
    }

    /// The cookie value, for `Set-Cookie` only.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// SHA-256 of a session id, shown as 64 hex digits: the key in the store and the handle in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 32]);

/// A text that is no session key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session key is 64 lower-case hex digits")]
pub struct SessionKeyError;

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

impl FromStr for SessionKey {
    type Err = SessionKeyError;

    fn from_str(text: &str) -> Result<Self, SessionKeyError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(SessionKeyError);
        }
        let mut key = [0_u8; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair
                .iter()
                .try_fold(0_u8, |high, digit| Some(high << 4 | hex_value(*digit)?))
                .ok_or(SessionKeyError)?;
        }
        Ok(Self(key))
    }
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// A signed-in person's session, as the request path sees it. It stays below a kilobyte: the ID token is
/// kept sealed beside it and read by [`Sessions::id_token`] at sign-out only.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its key.
    pub key: SessionKey,
    /// Who signed in.
    pub person: PersonId,
    /// A name to show. Never identifies.
    pub display_name: String,
    /// When the person signed in.
    pub created: UnixNanos,
    /// When a request last used it, exact to [`TOUCH_INTERVAL`].
    pub last_seen: UnixNanos,
    /// The session's name at the provider (`sid`).
    pub provider_session: Option<String>,
    /// The node of the organisation's tree the person chose to work in. A wish: it gives no authority.
    pub active: Option<EntityUid>,
    /// The token a form on our pages must carry (CK-08).
    pub csrf: Secret<String>,
}

/// What a sign-in hands over to be kept.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The provider's ID token, the hint for signing out there. Kept sealed.
    pub id_token: Option<Secret<String>>,
}

/// How often the last use of a session is written: once a minute is exact enough for an idle limit
/// counted in tens of minutes, and keeps writes off the request path.
pub const TOUCH_INTERVAL: Duration = Duration::from_mins(1);

/// How far ahead of our clock a session may have begun before it is taken for damage. Clocks of nodes
/// and corrections of one clock stay well below a minute.
const CLOCK_STEP_MAX: Duration = Duration::from_mins(1);

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// A session not used for this long is over.
    pub idle: Duration,
    /// A session older than this is over, used or not.
    pub absolute: Duration,
}

impl Default for SessionLimits {
    /// One hour idle, 24 hours at all: the bounds of NIST SP 800-63B at AAL2 (CK-05).
    fn default() -> Self {
        Self { idle: Duration::from_hours(1), absolute: Duration::from_hours(24) }
    }
}

impl SessionLimits {
    /// When `session` ends if nobody uses it again.
    pub fn end_of(&self, session: &Session) -> UnixNanos {
        session.created.plus(self.absolute).min(session.last_seen.plus(self.idle))
    }

    /// Whether `session` is alive at `now`. The end itself is over already.
    pub fn allow(&self, session: &Session, now: UnixNanos) -> bool {
        let began = session.created <= now.plus(CLOCK_STEP_MAX);
        began && now < self.end_of(session)
    }
}

/// The store could not answer. The caller refuses: what cannot be checked is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state store does not answer")]
pub struct StoreUnavailable;

/// Where sessions are kept.
#[async_trait]
pub trait Sessions: Send + Sync + fmt::Debug {
    /// Looks in memory only. `None` says nothing about the store.
    fn cached(&self, key: &SessionKey) -> Option<Arc<Session>>;

    /// Finds a session, in memory first. It may be over: the caller asks [`SessionLimits::allow`].
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer.
    async fn find(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreUnavailable>;

    /// Keeps a new session.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when it could not be kept.
    async fn create(&self, new: NewSession) -> Result<(), StoreUnavailable>;

    /// Notes a use. A session that is gone stays gone.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when it could not be noted.
    async fn touch(&self, key: &SessionKey, now: UnixNanos) -> Result<(), StoreUnavailable>;

    /// Notes the node a person chose to work in, or that none is chosen any more. A session that is gone
    /// stays gone.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when it could not be noted.
    async fn work_in(
        &self,
        key: &SessionKey,
        node: Option<&EntityUid>,
    ) -> Result<(), StoreUnavailable>;

    /// Ends a session: at once here, within two seconds on every node.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when it may still be alive.
    async fn remove(&self, key: &SessionKey) -> Result<(), StoreUnavailable>;

    /// The ID token of the sign-in, opened.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer or the seal does not open.
    async fn id_token(&self, key: &SessionKey) -> Result<Option<Secret<String>>, StoreUnavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectionId, OsEntropy, TenantId};

    fn session(created: u64, last_seen: u64) -> Session {
        Session {
            key: SessionId::generate(&OsEntropy).unwrap().key(),
            person: PersonId {
                tenant: TenantId::parse("nordvolt").unwrap(),
                connection: ConnectionId::parse("main").unwrap(),
                issuer: "https://idp.example".into(),
                subject: "s-1".into(),
            },
            display_name: "Ada Admin".into(),
            created: UnixNanos::from_seconds(created),
            last_seen: UnixNanos::from_seconds(last_seen),
            provider_session: None,
            active: None,
            csrf: Secret::new("c".into()),
        }
    }

    #[test]
    fn accepts_its_own_ids() {
        let id = SessionId::generate(&OsEntropy).unwrap();
        assert_eq!(SessionId::parse(id.expose()).unwrap().key(), id.key());
    }

    #[test]
    fn rejects_what_is_no_id() {
        let stray_bits = format!("{}B", "A".repeat(42));
        let texts = ["", "A", &"A".repeat(42), &"A".repeat(44), &"+".repeat(43), &stray_bits];
        for text in texts {
            assert!(SessionId::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_id_shows_nothing_and_its_key_is_its_hash() {
        let id = SessionId::parse(&"A".repeat(43)).unwrap();
        assert_eq!(format!("{id:?}"), "SessionId([secret])");
        let key = id.key().to_string();
        assert_eq!(key.len(), 64);
        assert_eq!(key.parse::<SessionKey>().unwrap(), id.key());
        assert!(key.to_uppercase().parse::<SessionKey>().is_err());
        assert!("00".parse::<SessionKey>().is_err());
    }

    #[test]
    fn a_session_ends_idle_and_at_its_absolute_limit() {
        let limits = SessionLimits::default();
        let at = UnixNanos::from_seconds;
        let cases = [
            (0, 0, 3599, true),
            (0, 0, 3600, false),
            (0, 80_000, 83_599, true),
            (0, 86_000, 86_399, true),
            (0, 86_000, 86_400, false),
        ];
        for (created, seen, now, alive) in cases {
            assert_eq!(limits.allow(&session(created, seen), at(now)), alive, "{seen} {now}");
        }
    }

    #[test]
    fn a_session_from_the_future_is_over_but_a_small_step_back_is_not() {
        let limits = SessionLimits::default();
        assert!(limits.allow(&session(1060, 1060), UnixNanos::from_seconds(1000)));
        assert!(!limits.allow(&session(1061, 1061), UnixNanos::from_seconds(1000)));
    }
}
