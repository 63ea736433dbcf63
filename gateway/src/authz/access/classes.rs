//! Finds nodes that no condition can tell apart, so that one decision answers for all of them.
//!
//! Policies are pure functions of the principal, the action, the context and what they read of the resource.
//! For one principal, action and context a condition can see of a node:
//! its type; the attributes whose names some condition mentions; which of the entities that the policies or the
//! principal name stand above it; and how it stands to the entities its own attributes name. Two nodes that
//! are equal in all of this get the same answer. A node that is itself named, or about which this is not
//! known for certain, is decided by itself.

use std::collections::{BTreeMap, HashSet};

use cedar_policy_core::ast::{EntityUID, Expr, ExprKind, Literal, PartialValue, Value};

use crate::authz::partition::{Node, Partition, PreparedPrincipal};
use crate::authz::rule::Rule;
use crate::authz::schema::Kind;

/// What conditions can see of a node.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Look<'a> {
    kind: Kind,
    /// The attributes some condition mentions.
    attributes: Vec<(&'a str, &'a Value)>,
    /// The named entities that stand above, sorted.
    above: Vec<&'a EntityUID>,
}

/// The answers found so far.
pub(super) struct Classes<'a> {
    partition: &'a Partition,
    /// The attributes some condition mentions, of whatever entity.
    attributes: HashSet<String>,
    /// The entities that policies and principal name.
    named: HashSet<EntityUID>,
    /// Those, and everything above them.
    around: HashSet<EntityUID>,
    answers: BTreeMap<Look<'a>, bool>,
}

impl<'a> Classes<'a> {
    /// For the questions that `rules` can decide about this principal.
    pub(super) fn new<'r>(
        partition: &'a Partition,
        principal: &PreparedPrincipal,
        rules: impl Iterator<Item = &'r Rule>,
    ) -> Self {
        let mut attributes = HashSet::new();
        let mut named = HashSet::new();
        for rule in rules {
            named
                .extend(rule.principal.anchor().into_iter().chain(rule.resource.anchor()).cloned());
            if let Some(condition) = rule.condition.as_deref() {
                mentions(condition, &mut attributes, &mut named);
            }
        }
        named.insert(EntityUID::clone(&principal.uid));
        named.extend(principal.entity.ancestors().cloned());
        named.extend(values(principal.entity.attrs()).flat_map(Value::all_literal_uids).map(owned));
        named.extend(values(principal.entity.tags()).flat_map(Value::all_literal_uids).map(owned));
        for node in principal.references.iter().filter_map(|number| partition.node(*number)) {
            named.extend(values(node.entity.attrs()).flat_map(Value::all_literal_uids).map(owned));
        }
        let mut around = named.clone();
        for uid in &named {
            if let Some((_, node)) = partition.find_cedar(uid) {
                around.extend(node.entity.ancestors().cloned());
            }
        }
        Self { partition, attributes, named, around, answers: BTreeMap::new() }
    }

    /// The answer about `node`: what `decide` said about it, or about one that looks the same.
    pub(super) fn answer(&mut self, node: &'a Node, decide: impl FnOnce() -> bool) -> bool {
        match self.look(node) {
            None => decide(),
            Some(look) => *self.answers.entry(look).or_insert_with(decide),
        }
    }

    /// What conditions can see of `node`; `None` when it must be decided by itself.
    fn look(&self, node: &'a Node) -> Option<Look<'a>> {
        let entity = &node.entity;
        if entity.tags_len() > 0 || self.around.contains(&*node.uid) {
            return None;
        }
        let mut attributes = Vec::new();
        for (name, value) in entity.attrs() {
            if self.attributes.contains(name.as_str()) {
                let PartialValue::Value(value) = value else { return None };
                attributes.push((name.as_str(), value));
            }
        }
        attributes.sort_unstable_by_key(|(name, _)| *name);
        let own = self.own_references(node, &attributes)?;
        let mut above: Vec<&EntityUID> = entity
            .ancestors()
            .filter(|uid| self.named.contains(*uid) || own.contains(*uid))
            .collect();
        above.sort_unstable();
        Some(Look { kind: node.kind, attributes, above })
    }

    /// The entities that a condition can reach or name by way of the node's own attributes; `None` when the
    /// node is one of them or above one of them.
    fn own_references(
        &self,
        node: &'a Node,
        attributes: &[(&str, &'a Value)],
    ) -> Option<HashSet<EntityUID>> {
        let direct = attributes.iter().flat_map(|(_, value)| value.all_literal_uids()).map(owned);
        let mut own: HashSet<EntityUID> = direct.collect();
        if own.is_empty() {
            return Some(own);
        }
        for node in node.references.iter().filter_map(|number| self.partition.node(*number)) {
            own.extend(values(node.entity.attrs()).flat_map(Value::all_literal_uids).map(owned));
        }
        let below = |uid: &EntityUID| {
            let found = self.partition.find_cedar(uid);
            *uid == *node.uid
                || found.is_some_and(|(_, found)| found.entity.is_descendant_of(&node.uid))
        };
        (!own.iter().any(below)).then_some(own)
    }
}

fn owned(uid: impl std::borrow::Borrow<EntityUID>) -> EntityUID {
    uid.borrow().clone()
}

fn values<'v, N>(
    attributes: impl Iterator<Item = (N, &'v PartialValue)>,
) -> impl Iterator<Item = &'v Value> {
    attributes.filter_map(|(_, value)| match value {
        PartialValue::Value(value) => Some(value),
        PartialValue::Residual(_) => None,
    })
}

/// The attributes and the entities that a condition mentions. An entity's attribute can be read by its name only.
fn mentions(condition: &Expr, attributes: &mut HashSet<String>, named: &mut HashSet<EntityUID>) {
    for part in condition.subexpressions() {
        match part.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) => {
                named.insert(EntityUID::clone(uid));
            }
            ExprKind::GetAttr { attr, .. } | ExprKind::HasAttr { attr, .. } => {
                attributes.insert(attr.to_string());
            }
            ExprKind::ExtHasAttr { attrs, .. } => {
                attributes.extend(attrs.iter().map(ToString::to_string));
            }
            _ => {}
        }
    }
}
