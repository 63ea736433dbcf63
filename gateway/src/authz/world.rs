//! Small organisations written by hand, to ask questions about: entities, those who ask, and changes to
//! them that hold for one question.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::partition::{Partition, PreparedPrincipal};
use super::schema::PolicySchema;
use crate::model::{EntityRecord, EntityUid};

/// Attributes that are otherwise than written, by entity (`Team::own`) or by type (`Team`: all of them).
/// A value replaces the attribute; `null` takes it away.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Changes(BTreeMap<String, Map<String, Value>>);

impl Changes {
    /// Whether nothing is otherwise.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name the same changes always have.
    pub(super) fn key(&self) -> String {
        format!("{:?}", self.0)
    }

    /// Whether `uid` is changed.
    pub(super) fn touches(&self, uid: &EntityUid) -> bool {
        self.of(uid).next().is_some()
    }

    fn of(&self, uid: &EntityUid) -> impl Iterator<Item = &Map<String, Value>> {
        // What is said of the one entity comes after what is said of its type, and wins.
        [self.0.get(uid.kind()), self.0.get(&uid.to_string())].into_iter().flatten()
    }

    fn apply(&self, record: &EntityRecord) -> EntityRecord {
        let mut changed = record.clone();
        for (name, value) in self.of(&record.uid).flatten() {
            if value.is_null() {
                changed.attributes.remove(name);
            } else {
                changed.attributes.insert(name.clone(), value.clone());
            }
        }
        changed
    }

    /// The first name that stands for nothing among `records`: most likely it is misspelt.
    fn unknown(&self, records: &[&EntityRecord]) -> Option<&str> {
        let stands_for =
            |name: &str, uid: &EntityUid| name == uid.kind() || name == uid.to_string();
        let known = |name: &str| records.iter().any(|record| stands_for(name, &record.uid));
        self.0.keys().map(String::as_str).find(|name| !known(name))
    }
}

/// An organisation with those who ask, prepared for questions.
#[derive(Debug)]
pub(super) struct World {
    pub(super) partition: Partition,
    principals: HashMap<EntityUid, PreparedPrincipal>,
}

impl World {
    /// Prepares `entities` and `principals`, changed by `changes`.
    ///
    /// # Errors
    /// What does not fit the schema or each other, one line each.
    pub(super) fn build(
        schema: &Arc<PolicySchema>,
        entities: &[EntityRecord],
        principals: &[EntityRecord],
        changes: &Changes,
    ) -> Result<Self, Vec<String>> {
        if let Some(unknown) =
            changes.unknown(&entities.iter().chain(principals).collect::<Vec<_>>())
        {
            return Err(vec![format!("`{unknown}` is changed, but is no entity or type here")]);
        }
        let entities: Vec<EntityRecord> = entities.iter().map(|e| changes.apply(e)).collect();
        let partition = Partition::build(schema, entities.iter())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let mut prepared = HashMap::new();
        for record in principals {
            let principal = partition
                .principal(&changes.apply(record))
                .map_err(|error| vec![error.to_string()])?;
            prepared.insert(record.uid.clone(), principal);
        }
        Ok(Self { partition, principals: prepared })
    }

    pub(super) fn principal(&self, uid: &EntityUid) -> Option<&PreparedPrincipal> {
        self.principals.get(uid)
    }
}
