//! Decision ids without a system call for each.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{DecisionId, Entropy, EntropyError, UnixNanos};

/// Decision ids: 80 random bits of this process plus a counter, so no id costs a system call and none repeats.
#[derive(Debug)]
pub(super) struct Ids {
    prefix: [u8; 2],
    start: u64,
    count: AtomicU64,
}

impl Ids {
    pub(super) fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut prefix = [0; 2];
        let mut start = [0; 8];
        entropy.fill(&mut prefix)?;
        entropy.fill(&mut start)?;
        Ok(Self { prefix, start: u64::from_be_bytes(start), count: AtomicU64::new(0) })
    }

    pub(super) fn next(&self, now: UnixNanos) -> DecisionId {
        let count = self.start.wrapping_add(self.count.fetch_add(1, Ordering::Relaxed));
        let mut random = [0; 10];
        for (to, from) in random.iter_mut().zip(self.prefix.into_iter().chain(count.to_be_bytes()))
        {
            *to = from;
        }
        DecisionId::from_parts(now, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OsEntropy;

    #[test]
    fn no_two_ids_are_equal_even_in_one_moment() {
        let ids = Ids::new(&OsEntropy).unwrap();
        let now = UnixNanos::from_seconds(1_800_000_000);
        let made: std::collections::HashSet<_> = (0..1_000).map(|_| ids.next(now)).collect();
        assert_eq!(made.len(), 1_000);
    }
}
