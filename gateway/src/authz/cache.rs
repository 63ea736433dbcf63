//! Remembers answers for a moment. It lives inside one immutable policy set, so a change of
//! policies forgets everything by itself; a change of entities makes a new partition, and a change
//! of roles a new principal, both part of the key.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::decision::Outcome;
use super::nodes::Number;
use super::schema::ActionNumber;
use crate::model::{AuthMethod, ConnectionId, Scopes, UnixNanos};

/// How long an answer holds. PD-18: at most five seconds.
const HOLDS: Duration = Duration::from_secs(5);

/// Independent locks, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Answers per lock; about 64 Ki answers in all, some ten megabytes.
const SHARD_ENTRIES_MAX: usize = 4096;

/// Everything an answer depends on. Facts nobody reads are left out; the time never is in here:
/// an answer that depends on it is not remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The partition's own number; it stands for the organisation and all its entities.
    pub(super) partition: u64,
    /// The tenant's own policies, by number.
    pub(super) policies: usize,
    pub(super) principal: [u8; 32],
    pub(super) action: ActionNumber,
    pub(super) resource: Number,
    pub(super) authentication: Option<(AuthMethod, Option<ConnectionId>)>,
    pub(super) scopes: Option<Scopes>,
    pub(super) source: Option<IpAddr>,
}

/// The answers behind one lock, each with the time it was given.
type Shard = Mutex<HashMap<Key, (Arc<Outcome>, UnixNanos)>>;

#[derive(Debug)]
pub(super) struct DecisionCache {
    hasher: RandomState,
    shards: Vec<Shard>,
}

impl DecisionCache {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards }
    }

    pub(super) fn find(&self, key: &Key, now: UnixNanos) -> Option<Arc<Outcome>> {
        let shard = self.shard(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        let (outcome, since) = shard.get(key)?;
        // A clock that stepped back makes the answer as good as expired.
        (now >= *since && now.since(*since) < HOLDS).then(|| Arc::clone(outcome))
    }

    pub(super) fn insert(&self, key: Key, outcome: Arc<Outcome>, now: UnixNanos) {
        let Some(shard) = self.shard(&key) else {
            return;
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= SHARD_ENTRIES_MAX && !shard.contains_key(&key) {
            shard.retain(|_, (_, since)| now >= *since && now.since(*since) < HOLDS);
            if shard.len() >= SHARD_ENTRIES_MAX {
                shard.clear();
            }
        }
        shard.insert(key, (outcome, now));
    }

    fn shard(&self, key: &Key) -> Option<&Shard> {
        let hash = self.hasher.hash_one((key.partition, key.resource, key.action, key.principal));
        self.shards.get(usize::try_from(hash % SHARDS as u64).unwrap_or_default())
    }
}
