//! Pushed resources as the directory loads them: read to the end, from threads that may wait.

use tokio::runtime::Handle;

use super::error::StoreError;
use super::objects::DirectoryObjects;
use crate::directory::{PushedError, PushedResources};
use crate::model::{EntityRecord, TenantId};

/// Reads pushed resources from the store.
///
/// Must be called from a thread that may block: of `spawn_blocking`, or outside any runtime.
#[derive(Clone, Debug)]
pub struct StoredResources {
    objects: DirectoryObjects,
    runtime: Handle,
}

impl StoredResources {
    /// Reads `objects` on `runtime`.
    pub const fn new(objects: DirectoryObjects, runtime: Handle) -> Self {
        Self { objects, runtime }
    }

    async fn read_pages(
        &self,
        tenant: &TenantId,
        each: &mut dyn FnMut(EntityRecord),
    ) -> Result<[u8; 32], StoreError> {
        let before = self.objects.head(tenant).await?;
        if before.feed.goal.is_some() {
            return Err(StoreError::Failed(String::from("a push is being written")));
        }
        let mut after = None;
        loop {
            let (page, next) = self.objects.page(tenant, after.as_ref()).await?;
            for object in page {
                each(object.record);
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        // Pages are read one by one: only an unchanged head says that they are of one moment.
        if self.objects.head(tenant).await?.feed.digest == before.feed.digest {
            return Ok(before.feed.digest);
        }
        Err(StoreError::Failed(String::from("they changed while they were read")))
    }
}

impl PushedResources for StoredResources {
    fn version(&self, tenant: &TenantId) -> Result<[u8; 32], PushedError> {
        let head = self.runtime.block_on(self.objects.head(tenant));
        head.map(|head| head.feed.digest).map_err(|error| failed(tenant, &error))
    }

    fn read(
        &self,
        tenant: &TenantId,
        each: &mut dyn FnMut(EntityRecord),
    ) -> Result<[u8; 32], PushedError> {
        self.runtime.block_on(self.read_pages(tenant, each)).map_err(|error| failed(tenant, &error))
    }
}

fn failed(tenant: &TenantId, error: &StoreError) -> PushedError {
    PushedError { tenant: tenant.clone(), cause: error.to_string() }
}
