//! What an identity provider provisions by SCIM, as it is kept, and the members it comes to.
//!
//! A user's roles are not kept: they are worked out from the groups and from what those are given, each time the
//! organisation is read. So a change of either is in force for everybody at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::directory::{Identity, Member};
use crate::model::{ConnectionId, MemberId, RoleAssignment, Source, UnixNanos};

/// How people are provisioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioning {
    /// The connection that provisioned people sign in by.
    pub connection: ConnectionId,
    /// Which attribute of a user is their subject there.
    pub subject: SubjectFrom,
    /// What everybody provisioned is given.
    pub roles: Vec<RoleAssignment>,
    /// What members of groups are given.
    pub groups: Vec<GroupRoles>,
    /// When it was last changed.
    pub changed: UnixNanos,
}

/// Which attribute of a user is the subject that the identity provider knows them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SubjectFrom {
    /// `externalId`, which Okta fills so.
    ExternalId,
    /// `userName`.
    UserName,
}

/// What members of a group are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRoles {
    /// The group's `displayName` or `externalId`, letter for letter.
    pub group: String,
    /// The roles.
    pub roles: Vec<RoleAssignment>,
}

/// The one entry of [`Provisioning`].
pub const PROVISIONING: &str = "settings";

/// A user as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredUser {
    /// Its id, never given again.
    pub id: MemberId,
    /// What the provider says of it.
    pub document: Map<String, Value>,
    /// The groups it is in, by id.
    pub groups: BTreeSet<String>,
    /// When it was made.
    pub created: UnixNanos,
    /// When it was last changed.
    pub changed: UnixNanos,
}

/// A group as it is kept; who is in it stands with the users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredGroup {
    /// Its id, never given again.
    pub id: String,
    /// What the provider says of it, without `members`.
    pub document: Map<String, Value>,
    /// When it was made.
    pub created: UnixNanos,
    /// When it was last changed.
    pub changed: UnixNanos,
}

/// The entry that finds a user or a group by a name: `what` says which name of which.
pub fn index_id(what: &str, name: &str) -> String {
    use std::fmt::Write as _;
    let mut id = format!("{what}-");
    for byte in Sha256::digest(name.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// The entry that says that a user is in a group.
pub fn membership_id(group: &str, user: &MemberId) -> String {
    format!("{group}.{user}")
}

impl StoredUser {
    /// The subject the identity provider knows the user by.
    pub fn subject(&self, from: SubjectFrom) -> Option<&str> {
        let name = match from {
            SubjectFrom::ExternalId => "externalId",
            SubjectFrom::UserName => "userName",
        };
        let subject = self.document.get(name).and_then(Value::as_str);
        // OpenID Connect Core 1.0 §2: `sub` must not exceed 255 ASCII characters.
        subject.filter(|text| (1..=255).contains(&text.len()) && text.is_ascii())
    }

    /// The member the user is, by how people are provisioned and the groups there are.
    pub fn member(
        &self,
        (name, email): (String, Option<String>),
        settings: &Provisioning,
        groups: &BTreeMap<&str, &StoredGroup>,
    ) -> Member {
        let mut roles: BTreeSet<RoleAssignment> = settings.roles.iter().cloned().collect();
        for group in self.groups.iter().filter_map(|id| groups.get(id.as_str())) {
            let given = settings.groups.iter().filter(|it| group.is_called(&it.group));
            roles.extend(given.flat_map(|it| it.roles.iter().cloned()));
        }
        let subject = self.subject(settings.subject).map(str::to_owned);
        let identity =
            subject.map(|subject| Identity { connection: settings.connection.clone(), subject });
        Member {
            id: self.id.clone(),
            name,
            email,
            identities: identity.into_iter().collect(),
            roles: roles.into_iter().collect(),
            attributes: Map::new(),
            disabled: self.document.get("active") == Some(&Value::Bool(false)),
            source: Source::Scim,
        }
    }
}

impl StoredGroup {
    /// Whether the group goes by this name.
    pub fn is_called(&self, name: &str) -> bool {
        ["displayName", "externalId"]
            .iter()
            .any(|key| self.document.get(*key).and_then(Value::as_str) == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EntityUid;

    fn role(role: &str) -> RoleAssignment {
        RoleAssignment { role: role.to_owned(), on: EntityUid::new("Operator", "o").unwrap() }
    }

    fn group(id: &str, name: &str) -> StoredGroup {
        let document = serde_json::json!({ "displayName": name, "externalId": format!("x-{id}") });
        let document = document.as_object().unwrap().clone();
        let at = UnixNanos::default();
        StoredGroup { id: id.to_owned(), document, created: at, changed: at }
    }

    #[test]
    fn a_user_is_given_what_their_groups_are_given() {
        let settings = Provisioning {
            connection: ConnectionId::parse("okta").unwrap(),
            subject: SubjectFrom::ExternalId,
            roles: vec![role("support_agent")],
            groups: vec![
                GroupRoles { group: "Admins".into(), roles: vec![role("admin")] },
                GroupRoles { group: "x-b".into(), roles: vec![role("bookkeeper")] },
                GroupRoles { group: "admins".into(), roles: vec![role("operations_manager")] },
            ],
            changed: UnixNanos::default(),
        };
        let groups = [group("a", "Admins"), group("b", "Books"), group("c", "Others")];
        let groups: BTreeMap<_, _> = groups.iter().map(|it| (it.id.as_str(), it)).collect();
        let document = serde_json::json!({ "userName": "u@e", "externalId": "00u1" });
        let user = StoredUser {
            id: MemberId::parse("u1").unwrap(),
            document: document.as_object().unwrap().clone(),
            groups: ["a", "b", "gone"].map(str::to_owned).into(),
            created: UnixNanos::default(),
            changed: UnixNanos::default(),
        };
        let member = user.member(("U".into(), None), &settings, &groups);
        let roles: Vec<_> = member.roles.iter().map(|role| role.role.as_str()).collect();
        assert_eq!(roles, ["admin", "bookkeeper", "support_agent"]);
        assert_eq!(member.identities[0].subject, "00u1");
        assert!(!member.disabled);
        let by_name = Provisioning { subject: SubjectFrom::UserName, ..settings };
        assert_eq!(user.subject(by_name.subject), Some("u@e"));
    }
}
