//! Base policies that were added to those of the files: part of every snapshot, and changed without reading anything
//! else anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Snapshot, SnapshotParts, snapshot_id};
use crate::authz::{Pdp, PolicyBook, PolicyError, PolicySchema};
use crate::model::{PolicySource, TenantId};
use crate::pipeline::asker::Askers;

/// The policies that were added do not go together with the files, so nothing is put in force.
#[derive(Debug, thiserror::Error)]
#[error("the policies that were added do not fit the files: {}", lines(.0))]
pub struct PoliciesRefused(pub Vec<PolicyError>);

fn lines(errors: &[PolicyError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl SnapshotParts {
    /// The same parts, with these policies `added` to those of the files and none else.
    ///
    /// # Errors
    /// [`PoliciesRefused`] when they do not load together.
    pub fn with_policies(self, added: Vec<PolicySource>) -> Result<Self, PoliciesRefused> {
        if added == self.added {
            return Ok(self);
        }
        let pdp = self.book.with(&added, &self.schema, &self.own_policies());
        let pdp = Arc::new(pdp.map_err(PoliciesRefused)?);
        Ok(Self { pdp, added, ..self })
    }

    fn own_policies(&self) -> BTreeMap<TenantId, Vec<PolicySource>> {
        let organisations = self.directory.organisations();
        organisations.map(|it| (it.id().clone(), it.policies().to_vec())).collect()
    }
}

impl Snapshot {
    /// The base policies of the files, with what tests and shows them.
    pub fn book(&self) -> &Arc<PolicyBook> {
        &self.parts.book
    }

    /// The base policies that were added to those.
    pub fn added_policies(&self) -> &[PolicySource] {
        &self.parts.added
    }

    /// What each organisation has of its own.
    pub fn own_policies(&self) -> BTreeMap<TenantId, Vec<PolicySource>> {
        self.parts.own_policies()
    }

    /// Whether the files suspend an organisation, whatever the platform says.
    pub fn suspended_by_files(&self, tenant: &TenantId) -> bool {
        self.parts.directory.organisation(tenant).is_some_and(|it| it.suspended())
    }

    /// The decision point, to be held.
    pub fn shared_pdp(&self) -> Arc<Pdp> {
        Arc::clone(&self.parts.pdp)
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<PolicySchema> {
        &self.parts.schema
    }

    /// Its parts with other policies added; nothing, where these are in force.
    pub(in crate::pipeline) fn parts_with(
        &self,
        added: &[PolicySource],
    ) -> Result<Option<SnapshotParts>, PoliciesRefused> {
        if added == self.parts.added {
            return Ok(None);
        }
        (*self.parts).clone().with_policies(added.to_vec()).map(Some)
    }

    /// The same snapshot decided by other policies; nothing, if it is not one of the `files` they were made for.
    pub(in crate::pipeline) fn decided_by(
        &self,
        parts: SnapshotParts,
        files: &Self,
    ) -> Option<Self> {
        if !Arc::ptr_eq(&self.parts, &files.parts) {
            return None;
        }
        Some(Self {
            id: snapshot_id(&parts, &self.shelf),
            settings: self.settings.clone(),
            parts: Arc::new(parts),
            directory: Arc::clone(&self.directory),
            nobody: Arc::clone(&self.nobody),
            shelf: self.shelf.clone(),
            askers: Arc::new(Askers::new()),
            readers: Arc::clone(&self.readers),
        })
    }
}
