//! The policies as they are written, with what tests and shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cases::CaseFile;
use super::error::PolicyError;
use super::matrix::Probe;
use super::pdp::Pdp;
use super::schema::PolicySchema;
use crate::model::{PolicySource, TenantId};

/// The base policies of the files, the cases they are tested with, and the organisation their matrix is computed on.
#[derive(Clone, Debug, Default)]
pub struct PolicyBook {
    /// The policies as they are written.
    pub base: Vec<PolicySource>,
    /// The decisions they are tested with.
    pub cases: Vec<CaseFile>,
    /// What the matrix is computed on, where there is such a file.
    pub probe: Option<Probe>,
}

impl PolicyBook {
    /// The decision point over these policies, those that were `added` to them, and the organisations' `own`.
    ///
    /// # Errors
    /// Every [`PolicyError`] of every file.
    pub fn with(
        &self,
        added: &[PolicySource],
        schema: &Arc<PolicySchema>,
        own: &BTreeMap<TenantId, Vec<PolicySource>>,
    ) -> Result<Pdp, Vec<PolicyError>> {
        let base: Vec<PolicySource> = self.base.iter().chain(added).cloned().collect();
        Pdp::load(Arc::clone(schema), &base, own)
    }
}
