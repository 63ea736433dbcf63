//! Entities made ready for Cedar, remembered: those asked about are asked about again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::entity::Node;
use super::nodes::Number;

/// Independent locks, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Entities per lock, some one and a half kilobytes each: an organisation in use holds at most some 25 MB of
/// them. A full shard is emptied: making one anew costs microseconds.
const SHARD_ENTRIES_MAX: usize = 1024;

type Shard = Mutex<HashMap<Number, Arc<Node>>>;

#[derive(Debug)]
pub(super) struct Made {
    shards: Box<[Shard]>,
}

impl Made {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    pub(super) fn find(&self, number: Number) -> Option<Arc<Node>> {
        let shard = self.shard(number)?.lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(&number).map(Arc::clone)
    }

    pub(super) fn keep(&self, node: &Arc<Node>) {
        let Some(shard) = self.shard(node.number) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= SHARD_ENTRIES_MAX {
            shard.clear();
        }
        shard.insert(node.number, Arc::clone(node));
    }

    fn shard(&self, number: Number) -> Option<&Mutex<HashMap<Number, Arc<Node>>>> {
        self.shards.get(number.index() % SHARDS)
    }
}
