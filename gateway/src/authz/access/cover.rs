//! Writes a set of nodes with few entries: nodes that count with everything below them, and single nodes
//! taken out again.
//!
//! The choice of the nodes is made on a tree (each node below one of its parents) and is the best one there; it is
//! then made exact on the whole graph, so a node with several parents costs entries, never exactness.

use std::collections::{HashMap, HashSet};

use cedar_policy_core::ast::EntityUID;

use crate::authz::partition::{Node, Partition};

/// A node, and whether it belongs to the set; `None` where that is not asked.
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) allowed: Option<bool>,
}

/// The entries.
pub(super) struct Cover<'a> {
    pub(super) within: Vec<&'a Node>,
    pub(super) without: Vec<&'a Node>,
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

impl<'a> Cover<'a> {
    /// Covers exactly the allowed ones of `places`; where it is not asked, anything goes.
    pub(super) fn of(partition: &'a Partition, places: &[Place<'a>]) -> Self {
        let within = choose(partition, places);
        let names: HashSet<&EntityUID> = within.iter().map(|node| &*node.uid).collect();
        let covered = |node: &Node| {
            names.contains(&*node.uid) || node.entity.ancestors().any(|uid| names.contains(uid))
        };
        let taken_out = |place: &&Place<'a>| place.allowed == Some(false) && covered(place.node);
        let without = if within.is_empty() {
            Vec::new()
        } else {
            places.iter().filter(taken_out).map(|place| place.node).collect()
        };
        Self { within, without }
    }
}

/// The nodes that count with everything below them.
fn choose<'a>(partition: &'a Partition, places: &[Place<'a>]) -> Vec<&'a Node> {
    let numbers: HashMap<&EntityUID, usize> =
        places.iter().enumerate().map(|(number, place)| (&*place.node.uid, number)).collect();
    let above: Vec<Option<usize>> =
        places.iter().map(|place| place_above(partition, &numbers, place.node)).collect();
    // Whatever stands above a node has fewer nodes above it: from the top down.
    let mut order: Vec<(usize, usize)> = places
        .iter()
        .enumerate()
        .map(|(number, place)| (place.node.entity.ancestors().count(), number))
        .collect();
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
fn place_above(
    partition: &Partition,
    numbers: &HashMap<&EntityUID, usize>,
    node: &Node,
) -> Option<usize> {
    let mut node = node;
    // The partition bounds the depth and has no cycles.
    loop {
        if let Some(number) = node.entity.parents().filter_map(|uid| numbers.get(uid)).min() {
            return Some(*number);
        }
        let first = node.entity.parents().min()?;
        (_, node) = partition.find_cedar(first)?;
    }
}
