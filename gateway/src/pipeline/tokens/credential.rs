//! What a credential is good for, told to whoever uses it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::answer::Answer;
use super::super::asker::Asker;
use super::super::quotas::quota_of;
use super::super::recording::Trail;
use super::answers::time;
use crate::authz::Partition;
use crate::model::{EntityUid, Refusal};

/// Levels above a node that are looked at: a partition has no more.
const LEVELS_MAX: usize = 16;

/// The credential of the API client that asks.
///
/// # Errors
/// [`Refusal::Denied`] for anybody else.
pub(super) fn credential(
    trail: &Trail<'_>,
    ids: &[(String, String)],
    (asker, partition): (&Asker, &Partition),
) -> Result<Answer, Refusal> {
    let key = asker.authenticated().api_key().ok_or_else(|| {
        let reason = String::from("only an API client has a credential to show");
        Refusal::Denied { reason: Some(reason), hidden: false }
    })?;
    let mut told = Map::new();
    told.insert(String::from("name"), key.name.as_str().into());
    told.insert(String::from("clientId"), key.id.as_str().into());
    told.insert(String::from("scopes"), key.scopes.clone().into());
    for (property, kind) in ids {
        let nodes = nodes_of(kind, asker, partition);
        let value = if property.ends_with('s') {
            nodes.iter().map(|node| Value::from(node.id())).collect()
        } else {
            nodes.first().map_or(Value::Null, |node| node.id().into())
        };
        told.insert(property.clone(), value);
    }
    if let Some(name) = trail.route.as_ref().and_then(|route| route.quota()) {
        let (_, quota) = quota_of(trail, asker, name)?;
        told.insert(String::from("rateLimit"), quota.requests.get().into());
        told.insert(String::from("rateLimitIntervalInSeconds"), quota.window.get().into());
    }
    told.insert(String::from("createdAt"), time(key.created).into());
    told.insert(String::from("updatedAt"), time(key.changed.unwrap_or(key.created)).into());
    Ok(Answer::Json { body: Value::Object(told).to_string() })
}

/// The nearest node of a type at or above each node the asker was given a role on. Without one the asker is not narrowed
/// to nodes of that type.
fn nodes_of(kind: &str, asker: &Asker, partition: &Partition) -> BTreeSet<EntityUid> {
    let mut found = BTreeSet::new();
    for role in asker.roles().iter() {
        let mut level = BTreeSet::from([role.on.clone()]);
        let mut seen = BTreeSet::new();
        for _ in 0..LEVELS_MAX {
            let here: Vec<EntityUid> =
                level.iter().filter(|node| node.kind() == kind).cloned().collect();
            if !here.is_empty() {
                found.extend(here);
                break;
            }
            let records = level.iter().filter_map(|node| partition.record(node));
            let above: BTreeSet<EntityUid> = records.flat_map(|record| record.parents).collect();
            seen.append(&mut level);
            level = above.difference(&seen).cloned().collect();
        }
    }
    found
}
