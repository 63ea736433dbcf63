//! Resources checked against the schema before they enter a partition.
//!
//! Most resources of an organisation look like another one: the same type, attributes and kinds of parents.
//! Cedar's own check is asked once for each such shape; it costs some fifty times as much as everything else
//! that is done with a resource.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy_core::ast::{Entity, PartialValue, Value};

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
        let references = references(self.schema, &entity).into();
        let shape = Shape { kind, attributes: Arc::from(text), references };
        if self.shapes.len() >= SHAPES_MAX {
            self.shapes.clear();
        }
        self.shapes.insert(key, shape.clone());
        Ok(Checked { uid: record.uid, parents: record.parents, shape })
    }
}

/// The resources an entity's attributes name anywhere. Principals are not kept in a partition, so
/// references to them are left out.
fn references(schema: &PolicySchema, entity: &Entity) -> Vec<EntityUid> {
    let values = entity.attrs().filter_map(|(_, value)| match value {
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
    found
}
