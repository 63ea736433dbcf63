//! A list is about many nodes at once: those the policies allow its action on. The service is told which.

use std::sync::Arc;

use super::asker::Asker;
use super::outcome::Arrival;
use super::snapshot::Snapshot;
use crate::authz::{AccessQuestion, AccessSet, AccessSetError, Partition};
use crate::model::{Dependency, EntityUid, Refusal, TenantId};
use crate::routing::{ResourceRule, Route};

/// Longest access set as it travels: with base64 around it and the rest of the assertion it stays below the
/// sixteen kilobytes of head that backends commonly accept.
const TOLD_BYTES_MAX: usize = 8 * 1024;

/// A request that may be a list, and who sends it.
#[derive(Clone, Copy)]
pub(super) struct Listing<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) route: &'a Route,
    pub(super) asker: &'a Asker,
    pub(super) partition: &'a Partition,
    pub(super) tenant: Option<&'a TenantId>,
    pub(super) arrival: &'a Arrival,
}

impl Listing<'_> {
    /// The node to decide on, and the access set as JSON. What is no list keeps `asked`; a list of nothing
    /// too, so the decision on it says why. Should that allow, the service is told that the set is empty.
    pub(super) fn nodes(&self, asked: EntityUid) -> Result<(EntityUid, Option<Arc<str>>), Refusal> {
        let ResourceRule::Among { kinds } = self.route.resource_rule() else {
            return Ok((asked, None));
        };
        let partition = self.partition;
        let Some(principal) = self.asker.prepared() else { return Ok((asked, None)) };
        let types: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let question = AccessQuestion {
            principal,
            action: self.route.action(),
            context: self.asker.facts(self.route.scopes(), self.arrival.peer.ip(), self.arrival.at),
            types: &types,
        };
        let set = self.snapshot.pdp().access_set(self.tenant, partition, &question);
        let set = set.map_err(refusal)?;
        let told = serde_json::to_string(&*set);
        let told = told.map_err(|_| Refusal::Unavailable(Dependency::DecisionPoint))?;
        if told.len() > TOLD_BYTES_MAX {
            return Err(refusal(AccessSetError::TooManyEntries));
        }
        Ok((first_member(&set, partition).unwrap_or(asked), Some(Arc::from(told))))
    }
}

/// A node that is in the set: the first that stands for others if it is one itself, else the first by name.
fn first_member(set: &AccessSet, partition: &Partition) -> Option<EntityUid> {
    // Nothing is in it, so nothing is looked for.
    if set.is_empty() {
        return None;
    }
    let named = set.within().iter().find(|node| set.contains(partition, node));
    named.cloned().or_else(|| {
        let of_types = set.types().iter().flat_map(|kind| partition.of_kind(kind));
        of_types.filter(|node| set.contains(partition, node)).min().cloned()
    })
}

/// What cannot be told whole is not told in part.
fn refusal(error: AccessSetError) -> Refusal {
    match error {
        AccessSetError::TooManyNodes | AccessSetError::TooManyEntries => {
            let reason = "this list spans more separate parts of the organisation than one answer can \
                          name; ask about one of them";
            Refusal::Denied { reason: Some(reason.to_owned()), hidden: false }
        }
        AccessSetError::UnknownAction | AccessSetError::InvalidRequest => {
            Refusal::Unavailable(Dependency::DecisionPoint)
        }
    }
}
