//! Quotas: how much one credential may ask in each block of time.
//!
//! Blocks are those of the clock: of a window of 600 s, each begins at a multiple of 600 s since 1970. Counting is exact in
//! one process; what it has counted is handed out by [`Quotas::changed`] to be kept, and taken back by [`Quotas::resume`].
//! Many nodes will count in one place: then [`Quotas::take`] asks that place, and nobody else learns of it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{TenantId, UnixNanos};

/// One quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Its name in settings, policies, answers and records.
    pub name: Arc<str>,
    /// Requests in each block.
    pub requests: NonZeroU32,
    /// Seconds in a block.
    pub window: NonZeroU32,
    /// Whether answers tell no numbers: it bounds misuse, and is no allowance.
    pub fair_use: bool,
}

/// Whose requests are counted: one credential of an organisation, or one address of nobody known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaKey {
    /// The organisation; none for nobody known.
    pub tenant: Option<TenantId>,
    /// The handle of the credential, or the address.
    pub credential: Arc<str>,
    /// The quota.
    pub quota: Arc<str>,
}

/// How a quota stands after a request was counted, or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The quota.
    pub quota: Quota,
    /// Requests left in this block.
    pub remaining: u32,
    /// Time until the next block begins, in whole seconds, at least one.
    pub resets_in: u32,
}

/// What was counted in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// When the block began, in seconds since 1970.
    pub block: u64,
    /// Requests let in.
    pub used: u32,
}

/// There is no telling what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was counted before cannot be read")]
pub struct NoCount;

/// What other processes counted.
#[async_trait]
pub trait KeptCounts: Send + Sync + std::fmt::Debug {
    /// What was kept last.
    ///
    /// # Errors
    /// [`NoCount`].
    async fn earlier(&self, counted: &QuotaKey) -> Result<Option<Count>, NoCount>;
}

/// Most counts kept at a time: a hundred thousand credentials active within one block, in some 20 MB.
const COUNTS_MAX: usize = 131_072;

/// Enough that two cores rarely meet in one.
const SHARDS: usize = 16;

/// Counts requests.
#[derive(Debug)]
pub struct Quotas {
    shards: Shards,
    /// Of who is not known: whoever fills this table keeps no credential out.
    strangers: Shards,
    hasher: RandomState,
    started: u64,
    /// Where telling begins next.
    first: AtomicUsize,
}

type Shards = Vec<Mutex<Shard>>;

#[derive(Debug, Default)]
struct Shard {
    counts: HashMap<QuotaKey, Kept>,
    /// The second it was last searched for blocks that are over: once in each is enough, and a flood of new keys must not
    /// make every request pay for it.
    searched: u64,
}

impl Shard {
    /// Whether there is room for a key: it is there already, or one more fits.
    fn has_room(&mut self, counted: &QuotaKey, now: u64) -> bool {
        const MOST: usize = COUNTS_MAX / SHARDS;
        if self.counts.contains_key(counted) {
            return true;
        }
        if self.counts.len() >= MOST && self.searched != now {
            self.searched = now;
            self.forget(now);
        }
        self.counts.len() < MOST
    }

    fn forget(&mut self, now: u64) {
        self.counts.retain(|_, kept| kept.until > now);
    }
}

#[derive(Debug)]
struct Kept {
    count: Count,
    /// When nobody needs it any more.
    until: u64,
    changed: bool,
}

impl Quotas {
    /// Counts from nothing. `started` is when this process began: earlier blocks may have been counted by another.
    pub fn new(started: UnixNanos) -> Self {
        let shards = || std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self {
            shards: shards(),
            strangers: shards(),
            hasher: RandomState::new(),
            started: started.seconds(),
            first: AtomicUsize::new(0),
        }
    }

    /// Whether what another process counted in this block may be missing here: it is to be looked up and handed to
    /// [`Quotas::resume`] first.
    pub fn wants_earlier(&self, counted: &QuotaKey, quota: &Quota, now: UnixNanos) -> bool {
        let block = block(quota, now);
        block <= self.started
            && self.shard(counted).is_none_or(|shard| {
                shard.counts.get(counted).is_none_or(|kept| kept.count.block < block)
            })
    }

    /// Takes over what another process counted, unless this one counted more already.
    pub fn resume(
        &self,
        counted: &QuotaKey,
        quota: &Quota,
        earlier: Option<Count>,
        now: UnixNanos,
    ) {
        let block = block(quota, now);
        let used = earlier.filter(|count| count.block == block).map_or(0, |count| count.used);
        let Some(mut shard) = self.shard(counted) else { return };
        if !shard.has_room(counted, now.seconds()) {
            return;
        }
        let kept = shard.counts.entry(counted.clone()).or_insert(Kept {
            count: Count { block, used: 0 },
            until: 0,
            changed: false,
        });
        // A later request may have begun the next block meanwhile.
        if kept.count.block > block {
            return;
        }
        if kept.count.block < block {
            kept.count = Count { block, used: 0 };
        }
        kept.count.used = kept.count.used.max(used);
        kept.until = block.saturating_add(quota.window.get().into());
    }

    /// Counts a request, if there is one left.
    ///
    /// # Errors
    /// How the quota stands, when none is left.
    pub fn take(
        &self,
        counted: &QuotaKey,
        quota: &Quota,
        now: UnixNanos,
    ) -> Result<Standing, Standing> {
        let block = block(quota, now);
        let end = block.saturating_add(quota.window.get().into());
        let resets_in = u32::try_from(end.saturating_sub(now.seconds())).unwrap_or(u32::MAX);
        let standing =
            |remaining| Standing { quota: quota.clone(), remaining, resets_in: resets_in.max(1) };
        let Some(mut shard) = self.shard(counted) else { return Err(standing(0)) };
        // To forget one in use would hand out a new allowance: newcomers wait.
        if !shard.has_room(counted, now.seconds()) {
            return Err(standing(0));
        }
        let kept = shard.counts.entry(counted.clone()).or_insert(Kept {
            count: Count { block, used: 0 },
            until: end,
            changed: false,
        });
        // A clock that stepped back does not bring a block back.
        if kept.count.block < block {
            *kept = Kept { count: Count { block, used: 0 }, until: end, changed: false };
        }
        if kept.count.used >= quota.requests.get() {
            return Err(standing(0));
        }
        kept.count.used += 1;
        // What is counted of nobody known is not kept.
        kept.changed = counted.tenant.is_some();
        Ok(standing(quota.requests.get() - kept.count.used))
    }

    /// What was counted since it was told last, at most `most` of it, and until when it matters.
    pub fn changed(&self, most: usize) -> Vec<(QuotaKey, Count, UnixNanos)> {
        let mut changed = Vec::new();
        // Each time from another one on, so that under a load that never ends all have their turn.
        let first = self.first.fetch_add(1, Ordering::Relaxed) % SHARDS;
        for shard in self.shards.iter().cycle().skip(first).take(SHARDS) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let left = most - changed.len();
            for (counted, kept) in
                shard.counts.iter_mut().filter(|(_, kept)| kept.changed).take(left)
            {
                kept.changed = false;
                let until = UnixNanos::from_seconds(kept.until);
                changed.push((counted.clone(), kept.count, until));
            }
        }
        changed
    }

    /// Forgets blocks that are over.
    pub fn shrink(&self, now: UnixNanos) {
        for shard in self.strangers.iter().chain(&self.shards) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.forget(now.seconds());
            shard.counts.shrink_to_fit();
        }
    }

    fn shard(&self, counted: &QuotaKey) -> Option<MutexGuard<'_, Shard>> {
        let index = usize::try_from(self.hasher.hash_one(counted) % SHARDS as u64).unwrap_or(0);
        let shards = if counted.tenant.is_some() { &self.shards } else { &self.strangers };
        let shard = shards.get(index)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When the block of `now` began, in seconds since 1970.
fn block(quota: &Quota, now: UnixNanos) -> u64 {
    let window = u64::from(quota.window.get());
    now.seconds() / window * window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(requests: u32) -> Quota {
        Quota {
            name: "partner".into(),
            requests: NonZeroU32::new(requests).unwrap(),
            window: NonZeroU32::new(600).unwrap(),
            fair_use: false,
        }
    }

    fn counted(credential: &str) -> QuotaKey {
        let tenant = Some(TenantId::parse("nordvolt").unwrap());
        QuotaKey { tenant, credential: credential.into(), quota: "partner".into() }
    }

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos::from_seconds(seconds)
    }

    #[test]
    fn the_last_one_is_let_in_and_the_next_is_not_until_the_block_ends() {
        let quotas = Quotas::new(at(0));
        let (quota, one) = (quota(3), counted("one"));
        for left in [2, 1, 0] {
            let standing = quotas.take(&one, &quota, at(1_210)).unwrap();
            assert_eq!((standing.remaining, standing.resets_in), (left, 590));
        }
        let refused = quotas.take(&one, &quota, at(1_799)).unwrap_err();
        assert_eq!((refused.remaining, refused.resets_in), (0, 1));
        assert!(quotas.take(&counted("two"), &quota, at(1_799)).is_ok(), "another credential");
        assert_eq!(quotas.take(&one, &quota, at(1_800)).unwrap().remaining, 2);
        // The clock steps back: what is used stays used.
        assert_eq!(quotas.take(&one, &quota, at(1_799)).unwrap().remaining, 1);
    }

    #[test]
    fn exactly_as_many_are_let_in_from_many_threads() {
        let quotas = Arc::new(Quotas::new(at(0)));
        let let_in: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    let quotas = Arc::clone(&quotas);
                    scope.spawn(move || {
                        let (quota, one) = (quota(1_000), counted("one"));
                        (0..200).filter(|_| quotas.take(&one, &quota, at(700)).is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(let_in, 1_000);
    }

    #[test]
    fn another_process_goes_on_where_this_one_ended() {
        let (before, quota, one) = (Quotas::new(at(0)), quota(5), counted("one"));
        for _ in 0..3 {
            before.take(&one, &quota, at(650)).unwrap();
        }
        let kept = before.changed(10);
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].1, kept[0].2), (Count { block: 600, used: 3 }, at(1_200)));
        assert!(before.changed(10).is_empty(), "told once");

        let after = Quotas::new(at(660));
        assert!(after.wants_earlier(&one, &quota, at(661)));
        after.resume(&one, &quota, Some(kept[0].1), at(661));
        assert!(!after.wants_earlier(&one, &quota, at(661)));
        assert_eq!(after.take(&one, &quota, at(661)).unwrap().remaining, 1);
        assert!(!after.wants_earlier(&counted("two"), &quota, at(1_200)), "a block of its own");
    }

    #[test]
    fn whoever_fills_the_table_keeps_no_credential_out() {
        let (quotas, quota) = (Quotas::new(at(0)), quota(5));
        let stranger = |n: u32| QuotaKey { tenant: None, ..counted(&n.to_string()) };
        let many = u32::try_from(COUNTS_MAX).unwrap() * 2;
        let let_in = (0..many).filter(|n| quotas.take(&stranger(*n), &quota, at(650)).is_ok());
        assert!((COUNTS_MAX / 2..=COUNTS_MAX).contains(&let_in.count()));
        assert!(quotas.take(&counted("one"), &quota, at(650)).is_ok());
        assert_eq!(quotas.changed(10).len(), 1, "strangers are not kept");
        assert!(quotas.take(&stranger(many), &quota, at(1_300)).is_ok(), "blocks end");
    }

    #[test]
    fn blocks_that_are_over_are_forgotten() {
        let quotas = Quotas::new(at(0));
        quotas.take(&counted("one"), &quota(5), at(650)).unwrap();
        quotas.shrink(at(1_199));
        assert_eq!(quotas.changed(10).len(), 1, "not before");
        quotas.shrink(at(1_200));
        assert!(quotas.shards.iter().all(|shard| shard.lock().unwrap().counts.is_empty()));
    }
}
