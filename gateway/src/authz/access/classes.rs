//! Finds nodes that no condition can tell apart, so that one decision answers for all of them.
//!
//! Policies are pure functions of the principal, the action, the context and what they read of the resource.
//! Two nodes of one type that have the same parents and the same attributes differ in their names only. A name
//! is seen when something names the node: a policy, the principal, or attributes within reach. A node that is
//! named so, or stands above one that is, is decided by itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy_core::ast::{EntityUID, Expr, ExprKind, Literal, PartialValue, Value};

use crate::authz::entity::model_uid;
use crate::authz::nodes::{Attributes, Number, Stored};
use crate::authz::partition::{Partition, PreparedPrincipal};
use crate::authz::rule::Rule;

/// What conditions can see of a node that nothing names.
#[derive(PartialEq, Eq, Hash)]
struct Look<'a> {
    kind: &'a str,
    parents: &'a [Number],
    /// Equal attributes are kept once; what is kept twice is only decided twice.
    attributes: *const Attributes,
}

/// The answers found so far.
pub(super) struct Classes<'a> {
    partition: &'a Partition,
    /// What policies and principal name, and everything above that.
    named: HashSet<Number>,
    /// The same of attributes, for each that was met.
    tangled: HashMap<*const Attributes, HashSet<Number>>,
    answers: HashMap<Look<'a>, bool>,
}

impl<'a> Classes<'a> {
    /// For the questions that `rules` can decide about this principal.
    pub(super) fn new<'r>(
        partition: &'a Partition,
        principal: &PreparedPrincipal,
        rules: impl Iterator<Item = &'r Rule>,
    ) -> Self {
        let mut named: HashSet<EntityUID> = HashSet::new();
        for rule in rules {
            named
                .extend(rule.principal.anchor().into_iter().chain(rule.resource.anchor()).cloned());
            if let Some(condition) = rule.condition.as_deref() {
                mentions(condition, &mut named);
            }
        }
        named.insert(EntityUID::clone(&principal.uid));
        named.extend(principal.entity.ancestors().cloned());
        let values = principal.entity.attrs().map(|(_, value)| value);
        let values = values.chain(principal.entity.tags().map(|(_, value)| value));
        named.extend(values.filter_map(whole).flat_map(Value::all_literal_uids).map(owned));
        let nodes = partition.nodes();
        let numbers = named.iter().filter_map(|uid| nodes.number(&model_uid(uid)?));
        let mut direct: HashSet<Number> = numbers.collect();
        direct.extend(principal.references.iter().flat_map(|number| reached(partition, *number)));
        let named = direct.iter().flat_map(|number| upwards(partition, *number)).collect();
        Self { partition, named, tangled: HashMap::new(), answers: HashMap::new() }
    }

    /// The answer about a node: what `decide` said about it, or about one that looks the same.
    pub(super) fn answer(
        &mut self,
        number: Number,
        stored: &'a Stored,
        decide: impl FnOnce() -> Option<bool>,
    ) -> Option<bool> {
        let attributes = Arc::as_ptr(&stored.attributes);
        let partition = self.partition;
        let tangled = self.tangled.entry(attributes).or_insert_with(|| {
            let direct = stored.attributes.references.iter();
            let all = direct.flat_map(|number| reached(partition, *number));
            all.flat_map(|number| upwards(partition, number)).collect()
        });
        if self.named.contains(&number) || tangled.contains(&number) {
            return decide();
        }
        let look = Look { kind: stored.uid.kind(), parents: &stored.parents, attributes };
        if let Some(answer) = self.answers.get(&look) {
            return Some(*answer);
        }
        let answer = decide()?;
        self.answers.insert(look, answer);
        Some(answer)
    }
}

/// A node and what its attributes name: conditions follow two references at most.
fn reached(partition: &Partition, number: Number) -> Vec<Number> {
    let further = partition.nodes().get(number).map(|stored| &*stored.attributes.references);
    std::iter::once(number).chain(further.into_iter().flatten().copied()).collect()
}

/// A node and everything above it.
fn upwards(partition: &Partition, number: Number) -> Vec<Number> {
    let mut all = partition.nodes().above(number);
    all.push(number);
    all
}

fn owned(uid: impl std::borrow::Borrow<EntityUID>) -> EntityUID {
    uid.borrow().clone()
}

const fn whole(value: &PartialValue) -> Option<&Value> {
    match value {
        PartialValue::Value(value) => Some(value),
        PartialValue::Residual(_) => None,
    }
}

/// The entities that a condition mentions.
fn mentions(condition: &Expr, named: &mut HashSet<EntityUID>) {
    for part in condition.subexpressions() {
        if let ExprKind::Lit(Literal::EntityUID(uid)) = part.expr_kind() {
            named.insert(EntityUID::clone(uid));
        }
    }
}
