//! What is known of one connection's provider, and when it is asked again (DI-08, DI-09, DI-13).

use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::CoreJsonWebKeySet;
use tokio::sync::Mutex;

use crate::authn::SignInError;
use crate::model::{Connection, UnixNanos};

use super::keys;
use super::metadata::{self, Metadata};
use super::outbound::{Outbound, OutboundError, OutboundSettings};

/// Metadata and keys, read together.
#[derive(Debug)]
pub(super) struct Known {
    /// The metadata.
    pub metadata: Metadata,
    /// The keys that may verify.
    pub keys: CoreJsonWebKeySet,
    fetched: UnixNanos,
}

impl Known {
    /// What was just read, to try a connection out with.
    pub(super) const fn tried(metadata: Metadata, keys: CoreJsonWebKeySet, now: UnixNanos) -> Self {
        Self { metadata, keys, fetched: now }
    }
}

/// One connection's provider. A connection with another issuer or other trust anchors is another one.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    ca_pem: Option<String>,
    by_platform: bool,
    /// The way to it.
    pub outbound: Outbound,
    /// Held while fetching, so that one caller fetches and the others wait for the same answer.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Arc<Known>>,
    forced: Option<UnixNanos>,
    failed: Option<(UnixNanos, SignInError)>,
}

/// How long metadata and keys are used before they are asked for again. A key that was withdrawn verifies
/// nothing after this time.
const LIFETIME: Duration = Duration::from_mins(10);
/// How long they may be used at most while the provider cannot be reached.
const STALE_MAX: Duration = Duration::from_hours(24);
/// At most one fetch for an unknown key in this time: tokens cannot make the gateway hammer a provider.
const FORCED_EVERY: Duration = Duration::from_mins(1);
/// How long a failure is answered without trying again.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);
/// The longest wait for another caller's fetch: metadata and keys, five seconds each.
const WAIT_MAX: Duration = Duration::from_secs(11);

impl Provider {
    /// Prepares to speak with the provider of `connection`.
    pub(super) fn new(
        settings: &OutboundSettings,
        connection: &Connection,
    ) -> Result<Self, SignInError> {
        let outbound = Outbound::new(settings.of(connection), connection.ca_pem.as_deref())
            .map_err(|error| SignInError::Metadata(error.to_string()))?;
        Ok(Self {
            issuer: connection.issuer.clone(),
            ca_pem: connection.ca_pem.clone(),
            by_platform: connection.by_platform,
            outbound,
            state: Mutex::default(),
        })
    }

    /// Whether it is still the provider of `connection`, after a reload.
    pub(super) fn is_of(&self, connection: &Connection) -> bool {
        self.issuer == connection.issuer
            && self.ca_pem == connection.ca_pem
            && self.by_platform == connection.by_platform
    }

    /// What is known, asked for again when it is too old.
    pub(super) async fn known(&self, now: UnixNanos) -> Result<Arc<Known>, SignInError> {
        let mut state = self.locked().await?;
        if let Some(known) = &state.known
            && now.since(known.fetched) < LIFETIME
        {
            return Ok(Arc::clone(known));
        }
        if let Some((at, error)) = &state.failed
            && now.since(*at) < FAILURE_PAUSE
        {
            return stale(&state, now).ok_or_else(|| error.clone());
        }
        self.refresh(&mut state, now).await
    }

    /// What is known, asked for again because a token names a key that `seen` does not hold.
    pub(super) async fn known_beyond(
        &self,
        seen: &Arc<Known>,
        now: UnixNanos,
    ) -> Result<Arc<Known>, SignInError> {
        let mut state = self.locked().await?;
        if let Some(known) = &state.known
            && !Arc::ptr_eq(known, seen)
        {
            return Ok(Arc::clone(known));
        }
        if state.forced.is_some_and(|at| now.since(at) < FORCED_EVERY) {
            return Ok(Arc::clone(seen));
        }
        state.forced = Some(now);
        self.refresh(&mut state, now).await
    }

    async fn locked(&self) -> Result<tokio::sync::MutexGuard<'_, State>, SignInError> {
        tokio::time::timeout(WAIT_MAX, self.state.lock())
            .await
            .map_err(|_| SignInError::Unreachable(String::from("others are waiting for it too")))
    }

    async fn refresh(&self, state: &mut State, now: UnixNanos) -> Result<Arc<Known>, SignInError> {
        match self.fetch(now).await {
            Ok(known) => {
                let known = Arc::new(known);
                state.known = Some(Arc::clone(&known));
                state.failed = None;
                Ok(known)
            }
            Err(error) => {
                // What a provider says now replaces what it said; only silence leaves the old in force.
                if !matches!(error, SignInError::Unreachable(_)) {
                    state.known = None;
                }
                state.failed = Some((now, error.clone()));
                stale(state, now).ok_or(error)
            }
        }
    }

    async fn fetch(&self, now: UnixNanos) -> Result<Known, SignInError> {
        let location = metadata::location(&self.issuer)
            .ok_or_else(|| SignInError::Metadata(String::from("the issuer is not plain https")))?;
        let bytes = self.outbound.json(&location).await.map_err(|error| unreached(&error))?;
        let metadata = Metadata::parse(&bytes, &self.issuer)
            .map_err(|error| SignInError::Metadata(error.to_string()))?;
        let bytes = self.outbound.json(&metadata.keys).await.map_err(|error| unreached(&error))?;
        let keys = keys::parse(&bytes).map_err(|error| SignInError::Metadata(error.to_string()))?;
        Ok(Known { metadata, keys, fetched: now })
    }
}

fn stale(state: &State, now: UnixNanos) -> Option<Arc<Known>> {
    state.known.as_ref().filter(|known| now.since(known.fetched) < STALE_MAX).cloned()
}

/// Silence and 5xx are an outage; any other answer is the provider's word.
fn unreached(error: &OutboundError) -> SignInError {
    let detail = error.to_string();
    match error {
        OutboundError::Timeout | OutboundError::Connection(_) | OutboundError::Answer(_) => {
            SignInError::Unreachable(detail)
        }
        OutboundError::Status(status) if *status >= 500 => SignInError::Unreachable(detail),
        _ => SignInError::Metadata(detail),
    }
}
