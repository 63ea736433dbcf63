//! What the administration API keeps of an organisation, besides its files.

use std::fmt::Debug;
use std::sync::Arc;

use super::member::Member;
use super::organisation::OrganisationData;
use super::pushed::{NothingPushed, PushedError, PushedResources};
use crate::model::{Connection, ConnectionId, PolicySource, TenantId};

/// What every request may need of an administered organisation.
#[derive(Clone, Debug, Default)]
pub struct ManagedShape {
    /// The platform suspended it.
    pub suspended: bool,
    /// Connections its administrators added.
    pub connections: Vec<Connection>,
    /// Verified e-mail domains, with the connection each leads to.
    pub domains: Vec<(String, ConnectionId)>,
}

/// Where administered parts of organisations are kept. All methods may block: they are called off the threads that
/// serve requests.
pub trait ManagedParts: Debug + Send + Sync {
    /// Names the present state of everything kept of an organisation: it changes with every change, and is the same
    /// in every process that sees the same. Zeros where nothing ever was. Part of the snapshot's name. Cheap: it is
    /// asked about every organisation at start.
    ///
    /// # Errors
    /// [`PushedError`].
    fn version(&self, tenant: &TenantId) -> Result<[u8; 32], PushedError>;

    /// What every request may need, and the state it is of, as [`ManagedParts::version`] names it.
    ///
    /// # Errors
    /// [`PushedError`].
    fn shape(&self, tenant: &TenantId) -> Result<(ManagedShape, [u8; 32]), PushedError>;

    /// The members, and the state they are of.
    ///
    /// # Errors
    /// [`PushedError`].
    fn members(&self, tenant: &TenantId) -> Result<(Vec<Member>, [u8; 32]), PushedError>;

    /// The base policies that were added to those of the files, in order of their names. They hold for every
    /// organisation.
    ///
    /// # Errors
    /// [`AdditionsUnread`].
    fn policies(&self) -> Result<Vec<PolicySource>, AdditionsUnread>;

    /// The organisations the platform created, in order of their ids. They have no files.
    ///
    /// # Errors
    /// [`AdditionsUnread`].
    fn organisations(&self) -> Result<Vec<OrganisationData>, AdditionsUnread>;
}

/// What the platform added to the files cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("what the platform added to the files cannot be read: {0}")]
pub struct AdditionsUnread(pub String);

/// What the store has of organisations, besides their files.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What their hubs pushed.
    pub pushed: Arc<dyn PushedResources>,
    /// What is administered.
    pub managed: Arc<dyn ManagedParts>,
}

impl Default for Stored {
    fn default() -> Self {
        Self { pushed: Arc::new(NothingPushed), managed: Arc::new(NothingManaged) }
    }
}

/// Nothing is administered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingManaged;

impl ManagedParts for NothingManaged {
    fn version(&self, _: &TenantId) -> Result<[u8; 32], PushedError> {
        Ok([0; 32])
    }

    fn shape(&self, _: &TenantId) -> Result<(ManagedShape, [u8; 32]), PushedError> {
        Ok((ManagedShape::default(), [0; 32]))
    }

    fn members(&self, _: &TenantId) -> Result<(Vec<Member>, [u8; 32]), PushedError> {
        Ok((Vec::new(), [0; 32]))
    }

    fn policies(&self) -> Result<Vec<PolicySource>, AdditionsUnread> {
        Ok(Vec::new())
    }

    fn organisations(&self) -> Result<Vec<OrganisationData>, AdditionsUnread> {
        Ok(Vec::new())
    }
}
