//! A snapshot with other resources in one organisation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::snapshot::{Snapshot, SnapshotParts};
use crate::authz::Partition;
use crate::directory::Directory;
use crate::model::{Change, EntityUid, TenantId};

/// Why changes cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeError {
    /// The resource it is about, where it is about one. It need not be among the changes.
    pub uid: Option<EntityUid>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ChangeError {}

impl ChangeError {
    fn new(uid: Option<&EntityUid>, error: &dyn fmt::Display) -> Self {
        Self { uid: uid.cloned(), reason: error.to_string() }
    }
}

impl Snapshot {
    /// This snapshot with `changes` made to the resources of `tenant`: all of them, checked like those of its
    /// files, or none. Everything else is shared. Blocks for as long as the organisation is large.
    ///
    /// # Errors
    /// Every [`ChangeError`].
    pub fn with_changes(
        &self,
        tenant: &TenantId,
        changes: &[Change],
    ) -> Result<Self, Vec<ChangeError>> {
        let parts = self.parts();
        let Some(organisation) = parts.directory.organisation(tenant) else {
            return Err(vec![ChangeError::new(None, &"there is no such organisation")]);
        };
        let Some(partition) = parts.partitions.get(tenant) else {
            return Err(vec![ChangeError::new(None, &"the organisation was not prepared")]);
        };
        let partition = partition.apply(changes).map_err(|errors| {
            let told = errors.iter().map(|error| ChangeError::new(Some(error.uid()), error));
            told.collect::<Vec<_>>()
        })?;
        let after = organisation.with_changes(changes).map_err(|errors| {
            errors.iter().map(|error| ChangeError::new(error.uid(), error)).collect::<Vec<_>>()
        })?;
        let mut partitions = parts.partitions.clone();
        partitions.insert(tenant.clone(), Arc::new(partition));
        self.with(Arc::new(parts.directory.with(Arc::new(after))), partitions)
    }

    /// This snapshot with one organisation as `other`, a snapshot of the same configuration, has it.
    ///
    /// # Errors
    /// [`ChangeError`] when either has no such organisation.
    pub fn with_organisation_of(
        &self,
        other: &Self,
        tenant: &TenantId,
    ) -> Result<Self, Vec<ChangeError>> {
        let (own, theirs) = (self.parts(), other.parts());
        let organisation = theirs.directory.organisation(tenant);
        let (Some(organisation), Some(partition)) = (organisation, theirs.partitions.get(tenant))
        else {
            return Err(vec![ChangeError::new(None, &"there is no such organisation")]);
        };
        let mut partitions = own.partitions.clone();
        partitions.insert(tenant.clone(), Arc::clone(partition));
        let directory = Arc::new(own.directory.with(Arc::clone(organisation)));
        self.with(directory, partitions)
    }

    fn with(
        &self,
        directory: Arc<Directory>,
        partitions: BTreeMap<TenantId, Arc<Partition>>,
    ) -> Result<Self, Vec<ChangeError>> {
        let parts = self.parts();
        self.derive(SnapshotParts {
            routes: Arc::clone(&parts.routes),
            schema: Arc::clone(&parts.schema),
            pdp: Arc::clone(&parts.pdp),
            directory,
            partitions,
            config_digest: parts.config_digest,
            pseudonyms: parts.pseudonyms.clone(),
        })
        .map_err(|error| vec![ChangeError::new(None, &error)])
    }

    /// Whether the organisation has this resource.
    pub fn has_resource(&self, tenant: &TenantId, uid: &EntityUid) -> bool {
        let organisation = self.parts().directory.organisation(tenant);
        organisation.is_some_and(|organisation| organisation.resource(uid).is_some())
    }
}
