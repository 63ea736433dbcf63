//! Organisations the platform created beside those of the files: part of every snapshot, and changed without reading
//! anything of the others anew.

use std::sync::Arc;

use super::{Snapshot, SnapshotParts, snapshot_id};
use crate::directory::{Directory, DirectoryError, Organisation, OrganisationData, RegisterError};
use crate::model::TenantId;
use crate::pipeline::asker::Askers;
use crate::pipeline::organisations::{Slot, SourceError};

/// The organisations that were created are not put in force.
#[derive(Debug, thiserror::Error)]
pub enum OrganisationsRefused {
    /// One of them makes no sense.
    #[error("an organisation that was created does not hold together: {}", lines(.0))]
    Faulty(Vec<DirectoryError>),
    /// They do not go together with the files, or with each other.
    #[error("the organisations that were created do not fit the files: {}", lines(.0))]
    Clash(Vec<RegisterError>),
    /// What is kept of one cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

fn lines<E: ToString>(errors: &[E]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl SnapshotParts {
    /// The same parts, with the organisations that were `created` beside those of the files and none else.
    ///
    /// # Errors
    /// [`OrganisationsRefused`] when they do not go together.
    pub fn with_organisations(
        self,
        created: Vec<OrganisationData>,
    ) -> Result<Self, OrganisationsRefused> {
        let built: Result<Vec<_>, _> =
            created.into_iter().map(|data| Organisation::build(data).map(Arc::new)).collect();
        let created = built.map_err(OrganisationsRefused::Faulty)?;
        if self.created().eq(created.iter().map(named)) {
            return Ok(self);
        }
        let directory =
            self.directory.with_created(&created).map_err(OrganisationsRefused::Clash)?;
        Ok(Self { directory: Arc::new(directory), ..self })
    }

    /// Those that were created, in order of their ids.
    fn created(&self) -> impl Iterator<Item = (&TenantId, [u8; 32])> {
        self.directory.organisations().filter(|it| it.created().is_some()).map(named)
    }
}

fn named(organisation: &Arc<Organisation>) -> (&TenantId, [u8; 32]) {
    (organisation.id(), organisation.digest())
}

impl Snapshot {
    /// Its parts with these organisations created; nothing, where it has just these.
    pub(in crate::pipeline) fn parts_serving(
        &self,
        created: Vec<OrganisationData>,
    ) -> Result<Option<SnapshotParts>, OrganisationsRefused> {
        let parts = (*self.parts).clone().with_organisations(created)?;
        Ok((!Arc::ptr_eq(&parts.directory, &self.parts.directory)).then_some(parts))
    }

    /// The same snapshot with other organisations created; nothing, if it is not one of the `files` the parts were made
    /// for. It may block: what is kept of the new ones is read.
    pub(in crate::pipeline) fn serving(
        &self,
        parts: SnapshotParts,
        files: &Self,
    ) -> Result<Option<Self>, OrganisationsRefused> {
        if !Arc::ptr_eq(&self.parts, &files.parts) {
            return Ok(None);
        }
        let mut served = Vec::new();
        let mut places = self.shelf.clone();
        for organisation in parts.directory.organisations() {
            let tenant = organisation.id();
            let before = self.parts.directory.organisation(tenant);
            if let Some(known) = self.directory.organisation(tenant)
                && before.is_some_and(|before| before.digest() == organisation.digest())
            {
                served.push(Arc::clone(known));
                continue;
            }
            let (managed, name) = parts.source.managed(organisation)?;
            let version = parts.source.version(organisation)?;
            // Should it be administered otherwise by now, it will be seen to have moved on.
            let slot = Slot::empty(super::Version { managed: name, ..version });
            places.put(tenant.clone(), slot);
            served.push(managed);
        }
        places.retain(|tenant| parts.directory.organisation(tenant).is_some());
        Ok(Some(Self {
            id: snapshot_id(&parts, &places),
            settings: self.settings.clone(),
            directory: Arc::new(Directory::administered(served)),
            parts: Arc::new(parts),
            nobody: Arc::clone(&self.nobody),
            shelf: places,
            askers: Arc::new(Askers::new()),
            readers: Arc::clone(&self.readers),
        }))
    }
}
