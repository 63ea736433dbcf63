//! Members: who belongs to an organisation, how they sign in and what they may be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::{ConnectionId, EntityRecord, EntityUid, MemberId, RoleAssignment, Source};

/// One way a member signs in: a subject at a connection. The connection says the issuer (promise P6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The connection, one of the organisation's own.
    pub connection: ConnectionId,
    /// The subject there, byte for byte.
    pub subject: String,
}

/// Somebody the organisation's administrator made a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The name policies and records use.
    pub id: MemberId,
    /// Shown to people.
    pub name: String,
    /// Shown to people; it never identifies anybody.
    pub email: Option<String>,
    /// How they sign in.
    pub identities: Vec<Identity>,
    /// Their roles, each on a node of the tree.
    pub roles: Vec<RoleAssignment>,
    /// Further attributes of its entity, in Cedar's entity JSON; never `roles`.
    pub attributes: Map<String, Value>,
    /// A disabled member is as good as none.
    pub disabled: bool,
    /// Who may change it.
    pub source: Source,
}

/// The entity of a member or an API client, as data: `roles` is a record that has every role of
/// `role_names`, each the set of nodes the role was given on. A role the schema does not know is left
/// out: it gives nothing. `extra` are further attributes, such as `scopes`.
pub fn principal_entity<'a>(
    uid: EntityUid,
    roles: &[RoleAssignment],
    role_names: impl IntoIterator<Item = &'a str>,
    extra: Map<String, Value>,
) -> EntityRecord {
    let nodes = |role: &str| -> Vec<Value> {
        roles
            .iter()
            .filter(|assignment| assignment.role == role)
            .map(|assignment| {
                json!({ "__entity": { "type": assignment.on.kind(), "id": assignment.on.id() } })
            })
            .collect()
    };
    let record: Map<String, Value> =
        role_names.into_iter().map(|role| (role.to_owned(), Value::Array(nodes(role)))).collect();
    let mut attributes = extra;
    attributes.insert("roles".to_owned(), Value::Object(record));
    EntityRecord { uid, parents: Vec::new(), attributes }
}
