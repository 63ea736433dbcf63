//! Memory in front of the store: bounded, read without an exclusive lock, emptied exactly.
//!
//! Two things make it exact. A copy enters only if nothing was forgotten in its shard since before it was read
//! ([`Ticket`]), so a slow read cannot bring back what was just revoked. And copies are trusted only while
//! the change feed has been read within [`TRUST_MAX`]: when the feed stops, every look-up goes to the store, and
//! when that stops too, requests are refused.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::watch::TRUST_MAX;
use crate::model::{Clock, UnixNanos};

/// Enough that two cores rarely meet in one shard when one of them writes.
const SHARDS: usize = 16;

/// Most entries kept. A session or key is below a kilobyte, so this stays below 100 MB when all are in use,
/// and costs nothing before.
pub(super) const ENTRIES_MAX: usize = 100_000;

/// Copies of stored values under their public keys.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
    hasher: RandomState,
    clock: Arc<dyn Clock>,
    /// When the change feed was last read to its end, as nanoseconds; 0 is never.
    synced: AtomicU64,
    generation_max: usize,
}

/// Entries live in two generations. When the young one is full it becomes the old one, and what was old is
/// forgotten: no bookkeeping on a hit, and an entry in use costs one look-up in the store per turn.
#[derive(Debug)]
struct Shard<K, V> {
    forgotten: u64,
    young: HashMap<K, Copied<V>>,
    old: HashMap<K, Copied<V>>,
}

#[derive(Debug)]
struct Copied<V> {
    version: u64,
    value: Arc<V>,
}

/// Taken before a value is read, handed back with the copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

impl<K: Eq + Hash, V> Cache<K, V> {
    pub(super) fn new(entries_max: usize, clock: Arc<dyn Clock>) -> Self {
        let empty =
            || RwLock::new(Shard { forgotten: 0, young: HashMap::new(), old: HashMap::new() });
        Self {
            shards: std::iter::repeat_with(empty).take(SHARDS).collect(),
            hasher: RandomState::new(),
            clock,
            synced: AtomicU64::new(0),
            generation_max: (entries_max / SHARDS / 2).max(1),
        }
    }

    pub(super) fn find(&self, key: &K) -> Option<Arc<V>> {
        if !self.trusted() {
            return None;
        }
        let shard = self.read(key)?;
        let copied = shard.young.get(key).or_else(|| shard.old.get(key))?;
        Some(Arc::clone(&copied.value))
    }

    pub(super) fn ticket(&self, key: &K) -> Ticket {
        Ticket(self.read(key).map_or(0, |shard| shard.forgotten))
    }

    /// Keeps a copy, unless something was forgotten since `ticket` or a newer copy is here.
    pub(super) fn insert(&self, ticket: Ticket, key: K, version: u64, value: Arc<V>) {
        let Some(mut shard) = self.write(&key) else {
            return;
        };
        if shard.forgotten != ticket.0 || shard.version(&key).is_some_and(|held| held > version) {
            return;
        }
        shard.old.remove(&key);
        if shard.young.len() >= self.generation_max && !shard.young.contains_key(&key) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(key, Copied { version, value });
    }

    /// Forgets `key`, unless the copy is of the change `seq` itself or newer.
    pub(super) fn forget(&self, key: &K, seq: u64) {
        let Some(mut shard) = self.write(key) else {
            return;
        };
        shard.forgotten = shard.forgotten.wrapping_add(1);
        if shard.version(key).is_some_and(|held| held < seq) {
            shard.young.remove(key);
            shard.old.remove(key);
        }
    }

    /// Forgets `key`, whatever the version.
    pub(super) fn remove(&self, key: &K) {
        self.forget(key, u64::MAX);
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.forgotten = shard.forgotten.wrapping_add(1);
            shard.young.clear();
            shard.old.clear();
        }
    }

    /// Notes that all changes before `at` have been seen.
    pub(super) fn synced(&self, at: UnixNanos) {
        self.synced.store(at.nanos(), Ordering::Release);
    }

    /// A mark ahead of the clock means the clock stepped back: then nothing is known of its age.
    fn trusted(&self) -> bool {
        let synced = UnixNanos::new(self.synced.load(Ordering::Acquire));
        let now = self.clock.now();
        synced.nanos() != 0 && synced <= now && now.since(synced) <= TRUST_MAX
    }

    fn read(&self, key: &K) -> Option<RwLockReadGuard<'_, Shard<K, V>>> {
        // A panic elsewhere cannot leave a map half changed: nothing here runs foreign code while locked.
        self.shard(key).map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, key: &K) -> Option<RwLockWriteGuard<'_, Shard<K, V>>> {
        self.shard(key).map(|shard| shard.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn shard(&self, key: &K) -> Option<&RwLock<Shard<K, V>>> {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        self.shards.get(index)
    }
}

impl<K: Eq + Hash, V> Shard<K, V> {
    fn version(&self, key: &K) -> Option<u64> {
        self.young.get(key).or_else(|| self.old.get(key)).map(|copied| copied.version)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ManualClock;

    fn cache(entries_max: usize) -> (Arc<ManualClock>, Cache<u32, u32>) {
        let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1000)));
        let cache = Cache::new(entries_max, clock.clone());
        cache.synced(clock.now());
        (clock, cache)
    }

    fn keep(cache: &Cache<u32, u32>, key: u32, version: u64) {
        cache.insert(cache.ticket(&key), key, version, Arc::new(key));
    }

    #[test]
    fn trusts_copies_only_while_the_feed_is_read() {
        let (clock, cache) = cache(100);
        keep(&cache, 1, 1);
        clock.advance(TRUST_MAX);
        assert!(cache.find(&1).is_some());
        clock.advance(Duration::from_nanos(1));
        assert!(cache.find(&1).is_none());
        cache.synced(clock.now());
        assert!(cache.find(&1).is_some());
        cache.synced(clock.now().plus(Duration::from_secs(1)));
        assert!(cache.find(&1).is_none(), "the clock stepped back");
    }

    #[test]
    fn trusts_nothing_before_the_feed_was_read() {
        let cache = Cache::new(100, Arc::new(ManualClock::at(UnixNanos::new(5))));
        keep(&cache, 1, 1);
        assert!(cache.find(&1).is_none());
    }

    #[test]
    fn a_copy_read_before_a_change_does_not_enter_after_it() {
        let (_, cache) = cache(100);
        let ticket = cache.ticket(&1);
        cache.remove(&1);
        cache.insert(ticket, 1, 1, Arc::new(1));
        assert!(cache.find(&1).is_none());
        let ticket = cache.ticket(&1);
        cache.clear();
        cache.insert(ticket, 1, 1, Arc::new(1));
        assert!(cache.find(&1).is_none());
    }

    #[test]
    fn a_change_spares_the_copy_of_itself() {
        let (_, cache) = cache(100);
        keep(&cache, 1, 7);
        cache.forget(&1, 7);
        assert!(cache.find(&1).is_some());
        cache.forget(&1, 8);
        assert!(cache.find(&1).is_none());
    }

    #[test]
    fn an_older_copy_does_not_replace_a_newer() {
        let (_, cache) = cache(100);
        cache.insert(cache.ticket(&1), 1, 9, Arc::new(90));
        cache.insert(cache.ticket(&1), 1, 8, Arc::new(80));
        assert_eq!(*cache.find(&1).unwrap(), 90);
    }

    #[test]
    fn holds_no_more_than_its_bound() {
        let (_, cache) = cache(64);
        for key in 0..10_000 {
            keep(&cache, key, 1);
        }
        let held = (0..10_000).filter(|key| cache.find(key).is_some()).count();
        assert!((16..=64).contains(&held), "{held}");
        assert!(cache.find(&9_999).is_some(), "the newest stays");
    }
}
