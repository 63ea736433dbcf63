//! What was counted against quotas, for the process that comes next.

use std::sync::Arc;

use async_trait::async_trait;

use super::error::StoreError;
use super::key::{Key, Kind};
use super::record::damaged;
use super::state::StateStore;
use crate::limits::{Count, KeptCounts, NoCount, QuotaKey};
use crate::model::UnixNanos;

/// Keeps counts.
#[derive(Debug)]
pub struct StoredCounts {
    store: Arc<dyn StateStore>,
}

impl StoredCounts {
    /// Keeps counts in `store`.
    pub fn new(store: Arc<dyn StateStore>) -> Self {
        Self { store }
    }

    /// Keeps a count until its block is over. What is counted of nobody known is not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(
        &self,
        counted: &QuotaKey,
        count: Count,
        until: UnixNanos,
    ) -> Result<(), StoreError> {
        let Some(place) = place(counted) else { return Ok(()) };
        let value = serde_json::to_vec(&count).map_err(|error| damaged(&place, &error))?;
        self.store.put(&place, value, Some(until)).await.map(drop)
    }

    async fn read(&self, counted: &QuotaKey) -> Result<Option<Count>, StoreError> {
        let Some(place) = place(counted) else { return Ok(None) };
        let Some(found) = self.store.get(&place).await? else { return Ok(None) };
        serde_json::from_slice(&found.value).map(Some).map_err(|error| damaged(&place, &error))
    }
}

fn place(counted: &QuotaKey) -> Option<Key> {
    let id = format!("{}.{}", counted.credential, counted.quota);
    Key::of(counted.tenant.as_ref()?, Kind::QuotaCount, &id).ok()
}

#[async_trait]
impl KeptCounts for StoredCounts {
    async fn earlier(&self, counted: &QuotaKey) -> Result<Option<Count>, NoCount> {
        self.read(counted).await.map_err(|error| {
            tracing::warn!(%error, "what was counted before cannot be read");
            NoCount
        })
    }
}
