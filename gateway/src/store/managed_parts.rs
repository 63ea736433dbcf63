//! What is administered, as the directory loads it: read to the end, from threads that may wait.

use tokio::runtime::Handle;

use super::error::StoreError;
use super::key::Kind;
use super::managed::{ManagedObjects, StoredMember, StoredShape};
use super::managed_connections::{StoredConnection, StoredDomain};
use super::seal::KeyRing;
use crate::directory::{ManagedParts, ManagedShape, Member, PushedError};
use crate::model::{Connection, TenantId};

/// Reads what is administered from the store.
///
/// Must be called from a thread that may block: of `spawn_blocking`, or outside any runtime.
#[derive(Clone, Debug)]
pub struct StoredParts {
    objects: ManagedObjects,
    /// Opens client secrets; without it connections are left out.
    ring: Option<KeyRing>,
    runtime: Handle,
}

impl StoredParts {
    /// Reads `objects` on `runtime`. Without `ring` no secret is read back: what only tells of an organisation needs
    /// none.
    pub const fn new(objects: ManagedObjects, ring: Option<KeyRing>, runtime: Handle) -> Self {
        Self { objects, ring, runtime }
    }

    fn connections(&self, tenant: &TenantId, shape: &StoredShape) -> Vec<Connection> {
        let opened = |stored: &StoredConnection| {
            let own = |domain: &&StoredDomain| {
                domain.verified.is_some() && domain.connection.as_ref() == Some(&stored.id)
            };
            let domains = shape.domains.iter().filter(own).map(|domain| domain.name.clone());
            match &self.ring {
                Some(ring) => stored.opened(ring, tenant, domains.collect()),
                None => Ok(stored.without_secret(tenant, domains.collect())),
            }
        };
        let told = |found: Result<Connection, StoreError>| {
            // One connection that cannot be read must not take the organisation with it: nobody signs in by it.
            found.inspect_err(|error| tracing::error!(%tenant, %error, "a connection is left out"))
        };
        shape.connections.iter().map(opened).filter_map(|found| told(found).ok()).collect()
    }
}

impl ManagedParts for StoredParts {
    fn version(&self, tenant: &TenantId) -> Result<[u8; 32], PushedError> {
        let state = self.runtime.block_on(self.objects.state(tenant));
        state.map(|state| state.head.digest).map_err(|error| failed(tenant, &error))
    }

    fn shape(&self, tenant: &TenantId) -> Result<(ManagedShape, [u8; 32]), PushedError> {
        let read = self.runtime.block_on(self.objects.shape(tenant));
        let (shape, name) = read.map_err(|error| failed(tenant, &error))?;
        let connections = self.connections(tenant, &shape);
        Ok((ManagedShape { suspended: shape.profile.suspended.is_some(), connections }, name))
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
