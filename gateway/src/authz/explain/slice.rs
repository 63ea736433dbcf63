//! The part of an organisation that one question can reach.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use serde_json::Value;

use super::Inquiry;
use crate::model::{EntityRecord, EntityUid};

/// Most entities taken for one explanation: a member with a thousand roles, ten levels each.
const ENTITIES_MAX: usize = 10_000;

/// An organisation's entities, by name.
pub trait Records: fmt::Debug {
    /// The entity with this name.
    fn record(&self, uid: &EntityUid) -> Option<EntityRecord>;
}

/// `start` and everything above it, nearest first.
pub fn at_and_above(records: &dyn Records, start: &EntityUid) -> Vec<EntityUid> {
    let mut found = vec![start.clone()];
    let mut at = 0;
    while let Some(uid) = found.get(at).cloned() {
        let parents = records.record(&uid).map(|record| record.parents);
        for parent in parents.unwrap_or_default() {
            if !found.contains(&parent) {
                found.push(parent);
            }
        }
        at += 1;
    }
    found
}

/// Records, nearest to the resource first: the resource, what stands above it or is named by it, and so on;
/// then what the principal names.
pub(super) struct Slice {
    pub(super) records: Vec<EntityRecord>,
    /// How many of them the resource reaches by itself.
    pub(super) near: usize,
}

impl Slice {
    pub(super) fn gather(inquiry: &Inquiry<'_>) -> Self {
        let mut records = Vec::new();
        let mut seen = HashSet::new();
        follow(inquiry, [inquiry.resource.clone()].into(), &mut seen, &mut records);
        let near = records.len();
        follow(inquiry, names(inquiry.principal).into(), &mut seen, &mut records);
        Self { records, near }
    }
}

fn follow(
    inquiry: &Inquiry<'_>,
    mut open: VecDeque<EntityUid>,
    seen: &mut HashSet<EntityUid>,
    records: &mut Vec<EntityRecord>,
) {
    while let Some(uid) = open.pop_front() {
        if records.len() == ENTITIES_MAX || !seen.insert(uid.clone()) {
            continue;
        }
        if let Some(record) = inquiry.records.record(&uid) {
            open.extend(names(&record));
            records.push(record);
        }
    }
}

/// The entities a record names: its parents, then those in its attributes.
fn names(record: &EntityRecord) -> Vec<EntityUid> {
    let mut found = record.parents.clone();
    record.attributes.values().for_each(|value| collect(value, &mut found));
    found
}

/// Cedar's entity JSON names an entity as `{"__entity": {"type", "id"}}` or, where the schema says what is
/// meant, as `{"type", "id"}`. What only looks like one is not found, and left alone.
fn collect(value: &Value, found: &mut Vec<EntityUid>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            if let (2, Some(kind), Some(id)) = (fields.len(), text("type"), text("id")) {
                found.extend(EntityUid::new(kind, id));
            }
            fields.values().for_each(|field| collect(field, found));
        }
        _ => {}
    }
}
