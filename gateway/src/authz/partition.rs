//! One organisation's entities: packed, and made ready for Cedar when they are first asked about.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy_core::ast::{Entity, EntityUID};
use sha2::{Digest, Sha256};

use super::checked::{Checked, Checker};
use super::draft::Draft;
use super::entity::{self, Node, links, model_uid};
use super::error::EntityError;
use super::load::DEREFERENCES_MAX;
use super::made::Made;
use super::nodes::{Nodes, Number, Stored};
use super::schema::{Kind, PolicySchema};
use crate::model::{Change, EntityRecord, EntityUid, RoleAssignment};

/// Most principals remembered per organisation; beyond it, all are forgotten and prepared anew.
const PREPARED_MAX: usize = 10_000;

/// Every partition has a number of its own, so answers about one are never taken for another's.
static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(0);

/// The entities of one organisation. A decision sees one partition and nothing else (promise P3).
///
/// It never changes: [`Partition::apply`] makes another that shares what did not change.
#[derive(Debug)]
pub struct Partition {
    schema: Arc<PolicySchema>,
    identity: u64,
    nodes: Nodes,
    made: Made,
    prepared: Mutex<HashMap<EntityUid, Remembered>>,
}

/// A partition being read: resources are added one by one, in any order.
#[derive(Debug)]
pub struct PartitionBuilder {
    schema: Arc<PolicySchema>,
    draft: Draft,
}

impl PartitionBuilder {
    /// Adds a resource.
    ///
    /// # Errors
    /// [`EntityError::Duplicate`], [`EntityError::TooMany`].
    pub fn add(&mut self, checked: Checked) -> Result<(), EntityError> {
        if self.draft.has(&checked.uid) {
            return Err(EntityError::Duplicate(checked.uid));
        }
        self.draft.put(checked)
    }

    /// The partition of what was added.
    ///
    /// # Errors
    /// What does not hang together: missing parents and references, cycles, too many levels. The first
    /// hundred errors.
    pub fn finish(self) -> Result<Partition, Vec<EntityError>> {
        Ok(Partition::of(self.schema, self.draft.finish()?))
    }
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
    pub(super) references: Vec<Number>,
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
    /// An empty partition to be filled.
    pub fn builder(schema: &Arc<PolicySchema>) -> PartitionBuilder {
        let draft = Draft::of(Nodes::new());
        PartitionBuilder { schema: Arc::clone(schema), draft }
    }

    /// Prepares an organisation's resources.
    ///
    /// # Errors
    /// Every [`EntityError`] of single resources; without one, what does not hang together.
    pub fn build<'a>(
        schema: &Arc<PolicySchema>,
        records: impl Iterator<Item = &'a EntityRecord>,
    ) -> Result<Self, Vec<EntityError>> {
        let mut errors = Vec::new();
        let mut builder = Self::builder(schema);
        let mut checker = Checker::new(schema);
        for record in records {
            let added = checker.check(record.clone()).and_then(|checked| builder.add(checked));
            errors.extend(added.err());
        }
        if errors.is_empty() { builder.finish() } else { Err(errors) }
    }

    /// The partition after `changes`, all of them or none. Costs what the changes touch, not what there is;
    /// only moving a resource that others hang from looks at every resource. Answers remembered about this
    /// partition do not count for the new one.
    ///
    /// # Errors
    /// Every [`EntityError`]: also when a resource would lose its parent, or one it refers to.
    pub fn apply(&self, changes: &[Change]) -> Result<Self, Vec<EntityError>> {
        let mut errors = Vec::new();
        let mut checker = Checker::new(&self.schema);
        let mut draft = Draft::of(self.nodes.clone());
        for change in changes {
            match change {
                Change::Delete(uid) => draft.delete(uid),
                Change::Put(record) => {
                    let put = checker.check(record.clone()).and_then(|checked| draft.put(checked));
                    errors.extend(put.err());
                }
            }
        }
        if errors.is_empty() {
            Ok(Self::of(Arc::clone(&self.schema), draft.finish()?))
        } else {
            Err(errors)
        }
    }

    fn of(schema: Arc<PolicySchema>, nodes: Nodes) -> Self {
        Self {
            schema,
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            nodes,
            made: Made::new(),
            prepared: Mutex::default(),
        }
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
            let node = self.find(parent).ok_or_else(|| EntityError::UnknownParent {
                uid: record.uid.clone(),
                parent: parent.clone(),
            })?;
            above.extend(node.entity.ancestors().filter_map(model_uid));
        }
        let (kind, mut entity) =
            entity::parse(&self.schema, &record.uid, &record.parents, &record.attributes)?;
        entity::stand_below(&self.schema, &mut entity, above.iter())?;
        let references = self.reach(&entity);
        let (uid, entity) = (Arc::new(entity.uid().clone()), Arc::new(entity));
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

    /// The entities of one type, in no order. It looks at the types of all there are.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &EntityUid> {
        let kind: Vec<Kind> = self.schema.kind(kind).into_iter().collect();
        self.nodes.of_kinds(kind).map(|(.., stored)| &stored.uid)
    }

    /// Whether `resource` is one of `nodes` or stands below one. What is not there stands nowhere.
    pub fn stands_under<'a>(
        &self,
        resource: &EntityUid,
        mut nodes: impl Iterator<Item = &'a EntityUid>,
    ) -> bool {
        let Some(below) = self.known(resource) else { return false };
        let above = self.nodes.above(below);
        nodes
            .any(|node| self.known(node).is_some_and(|node| node == below || above.contains(&node)))
    }

    /// Whether a resource of this name is there.
    pub fn contains(&self, uid: &EntityUid) -> bool {
        self.known(uid).is_some()
    }

    /// The number of a resource that is there; names are also known of what is only spoken of.
    fn known(&self, uid: &EntityUid) -> Option<Number> {
        self.nodes.number(uid).filter(|number| self.nodes.get(*number).is_some())
    }

    /// The resource of this name, as data.
    pub fn record(&self, uid: &EntityUid) -> Option<EntityRecord> {
        Some(self.unpacked(self.nodes.get(self.nodes.number(uid)?)?))
    }

    /// All resources, as data, in no order.
    pub fn records(&self) -> impl Iterator<Item = EntityRecord> {
        self.nodes.iter().map(|(_, stored)| self.unpacked(stored))
    }

    /// The number of entities.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.nodes.len() == 0
    }

    /// A number no other partition of this process has: a changed partition has another.
    pub const fn identity(&self) -> u64 {
        self.identity
    }

    /// The schema its entities were checked against.
    pub fn schema(&self) -> &PolicySchema {
        &self.schema
    }

    pub(super) fn find(&self, uid: &EntityUid) -> Option<Arc<Node>> {
        self.node(self.nodes.number(uid)?)
    }

    /// The entities a condition can look into, given who asks and what for; `None` when one cannot be made,
    /// which refuses. Level validation bounds how far conditions follow references, so this slice answers
    /// like the whole partition.
    pub(super) fn slice(
        &self,
        principal: &PreparedPrincipal,
        resource: &Node,
    ) -> Option<Vec<Arc<Entity>>> {
        let mut numbers: Vec<Number> = principal.references.clone();
        numbers.extend(&resource.references);
        if !principal.references.is_empty() {
            numbers.sort_unstable();
            numbers.dedup();
        }
        let mut slice = vec![Arc::clone(&principal.entity), Arc::clone(&resource.entity)];
        // The resource itself may be among what the principal refers to.
        for number in numbers.into_iter().filter(|number| *number != resource.number) {
            slice.push(Arc::clone(&self.node(number)?.entity));
        }
        Some(slice)
    }

    /// All resources, packed.
    pub(super) const fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// As [`Partition::find`], by Cedar's own name.
    pub(super) fn find_cedar(&self, uid: &EntityUID) -> Option<Arc<Node>> {
        self.find(&model_uid(uid)?)
    }

    /// The resource of this number as Cedar sees it: remembered, or made now.
    pub(super) fn node(&self, number: Number) -> Option<Arc<Node>> {
        if let Some(node) = self.made.find(number) {
            return Some(node);
        }
        let (kind, entity) = self.entity(number)?;
        let references = self.reach(&entity);
        let uid = Arc::new(entity.uid().clone());
        let node = Arc::new(Node { number, kind, uid, entity: Arc::new(entity), references });
        self.made.keep(&node);
        Some(node)
    }

    /// Cedar's entity, made from the packed one. It was checked when it came in, so this does not fail.
    fn entity(&self, number: Number) -> Option<(Kind, Entity)> {
        let record = self.unpacked(self.nodes.get(number)?);
        let EntityRecord { uid, parents, attributes } = &record;
        let (kind, mut entity) = entity::parse(&self.schema, uid, parents, attributes).ok()?;
        let above = self.nodes.above(number);
        let above = above.iter().filter_map(|number| Some(&self.nodes.get(*number)?.uid));
        entity::stand_below(&self.schema, &mut entity, above).ok()?;
        Some((kind, entity))
    }

    /// The entities within reach of a condition that starts at `entity`, itself left out.
    fn reach(&self, entity: &Entity) -> Vec<Number> {
        let number = |uid: &Arc<EntityUID>| self.nodes.number(&model_uid(uid)?);
        let mut found: Vec<Number> = Vec::new();
        let mut level: Vec<Number> = links(entity).iter().filter_map(number).collect();
        for further in (1..DEREFERENCES_MAX).rev() {
            level.retain(|number| !found.contains(number));
            found.extend(&level);
            if further > 1 {
                let entities = level.iter().filter_map(|number| self.entity(*number));
                level = entities
                    .flat_map(|(_, entity)| links(&entity))
                    .filter_map(|u| number(&u))
                    .collect();
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn unpacked(&self, stored: &Stored) -> EntityRecord {
        let name = |number: &Number| Some(self.nodes.get(*number)?.uid.clone());
        EntityRecord {
            uid: stored.uid.clone(),
            parents: stored.parents.iter().filter_map(name).collect(),
            // It was written from such a map.
            attributes: serde_json::from_str(&stored.attributes.json).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
