//! A list is about many nodes at once: those the policies allow its action on. The service is told which.

use std::sync::Arc;

use super::asker::Asker;
use super::outcome::Arrival;
use super::snapshot::Snapshot;
use crate::authz::{AccessQuestion, AccessSet, AccessSetError, Partition, PreparedPrincipal};
use crate::model::{ActionId, Dependency, EntityUid, Refusal, TenantId};
use crate::routing::{BodyIds, ResourceRule, Route};

/// Longest access set as it travels: with base64 around it and the rest of the assertion it stays below the
/// sixteen kilobytes of head that backends commonly accept.
const TOLD_BYTES_MAX: usize = 8 * 1024;

/// Most entries of the sets for one body, all together: as many as one list may have.
const BODY_ENTRIES_MAX: usize = 256;

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
    /// Whether the request is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.route.resource_rule(), ResourceRule::Among { .. })
    }

    /// The node to decide on, and the access set as JSON. What is no list keeps `asked`; a list of nothing
    /// too, so the decision on it says why. Should that allow, the service is told that the set is empty.
    pub(super) fn nodes(&self, asked: EntityUid) -> Result<(EntityUid, Option<Arc<str>>), Refusal> {
        let ResourceRule::Among { kinds } = self.route.resource_rule() else {
            return Ok((asked, None));
        };
        let partition = self.partition;
        let Some(principal) = self.asker.prepared() else { return Ok((asked, None)) };
        let types: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let set = self.set(principal, self.route.action(), &types)?;
        let told = write(&*set, 0)?;
        Ok((first_member(&set, partition).unwrap_or(asked), Some(told)))
    }

    /// The sets a service compares the ids of a body with, as JSON: one for each type and action, with the
    /// properties it is for. `beside` are the bytes of the set of the list itself, which travels in the same
    /// assertion.
    pub(super) fn body_ids(&self, beside: usize) -> Result<Option<Arc<str>>, Refusal> {
        let rules = self.route.body_ids();
        if rules.is_empty() {
            return Ok(None);
        }
        let Some(principal) = self.asker.prepared() else { return Ok(None) };
        let mut sets: Vec<BodyAccess<'_>> = Vec::new();
        let mut entries = 0;
        for BodyIds { property, kind, action } in rules {
            let same =
                |set: &&mut BodyAccess<'_>| set.action == action.as_str() && set.kind == kind;
            if let Some(set) = sets.iter_mut().find(same) {
                set.properties.push(property);
                continue;
            }
            let access = self.set(principal, action, &[kind])?;
            entries += access.within().len() + access.without().len();
            if entries > BODY_ENTRIES_MAX {
                return Err(refusal(AccessSetError::TooManyEntries));
            }
            let properties = vec![property.as_str()];
            sets.push(BodyAccess { properties, kind, action: action.as_str(), access });
        }
        write(&sets, beside).map(Some)
    }

    fn set(
        &self,
        principal: &PreparedPrincipal,
        action: &ActionId,
        types: &[&str],
    ) -> Result<Arc<AccessSet>, Refusal> {
        let context =
            self.asker.facts(self.route.scopes(), self.arrival.peer.ip(), self.arrival.at);
        let question = AccessQuestion { principal, action, context, types };
        let set = self.snapshot.pdp().access_set(self.tenant, self.partition, &question);
        set.map_err(refusal)
    }
}

/// The nodes that properties of a body may name.
#[derive(serde::Serialize)]
struct BodyAccess<'a> {
    properties: Vec<&'a str>,
    kind: &'a str,
    action: &'a str,
    #[serde(serialize_with = "as_told")]
    access: Arc<AccessSet>,
}

fn as_told<S: serde::Serializer>(set: &Arc<AccessSet>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&**set, serializer)
}

/// The JSON of sets, where there is room for it beside what is told already.
fn write(sets: &impl serde::Serialize, beside: usize) -> Result<Arc<str>, Refusal> {
    let told = serde_json::to_string(sets);
    let told = told.map_err(|_| Refusal::Unavailable(Dependency::DecisionPoint))?;
    if told.len() + beside > TOLD_BYTES_MAX {
        return Err(refusal(AccessSetError::TooManyEntries));
    }
    Ok(Arc::from(told))
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
            let reason = "this request spans more separate parts of the organisation than one answer \
                          can name; ask about one of them";
            Refusal::Denied { reason: Some(reason.to_owned()), hidden: false }
        }
        AccessSetError::UnknownAction | AccessSetError::InvalidRequest => {
            Refusal::Unavailable(Dependency::DecisionPoint)
        }
    }
}
