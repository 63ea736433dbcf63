//! Keeps what was counted against quotas, for the process that comes next.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::limits::Quotas;
use crate::model::{Clock as _, SystemClock};
use crate::pipeline::Counting;
use crate::store::{StateStore, StoredCounts};

/// What is counted, and where it is kept.
#[derive(Debug)]
pub(super) struct Counter {
    quotas: Arc<Quotas>,
    kept: Arc<StoredCounts>,
}

/// How often what was counted is kept: what a process that is killed counted since is counted again.
const KEPT_EVERY: Duration = Duration::from_secs(1);

/// Counts kept in one go: a second's work beside everything else.
const AT_ONCE: usize = 2_000;

/// A gateway that stops waits no longer for it.
const KEPT_WITHIN: Duration = Duration::from_secs(3);

impl Counter {
    /// Counts from what `store` has.
    pub(super) fn new(store: &Arc<dyn StateStore>) -> Self {
        let kept = Arc::new(StoredCounts::new(Arc::clone(store)));
        Self { quotas: Arc::new(Quotas::new(SystemClock.now())), kept }
    }

    /// What the pipeline counts with.
    pub(super) fn counting(&self) -> Counting {
        Counting { quotas: Arc::clone(&self.quotas), earlier: Arc::clone(&self.kept) as _ }
    }

    /// Keeps what was counted, every second.
    pub(super) fn keep_on(&self, core: &Handle) {
        let (quotas, kept) = (Arc::downgrade(&self.quotas), Arc::clone(&self.kept));
        core.spawn(async move {
            loop {
                tokio::time::sleep(KEPT_EVERY).await;
                let Some(quotas) = quotas.upgrade() else { return };
                write(&quotas, &kept).await;
            }
        });
    }

    /// Keeps what was counted last. It blocks, for a moment.
    pub(super) fn keep(&self, core: &Handle) {
        core.block_on(async {
            let all = async {
                while let Some(written) = write(&self.quotas, &self.kept).await {
                    if written == 0 {
                        return true;
                    }
                }
                false
            };
            if !matches!(tokio::time::timeout(KEPT_WITHIN, all).await, Ok(true)) {
                tracing::warn!("what was counted against quotas last is not kept");
            }
        });
    }
}

/// How much was kept; nothing where the store failed.
async fn write(quotas: &Quotas, kept: &StoredCounts) -> Option<usize> {
    let mut written = 0;
    for (counted, count, until) in quotas.changed(AT_ONCE) {
        if let Err(error) = kept.keep(&counted, count, until).await {
            tracing::warn!(%error, "what was counted against a quota is not kept");
            return None;
        }
        written += 1;
    }
    Some(written)
}
