//! The tree of an organisation: parents exist, nobody is above themselves, and it is not too deep.

use std::collections::{HashMap, HashSet};

use super::organisation::DirectoryError;
use crate::model::{EntityRecord, EntityUid};

/// Deepest tree. PD-20: at most 16 levels below the top.
pub(super) const DEPTH_MAX: usize = 16;

/// Checks the parents of all `resources`; finds every fault.
pub(super) fn check(
    resources: &HashMap<EntityUid, EntityRecord>,
    order: &[EntityUid],
) -> Vec<DirectoryError> {
    let mut errors = Vec::new();
    let mut depths: HashMap<&EntityUid, usize> = HashMap::with_capacity(resources.len());
    for uid in order {
        let Some(record) = resources.get(uid) else {
            continue;
        };
        for parent in record.parents.iter().filter(|parent| !resources.contains_key(parent)) {
            errors.push(DirectoryError::UnknownParent { uid: uid.clone(), parent: parent.clone() });
        }
        let mut path = Vec::new();
        if let Err(error) = depth(resources, uid, &mut depths, &mut path) {
            errors.push(error);
        }
    }
    let mut seen = HashSet::new();
    errors.retain(|error| seen.insert(error.to_string()));
    errors
}

/// Levels above `uid`. The path bounds the recursion: it never grows beyond the depth allowed.
fn depth<'a>(
    resources: &'a HashMap<EntityUid, EntityRecord>,
    uid: &'a EntityUid,
    depths: &mut HashMap<&'a EntityUid, usize>,
    path: &mut Vec<&'a EntityUid>,
) -> Result<usize, DirectoryError> {
    if let Some(known) = depths.get(uid) {
        return Ok(*known);
    }
    if path.contains(&uid) {
        return Err(DirectoryError::Cycle(uid.clone()));
    }
    if path.len() > DEPTH_MAX {
        let deepest = path.first().copied().unwrap_or(uid);
        return Err(DirectoryError::TooDeep(deepest.clone()));
    }
    path.push(uid);
    let parents = resources.get(uid).map(|record| record.parents.as_slice()).unwrap_or_default();
    let mut above = 0;
    for parent in parents {
        above = above.max(depth(resources, parent, depths, path)? + 1);
    }
    path.pop();
    if above > DEPTH_MAX {
        return Err(DirectoryError::TooDeep(uid.clone()));
    }
    depths.insert(uid, above);
    Ok(above)
}
