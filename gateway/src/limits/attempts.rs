//! How often clients may be asked for their secret: before any look-up and any hash (AS-16).
//!
//! A stranger cannot lock a client out: an address that proved the client's secret within the last day counts by itself
//! alone. Every other address counts against the client and against all strangers together, too.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference as _};

use super::limiter::{Counted, Limit, LimitError, network};
use super::states::KEYS_MAX;
use crate::model::{KeyId, Refusal};

/// How long an address is known to be a client's.
const KNOWN_FOR: Duration = Duration::from_hours(24);

/// Most addresses known at a time, in some 2 MB.
const KNOWN_MAX: usize = 65_536;

/// Counts attempts to prove a client's secret.
#[derive(Debug)]
pub struct AttemptLimiter<C: Clock = DefaultClock> {
    known_addresses: Counted<u128, C>,
    addresses: Counted<u128, C>,
    networks: Counted<IpAddr, C>,
    clients: Counted<u128, C>,
    strangers: Counted<(), C>,
    known: Mutex<Known<C::Instant>>,
    hashers: [RandomState; 2],
    clock: C,
}

/// Addresses that proved a client's secret, in two generations: what is in neither is forgotten.
#[derive(Debug)]
struct Known<I> {
    young: HashMap<u128, I>,
    old: HashMap<u128, I>,
}

impl AttemptLimiter {
    /// Counts by the machine's monotonic clock.
    ///
    /// # Errors
    /// Never: the limits are fixed and can be kept.
    pub fn new() -> Result<Self, LimitError> {
        Self::with_clock(DefaultClock::default())
    }
}

impl<C: Clock + Clone> AttemptLimiter<C> {
    /// Counts by `clock`.
    ///
    /// # Errors
    /// As [`AttemptLimiter::new`].
    pub fn with_clock(clock: C) -> Result<Self, LimitError> {
        let limit = |name, requests: u32, burst: u32| Limit {
            name,
            requests: NonZeroU32::MIN.saturating_add(requests - 1),
            window: Duration::from_mins(1),
            burst: NonZeroU32::MIN.saturating_add(burst - 1),
        };
        // A client asks once an hour; a hundred of its machines that start behind one address ask at once.
        let known = limit("token-client-address", 300, 300);
        // Whoever types a secret wrong has twenty tries, and one every three seconds.
        let address = limit("token-client-address", 20, 20);
        // Whoever tries many clients takes a tenth of what strangers have together; behind one address there may be hundreds.
        let network = limit("token-address", 600, 600);
        // Against strangers that come from many addresses.
        let client = limit("token-client", 120, 120);
        let strangers = limit("token-strangers", 6_000, 1_000);
        Ok(Self {
            known_addresses: Counted::new(known, KEYS_MAX, &clock)?,
            addresses: Counted::new(address, KEYS_MAX, &clock)?,
            networks: Counted::new(network, KEYS_MAX, &clock)?,
            clients: Counted::new(client, KEYS_MAX, &clock)?,
            strangers: Counted::new(strangers, 1, &clock)?,
            known: Mutex::new(Known { young: HashMap::new(), old: HashMap::new() }),
            hashers: [RandomState::new(), RandomState::new()],
            clock,
        })
    }

    /// Counts an attempt of `peer` to prove the secret of `client`, whatever that text is.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`].
    pub fn admit(&self, client: &str, peer: IpAddr) -> Result<(), Refusal> {
        let pair = self.name(&(client, network(peer)));
        if self.is_known(pair) {
            return self.known_addresses.admit(&pair).map(drop);
        }
        self.addresses.admit(&pair)?;
        self.networks.admit(&network(peer))?;
        // What cannot be a client takes nothing from those that are.
        if KeyId::parse(client).is_err() {
            return Ok(());
        }
        self.clients.admit(&self.name(&client))?;
        self.strangers.admit(&()).map(drop)
    }

    /// Notes that `peer` proved the secret of `client`.
    pub fn proved(&self, client: &str, peer: IpAddr) {
        let pair = self.name(&(client, network(peer)));
        let now = self.clock.now();
        let mut known = self.known();
        if known.young.len() >= KNOWN_MAX / 2 && !known.young.contains_key(&pair) {
            known.old = std::mem::take(&mut known.young);
        }
        known.young.insert(pair, now);
    }

    /// Forgets what has its full allowance again. Call it every minute.
    pub fn shrink(&self) {
        self.known_addresses.shrink();
        self.addresses.shrink();
        self.networks.shrink();
        self.clients.shrink();
    }

    fn is_known(&self, pair: u128) -> bool {
        let known = self.known();
        let proved = known.young.get(&pair).or_else(|| known.old.get(&pair));
        proved.is_some_and(|at| Duration::from(self.clock.now().duration_since(*at)) < KNOWN_FOR)
    }

    /// 128 bits under random keys stand for a name: no two that anybody could choose share a count.
    fn name(&self, of: &impl std::hash::Hash) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(of)));
        high << 64 | low
    }

    fn known(&self) -> MutexGuard<'_, Known<C::Instant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn admitted(limiter: &AttemptLimiter<FakeRelativeClock>, peer: [u8; 4], tries: usize) -> usize {
        (0..tries).filter(|_| limiter.admit("client", peer.into()).is_ok()).count()
    }

    #[test]
    fn a_stranger_has_few_tries_and_the_client_its_own() {
        let clock = FakeRelativeClock::default();
        let limiter = AttemptLimiter::with_clock(clock.clone()).unwrap();
        limiter.proved("client", [10, 0, 0, 1].into());
        assert_eq!(admitted(&limiter, [192, 0, 2, 1], 100), 20);
        // Strangers from many addresses use up what the client allows all strangers together.
        let many: usize = (2..=50).map(|n| admitted(&limiter, [192, 0, 2, n], 20)).sum();
        assert_eq!(many, 100);
        assert_eq!(admitted(&limiter, [192, 0, 2, 99], 5), 0);
        assert_eq!(admitted(&limiter, [10, 0, 0, 1], 300), 300, "the client is not locked out");
        clock.advance(Duration::from_hours(25));
        assert_eq!(admitted(&limiter, [10, 0, 0, 1], 300), 20, "known for a day");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let limiter = AttemptLimiter::with_clock(FakeRelativeClock::default()).unwrap();
        for n in 0..100_000_u32 {
            limiter.proved(&n.to_string(), [10, 0, 0, 1].into());
        }
        let known = limiter.known();
        assert!(known.young.len() + known.old.len() <= KNOWN_MAX);
    }
}
