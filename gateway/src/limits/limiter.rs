//! The limiter: two limits, one before anybody is known and one after.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use super::states::{KEYS_MAX, States};
use crate::model::{Refusal, TenantId};

/// One limit: `requests` in each `window`, of which `burst` may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name in answers and records.
    pub name: &'static str,
    /// Requests per window.
    pub requests: NonZeroU32,
    /// The window.
    pub window: Duration,
    /// Requests that may come at once after a pause.
    pub burst: NonZeroU32,
}

/// Both limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Per peer address, before authentication.
    pub address: Limit,
    /// Per credential, after it.
    pub credential: Limit,
    /// Most addresses, and most credentials, kept at a time. [`KEYS_MAX`] unless memory is short.
    pub keys_max: usize,
}

impl Default for LimitSettings {
    /// An address gets 100 requests a second, since an office of a hundred people may share one; a credential
    /// gets 50, which no page and no sensible integration exceeds for long.
    fn default() -> Self {
        let limit = |name, requests: u32, burst: u32| Limit {
            name,
            requests: NonZeroU32::MIN.saturating_add(requests - 1),
            window: Duration::from_secs(1),
            burst: NonZeroU32::MIN.saturating_add(burst - 1),
        };
        Self {
            address: limit("address", 100, 200),
            credential: limit("credential", 50, 100),
            keys_max: KEYS_MAX,
        }
    }
}

/// Why a limit cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The window is zero, or so short that a request would take less than a nanosecond.
    #[error("the limit `{0}` has no window, or one too short for its requests")]
    Window(&'static str),
    /// It would never be used up, or not come back in any life: the arithmetic counts in nanoseconds.
    #[error("the limit `{0}` takes more than a year to come back")]
    TooSlow(&'static str),
}

/// What is left of a limit after a request was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The limit's name.
    pub policy: &'static str,
    /// Requests per window.
    pub quota: u32,
    /// The window.
    pub window: Duration,
    /// Requests that could come at once now.
    pub requests: u32,
}

/// Counts requests. Time is `governor`'s monotonic clock, so a step of the wall clock changes nothing.
#[derive(Debug)]
pub struct Limiter<C: Clock = DefaultClock> {
    addresses: Counted<IpAddr, C>,
    credentials: Counted<u128, C>,
    hashers: [RandomState; 2],
}

impl Limiter {
    /// Keeps the limits by the machine's monotonic clock.
    ///
    /// # Errors
    /// [`LimitError`] naming the limit that cannot be kept.
    pub fn new(settings: LimitSettings) -> Result<Self, LimitError> {
        Self::with_clock(settings, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limiter<C> {
    /// Keeps the limits by `clock`.
    ///
    /// # Errors
    /// [`LimitError`] naming the limit that cannot be kept.
    pub fn with_clock(settings: LimitSettings, clock: &C) -> Result<Self, LimitError> {
        Ok(Self {
            addresses: Counted::new(settings.address, settings.keys_max, clock)?,
            credentials: Counted::new(settings.credential, settings.keys_max, clock)?,
            hashers: [RandomState::new(), RandomState::new()],
        })
    }

    /// Counts a request of the peer address, IPv6 by its /64: that is what one site gets for free
    /// (RFC 6177 §2), so single addresses would be no limit at all.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`].
    pub fn admit_address(&self, peer: IpAddr) -> Result<(), Refusal> {
        self.addresses.admit(&network(peer)).map(|_| ())
    }

    /// Counts a request of the credential `handle` of an organisation.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`].
    pub fn admit_credential(&self, tenant: &TenantId, handle: &str) -> Result<Remaining, Refusal> {
        // 128 bits under random keys stand for the name: no allocation, and no two names that anybody could
        // choose share a count.
        let [high, low] =
            self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one((tenant, handle))));
        self.credentials.admit(&(high << 64 | low))
    }

    /// Forgets addresses and credentials that have their full allowance again. Call it every minute.
    pub fn shrink(&self) {
        self.addresses.shrink();
        self.credentials.shrink();
    }
}

/// The network that stands for a peer: a single IPv4 address, of IPv6 the /64.
pub const fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u64::MAX as u128))),
        },
    }
}

/// One limit over its keys.
#[derive(Debug)]
pub(super) struct Counted<K: Hash + Eq + Clone, C: Clock> {
    limit: Limit,
    states: States<K>,
    limiter: RateLimiter<K, States<K>, C, StateInformationMiddleware>,
    started: C::Instant,
    /// When room was last made, in nanoseconds since the start, plus one; 0 is never.
    room_made: AtomicU64,
}

/// A full table is searched for keys to forget at most this often: the search takes milliseconds, and a flood
/// of new keys must not make every request pay for it.
const ROOM_EVERY: Duration = Duration::from_secs(1);

const YEAR: Duration = Duration::from_hours(365 * 24);

impl<K: Hash + Eq + Clone, C: Clock + Clone> Counted<K, C> {
    pub(super) fn new(limit: Limit, keys_max: usize, clock: &C) -> Result<Self, LimitError> {
        let per_request = limit.window / limit.requests.get();
        let quota = Quota::with_period(per_request).ok_or(LimitError::Window(limit.name))?;
        if per_request.checked_mul(limit.burst.get()).is_none_or(|full| full > YEAR) {
            return Err(LimitError::TooSlow(limit.name));
        }
        let states = States::new(keys_max);
        let limiter =
            RateLimiter::new(quota.allow_burst(limit.burst), states.clone(), clock.clone());
        let room_made = AtomicU64::new(0);
        Ok(Self { limit, states, limiter, started: clock.now(), room_made })
    }

    pub(super) fn admit(&self, key: &K) -> Result<Remaining, Refusal> {
        if self.states.has_no_room_for(key) {
            self.make_room();
            if self.states.has_no_room_for(key) {
                return Err(self.refusal(self.limit.window.max(ROOM_EVERY)));
            }
        }
        match self.limiter.check_key(key) {
            Ok(state) => Ok(Remaining {
                policy: self.limit.name,
                quota: self.limit.requests.get(),
                window: self.limit.window,
                requests: state.remaining_burst_capacity(),
            }),
            Err(until) => Err(self.refusal(until.wait_time_from(self.limiter.clock().now()))),
        }
    }

    const fn refusal(&self, retry_after: Duration) -> Refusal {
        let Limit { name, requests, window, .. } = self.limit;
        let policy = Cow::Borrowed(name);
        let quota = requests.get();
        Refusal::TooManyRequests { policy, quota, window, retry_after, fair_use: true }
    }

    fn make_room(&self) {
        let now = self.limiter.clock().now().duration_since(self.started).as_u64();
        let made = self.room_made.load(Ordering::Relaxed);
        let since = Duration::from_nanos(now.saturating_add(1).saturating_sub(made));
        let due = made == 0 || since >= ROOM_EVERY;
        let mine = || {
            let swap = self.room_made.compare_exchange(
                made,
                now.saturating_add(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            swap.is_ok()
        };
        if due && mine() {
            self.limiter.retain_recent();
            tracing::warn!(limit = self.limit.name, keys = self.limiter.len(), "limit table full");
        }
    }

    pub(super) fn shrink(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
