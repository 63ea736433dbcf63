//! Resources an organisation has besides those of its files: what its hub pushed.

use std::fmt::Debug;

use crate::model::{EntityRecord, TenantId};

/// What the store has of an organisation could not be read.
#[derive(Debug, thiserror::Error)]
#[error("what is kept of `{tenant}` cannot be read: {cause}")]
pub struct PushedError {
    /// The organisation.
    pub tenant: TenantId,
    /// Why.
    pub cause: String,
}

/// Where pushed resources are kept. An organisation's resources are those of its files and these; a name
/// that is in both is an error when the organisation is loaded.
///
/// Both methods may block: they are called off the threads that serve requests.
pub trait PushedResources: Debug + Send + Sync {
    /// Names the present state of an organisation's pushed resources: it changes with every change, and is
    /// the same in every process that sees the same resources. Part of the snapshot's name. Cheap: it is
    /// asked about every organisation at start.
    ///
    /// # Errors
    /// [`PushedError`].
    fn version(&self, tenant: &TenantId) -> Result<[u8; 32], PushedError>;

    /// Hands every record of one moment to `each`, in any order, and names that moment's state as
    /// [`PushedResources::version`] does.
    ///
    /// # Errors
    /// [`PushedError`]; what was handed over before counts for nothing.
    fn read(
        &self,
        tenant: &TenantId,
        each: &mut dyn FnMut(EntityRecord),
    ) -> Result<[u8; 32], PushedError>;
}

/// Nothing was pushed to anybody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingPushed;

impl PushedResources for NothingPushed {
    fn version(&self, _: &TenantId) -> Result<[u8; 32], PushedError> {
        Ok([0; 32])
    }

    fn read(&self, _: &TenantId, _: &mut dyn FnMut(EntityRecord)) -> Result<[u8; 32], PushedError> {
        Ok([0; 32])
    }
}
