//! Works out large lists off the threads that serve requests: one at a time for each asker, and not for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::listing::Listing;
use super::snapshot::Snapshot;
use crate::authz::Partition;
use crate::model::{Dependency, Refusal};
use crate::routing::Route;

/// How long a request waits for its list: the largest takes about half of it.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Resources of an organisation whose lists are worked out at once: that takes less than a decision may take.
const AT_ONCE_MAX: usize = 2_000;

/// Large lists worked out at the same time: the other processors serve.
const LISTS_MAX: usize = 2;

/// Askers remembered before those whose list is worked out are forgotten: some ten kilobytes.
const ASKERS_KEPT: usize = 100;

/// Who asks, and among which resources.
type Key = (u64, Arc<str>);

/// The large lists that are being worked out.
#[derive(Debug)]
pub(super) struct Lists {
    time_max: Duration,
    running: Arc<Semaphore>,
    turns: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
}

impl Lists {
    pub(super) fn new() -> Self {
        Self {
            time_max: TIME_MAX,
            running: Arc::new(Semaphore::new(LISTS_MAX)),
            turns: Mutex::default(),
        }
    }

    /// Does `work`, which works access sets out: at once where that is quick. The parts are those of `listing`.
    ///
    /// # Errors
    /// Those of the work; [`Refusal::Unavailable`] when it takes too long.
    pub(super) async fn work_out<T: Send + 'static>(
        &self,
        listing: Listing<'_>,
        parts: (&Arc<Snapshot>, &Arc<Route>, &Arc<Partition>),
        work: impl FnOnce(&Listing<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        if listing.partition.len() <= AT_ONCE_MAX {
            return work(&listing);
        }
        let (snapshot, route, partition) = parts;
        let key = (partition.identity(), Arc::clone(listing.asker.credential()));
        let (snapshot, route, partition) =
            (Arc::clone(snapshot), Arc::clone(route), Arc::clone(partition));
        let (asker, tenant) = (listing.asker.clone(), listing.tenant.cloned());
        let arrival = listing.arrival.clone();
        self.elsewhere(key, move || {
            work(&Listing {
                snapshot: &snapshot,
                route: &route,
                asker: &asker,
                partition: &partition,
                tenant: tenant.as_ref(),
                arrival: &arrival,
            })
        })
        .await
    }

    /// Does `work` where it may block, when it is its turn. What is not waited for any more runs to its end all the
    /// same: the next who asks finds it done.
    async fn elsewhere<T: Send + 'static>(
        &self,
        key: Key,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = async {
            let turn = self.turn(key).lock_owned().await;
            let running = Arc::clone(&self.running).acquire_owned().await;
            let held = (turn, running.map_err(|_| UNAVAILABLE)?);
            let work = tokio::task::spawn_blocking(move || {
                let done = work();
                drop(held);
                done
            });
            work.await.unwrap_or(Err(UNAVAILABLE))
        };
        let done = tokio::time::timeout(self.time_max, done).await;
        done.unwrap_or_else(|_| {
            tracing::error!("a list takes too long: it is refused");
            Err(UNAVAILABLE)
        })
    }

    fn turn(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= ASKERS_KEPT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

/// What cannot be listed in time is not listed.
const UNAVAILABLE: Refusal = Refusal::Unavailable(Dependency::DecisionPoint);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn key(who: &str) -> Key {
        (1, Arc::from(who))
    }

    /// Counts who is at work, and keeps them there.
    #[derive(Debug, Default)]
    struct Work {
        held: AtomicBool,
        inside: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
    }

    impl Work {
        fn run(&self) {
            self.most.fetch_max(1 + self.inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
            while self.held.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            self.inside.fetch_sub(1, Ordering::SeqCst);
            self.done.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn ask(
        lists: &Arc<Lists>,
        work: &Arc<Work>,
        who: &str,
    ) -> tokio::task::JoinHandle<Result<(), Refusal>> {
        let (lists, work, key) = (Arc::clone(lists), Arc::clone(work), key(who));
        let asked = async move {
            lists
                .elsewhere(key, move || {
                    work.run();
                    Ok(())
                })
                .await
        };
        tokio::spawn(asked)
    }

    #[tokio::test]
    async fn one_asker_has_one_list_worked_out_at_a_time_and_all_have_two() {
        let (lists, work) = (Arc::new(Lists::new()), Arc::new(Work::default()));
        work.held.store(true, Ordering::SeqCst);
        let same = [0; 4].map(|_| ask(&lists, &work, "anna"));
        let others = ["boris", "clara"].map(|who| ask(&lists, &work, who));
        while work.inside.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        work.held.store(false, Ordering::SeqCst);
        for asked in same.into_iter().chain(others) {
            assert_eq!(asked.await.unwrap(), Ok(()));
        }
        assert_eq!((work.done.load(Ordering::SeqCst), work.most.load(Ordering::SeqCst)), (6, 2));
        let (lists, work) = (Arc::new(Lists::new()), Arc::new(Work::default()));
        for asked in [0; 8].map(|_| ask(&lists, &work, "anna")) {
            assert_eq!(asked.await.unwrap(), Ok(()));
        }
        assert_eq!(work.most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_refused_and_goes_on() {
        let lists = Arc::new(Lists { time_max: Duration::from_millis(1), ..Lists::new() });
        let work = Arc::new(Work::default());
        work.held.store(true, Ordering::SeqCst);
        assert_eq!(ask(&lists, &work, "anna").await.unwrap(), Err(UNAVAILABLE));
        work.held.store(false, Ordering::SeqCst);
        // A started one ends by itself; one that never started left its place.
        while work.inside.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        let lists = Lists::new();
        assert_eq!(lists.elsewhere(key("anna"), || Ok(1)).await, Ok(1));
    }
}
