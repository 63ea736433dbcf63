//! Resources checked against the schema before they enter a partition.
//!
//! What is plainly written is checked along the schema (`forms`). About the rest Cedar's own check is asked,
//! once for each shape: the same type, attributes and kinds of parents. It costs some fifty times as much as
//! everything else that is done with a resource.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy_core::ast::{PartialValue, Value};

use super::entity::{self, model_uid};
use super::error::EntityError;
use super::schema::{Kind, PolicySchema};
use crate::model::{EntityRecord, EntityUid};

/// Most shapes remembered by one checker; beyond it, all are forgotten. Some hundred bytes each.
const SHAPES_MAX: usize = 16_384;

/// Checks resources against a schema. Each thread that checks has one of its own.
#[derive(Debug)]
pub struct Checker<'s> {
    schema: &'s PolicySchema,
    shapes: HashMap<String, Shape>,
}

/// A resource that fits the schema. Only a [`Checker`] makes one.
#[derive(Debug)]
pub struct Checked {
    pub(super) uid: EntityUid,
    pub(super) parents: Vec<EntityUid>,
    pub(super) shape: Shape,
}

/// What a resource's check depends on, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// The attributes as JSON text, its keys in order.
    pub(super) attributes: Arc<str>,
    /// The resources the attributes name, each once.
    pub(super) references: Arc<[EntityUid]>,
}

impl<'s> Checker<'s> {
    /// A checker that has seen nothing.
    pub fn new(schema: &'s PolicySchema) -> Self {
        Self { schema, shapes: HashMap::new() }
    }

    /// Checks type, attributes and kinds of parents of a resource; whether parents and references exist is
    /// seen when it enters a partition.
    ///
    /// # Errors
    /// [`EntityError::Schema`].
    pub fn check(&mut self, record: EntityRecord) -> Result<Checked, EntityError> {
        let text = serde_json::to_string(&record.attributes).map_err(|error| {
            EntityError::Schema { uid: record.uid.clone(), message: error.to_string() }
        })?;
        if let Some((kind, references)) = self.plain(&record) {
            let shape = Shape { kind, attributes: Arc::from(text), references };
            return Ok(Checked { uid: record.uid, parents: record.parents, shape });
        }
        let EntityRecord { uid, parents, attributes } = &record;
        let mut key = String::with_capacity(text.len() + 64);
        key.push_str(uid.kind());
        // Ids are part of the shape only where the schema lists the ids there are.
        for name in [uid].into_iter().chain(parents) {
            key.push('\n');
            key.push_str(name.kind());
            if self.schema.is_enumerated(name.kind()) {
                key.push('\n');
                key.push_str(name.id());
            }
        }
        key.push('\n');
        key.push_str(&text);
        if let Some(shape) = self.shapes.get(&key) {
            let shape = shape.clone();
            return Ok(Checked { uid: record.uid, parents: record.parents, shape });
        }
        let (kind, entity) = entity::parse(self.schema, uid, parents, attributes)?;
        let references = references(self.schema, entity.attrs().map(|(_, value)| value));
        let shape = Shape { kind, attributes: Arc::from(text), references };
        if self.shapes.len() >= SHAPES_MAX {
            self.shapes.clear();
        }
        self.shapes.insert(key, shape.clone());
        Ok(Checked { uid: record.uid, parents: record.parents, shape })
    }

    /// Type and references of a resource that is plainly written and fits; `None` when Cedar is to judge.
    fn plain(&self, record: &EntityRecord) -> Option<(Kind, Arc<[EntityUid]>)> {
        let kind = self.schema.kind(record.uid.kind())?;
        let form = self.schema.form(kind)?;
        if !record.parents.iter().all(|parent| form.may_stand_below(parent.kind())) {
            return None;
        }
        let values = form.read(&record.attributes)?;
        Some((kind, references(self.schema, values.iter().map(|(_, value)| value))))
    }
}

/// The resources that attributes name anywhere. Principals are not kept in a partition, so references to them
/// are left out.
fn references<'v>(
    schema: &PolicySchema,
    values: impl Iterator<Item = &'v PartialValue>,
) -> Arc<[EntityUid]> {
    let values = values.filter_map(|value| match value {
        PartialValue::Value(value) => Some(value),
        PartialValue::Residual(_) => None,
    });
    let mut found: Vec<EntityUid> = values
        .flat_map(Value::all_literal_uids)
        .filter(|uid| {
            let kind = schema.kind(&uid.entity_type().to_string());
            !kind.is_some_and(|kind| schema.is_principal(kind))
        })
        .filter_map(|uid| model_uid(&uid))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into()
}
