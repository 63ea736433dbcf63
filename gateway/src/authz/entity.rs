//! One entity as Cedar sees it: parsed and checked by Cedar's own code.

use std::sync::Arc;

use cedar_policy_core::ast::{Entity, EntityUID, Literal, PartialValue, Value, ValueKind};
use serde_json::{Map, Value as Json, json};

use super::error::{EntityError, one_line};
use super::nodes::Number;
use super::schema::{Kind, PolicySchema};
use crate::model::EntityUid;

/// A resource, ready for decisions.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) number: Number,
    pub(super) kind: Kind,
    pub(super) uid: Arc<EntityUID>,
    pub(super) entity: Arc<Entity>,
    /// The other entities conditions can reach from here by following attributes.
    pub(super) references: Vec<Number>,
}

/// Has Cedar parse an entity and check it against the schema.
pub(super) fn parse(
    schema: &PolicySchema,
    uid: &EntityUid,
    parents: &[EntityUid],
    attributes: &Map<String, Json>,
) -> Result<(Kind, Entity), EntityError> {
    let misfit = |message: String| EntityError::Schema { uid: uid.clone(), message };
    let unknown = || misfit(format!("the schema has no type `{}`", uid.kind()));
    let kind = schema.kind(uid.kind()).ok_or_else(unknown)?;
    let name = |uid: &EntityUid| json!({ "type": uid.kind(), "id": uid.id() });
    let parents: Vec<_> = parents.iter().map(name).collect();
    let json = json!({ "uid": name(uid), "attrs": attributes, "parents": parents });
    let checked = cedar_policy::Entity::from_json_value(json, Some(schema.cedar()))
        .map_err(|error| misfit(one_line(&error)))?;
    Ok((kind, checked.as_ref().clone()))
}

/// Tells an entity of everything above it.
pub(super) fn stand_below<'a>(
    schema: &PolicySchema,
    entity: &mut Entity,
    above: impl Iterator<Item = &'a EntityUid>,
) -> Result<(), EntityError> {
    for uid in above {
        let known = schema.cedar_uid(uid).ok_or_else(|| EntityError::Schema {
            uid: uid.clone(),
            message: format!("the schema has no type `{}`", uid.kind()),
        })?;
        entity.add_indirect_ancestor(known);
    }
    Ok(())
}

pub(super) fn model_uid(uid: &EntityUID) -> Option<EntityUid> {
    let id: &str = uid.eid().as_ref();
    EntityUid::new(&uid.entity_type().to_string(), id).ok()
}

/// The entities an entity's attributes lead to by attribute access: through records, but not through sets,
/// whose members a condition cannot look into.
pub(super) fn links(entity: &Entity) -> Vec<Arc<EntityUID>> {
    fn collect(value: &Value, found: &mut Vec<Arc<EntityUID>>) {
        match value.value_kind() {
            ValueKind::Lit(Literal::EntityUID(uid)) => found.push(Arc::clone(uid)),
            ValueKind::Record(fields) => {
                fields.values().for_each(|field| collect(field, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (_, value) in entity.attrs() {
        if let PartialValue::Value(value) = value {
            collect(value, &mut found);
        }
    }
    found
}
