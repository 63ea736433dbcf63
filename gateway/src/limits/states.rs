//! The limiter's memory: one number per key, never more keys than a bound.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

/// Most keys one limiter keeps: a quarter of a million peers or credentials active within one window, in some
/// 12 MB. An IPv6 site of its own /48 has 65,536 networks of /64; it takes four such sites to fill the table.
pub const KEYS_MAX: usize = 262_144;

/// Enough that two cores rarely meet in one shard when one of them adds a key.
const SHARDS: usize = 32;

/// One GCRA state per key. Known keys are read under a shared lock and counted with an atomic swap.
///
/// When full, a new key is refused and not let in at another's cost: to forget a key in use would hand its
/// owner a new allowance, and filling the table would be a way around every limit. The price is that during
/// such a flood newcomers wait; those already known are served.
///
/// A clone is the same table: `governor` keeps one and the limiter the other.
#[derive(Clone, Debug)]
pub(super) struct States<K>(Arc<Table<K>>);

#[derive(Debug)]
struct Table<K> {
    shards: Vec<RwLock<HashMap<K, AtomicU64>>>,
    hasher: RandomState,
    keys: AtomicUsize,
    keys_max: usize,
}

impl<K: Hash + Eq + Clone> States<K> {
    pub(super) fn new(keys_max: usize) -> Self {
        let shards = std::iter::repeat_with(RwLock::default).take(SHARDS).collect();
        let keys = AtomicUsize::new(0);
        Self(Arc::new(Table { shards, hasher: RandomState::new(), keys, keys_max }))
    }

    /// Whether `key` has no place: it is new and the table is full. Threads that add at the same moment may
    /// exceed the bound by one each.
    pub(super) fn has_no_room_for(&self, key: &K) -> bool {
        self.0.keys.load(Ordering::Relaxed) >= self.0.keys_max
            && self.shard(key).is_none_or(|shard| {
                !shard.read().unwrap_or_else(PoisonError::into_inner).contains_key(key)
            })
    }

    fn shard(&self, key: &K) -> Option<&RwLock<HashMap<K, AtomicU64>>> {
        let index = usize::try_from(self.0.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.0.shards.get(index)
    }
}

/// 0 stands for "never seen", as in `governor`'s own states.
fn measure<T, F, E>(state: &AtomicU64, decide: &F) -> Result<T, E>
where
    F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
{
    let mut previous = state.load(Ordering::Acquire);
    loop {
        let seen = (previous != 0).then(|| Nanos::from(previous));
        let (outcome, next) = decide(seen)?;
        let swap = state.compare_exchange_weak(
            previous,
            next.as_u64(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match swap {
            Ok(_) => return Ok(outcome),
            Err(now) => previous = now,
        }
    }
}

impl<K: Hash + Eq + Clone> StateStore for States<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Some(shard) = self.shard(key) else {
            return decide(None).map(|(outcome, _)| outcome);
        };
        if let Some(state) = shard.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return measure(state, &decide);
        }
        let mut states = shard.write().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(key.clone()).or_insert_with(|| {
            self.0.keys.fetch_add(1, Ordering::Relaxed);
            AtomicU64::new(0)
        });
        measure(state, &decide)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for States<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.0.shards {
            let mut states = shard.write().unwrap_or_else(PoisonError::into_inner);
            let before = states.len();
            states.retain(|_, state| *state.get_mut() > drop_below.as_u64());
            self.0.keys.fetch_sub(before - states.len(), Ordering::Relaxed);
        }
    }

    fn shrink_to_fit(&self) {
        for shard in &self.0.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.0.keys.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
