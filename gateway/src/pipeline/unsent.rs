//! The outcome of an Allow that did not get to the door.

use super::admission::Pipeline;
use super::outcome::Enforcement;
use crate::model::{DecisionId, TenantId};

/// Completes an Allow that did not get to the door.
pub(super) struct Unsent<'g> {
    pipeline: &'g Pipeline,
    decision: Option<DecisionId>,
    tenant: Option<TenantId>,
}

impl<'g> Unsent<'g> {
    /// Until [`Unsent::disarm`] is called, `decision` was not carried out.
    pub(super) const fn new(
        pipeline: &'g Pipeline,
        decision: DecisionId,
        tenant: Option<TenantId>,
    ) -> Self {
        Self { pipeline, decision: Some(decision), tenant }
    }

    /// It got there.
    pub(super) fn disarm(mut self) {
        self.decision = None;
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        if let Some(decision) = self.decision {
            let enforcement = Enforcement {
                tenant: self.tenant.take(),
                ended_by: Some("unsent"),
                ..Enforcement::default()
            };
            self.pipeline.complete(decision, &enforcement);
        }
    }
}
