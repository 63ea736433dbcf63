//! Follows the change feed, so that what another process changed is forgotten here.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::error::StoreError;
use super::state::{Change, Changes, StateStore};
use crate::model::{Clock, UnixNanos};

/// How often the feed is read: an eighth of the two seconds a revocation may take, so several reads may
/// fail before anybody notices. One read costs some 20 µs.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How old the last reading of the feed may be before copies in memory are not believed: the two seconds a
/// revocation may take (CK-06).
pub const TRUST_MAX: Duration = Duration::from_secs(2);

/// Changes read at once: a page of a few hundred kilobytes.
const PAGE: usize = 1_000;

/// Sweep every 240 readings, which is every minute.
const SWEEP_EVERY: u64 = 240;

/// Somebody with copies of what is in the store.
pub trait Follower: Send + Sync + Debug {
    /// `change` happened: forget the copy, unless it is of this change or a later one.
    fn changed(&self, change: &Change);

    /// Anything may have happened: forget everything.
    fn reset(&self);

    /// All changes made before `at` have been told.
    fn synced(&self, at: UnixNanos);
}

/// Reads the feed for its followers.
#[derive(Debug)]
pub struct Watcher {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    followers: Vec<Arc<dyn Follower>>,
    after: Option<u64>,
    polls: u64,
}

impl Watcher {
    /// Watches `store` for `followers`. They trust no copy before the first [`Watcher::poll`].
    pub fn new(
        store: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        followers: Vec<Arc<dyn Follower>>,
    ) -> Self {
        Self { store, clock, followers, after: None, polls: 0 }
    }

    /// Reads the feed to its end once.
    ///
    /// # Errors
    /// [`StoreError`] when the store did not answer; nothing is lost, the next reading goes on from there.
    pub async fn poll(&mut self) -> Result<(), StoreError> {
        // Taken before reading: what is written while we read may not be in the answer.
        let at = self.clock.now();
        while !self.read_page().await? {}
        for follower in &self.followers {
            follower.synced(at);
        }
        Ok(())
    }

    /// Reads one page; true when it was the last.
    async fn read_page(&mut self) -> Result<bool, StoreError> {
        // No feed reaches up to the last place there is, so the first answer is its head.
        let after = self.after.unwrap_or(u64::MAX);
        match self.store.changes(after, PAGE).await? {
            Changes::Since(changes) => {
                for change in &changes {
                    self.followers.iter().for_each(|follower| follower.changed(change));
                    self.after = Some(change.seq);
                }
                Ok(changes.len() < PAGE)
            }
            Changes::Lost { head } => {
                self.followers.iter().for_each(|follower| follower.reset());
                self.after = Some(head);
                Ok(true)
            }
        }
    }

    async fn tick(&mut self) {
        if let Err(error) = self.poll().await {
            tracing::warn!(%error, "the change feed was not read");
        }
        self.polls = self.polls.wrapping_add(1);
        if self.polls.is_multiple_of(SWEEP_EVERY)
            && let Err(error) = self.store.sweep().await
        {
            tracing::warn!(%error, "expired entries were not freed");
        }
    }
}

/// Follows the feed until dropped. Spawn it once per process, in the runtime that lives longest.
pub async fn watch(mut watcher: Watcher) {
    let mut interval = tokio::time::interval(POLL_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        watcher.tick().await;
    }
}

#[cfg(test)]
mod tests;
