//! A partition in the making: resources come and go in any order, and what hangs together is seen at the end.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::checked::{Checked, Shape};
use super::error::EntityError;
use super::nodes::{Attributes, Nodes, Number, Stored};
use super::schema::Kind;
use crate::model::EntityUid;

/// Most resources of one organisation; the largest known operator has a tenth of it.
pub(super) const RESOURCES_MAX: usize = 1_000_000;

/// Deepest tree: an organisation, its accounts, team, site and device need six; a deeper one is a mistake,
/// and a bound keeps the work per decision flat. PD-20: at most 16 levels below the top.
const DEPTH_MAX: usize = 16;

/// Most errors told of one organisation: whoever mends the first hundred has mended the generator.
const ERRORS_MAX: usize = 100;

/// Nodes being changed.
#[derive(Debug)]
pub(super) struct Draft {
    nodes: Nodes,
    /// Places whose resource is spoken of and not (or not any more) there.
    open: HashMap<Number, EntityUid>,
    /// Resources that are new or have other parents.
    moved: Vec<Number>,
    /// Whether something moved that others hang from: their depth is to be looked at too.
    all: bool,
    shared: Shared,
}

/// What many resources have alike is kept once.
#[derive(Debug, Default)]
struct Shared {
    hasher: RandomState,
    attributes: HashMap<u64, (Kind, Arc<Attributes>)>,
    parents: HashMap<Vec<Number>, Arc<[Number]>>,
    kinds: HashMap<Kind, EntityUid>,
}

impl Draft {
    pub(super) fn of(nodes: Nodes) -> Self {
        let (open, moved) = (HashMap::new(), Vec::new());
        Self { nodes, open, moved, all: false, shared: Shared::default() }
    }

    /// Whether a resource of this name is there.
    pub(super) fn has(&self, uid: &EntityUid) -> bool {
        self.nodes.number(uid).is_some_and(|number| self.nodes.get(number).is_some())
    }

    /// Puts a resource, in the place of the one with the same name.
    ///
    /// # Errors
    /// [`EntityError::TooMany`].
    pub(super) fn put(&mut self, checked: Checked) -> Result<(), EntityError> {
        let Checked { uid, parents, shape } = checked;
        let uid = self.shared.name(shape.kind, uid);
        let number = self.number(&uid);
        if self.nodes.get(number).is_none() && self.nodes.len() >= RESOURCES_MAX {
            return Err(EntityError::TooMany(uid));
        }
        let mut above: Vec<Number> = parents.iter().map(|parent| self.number(parent)).collect();
        above.sort_unstable();
        above.dedup();
        let parents = self.shared.parents(above);
        let attributes = self.attributes(&shape);
        let stored = Stored { uid, parents: Arc::clone(&parents), attributes };
        let old = self.nodes.put(number, shape.kind, stored);
        self.open.remove(&number);
        if old.is_none_or(|old| old.parents != parents) {
            self.all |= self.nodes.dependents(number) > 0;
            self.moved.push(number);
        }
        Ok(())
    }

    /// Takes a resource away, if it is there.
    pub(super) fn delete(&mut self, uid: &EntityUid) {
        if let Some(number) = self.nodes.number(uid)
            && self.nodes.take(number).is_some()
        {
            self.open.insert(number, uid.clone());
        }
    }

    /// The nodes, if everything hangs together.
    ///
    /// # Errors
    /// Missing parents and references, cycles, too many levels; the first hundred.
    pub(super) fn finish(mut self) -> Result<Nodes, Vec<EntityError>> {
        let mut missing = HashMap::new();
        for (number, uid) in std::mem::take(&mut self.open) {
            if self.nodes.dependents(number) > 0 {
                missing.insert(number, uid);
            } else {
                self.nodes.leave(&uid, number);
            }
        }
        let mut errors = if missing.is_empty() { Vec::new() } else { self.dangling(&missing) };
        errors.append(&mut self.depths());
        errors.truncate(ERRORS_MAX);
        if errors.is_empty() { Ok(self.nodes) } else { Err(errors) }
    }

    fn number(&mut self, uid: &EntityUid) -> Number {
        let (number, is_new) = self.nodes.enter(uid);
        if is_new {
            self.open.insert(number, uid.clone());
        }
        number
    }

    fn attributes(&mut self, shape: &Shape) -> Arc<Attributes> {
        let hash = self.shared.hasher.hash_one((shape.kind, &shape.attributes));
        if let Some((kind, known)) = self.shared.attributes.get(&hash)
            && *kind == shape.kind
            && known.json == shape.attributes
        {
            return Arc::clone(known);
        }
        let references = shape.references.iter().map(|uid| self.number(uid)).collect();
        let json = Arc::clone(&shape.attributes);
        let attributes = Arc::new(Attributes { json, references });
        self.shared.attributes.insert(hash, (shape.kind, Arc::clone(&attributes)));
        attributes
    }

    /// Who names what is not there.
    fn dangling(&self, missing: &HashMap<Number, EntityUid>) -> Vec<EntityError> {
        let of = |stored: &Stored| -> Vec<EntityError> {
            let named = |numbers: &[Number]| -> Vec<EntityUid> {
                numbers.iter().filter_map(|number| missing.get(number)).cloned().collect()
            };
            let parents = named(&stored.parents).into_iter();
            let parents = parents
                .map(|parent| EntityError::UnknownParent { uid: stored.uid.clone(), parent });
            let references = named(&stored.attributes.references).into_iter().map(|reference| {
                EntityError::UnknownReference { uid: stored.uid.clone(), reference }
            });
            parents.chain(references).collect()
        };
        self.nodes.iter().flat_map(|(_, stored)| of(stored)).take(ERRORS_MAX).collect()
    }

    /// Looks for cycles and too many levels above what moved and everything that may hang from it.
    fn depths(&self) -> Vec<EntityError> {
        let mut walk = Walk { nodes: &self.nodes, known: vec![0; self.nodes.numbers()] };
        let errors = |numbers: &mut dyn Iterator<Item = Number>, walk: &mut Walk<'_>| {
            numbers
                .filter_map(|number| walk.depth(number, &mut Vec::new()).err())
                .take(ERRORS_MAX)
                .collect()
        };
        if self.all {
            errors(&mut self.nodes.iter().map(|(number, _)| number), &mut walk)
        } else {
            errors(&mut self.moved.iter().copied(), &mut walk)
        }
    }
}

impl Shared {
    /// The same name, its type's text shared.
    fn name(&mut self, kind: Kind, uid: EntityUid) -> EntityUid {
        if let Some(other) = self.kinds.get(&kind) {
            return uid.sharing_kind(other);
        }
        self.kinds.insert(kind, uid.clone());
        uid
    }

    fn parents(&mut self, parents: Vec<Number>) -> Arc<[Number]> {
        if let Some(known) = self.parents.get(&parents) {
            return Arc::clone(known);
        }
        let shared: Arc<[Number]> = Arc::from(parents.as_slice());
        self.parents.insert(parents, Arc::clone(&shared));
        shared
    }
}

/// Works out how many levels are above resources.
struct Walk<'n> {
    nodes: &'n Nodes,
    /// One more than the levels above each number; 0 where it is not known.
    known: Vec<u8>,
}

impl Walk<'_> {
    /// The levels above `number`. The path bounds the recursion: it never grows beyond the depth allowed.
    fn depth(&mut self, number: Number, path: &mut Vec<Number>) -> Result<u8, EntityError> {
        if let Some(known) = self.known.get(number.index()).and_then(|known| known.checked_sub(1)) {
            return Ok(known);
        }
        let Some(stored) = self.nodes.get(number) else { return Ok(0) };
        if path.contains(&number) {
            return Err(EntityError::Cycle(stored.uid.clone()));
        }
        if path.len() > DEPTH_MAX {
            let deepest = path.first().and_then(|number| self.nodes.get(*number));
            return Err(EntityError::TooDeep(deepest.unwrap_or(stored).uid.clone()));
        }
        path.push(number);
        let mut above = 0;
        for parent in stored.parents.iter() {
            above = above.max(self.depth(*parent, path)? + 1);
        }
        path.pop();
        if usize::from(above) > DEPTH_MAX {
            return Err(EntityError::TooDeep(stored.uid.clone()));
        }
        if let Some(known) = self.known.get_mut(number.index()) {
            *known = above + 1;
        }
        Ok(above)
    }
}
