//! Remembers access sets. Everything a set depends on is part of its key, or it is not remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::AccessSet;
use crate::authz::schema::{ActionNumber, Kind};
use crate::model::{AuthMethod, ConnectionId, Scopes, UnixNanos};

/// How long a set holds, as long as a decision (PD-18: at most five seconds). A change of policies, entities
/// or roles makes another key at once; the time only bounds what a fault in that rule could do.
const HOLDS: Duration = Duration::from_secs(5);

/// Most sets remembered: at 256 names each, some 30 megabytes; an ordinary one has three.
const ENTRIES_MAX: usize = 2048;

/// Everything a set depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The partition's own number; it stands for the organisation and all its entities.
    pub(super) partition: u64,
    /// The tenant's own policies, by number.
    pub(super) policies: usize,
    pub(super) principal: [u8; 32],
    pub(super) action: ActionNumber,
    /// The wanted types, sorted.
    pub(super) types: Vec<Kind>,
    pub(super) authentication: Option<(AuthMethod, Option<ConnectionId>)>,
    pub(super) scopes: Option<Scopes>,
}

/// The sets given lately, each with the time it was given.
#[derive(Debug, Default)]
pub(in crate::authz) struct AccessCache(Mutex<HashMap<Key, (Arc<AccessSet>, UnixNanos)>>);

impl AccessCache {
    pub(super) fn find(&self, key: &Key, now: UnixNanos) -> Option<Arc<AccessSet>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, since) = entries.get(key)?;
        // A clock that stepped back makes the set as good as expired.
        (now >= *since && now.since(*since) < HOLDS).then(|| Arc::clone(set))
    }

    pub(super) fn insert(&self, key: Key, set: Arc<AccessSet>, now: UnixNanos) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(&key) {
            entries.retain(|_, (_, since)| now >= *since && now.since(*since) < HOLDS);
            if entries.len() >= ENTRIES_MAX {
                entries.clear();
            }
        }
        entries.insert(key, (set, now));
    }
}
