//! The resources of an organisation, packed: a million of them in a few hundred megabytes, and a changed
//! copy that shares nearly everything with the one before.
//!
//! Resources are numbered. Numbers and names lie in pages and shards of bounded size behind shared pointers;
//! a copy shares them all, and a change copies the few it touches. Attributes are kept as text, once for all
//! resources that have the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::schema::Kind;
use crate::model::EntityUid;

/// Resources per page: a change copies a page, some forty microseconds.
const PAGE: usize = 1024;

/// Names per shard, on average, before there are four times as many shards. A change copies a shard.
const SHARD_NAMES_MAX: usize = 1024;

/// A resource's place in [`Nodes`]. It stays the same for as long as the resource is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number(u32);

impl Number {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The packed resources. A clone costs microseconds.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    hasher: RandomState,
    shards: Vec<Arc<HashMap<EntityUid, Number>>>,
    pages: Vec<Arc<Page>>,
    free: Arc<Vec<Number>>,
    len: usize,
    names: usize,
}

/// Some places, one after the other.
#[derive(Clone, Debug, Default)]
struct Page {
    slots: Vec<Slot>,
    /// The type of what is, or was, in each: four bytes apiece, so that looking for those of a type reads
    /// little else.
    kinds: Vec<Kind>,
}

/// A numbered place; empty while a resource is only spoken of, or not any more.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// How many times resources name this one as parent or in attributes.
    dependents: u32,
    node: Option<Stored>,
}

/// A packed resource.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) uid: EntityUid,
    pub(super) parents: Arc<[Number]>,
    pub(super) attributes: Arc<Attributes>,
}

/// Attributes that one or many resources have.
#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) json: Arc<str>,
    /// The resources they name.
    pub(super) references: Box<[Number]>,
}

impl Nodes {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: vec![Arc::default()],
            pages: Vec::new(),
            free: Arc::default(),
            len: 0,
            names: 0,
        }
    }

    /// How many resources there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// One more than the highest number given out.
    pub(super) fn numbers(&self) -> usize {
        let full = self.pages.len().saturating_sub(1) * PAGE;
        full + self.pages.last().map_or(0, |page| page.slots.len())
    }

    pub(super) fn get(&self, number: Number) -> Option<&Stored> {
        self.slot(number)?.node.as_ref()
    }

    /// The number of a name, whether or not the resource is there.
    pub(super) fn number(&self, uid: &EntityUid) -> Option<Number> {
        self.shards.get(self.shard(uid))?.get(uid).copied()
    }

    /// All resources with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Number, &Stored)> {
        let slots = self.pages.iter().flat_map(|page| page.slots.iter());
        (0..)
            .map(Number)
            .zip(slots)
            .filter_map(|(number, slot)| Some((number, slot.node.as_ref()?)))
    }

    /// The resources of some types, with numbers and types, in the order of the numbers.
    pub(super) fn of_kinds(
        &self,
        wanted: Vec<Kind>,
    ) -> impl Iterator<Item = (Number, Kind, &Stored)> {
        let places = self.pages.iter().flat_map(|page| page.kinds.iter().zip(&page.slots));
        (0..)
            .map(Number)
            .zip(places)
            .filter(move |(_, (kind, _))| wanted.contains(kind))
            .filter_map(|(number, (kind, slot))| Some((number, *kind, slot.node.as_ref()?)))
    }

    /// Everything above a resource, each once.
    pub(super) fn above(&self, number: Number) -> Vec<Number> {
        let mut above: Vec<Number> = Vec::new();
        let mut next = 0;
        let mut current = Some(number);
        // There are no cycles, and few ancestors: looking through them beats hashing.
        while let Some(here) = current {
            let parents = self.get(here).map(|stored| &*stored.parents).unwrap_or_default();
            for parent in parents {
                if !above.contains(parent) {
                    above.push(*parent);
                }
            }
            current = above.get(next).copied();
            next += 1;
        }
        above
    }

    pub(super) fn dependents(&self, number: Number) -> u32 {
        self.slot(number).map_or(0, |slot| slot.dependents)
    }

    /// The number of a name, given out now if it had none; and whether that was so.
    pub(super) fn enter(&mut self, uid: &EntityUid) -> (Number, bool) {
        if let Some(number) = self.number(uid) {
            return (number, false);
        }
        let number = self.place();
        self.names += 1;
        if self.names > self.shards.len() * SHARD_NAMES_MAX {
            self.spread();
        }
        let shard = self.shard(uid);
        if let Some(shard) = self.shards.get_mut(shard) {
            Arc::make_mut(shard).insert(uid.clone(), number);
        }
        (number, true)
    }

    /// Forgets a name, and gives its number to another.
    pub(super) fn leave(&mut self, uid: &EntityUid, number: Number) {
        let shard = self.shard(uid);
        if let Some(shard) = self.shards.get_mut(shard) {
            Arc::make_mut(shard).remove(uid);
            self.names -= 1;
            Arc::make_mut(&mut self.free).push(number);
        }
    }

    /// Puts a resource of type `kind` in its place, and gives back what was there.
    pub(super) fn put(&mut self, number: Number, kind: Kind, stored: Stored) -> Option<Stored> {
        for target in stored.targets().collect::<Vec<_>>() {
            self.count(target, |dependents| dependents.saturating_add(1));
        }
        let page = Arc::make_mut(self.pages.get_mut(number.index() / PAGE)?);
        *page.kinds.get_mut(number.index() % PAGE)? = kind;
        let old = page.slots.get_mut(number.index() % PAGE)?.node.replace(stored);
        self.released(old.as_ref());
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes a resource away; its place stays until [`Nodes::leave`].
    pub(super) fn take(&mut self, number: Number) -> Option<Stored> {
        let old = self.slot_mut(number)?.node.take()?;
        self.released(Some(&old));
        self.len -= 1;
        Some(old)
    }

    fn released(&mut self, old: Option<&Stored>) {
        for target in old.into_iter().flat_map(Stored::targets) {
            self.count(target, |dependents| dependents.saturating_sub(1));
        }
    }

    fn count(&mut self, number: Number, change: impl FnOnce(u32) -> u32) {
        if let Some(slot) = self.slot_mut(number) {
            slot.dependents = change(slot.dependents);
        }
    }

    /// An empty place.
    fn place(&mut self) -> Number {
        if !self.free.is_empty()
            && let Some(number) = Arc::make_mut(&mut self.free).pop()
        {
            return number;
        }
        let number = Number(u32::try_from(self.numbers()).unwrap_or(u32::MAX));
        match self.pages.last_mut() {
            Some(page) if page.slots.len() < PAGE => Arc::make_mut(page).extend(),
            _ => {
                let capacity = PAGE.min(self.len.max(4));
                let (slots, kinds) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
                let mut page = Page { slots, kinds };
                page.extend();
                self.pages.push(Arc::new(page));
            }
        }
        number
    }

    /// Four times as many shards.
    fn spread(&mut self) {
        let old = std::mem::take(&mut self.shards);
        let mut shards: Vec<HashMap<EntityUid, Number>> = vec![HashMap::new(); old.len() * 4];
        for shard in old {
            for (uid, number) in Arc::unwrap_or_clone(shard) {
                let place = self.hash(&uid) % shards.len();
                if let Some(shard) = shards.get_mut(place) {
                    shard.insert(uid, number);
                }
            }
        }
        self.shards = shards.into_iter().map(Arc::new).collect();
    }

    fn shard(&self, uid: &EntityUid) -> usize {
        self.hash(uid) % self.shards.len().max(1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
    fn hash(&self, uid: &EntityUid) -> usize {
        self.hasher.hash_one(uid) as usize
    }

    fn slot(&self, number: Number) -> Option<&Slot> {
        self.pages.get(number.index() / PAGE)?.slots.get(number.index() % PAGE)
    }

    fn slot_mut(&mut self, number: Number) -> Option<&mut Slot> {
        let page = self.pages.get_mut(number.index() / PAGE)?;
        Arc::make_mut(page).slots.get_mut(number.index() % PAGE)
    }
}

impl Page {
    /// One more place, empty.
    fn extend(&mut self) {
        self.slots.push(Slot::default());
        self.kinds.push(Kind::default());
    }
}

impl Stored {
    /// What it names: parents and references.
    fn targets(&self) -> impl Iterator<Item = Number> {
        self.parents.iter().chain(&self.attributes.references).copied()
    }
}
