//! One entity as Cedar sees it: read along the schema, or by Cedar's own parser.

use std::collections::HashSet;
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

/// Reads an entity and checks it against the schema: along the schema where it is plainly written, otherwise by
/// Cedar's own parser.
pub(super) fn parse(
    schema: &PolicySchema,
    uid: &EntityUid,
    parents: &[EntityUid],
    attributes: &Map<String, Json>,
) -> Result<(Kind, Entity), EntityError> {
    let misfit = |message: String| EntityError::Schema { uid: uid.clone(), message };
    let unknown = || misfit(format!("the schema has no type `{}`", uid.kind()));
    let kind = schema.kind(uid.kind()).ok_or_else(unknown)?;
    if let Some(entity) = plain(schema, kind, uid, parents, attributes) {
        return Ok((kind, entity));
    }
    let name = |uid: &EntityUid| json!({ "type": uid.kind(), "id": uid.id() });
    let parents: Vec<_> = parents.iter().map(name).collect();
    let json = json!({ "uid": name(uid), "attrs": attributes, "parents": parents });
    let checked = cedar_policy::Entity::from_json_value(json, Some(schema.cedar()))
        .map_err(|error| misfit(one_line(&error)))?;
    Ok((kind, checked.as_ref().clone()))
}

/// An entity that is plainly written; `None` when Cedar is to judge.
fn plain(
    schema: &PolicySchema,
    kind: Kind,
    uid: &EntityUid,
    parents: &[EntityUid],
    attributes: &Map<String, Json>,
) -> Option<Entity> {
    let form = schema.form(kind)?;
    if !parents.iter().all(|parent| form.may_stand_below(parent.kind())) {
        return None;
    }
    let values = form.read(attributes)?.into_iter().map(|(name, value)| (name.into(), value));
    let parents: Option<HashSet<EntityUID>> =
        parents.iter().map(|parent| schema.cedar_uid(parent)).collect();
    let uid = schema.cedar_uid(uid)?;
    Some(Entity::new_with_attr_partial_value(uid, values, HashSet::new(), parents?, []))
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
