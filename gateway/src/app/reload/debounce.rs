//! Waits for quiet after a change. Time comes in from outside.

use std::time::Duration;

use super::{QUIET, WAIT_MAX};

/// The change being waited out: when it began and when it was last seen, since the watch began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Debounce(Option<(Duration, Duration)>);

impl Debounce {
    /// Something changed at `now`.
    pub(super) fn changed(&mut self, now: Duration) {
        let first = self.0.map_or(now, |(first, _)| first);
        self.0 = Some((first, now));
    }

    /// How long to wait at `now`; `None` when there is nothing to wait for.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let (first, last) = self.0?;
        let due = (last + QUIET).min(first + WAIT_MAX);
        Some(due.saturating_sub(now))
    }

    /// Whether the change is over at `now`.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.wait(now).is_some_and(|wait| wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_burst_is_over_when_it_was_quiet_for_a_while() {
        let mut debounce = Debounce::default();
        assert_eq!(debounce.wait(ms(0)), None);
        debounce.changed(ms(0));
        debounce.changed(ms(150));
        assert_eq!(debounce.wait(ms(150)), Some(ms(200)));
        assert!(!debounce.is_due(ms(349)));
        assert!(debounce.is_due(ms(350)));
    }

    #[test]
    fn steady_change_does_not_wait_for_ever() {
        let mut debounce = Debounce::default();
        for now in (0..2_000).step_by(100) {
            debounce.changed(ms(now));
            assert!(!debounce.is_due(ms(now)));
        }
        assert!(debounce.is_due(ms(2_000)));
    }
}
