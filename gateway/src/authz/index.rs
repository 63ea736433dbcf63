//! The scope index: which rules can match a request, found without looking at the others.

use std::collections::{HashMap, HashSet};

use cedar_policy_core::ast::{ActionConstraint, Entity, EntityUID};

use super::context::Reads;
use super::rule::{Rule, Scope};
use super::schema::{Environment, PolicySchema};

/// Prepared rules and their index. The order of the rules is the order they were loaded in.
#[derive(Debug, Default)]
pub(super) struct RuleSet {
    rules: Vec<Rule>,
    buckets: HashMap<Environment, Bucket>,
}

/// The rules whose scope can match one shape of request.
#[derive(Debug, Default)]
struct Bucket {
    /// Tied to no single entity: always candidates.
    open: Vec<usize>,
    /// Tied to one principal, or to a group of principals.
    by_principal: HashMap<EntityUID, Vec<usize>>,
    /// Tied to one resource, or to a node above it.
    by_resource: HashMap<EntityUID, Vec<usize>>,
    reads: Reads,
}

impl RuleSet {
    /// Indexes rules, each with its action scope.
    pub(super) fn build(schema: &PolicySchema, rules: Vec<(Rule, ActionConstraint)>) -> Self {
        let mut set = Self::default();
        let kinds: HashMap<_, _> = schema.kind_names().map(|(name, kind)| (kind, name)).collect();
        for (number, (rule, actions)) in rules.into_iter().enumerate() {
            let matching: HashSet<_> = schema
                .all_actions()
                .filter(|action| action_matches(&actions, &action.closure, &action.uid))
                .map(|action| action.number)
                .collect();
            let may_hold =
                |scope: &Scope, kind| kinds.get(&kind).is_some_and(|name| scope.may_hold(name));
            for environment in schema.environments() {
                if matching.contains(&environment.action)
                    && may_hold(&rule.principal, environment.principal)
                    && may_hold(&rule.resource, environment.resource)
                {
                    set.buckets.entry(*environment).or_default().insert(number, &rule);
                }
            }
            set.rules.push(rule);
        }
        set
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.id)
    }

    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// What the candidates of `environment` can read, all of them taken together.
    pub(super) fn reads(&self, environment: Environment) -> Reads {
        self.buckets.get(&environment).map(|bucket| bucket.reads).unwrap_or_default()
    }

    /// Every rule whose scope can match some request of this shape, in no order.
    pub(super) fn candidates(&self, environment: Environment) -> impl Iterator<Item = &Rule> {
        let bucket = self.buckets.get(&environment);
        let tied = |bucket: &'_ Bucket| -> Vec<usize> {
            let tied = bucket.by_principal.values().chain(bucket.by_resource.values());
            tied.flatten().chain(&bucket.open).copied().collect()
        };
        bucket.map(tied).unwrap_or_default().into_iter().filter_map(|n| self.rules.get(n))
    }

    /// The rules whose scope matches, in load order.
    pub(super) fn matching<'a>(
        &'a self,
        environment: Environment,
        principal: &Entity,
        resource: &Entity,
    ) -> Vec<&'a Rule> {
        let Some(bucket) = self.buckets.get(&environment) else {
            return Vec::new();
        };
        let tied = |numbers: &HashMap<EntityUID, Vec<usize>>, entity: &Entity| {
            if numbers.is_empty() {
                return Vec::new();
            }
            let nodes = std::iter::once(entity.uid()).chain(entity.ancestors());
            nodes.filter_map(|uid| numbers.get(uid)).flatten().copied().collect()
        };
        let mut extra = tied(&bucket.by_principal, principal);
        extra.append(&mut tied(&bucket.by_resource, resource));
        let mut numbers = bucket.open.clone();
        if !extra.is_empty() {
            numbers.append(&mut extra);
            numbers.sort_unstable();
        }
        numbers
            .into_iter()
            .filter_map(|number| self.rules.get(number))
            .filter(|rule| rule.principal.holds(principal) && rule.resource.holds(resource))
            .collect()
    }
}

impl Bucket {
    fn insert(&mut self, number: usize, rule: &Rule) {
        self.reads = self.reads.and(rule.reads);
        match (rule.principal.anchor(), rule.resource.anchor()) {
            (Some(uid), _) => self.by_principal.entry(uid.clone()).or_default().push(number),
            (None, Some(uid)) => self.by_resource.entry(uid.clone()).or_default().push(number),
            (None, None) => self.open.push(number),
        }
    }
}

/// Whether a rule with this action scope speaks of the action `uid`, whose groups are in `closure`.
pub(super) fn action_matches(
    constraint: &ActionConstraint,
    closure: &HashSet<EntityUID>,
    uid: &EntityUID,
) -> bool {
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(wanted) => &**wanted == uid,
        ActionConstraint::In(groups) => groups.iter().any(|group| closure.contains(&**group)),
    }
}
