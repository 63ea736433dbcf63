//! Writes a set of nodes with few entries: nodes that count with everything below them, and single nodes
//! taken out again.
//!
//! The choice of the nodes is made on a tree (each node below one of its parents) and is the best one there; it is
//! then made exact on the whole graph, so a node with several parents costs entries, never exactness.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::authz::nodes::{Nodes, Number};

/// A node, and whether it belongs to the set; `None` where that is not asked.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) node: Number,
    pub(super) allowed: Option<bool>,
}

/// The entries.
pub(super) struct Cover {
    pub(super) within: Vec<Number>,
    pub(super) without: Vec<Number>,
}

/// The entries a place and everything below it needs.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// When something above it is in `within`.
    inside: usize,
    /// When nothing above it is.
    outside: usize,
    /// Whether it is put into `within` itself, when nothing above it is.
    opens: bool,
}

impl Cover {
    /// Covers exactly the allowed ones of `places`; where it is not asked, anything goes.
    pub(super) fn of(nodes: &Nodes, places: &[Place]) -> Self {
        let within = choose(nodes, places);
        let opened: HashSet<Number> = within.iter().copied().collect();
        // What is above a node follows from its parents, and those of siblings are kept once.
        let mut below: HashMap<*const [Number], bool> = HashMap::new();
        let mut covered = |node: Number| {
            let is_below = || nodes.above(node).iter().any(|above| opened.contains(above));
            opened.contains(&node)
                || nodes.get(node).is_some_and(|stored| {
                    *below.entry(Arc::as_ptr(&stored.parents)).or_insert_with(is_below)
                })
        };
        let taken_out = |place: &&Place| place.allowed == Some(false) && covered(place.node);
        let without = if within.is_empty() {
            Vec::new()
        } else {
            places.iter().filter(taken_out).map(|place| place.node).collect()
        };
        Self { within, without }
    }
}

/// The nodes that count with everything below them.
fn choose(nodes: &Nodes, places: &[Place]) -> Vec<Number> {
    let numbers: HashMap<Number, usize> =
        places.iter().enumerate().map(|(number, place)| (place.node, number)).collect();
    let mut known: HashMap<*const [Number], (usize, Option<usize>)> = HashMap::new();
    let mut above = Vec::with_capacity(places.len());
    // Whatever stands above a node has fewer nodes above it: from the top down.
    let mut order: Vec<(usize, usize)> = Vec::with_capacity(places.len());
    for (number, place) in places.iter().enumerate() {
        let find = || (nodes.above(place.node).len(), place_above(nodes, &numbers, place.node));
        let (levels, parent) = match nodes.get(place.node) {
            // Both follow from the parents, and those of siblings are kept once.
            Some(stored) => *known.entry(Arc::as_ptr(&stored.parents)).or_insert_with(find),
            None => find(),
        };
        above.push(parent);
        order.push((levels, number));
    }
    order.sort_unstable();
    let mut costs = vec![Cost::default(); places.len()];
    // From the bottom up: what is below is summed up already.
    for (_, number) in order.iter().rev() {
        let Some(place) = places.get(*number) else { continue };
        let Some(cost) = costs.get_mut(*number) else { continue };
        cost.inside += usize::from(place.allowed == Some(false));
        let opened = 1 + cost.inside;
        // Of two equal ways the narrower one is taken.
        cost.opens = place.allowed == Some(true) || opened < cost.outside;
        if cost.opens {
            cost.outside = opened;
        }
        let Cost { inside, outside, .. } = *cost;
        if let Some(parent) = above.get(*number).copied().flatten().and_then(|n| costs.get_mut(n)) {
            parent.inside += inside;
            parent.outside += outside;
        }
    }
    let mut inside = vec![false; places.len()];
    let mut within = Vec::new();
    for (_, number) in order {
        let covered = above.get(number).copied().flatten().and_then(|parent| inside.get(parent));
        let covered = covered.copied().unwrap_or(false);
        let opens = !covered && costs.get(number).is_some_and(|cost| cost.opens);
        if opens && let Some(place) = places.get(number) {
            within.push(place.node);
        }
        if let Some(own) = inside.get_mut(number) {
            *own = covered || opens;
        }
    }
    within
}

/// The nearest place above `node`, by the first of the parents at each step.
fn place_above(nodes: &Nodes, numbers: &HashMap<Number, usize>, node: Number) -> Option<usize> {
    let mut parents = &*nodes.get(node)?.parents;
    // There are no cycles, and the depth is bounded.
    loop {
        if let Some(number) = parents.iter().filter_map(|parent| numbers.get(parent)).min() {
            return Some(*number);
        }
        parents = &nodes.get(*parents.iter().min()?)?.parents;
    }
}
