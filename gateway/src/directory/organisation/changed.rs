//! An organisation with other resources: what its hub pushes, on top of what its files say.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use super::{DirectoryError, Organisation, RESOURCES_MAX, check_roles};
use crate::directory::tree;
use crate::model::{Change, EntityUid};

impl Organisation {
    /// This organisation after `changes`, checked as if it had been read so. Costs as much as it has resources.
    ///
    /// # Errors
    /// Every [`DirectoryError`]; the changes are taken whole or not at all.
    pub fn with_changes(&self, changes: &[Change]) -> Result<Self, Vec<DirectoryError>> {
        let mut errors = Vec::new();
        let mut resources = self.resources.clone();
        let mut order = self.order.clone();
        let mut gone = HashSet::new();
        let mut hash = Sha256::new();
        hash.update(self.digest);
        for change in changes {
            match change {
                Change::Put(record) => {
                    // A record is plain data with text keys: it always has a JSON form.
                    hash.update(serde_json::to_vec(record).unwrap_or_default());
                    if resources.insert(record.uid.clone(), record.clone()).is_none()
                        && !gone.remove(&record.uid)
                    {
                        order.push(record.uid.clone());
                    }
                }
                Change::Delete(uid) => {
                    hash.update(uid.to_string());
                    if resources.remove(uid).is_some() {
                        gone.insert(uid.clone());
                    }
                }
            }
            hash.update([0]);
        }
        order.retain(|uid| !gone.contains(uid));
        if resources.len() > RESOURCES_MAX {
            return Err(vec![DirectoryError::TooManyResources(resources.len())]);
        }
        errors.append(&mut tree::check(&resources, &order));
        if !resources.contains_key(&self.root) {
            errors.push(DirectoryError::UnknownRoot(self.root.clone()));
        }
        for member in self.members.values() {
            check_roles(member, &resources, &mut errors);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            id: self.id.clone(),
            name: self.name.clone(),
            suspended: self.suspended,
            root: self.root.clone(),
            hosts: self.hosts.clone(),
            members: self.members.clone(),
            people: self.people.clone(),
            resources,
            order,
            connections: self.connections.clone(),
            policies: self.policies.clone(),
            digest: hash.finalize().into(),
        })
    }
}

impl DirectoryError {
    /// The resource the error is about, where it is about one.
    pub const fn uid(&self) -> Option<&EntityUid> {
        match self {
            Self::UnknownRoot(uid)
            | Self::DuplicateResource(uid)
            | Self::UnknownParent { uid, .. }
            | Self::Cycle(uid)
            | Self::TooDeep(uid) => Some(uid),
            Self::UnknownNode { on, .. } => Some(on),
            Self::TooManyResources(_)
            | Self::TooManyMembers(_)
            | Self::DuplicateMember(_)
            | Self::UnknownConnection { .. }
            | Self::SharedIdentity { .. }
            | Self::DuplicateConnection(_)
            | Self::ForeignConnection(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::OrganisationData;
    use crate::model::{EntityRecord, TenantId};

    fn uid(text: &str) -> EntityUid {
        EntityUid::parse(text).unwrap()
    }

    fn put(name: &str, parent: &str) -> Change {
        Change::Put(record(name, &[parent]))
    }

    fn record(name: &str, parents: &[&str]) -> EntityRecord {
        let parents = parents.iter().map(|parent| uid(parent)).collect();
        EntityRecord { uid: uid(name), parents, attributes: serde_json::Map::new() }
    }

    fn organisation() -> Organisation {
        Organisation::build(OrganisationData {
            id: TenantId::parse("own").unwrap(),
            name: String::from("Own"),
            suspended: false,
            root: uid("Operator::top"),
            hosts: Vec::new(),
            members: Vec::new(),
            resources: vec![record("Operator::top", &[]), record("Team::a", &["Operator::top"])],
            connections: Vec::new(),
            policies: Vec::new(),
        })
        .unwrap()
    }

    fn names(organisation: &Organisation) -> Vec<String> {
        organisation.resources().map(|record| record.uid.to_string()).collect()
    }

    #[test]
    fn changes_are_taken_in_any_order_and_change_the_digest() {
        let before = organisation();
        let changes = [put("Site::s", "Team::b"), put("Team::b", "Operator::top")];
        let after = before.with_changes(&changes).unwrap();
        assert_eq!(names(&after), ["Operator::top", "Team::a", "Site::s", "Team::b"]);
        assert_ne!(after.digest(), before.digest());
        let gone = [Change::Delete(uid("Team::b")), Change::Delete(uid("Site::s"))];
        assert_eq!(names(&after.with_changes(&gone).unwrap()), names(&before));
        let again = [Change::Delete(uid("Team::a")), put("Team::a", "Operator::top")];
        assert_eq!(names(&before.with_changes(&again).unwrap()), names(&before));
    }

    #[test]
    fn what_would_break_the_tree_is_refused_whole() {
        let before = organisation();
        let orphan = before.with_changes(&[put("Site::s", "Team::none")]).unwrap_err();
        assert_eq!(orphan[0].uid(), Some(&uid("Site::s")));
        let moved = before.with_changes(&[put("Operator::top", "Team::a")]).unwrap_err();
        assert!(matches!(moved[0], DirectoryError::Cycle(_)), "{moved:?}");
        let rootless = before.with_changes(&[Change::Delete(uid("Operator::top"))]).unwrap_err();
        assert!(rootless.contains(&DirectoryError::UnknownRoot(uid("Operator::top"))));
    }
}
