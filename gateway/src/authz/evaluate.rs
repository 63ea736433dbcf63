//! Asks the rules whose scope matches, with Cedar's own evaluator.

use std::sync::Arc;

use cedar_policy_core::ast::{
    EntityUID, EntityUIDEntry, Literal, PartialValue, Request, SlotEnv, Value, ValueKind,
};
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::context::{Facts, Reads, context};
use super::decision::Verdict;
use super::entity::Node;
use super::partition::{Partition, PreparedPrincipal};
use super::rule::Rule;
use super::schema::Action;

/// A question whose every part was found.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) partition: &'a Partition,
    pub(super) principal: &'a PreparedPrincipal,
    pub(super) action: &'a Action,
    pub(super) resource: &'a Node,
    pub(super) facts: &'a Facts<'a>,
}

/// What becomes of each rule. `None` when the request itself cannot be built (a deny).
pub(super) fn evaluate<'r>(
    found: Found<'_>,
    rules: Vec<&'r Rule>,
) -> Option<Vec<(&'r Rule, Verdict)>> {
    if rules.iter().all(|rule| rule.condition.is_none()) {
        return Some(rules.into_iter().map(|rule| (rule, Verdict::Satisfied)).collect());
    }
    let reads = rules.iter().fold(Reads::default(), |all, rule| all.and(rule.reads));
    let entities = entities(found, reads)?;
    let evaluator = Evaluator::new(request(found, reads)?, &entities, Extensions::all_available());
    let slots = SlotEnv::new();
    let verdict = |rule: &Rule| match rule.condition.as_deref() {
        None => Verdict::Satisfied,
        Some(condition) => match evaluator.partial_interpret(condition, &slots) {
            Ok(PartialValue::Value(Value {
                value: ValueKind::Lit(Literal::Bool(satisfied)),
                ..
            })) => {
                if satisfied {
                    Verdict::Satisfied
                } else {
                    Verdict::NotSatisfied
                }
            }
            // Cedar calls a condition that is no truth value a type error.
            Ok(_) | Err(_) => Verdict::Erred,
        },
    };
    Some(rules.into_iter().map(|rule| (rule, verdict(rule))).collect())
}

/// Who asks what of which entities, with every fact at hand, for one who looks into conditions.
pub(super) fn scene(found: Found<'_>) -> Option<(Request, Entities)> {
    Some((request(found, Reads::everything())?, entities(found, Reads::everything())?))
}

/// The shape of the request was checked against the schema's environments, the shape of the context
/// when the schema was loaded; so nothing is left to check here.
fn request(found: Found<'_>, reads: Reads) -> Option<Request> {
    let known = |uid: &Arc<EntityUID>| EntityUIDEntry::Known { euid: Arc::clone(uid), loc: None };
    Some(Request::new_unchecked(
        known(&found.principal.uid),
        known(&found.action.uid),
        known(&found.resource.uid),
        Some(context(found.facts, reads)?),
    ))
}

fn entities(found: Found<'_>, reads: Reads) -> Option<Entities> {
    let action = reads.has(Reads::ACTION).then_some(&found.action.entity);
    let slice = found.partition.slice(found.principal, found.resource)?;
    let slice = slice.into_iter().chain(action.cloned());
    // The entities were checked and their ancestors worked out when the partition was built.
    Entities::new()
        .add_entities(
            slice,
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::all_available(),
        )
        .ok()
}
