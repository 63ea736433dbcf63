//! How an identity provider provisions people, as the administration API shows and takes it.
//!
//! What a group is given is settled here, by somebody who may give each of those roles themselves. So whatever the
//! provider says of its groups later, it yields no role that was not settled, and none outside the organisation (MT-09).

pub(super) mod remove;
pub(super) mod replace;
pub(super) mod show;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::guard::Guarded;
use super::member::RoleBody;
use super::problem::{FieldError, Problem};
use crate::audit::Item;
use crate::model::{ConnectionId, RoleAssignment, UnixNanos};
use crate::store::{GroupRoles, Kind, PROVISIONING, Provisioning, SubjectFrom};

/// Most groups that are given something: few companies keep more for one service.
const GROUPS_MAX: usize = 200;

/// Most roles of a group, and of everybody.
const ROLES_MAX: usize = 50;

/// Longest name of a group.
const NAME_BYTES_MAX: usize = 256;

/// How people are provisioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProvisioningBody {
    /// The connection that provisioned people sign in by.
    #[schema(example = "entra")]
    connection: String,
    /// Which attribute of a user is their subject there: `externalId` or `userName`.
    #[schema(example = "externalId")]
    subject: String,
    /// What everybody provisioned is given.
    #[serde(default)]
    roles: Vec<RoleBody>,
    /// What members of groups are given.
    #[serde(default)]
    groups: Vec<GroupRolesBody>,
}

/// What members of a group are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRolesBody {
    /// The group's `displayName` or `externalId`, letter for letter.
    #[schema(example = "Hub administrators")]
    group: String,
    /// The roles.
    roles: Vec<RoleBody>,
}

impl ProvisioningBody {
    /// Settings, as JSON.
    pub(super) fn shown(settings: &Provisioning) -> Value {
        let group = |group: &GroupRoles| GroupRolesBody {
            group: group.group.clone(),
            roles: group.roles.iter().map(RoleBody::of).collect(),
        };
        let subject = match settings.subject {
            SubjectFrom::ExternalId => "externalId",
            SubjectFrom::UserName => "userName",
        };
        serde_json::json!(Self {
            connection: settings.connection.to_string(),
            subject: subject.to_owned(),
            roles: settings.roles.iter().map(RoleBody::of).collect(),
            groups: settings.groups.iter().map(group).collect(),
        })
    }

    /// The settings it describes, as far as that can be told from it alone.
    fn settings(&self, changed: UnixNanos) -> Result<Provisioning, Problem> {
        let mut errors = Vec::new();
        let connection = ConnectionId::parse(&self.connection);
        if let Err(error) = &connection {
            errors.push(FieldError::new("connection", error.to_string()));
        }
        let subject = match self.subject.as_str() {
            "externalId" => SubjectFrom::ExternalId,
            "userName" => SubjectFrom::UserName,
            _ => {
                errors.push(FieldError::new("subject", "`externalId` or `userName`"));
                SubjectFrom::ExternalId
            }
        };
        let roles = roles(&mut errors, "roles", &self.roles);
        if self.groups.len() > GROUPS_MAX {
            errors.push(FieldError::new("groups", format!("at most {GROUPS_MAX}")));
        }
        let mut groups = Vec::new();
        let mut names = BTreeSet::new();
        for (number, group) in self.groups.iter().enumerate().take(GROUPS_MAX) {
            let field = format!("groups[{number}]");
            if !(1..=NAME_BYTES_MAX).contains(&group.group.len()) {
                errors.push(FieldError::new(format!("{field}.group"), "1 to 256 bytes"));
            }
            if !names.insert(&group.group) {
                errors.push(FieldError::new(format!("{field}.group"), "it is there twice"));
            }
            let roles = roles_of(&mut errors, &field, group);
            groups.push(GroupRoles { group: group.group.clone(), roles });
        }
        match connection {
            Ok(connection) if errors.is_empty() => {
                Ok(Provisioning { connection, subject, roles, groups, changed })
            }
            _ => Err(Problem::invalid(&errors)),
        }
    }
}

fn roles_of(
    errors: &mut Vec<FieldError>,
    field: &str,
    group: &GroupRolesBody,
) -> Vec<RoleAssignment> {
    roles(errors, &format!("{field}.roles"), &group.roles)
}

fn roles(errors: &mut Vec<FieldError>, field: &str, given: &[RoleBody]) -> Vec<RoleAssignment> {
    if given.len() > ROLES_MAX {
        errors.push(FieldError::new(field, format!("at most {ROLES_MAX} roles")));
        return Vec::new();
    }
    let mut read = BTreeSet::new();
    for (number, role) in given.iter().enumerate() {
        match role.read() {
            Ok(role) => drop(read.insert(role)),
            Err((part, reason)) => {
                errors.push(FieldError::new(format!("{field}[{number}].{part}"), reason));
            }
        }
    }
    read.into_iter().collect()
}

/// Every role that settings give.
fn all_roles(settings: &Provisioning) -> BTreeSet<RoleAssignment> {
    let groups = settings.groups.iter().flat_map(|group| &group.roles);
    settings.roles.iter().chain(groups).cloned().collect()
}

/// The settings as they are kept.
pub(super) async fn found(guarded: &Guarded<'_>) -> Result<Option<Provisioning>, Problem> {
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    Ok(objects.find(tenant, Kind::Provisioning, PROVISIONING).await?)
}

/// The settings, as events tell of them.
fn item() -> Item {
    let (kind, id) = ("provisioning".to_owned(), PROVISIONING.to_owned());
    Item { kind, id, name: "SCIM".to_owned() }
}
