//! What a request names beside its resource is asked too: all of it must be allowed.
//!
//! It runs after the resource was allowed, under the same snapshot; it can only refuse.

use super::admission::{DECISION_TIME_MAX, timed};
use super::denial::{denied, hides};
use super::live_binding::LiveBinding;
use super::recording::Trail;
use crate::audit::{Also, Effect};
use crate::authz::{Decision, Partition};
use crate::model::{ActionId, Dependency, EntityUid, Refusal};
use crate::routing::CanonicalRequest;

/// Asks every further question, and refuses as if the first one denied had been the only one.
pub(super) fn ask(
    trail: &mut Trail<'_>,
    binding: &LiveBinding,
    partition: &Partition,
    request: &CanonicalRequest,
) -> Result<(), Refusal> {
    if binding.further.is_empty() {
        return Ok(());
    }
    let (asker, route) = (&binding.asker, &binding.route);
    let (decisions, took) = timed(|| {
        binding.decide_further(&trail.snapshot, route, (asker, partition), trail.arrival.at)
    });
    trail.evaluation += took;
    if took > DECISION_TIME_MAX {
        trail.forget_decisions();
        return Err(Refusal::Unavailable(Dependency::DecisionPoint));
    }
    trail.also = binding
        .further
        .iter()
        .zip(&decisions)
        .map(|(asked, d)| told(&asked.action, &asked.resource, d))
        .collect();
    trail.also_strict = decisions.iter().any(Decision::log_strict);
    let mut answered = binding.further.iter().zip(decisions);
    let Some((denial, decision)) = answered.find(|(_, decision)| !decision.allowed()) else {
        return Ok(());
    };
    let hidden = hides(partition, (route, asker), &denial.resource, &decision);
    let refusal = denied(request, (route, asker), decision.reason(), hidden);
    trail.also_denied = Some(decision);
    Err(refusal)
}

/// A question besides the first, as the record tells it.
pub(super) fn told(action: &ActionId, resource: &EntityUid, decision: &Decision) -> Also {
    Also {
        action: action.clone(),
        resource: resource.clone(),
        effect: if decision.allowed() { Effect::Allow } else { Effect::Deny },
        reason: decision.reason_code(),
        policies: decision.determining().to_vec(),
    }
}
