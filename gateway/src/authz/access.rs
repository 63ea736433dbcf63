//! The access set: on which nodes of an organisation the policies allow an action to somebody.
//!
//! It is computed by deciding, never by reading roles: a node is in the set exactly when the single decision
//! about it is to allow. Nodes that no condition can tell apart are decided once ([`classes`]); the answer is
//! written with few entries along the tree ([`cover`]).

mod cache;
mod classes;
mod cover;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde::Serialize;

use self::cache::Key;
use self::classes::Classes;
use self::cover::{Cover, Place};
use super::context::{Facts, Reads};
use super::evaluate::Found;
use super::nodes::{Nodes, Number};
use super::partition::{Partition, PreparedPrincipal};
use super::pdp::Pdp;
use super::schema::{Action, Environment, Kind};
use crate::model::{ActionId, EntityUid, TenantId};

pub(super) use self::cache::AccessCache;

/// Most entries of one access set, both lists together: it travels in a header, and 256 names of 40 bytes are
/// ten of the sixteen kilobytes that backends commonly accept.
const ENTRIES_MAX: usize = 256;

/// Most nodes looked at for one access set: as many as an organisation may have. Most look like others that were
/// decided already.
const NODES_MAX: usize = 1_000_000;

/// On which nodes may this principal do this, under these facts?
#[derive(Clone, Copy, Debug)]
pub struct AccessQuestion<'a> {
    /// Who asks.
    pub principal: &'a PreparedPrincipal,
    /// What for.
    pub action: &'a ActionId,
    /// The facts of the request.
    pub context: Facts<'a>,
    /// The types of the nodes that are wanted. A type the action is not for has no member in the set.
    pub types: &'a [&'a str],
}

/// The nodes on which an action is allowed: of the nodes whose type is one of `types`, those that are one of
/// `within` or stand below one, but for those in `without`. Nodes of other types may be named in `within`, to stand
/// for what is below them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AccessSet {
    types: Vec<String>,
    within: Vec<EntityUid>,
    without: Vec<EntityUid>,
}

impl AccessSet {
    /// The types of the nodes in it, sorted: the wanted ones that the action is for.
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// The nodes that are in it with everything below them, sorted.
    pub fn within(&self) -> &[EntityUid] {
        &self.within
    }

    /// The single nodes taken out again, sorted. What is below them stays.
    pub fn without(&self) -> &[EntityUid] {
        &self.without
    }

    /// Whether no node is in it.
    pub fn is_empty(&self) -> bool {
        self.within.is_empty()
    }

    /// Whether `node` is in it; `partition` is the one it was computed on.
    pub fn contains(&self, partition: &Partition, node: &EntityUid) -> bool {
        self.types.iter().any(|name| name == node.kind())
            && self.without.binary_search(node).is_err()
            && partition.stands_under(node, self.within.iter())
    }
}

/// Why there is no access set. Whoever asked must refuse: nothing may be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessSetError {
    /// The schema has no such action.
    #[error("the schema knows no such action")]
    UnknownAction,
    /// The principal or the policies belong to another partition or schema.
    #[error("the principal, the entities and the policies do not belong together")]
    InvalidRequest,
    /// More nodes than are looked at for one set.
    #[error("more than {NODES_MAX} nodes of the wanted types")]
    TooManyNodes,
    /// The set cannot be written with few enough entries.
    #[error("the access set has more than {ENTRIES_MAX} entries")]
    TooManyEntries,
}

impl Pdp {
    /// The nodes on which the policies allow an action. `tenant` names the organisation whose own policies
    /// count besides the base set.
    ///
    /// Remembered while nothing it depends on changes, unless a policy reads the time or the address. New, it
    /// looks at every entity of the partition once, and decides once for all nodes that look the same.
    ///
    /// # Errors
    /// [`AccessSetError`].
    pub fn access_set(
        &self,
        tenant: Option<&TenantId>,
        partition: &Partition,
        question: &AccessQuestion<'_>,
    ) -> Result<Arc<AccessSet>, AccessSetError> {
        let action = self.schema().action(question.action).ok_or(AccessSetError::UnknownAction)?;
        let same_schema = partition.schema().digest() == self.schema().digest();
        if !same_schema || question.principal.partition != partition.identity() {
            return Err(AccessSetError::InvalidRequest);
        }
        let search = Search::new(self, tenant, partition, question, action);
        let now = question.context.now;
        let key = search.key();
        if let Some(key) = &key
            && let Some(set) = self.access_cache().find(key, now)
        {
            return Ok(set);
        }
        let set = Arc::new(search.run()?);
        if let Some(key) = key {
            self.access_cache().insert(key, Arc::clone(&set), now);
        }
        Ok(set)
    }
}

/// One access set being computed.
struct Search<'a> {
    pdp: &'a Pdp,
    partition: &'a Partition,
    question: &'a AccessQuestion<'a>,
    action: &'a Action,
    policies: usize,
    /// The wanted types, each with the shape of a question about it; none when the action is not for it.
    wanted: Vec<(Kind, &'a str, Option<Environment>)>,
    reads: Reads,
}

impl<'a> Search<'a> {
    fn new(
        pdp: &'a Pdp,
        tenant: Option<&TenantId>,
        partition: &'a Partition,
        question: &'a AccessQuestion<'a>,
        action: &'a Action,
    ) -> Self {
        let policies = pdp.policies_of(tenant);
        let schema = pdp.schema();
        let principal = question.principal.kind;
        let environment = |resource: Kind| {
            let environment = Environment { principal, action: action.number, resource };
            schema.environments().contains(&environment).then_some(environment)
        };
        let mut wanted: Vec<_> = question
            .types
            .iter()
            .filter_map(|name| schema.kind(name).map(|kind| (kind, *name, environment(kind))))
            .collect();
        wanted.sort_unstable_by_key(|(kind, ..)| *kind);
        wanted.dedup_by_key(|(kind, ..)| *kind);
        let own = pdp.own(policies);
        let reads = wanted
            .iter()
            .filter_map(|(.., environment)| *environment)
            .fold(Reads::default(), |all, environment| all.and(pdp.reads(own, environment)));
        Self { pdp, partition, question, action, policies, wanted, reads }
    }

    /// What the set depends on; `None` when it depends on what changes by itself.
    fn key(&self) -> Option<Key> {
        if self.reads.has(Reads::NOW) || self.reads.has(Reads::NETWORK) {
            return None;
        }
        let context = &self.question.context;
        let authentication = self.reads.has(Reads::AUTHENTICATION);
        Some(Key {
            partition: self.partition.identity(),
            policies: self.policies,
            principal: self.question.principal.digest,
            action: self.action.number,
            types: self.wanted.iter().map(|(kind, ..)| *kind).collect(),
            authentication: authentication.then(|| (context.method, context.connection.cloned())),
            scopes: self.reads.has(Reads::OPERATION).then(|| context.scopes.clone()),
        })
    }

    fn run(&self) -> Result<AccessSet, AccessSetError> {
        let mut types: Vec<String> = self
            .wanted
            .iter()
            .filter(|(.., environment)| environment.is_some())
            .map(|(_, name, _)| (*name).to_owned())
            .collect();
        types.sort_unstable();
        if types.is_empty() {
            return Ok(AccessSet::default());
        }
        let places = self.decide()?;
        let nodes = self.partition.nodes();
        let Cover { within, without } = Cover::of(nodes, &places);
        if within.len() + without.len() > ENTRIES_MAX {
            return Err(AccessSetError::TooManyEntries);
        }
        Ok(AccessSet { types, within: names(nodes, &within), without: names(nodes, &without) })
    }

    /// Decides about every node of the wanted types, once for all nodes that look alike. What they stand below
    /// comes along undecided, to stand for them.
    fn decide(&self) -> Result<Vec<Place>, AccessSetError> {
        let own = self.pdp.own(self.policies);
        let (partition, principal) = (self.partition, self.question.principal);
        let environments = self.wanted.iter().filter_map(|(.., environment)| *environment);
        let rules = environments.flat_map(|environment| {
            let own = own.into_iter().flat_map(move |own| own.candidates(environment));
            self.pdp.base().candidates(environment).chain(own)
        });
        let mut classes = Classes::new(partition, principal, rules);
        let mut places = Vec::new();
        // Siblings share one list of parents, and what is above them.
        let (mut parents, mut above) = (HashSet::new(), BTreeSet::new());
        let kinds = self.wanted.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>();
        let nodes = partition.nodes();
        for (number, kind, stored) in nodes.of_kinds(kinds) {
            let wanted = self.wanted.iter().find(|(wanted, ..)| *wanted == kind);
            let Some((.., environment)) = wanted else { continue };
            if places.len() == NODES_MAX {
                return Err(AccessSetError::TooManyNodes);
            }
            let allowed = environment.map(|environment| {
                let decide = || {
                    let resource = &*partition.node(number)?;
                    let (action, facts) = (self.action, &self.question.context);
                    let found = Found { partition, principal, action, resource, facts };
                    Some(self.pdp.ask(own, environment, found).allows())
                };
                classes.answer(number, stored, decide).ok_or(AccessSetError::InvalidRequest)
            });
            places.push(Place { node: number, allowed: allowed.transpose()? });
            if parents.insert(Arc::as_ptr(&stored.parents)) {
                above.extend(nodes.above(number));
            }
        }
        let is_wanted = |name: &str| self.wanted.iter().any(|(_, wanted, _)| *wanted == name);
        let others = above
            .into_iter()
            .filter(|node| nodes.get(*node).is_some_and(|stored| !is_wanted(stored.uid.kind())));
        places.extend(others.map(|node| Place { node, allowed: None }));
        Ok(places)
    }
}

fn names(nodes: &Nodes, numbers: &[Number]) -> Vec<EntityUid> {
    let names = numbers.iter().filter_map(|number| Some(nodes.get(*number)?.uid.clone()));
    let mut names: Vec<EntityUid> = names.collect();
    names.sort_unstable();
    names
}
