//! Bounds what a flood costs the log.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::UnixNanos;

/// So many refusals of addresses over their limit get a record each second. A hundred show who it is; a
/// record is about half a kilobyte, so a flood that lasts a day writes some four gigabytes at most.
const RECORDS_PER_SECOND: u64 = 100;

/// Counts the refusals of addresses over their limit.
#[derive(Debug, Default)]
pub(super) struct Floods {
    /// The second (upper half) and how many it has had (lower half).
    window: AtomicU64,
    unrecorded: AtomicU64,
}

impl Floods {
    /// Whether this refusal gets a record of its own.
    pub(super) fn may_record(&self, now: UnixNanos) -> bool {
        let second = now.seconds() & u64::from(u32::MAX);
        let count = |window: u64| {
            if window >> 32 == second { window + 1 } else { (second << 32) | 1 }
        };
        let before = self.window.update(Ordering::Relaxed, Ordering::Relaxed, count);
        let recorded = count(before) & u64::from(u32::MAX) <= RECORDS_PER_SECOND;
        if !recorded {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
        recorded
    }

    /// How many got none since start.
    pub(super) fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_a_hundred_records_a_second_and_the_rest_is_counted() {
        let floods = Floods::default();
        let now = UnixNanos::from_seconds(1_800_000_000);
        let recorded = (0..1_000).filter(|_| floods.may_record(now)).count();
        assert_eq!((recorded, floods.unrecorded()), (100, 900));
        assert!(floods.may_record(UnixNanos::from_seconds(1_800_000_001)));
    }
}
