//! One organisation's entities, prepared once: checked against the schema, ancestors worked out.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy_core::ast::{Entity, EntityUID, Literal, PartialValue, Value, ValueKind};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::error::{EntityError, one_line};
use super::load::DEREFERENCES_MAX;
use super::schema::{Kind, PolicySchema};
use crate::model::{EntityRecord, EntityUid, RoleAssignment};

/// Deepest tree: an organisation, its accounts, team, site and device need six; a deeper one is a
/// mistake, and a bound keeps the work per decision flat.
const DEPTH_MAX: usize = 16;

/// Most principals remembered per organisation; beyond it, all are forgotten and prepared anew.
const PREPARED_MAX: usize = 10_000;

/// Every partition has a number of its own, so answers about one are never taken for another's.
static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(0);

/// The entities of one organisation. A decision sees one partition and nothing else (promise P3).
#[derive(Debug)]
pub struct Partition {
    schema: Arc<PolicySchema>,
    identity: u64,
    numbers: HashMap<EntityUid, usize>,
    nodes: Vec<Node>,
    prepared: Mutex<HashMap<EntityUid, Remembered>>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) uid: Arc<EntityUID>,
    pub(super) entity: Arc<Entity>,
    /// The other entities conditions can reach from here by following attributes.
    pub(super) references: Vec<usize>,
}

/// Somebody who asks, as Cedar sees them: checked against the schema, with their roles.
#[derive(Debug)]
pub struct PreparedPrincipal {
    pub(super) kind: Kind,
    pub(super) uid: Arc<EntityUID>,
    pub(super) entity: Arc<Entity>,
    pub(super) digest: [u8; 32],
    /// The partition it was prepared for; it means nothing in another.
    pub(super) partition: u64,
    pub(super) references: Vec<usize>,
}

/// What the entity of somebody who asks is made from, besides its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing<'a> {
    /// The roles given.
    pub roles: &'a [RoleAssignment],
    /// The scopes of an API client.
    pub scopes: &'a [String],
    /// Further attributes.
    pub attributes: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

#[derive(Debug)]
struct Remembered {
    roles: Vec<RoleAssignment>,
    scopes: Vec<String>,
    attributes: Option<serde_json::Map<String, serde_json::Value>>,
    principal: Arc<PreparedPrincipal>,
}

impl Remembered {
    fn is_of(&self, standing: &Standing<'_>) -> bool {
        let Standing { roles, scopes, attributes } = *standing;
        self.roles == roles && self.scopes == scopes && self.attributes.as_ref() == attributes
    }
}

impl Partition {
    /// Prepares an organisation's resources.
    ///
    /// # Errors
    /// Every [`EntityError`]: what does not fit the schema, duplicates, missing parents and
    /// references, cycles.
    pub fn build<'a>(
        schema: &Arc<PolicySchema>,
        records: impl Iterator<Item = &'a EntityRecord>,
    ) -> Result<Self, Vec<EntityError>> {
        let records: Vec<&EntityRecord> = records.collect();
        let mut errors = Vec::new();
        let mut numbers = HashMap::with_capacity(records.len());
        for (number, record) in records.iter().enumerate() {
            if numbers.insert(record.uid.clone(), number).is_some() {
                errors.push(EntityError::Duplicate(record.uid.clone()));
            }
        }
        let tree = Tree { records: &records, numbers: &numbers };
        let mut nodes = Vec::with_capacity(records.len());
        for record in &records {
            match tree.ancestors(record).and_then(|above| node(schema, record, above.into_iter())) {
                Ok(node) => nodes.push(node),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let by_uid: HashMap<&EntityUID, usize> =
            nodes.iter().enumerate().map(|(number, node)| (&*node.uid, number)).collect();
        for (record, node) in records.iter().zip(&nodes) {
            if let Some(reference) = missing_reference(schema, &by_uid, node) {
                errors.push(EntityError::UnknownReference { uid: record.uid.clone(), reference });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let reachable: Vec<Vec<usize>> =
            nodes.iter().map(|node| reach(&nodes, &by_uid, &node.entity)).collect();
        drop(by_uid);
        for (node, references) in nodes.iter_mut().zip(reachable) {
            node.references = references;
        }
        Ok(Self {
            schema: Arc::clone(schema),
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            numbers,
            nodes,
            prepared: Mutex::default(),
        })
    }

    /// Prepares somebody who asks: a member, an API client, or nobody known.
    ///
    /// Costs some twenty microseconds; [`Partition::principal_for`] remembers the result.
    ///
    /// # Errors
    /// [`EntityError`] when the record does not fit the schema.
    pub fn principal(&self, record: &EntityRecord) -> Result<PreparedPrincipal, EntityError> {
        let mut above = Vec::new();
        for parent in &record.parents {
            let (_, node) = self.find(parent).ok_or_else(|| EntityError::UnknownParent {
                uid: record.uid.clone(),
                parent: parent.clone(),
            })?;
            above.extend(node.entity.ancestors().filter_map(model_uid));
        }
        let Node { kind, uid, entity, .. } = node(&self.schema, record, above.iter())?;
        let mut references = Vec::new();
        for target in entity.attrs().flat_map(|(_, value)| links(value)) {
            if let Some((number, node)) = model_uid(&target).and_then(|uid| self.find(&uid)) {
                references.push(number);
                references.extend(&node.references);
            }
        }
        references.sort_unstable();
        references.dedup();
        let text = serde_json::to_vec(record).map_err(|error| EntityError::Schema {
            uid: record.uid.clone(),
            message: error.to_string(),
        })?;
        let digest = Sha256::digest(text).into();
        Ok(PreparedPrincipal { kind, uid, entity, digest, partition: self.identity, references })
    }

    /// As [`Partition::principal`], remembered for as long as `standing` stays the same. `record` is
    /// called only when the principal is not remembered; it must follow from the other two.
    ///
    /// # Errors
    /// As [`Partition::principal`].
    pub fn principal_for(
        &self,
        uid: &EntityUid,
        standing: Standing<'_>,
        record: impl FnOnce() -> EntityRecord,
    ) -> Result<Arc<PreparedPrincipal>, EntityError> {
        let remembered = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered.get(uid)
            && known.is_of(&standing)
        {
            return Ok(Arc::clone(&known.principal));
        }
        drop(remembered);
        let principal = Arc::new(self.principal(&record())?);
        let entry = Remembered {
            roles: standing.roles.to_vec(),
            scopes: standing.scopes.to_vec(),
            attributes: standing.attributes.cloned(),
            principal: Arc::clone(&principal),
        };
        let mut remembered = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= PREPARED_MAX {
            remembered.clear();
        }
        remembered.insert(uid.clone(), entry);
        Ok(principal)
    }

    /// Whether there is an entity of this name.
    pub fn contains(&self, uid: &EntityUid) -> bool {
        self.numbers.contains_key(uid)
    }

    /// The entities of one type, in no order.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a EntityUid> {
        self.numbers.keys().filter(move |uid| uid.kind() == kind)
    }

    /// Whether `resource` is one of `nodes` or stands below one. What is not there stands nowhere.
    pub fn stands_under<'a>(
        &self,
        resource: &EntityUid,
        mut nodes: impl Iterator<Item = &'a EntityUid>,
    ) -> bool {
        let Some((_, below)) = self.find(resource) else { return false };
        nodes.any(|node| {
            let above = self.schema.cedar_uid(node);
            node == resource || above.is_some_and(|above| below.entity.is_descendant_of(&above))
        })
    }

    /// The number of entities.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) const fn identity(&self) -> u64 {
        self.identity
    }

    pub(super) fn schema(&self) -> &PolicySchema {
        &self.schema
    }

    pub(super) fn find(&self, uid: &EntityUid) -> Option<(usize, &Node)> {
        let number = *self.numbers.get(uid)?;
        Some((number, self.nodes.get(number)?))
    }

    /// Every entity, by number.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate()
    }

    /// The entity with this number.
    pub(super) fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
    }

    /// As [`Partition::find`], by Cedar's own name.
    pub(super) fn find_cedar(&self, uid: &EntityUID) -> Option<(usize, &Node)> {
        self.find(&model_uid(uid)?)
    }

    /// The entities a condition can look into, given who asks and what for. Level validation bounds
    /// how far conditions follow references, so this slice answers like the whole partition.
    pub(super) fn slice<'a>(
        &'a self,
        principal: &'a PreparedPrincipal,
        resource: &'a Node,
    ) -> impl Iterator<Item = &'a Arc<Entity>> {
        let mut numbers: Vec<usize> = principal.references.clone();
        numbers.extend(&resource.references);
        if !principal.references.is_empty() {
            numbers.sort_unstable();
            numbers.dedup();
        }
        // The resource itself may be among what the principal refers to.
        let others = numbers
            .into_iter()
            .filter_map(|number| self.nodes.get(number))
            .filter(|node| !Arc::ptr_eq(&node.entity, &resource.entity))
            .map(|node| &node.entity);
        [&principal.entity, &resource.entity].into_iter().chain(others)
    }
}

/// Parents by name, before there are nodes.
struct Tree<'a> {
    records: &'a [&'a EntityRecord],
    numbers: &'a HashMap<EntityUid, usize>,
}

impl<'a> Tree<'a> {
    /// Everything above `start`, each once.
    fn ancestors(&self, start: &'a EntityRecord) -> Result<Vec<&'a EntityUid>, EntityError> {
        let mut above = Vec::new();
        let mut seen = HashSet::new();
        let mut level = vec![start];
        for _ in 0..=DEPTH_MAX {
            let mut next = Vec::new();
            for record in level {
                for parent in &record.parents {
                    if *parent == start.uid {
                        return Err(EntityError::TooDeep(start.uid.clone()));
                    }
                    if seen.insert(parent) {
                        above.push(parent);
                        next.push(self.record(record, parent)?);
                    }
                }
            }
            if next.is_empty() {
                return Ok(above);
            }
            level = next;
        }
        Err(EntityError::TooDeep(start.uid.clone()))
    }

    fn record(
        &self,
        child: &EntityRecord,
        parent: &EntityUid,
    ) -> Result<&'a EntityRecord, EntityError> {
        let number = self.numbers.get(parent).copied();
        number.and_then(|number| self.records.get(number)).copied().ok_or_else(|| {
            EntityError::UnknownParent { uid: child.uid.clone(), parent: parent.clone() }
        })
    }
}

pub(super) fn model_uid(uid: &EntityUID) -> Option<EntityUid> {
    let id: &str = uid.eid().as_ref();
    EntityUid::new(&uid.entity_type().to_string(), id).ok()
}

/// A checked entity that knows everything above it.
fn node<'a>(
    schema: &PolicySchema,
    record: &EntityRecord,
    above: impl Iterator<Item = &'a EntityUid>,
) -> Result<Node, EntityError> {
    let misfit = |message: String| EntityError::Schema { uid: record.uid.clone(), message };
    let unknown = |uid: &EntityUid| misfit(format!("the schema has no type `{}`", uid.kind()));
    let kind = schema.kind(record.uid.kind()).ok_or_else(|| unknown(&record.uid))?;
    let checked = cedar_policy::Entity::from_json_value(cedar_json(record), Some(schema.cedar()))
        .map_err(|error| misfit(one_line(&error)))?;
    let mut entity: Entity = checked.as_ref().clone();
    for uid in above {
        entity.add_indirect_ancestor(schema.cedar_uid(uid).ok_or_else(|| unknown(uid))?);
    }
    let uid = Arc::new(entity.uid().clone());
    Ok(Node { kind, uid, entity: Arc::new(entity), references: Vec::new() })
}

fn cedar_json(record: &EntityRecord) -> serde_json::Value {
    let name = |uid: &EntityUid| json!({ "type": uid.kind(), "id": uid.id() });
    let parents: Vec<_> = record.parents.iter().map(name).collect();
    json!({ "uid": name(&record.uid), "attrs": record.attributes, "parents": parents })
}

/// The entities a value leads to by attribute access: through records, but not through sets, whose
/// members a condition cannot look into.
fn links(value: &PartialValue) -> Vec<Arc<EntityUID>> {
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
    if let PartialValue::Value(value) = value {
        collect(value, &mut found);
    }
    found
}

/// The entities within reach of a condition that starts at `entity`, itself left out.
fn reach(nodes: &[Node], by_uid: &HashMap<&EntityUID, usize>, entity: &Entity) -> Vec<usize> {
    let mut found = HashSet::new();
    let mut level = vec![entity];
    for _ in 1..DEREFERENCES_MAX {
        let mut next = Vec::new();
        for target in level.iter().flat_map(|entity| entity.attrs()).flat_map(|(_, v)| links(v)) {
            let number = by_uid.get(&*target).copied();
            if let Some((number, node)) = number.and_then(|n| Some((n, nodes.get(n)?)))
                && found.insert(number)
            {
                next.push(&*node.entity);
            }
        }
        level = next;
    }
    let mut found: Vec<usize> = found.into_iter().collect();
    found.sort_unstable();
    found
}

/// An attribute that names an entity that is not there. Principals are not kept here, so references
/// to them are not judged.
fn missing_reference(
    schema: &PolicySchema,
    by_uid: &HashMap<&EntityUID, usize>,
    node: &Node,
) -> Option<String> {
    let values = node.entity.attrs().filter_map(|(_, value)| match value {
        PartialValue::Value(value) => Some(value),
        PartialValue::Residual(_) => None,
    });
    values
        .flat_map(Value::all_literal_uids)
        .filter(|uid| {
            let kind = schema.kind(&uid.entity_type().to_string());
            !kind.is_some_and(|kind| schema.is_principal(kind))
        })
        .find(|uid| !by_uid.contains_key(uid))
        .map(|uid| uid.to_string())
}
