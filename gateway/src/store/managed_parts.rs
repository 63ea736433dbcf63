//! What is administered, as the directory loads it: read to the end, from threads that may wait.

use tokio::runtime::Handle;

use super::error::StoreError;
use super::key::Kind;
use super::managed::{ManagedObjects, StoredMember};
use crate::directory::{ManagedParts, ManagedShape, Member, PushedError};
use crate::model::TenantId;

/// Reads what is administered from the store.
///
/// Must be called from a thread that may block: of `spawn_blocking`, or outside any runtime.
#[derive(Clone, Debug)]
pub struct StoredParts {
    objects: ManagedObjects,
    runtime: Handle,
}

impl StoredParts {
    /// Reads `objects` on `runtime`.
    pub const fn new(objects: ManagedObjects, runtime: Handle) -> Self {
        Self { objects, runtime }
    }
}

impl ManagedParts for StoredParts {
    fn version(&self, tenant: &TenantId) -> Result<[u8; 32], PushedError> {
        let state = self.runtime.block_on(self.objects.state(tenant));
        state.map(|state| state.head.digest).map_err(|error| failed(tenant, &error))
    }

    fn shape(&self, tenant: &TenantId) -> Result<(ManagedShape, [u8; 32]), PushedError> {
        Ok((ManagedShape::default(), self.version(tenant)?))
    }

    fn members(&self, tenant: &TenantId) -> Result<(Vec<Member>, [u8; 32]), PushedError> {
        let all = self.objects.all::<StoredMember>(tenant, Kind::Member);
        let (all, name) = self.runtime.block_on(all).map_err(|error| failed(tenant, &error))?;
        Ok((all.into_iter().map(|stored| stored.member).collect(), name))
    }
}

fn failed(tenant: &TenantId, error: &StoreError) -> PushedError {
    PushedError { tenant: tenant.clone(), cause: error.to_string() }
}
