//! What is administered, as the directory loads it: read to the end, from threads that may wait.

use tokio::runtime::Handle;

use super::error::StoreError;
use super::managed::{ManagedObjects, StoredShape};
use super::managed_connections::{StoredConnection, StoredDomain};
use super::organisations::StoredOrganisation;
use super::policies::StoredPolicy;
use super::seal::KeyRing;
use crate::directory::{
    AdditionsUnread, ManagedParts, ManagedShape, Member, OrganisationData, PushedError,
};
use crate::model::{Connection, ConnectionId, PolicySource, TenantId};

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

    fn connections(&self, tenant: &TenantId, stored: &[StoredConnection]) -> Vec<Connection> {
        let opened = |stored: &StoredConnection| match &self.ring {
            Some(ring) => stored.opened(ring, tenant),
            None => Ok(stored.without_secret(tenant)),
        };
        let told = |found: Result<Connection, StoreError>| {
            // One connection that cannot be read must not take the organisation with it: nobody signs in by it.
            found.inspect_err(|error| tracing::error!(%tenant, %error, "a connection is left out"))
        };
        stored.iter().map(opened).filter_map(|found| told(found).ok()).collect()
    }
}

/// The domains that are proved, with where each leads.
fn proved(stored: Vec<StoredDomain>) -> Vec<(String, ConnectionId)> {
    let proved = stored.into_iter().filter(|domain| domain.verified.is_some());
    proved.filter_map(|domain| Some((domain.name, domain.connection?))).collect()
}

impl ManagedParts for StoredParts {
    fn version(&self, tenant: &TenantId) -> Result<[u8; 32], PushedError> {
        let state = self.runtime.block_on(self.objects.state(tenant));
        state.map(|state| state.head.digest).map_err(|error| failed(tenant, &error))
    }

    fn shape(&self, tenant: &TenantId) -> Result<(ManagedShape, [u8; 32]), PushedError> {
        let read = self.runtime.block_on(self.objects.shape(tenant));
        let (shape, name) = read.map_err(|error| failed(tenant, &error))?;
        let StoredShape { connections, domains, profile } = shape;
        let connections = self.connections(tenant, &connections);
        let (suspended, domains) = (profile.suspended.is_some(), proved(domains));
        Ok((ManagedShape { suspended, connections, domains }, name))
    }

    fn members(&self, tenant: &TenantId) -> Result<(Vec<Member>, [u8; 32]), PushedError> {
        let people = self.runtime.block_on(self.objects.members(tenant));
        let (people, name) = people.map_err(|error| failed(tenant, &error))?;
        Ok((people.into_members(), name))
    }

    fn policies(&self) -> Result<Vec<PolicySource>, AdditionsUnread> {
        let policies = self.runtime.block_on(self.objects.policies()).map_err(|it| unread(&it))?;
        Ok(policies.iter().map(StoredPolicy::source).collect())
    }

    fn organisations(&self) -> Result<Vec<OrganisationData>, AdditionsUnread> {
        let created = self.runtime.block_on(self.objects.organisations());
        let created = created.map_err(|error| unread(&error))?.into_iter();
        created.map(StoredOrganisation::data).collect::<Result<_, _>>().map_err(|it| unread(&it))
    }
}

fn unread(error: &StoreError) -> AdditionsUnread {
    AdditionsUnread(error.to_string())
}

fn failed(tenant: &TenantId, error: &StoreError) -> PushedError {
    PushedError { tenant: tenant.clone(), cause: error.to_string() }
}
