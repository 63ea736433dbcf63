//! One organisation, checked and immutable.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::managed::ManagedShape;
use super::members::MEMBERS_MAX;
use crate::model::{
    Connection, ConnectionId, EntityRecord, EntityUid, MemberId, PolicySource, TenantId,
};

/// An organisation as it was read, before it is checked.
#[derive(Clone, Debug)]
pub struct OrganisationData {
    /// Its id; also the folder's name.
    pub id: TenantId,
    /// Shown to people.
    pub name: String,
    /// A suspended organisation is served nothing.
    pub suspended: bool,
    /// The entity that stands for the whole organisation; one of its resources.
    pub root: EntityUid,
    /// Host names that belong to this organisation alone.
    pub hosts: Vec<String>,
    /// Its connections to identity providers.
    pub connections: Vec<Connection>,
    /// Its own policies.
    pub policies: Vec<PolicySource>,
    /// SHA-256 over everything it was read from, members and resources included.
    pub digest: [u8; 32],
    /// Its root, if the platform created it: such an organisation has no files.
    pub created: Option<EntityRecord>,
}

/// What is wrong with an organisation's data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The root is not among the resources.
    #[error("the root `{0}` is not among the resources")]
    UnknownRoot(EntityUid),
    /// More members than allowed.
    #[error("{0} members are more than {MEMBERS_MAX}")]
    TooManyMembers(usize),
    /// A member is there twice.
    #[error("the member `{0}` is there twice")]
    DuplicateMember(MemberId),
    /// A role on a node that does not exist.
    #[error("the member `{member}` has the role `{role}` on `{on}`, which does not exist")]
    UnknownNode {
        /// The member.
        member: MemberId,
        /// The role.
        role: String,
        /// The missing node.
        on: EntityUid,
    },
    /// An identity at a connection that does not exist.
    #[error(
        "the member `{member}` signs in by the connection `{connection}`, which does not exist"
    )]
    UnknownConnection {
        /// The member.
        member: MemberId,
        /// The missing connection.
        connection: ConnectionId,
    },
    /// Two members, or one member twice, with the same identity.
    #[error("the members `{first}` and `{second}` share the subject `{subject}` at `{connection}`")]
    SharedIdentity {
        /// Who has it first.
        first: MemberId,
        /// Who has it again.
        second: MemberId,
        /// The connection.
        connection: ConnectionId,
        /// The subject.
        subject: String,
    },
    /// A connection is there twice.
    #[error("the connection `{0}` is there twice")]
    DuplicateConnection(ConnectionId),
    /// A connection that names another organisation as its owner.
    #[error("the connection `{0}` belongs to another organisation")]
    ForeignConnection(ConnectionId),
}

/// What is known of every organisation at all times: who it is, and how its people sign in. Small, since all
/// are in memory; members and resources are read when they are needed ([`Members`](super::Members)). Never
/// changes.
#[derive(Clone, Debug)]
pub struct Organisation {
    id: TenantId,
    name: String,
    suspended: bool,
    root: EntityUid,
    hosts: Vec<String>,
    connections: BTreeMap<ConnectionId, Arc<Connection>>,
    policies: Vec<PolicySource>,
    digest: [u8; 32],
    created: Option<Arc<EntityRecord>>,
}

impl Organisation {
    /// Checks an organisation's data.
    ///
    /// # Errors
    /// Every [`DirectoryError`]: nothing of a faulty organisation is taken.
    pub fn build(data: OrganisationData) -> Result<Self, Vec<DirectoryError>> {
        let mut errors = Vec::new();
        let connections = connections(&data.id, data.connections, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            id: data.id,
            name: data.name,
            suspended: data.suspended,
            root: data.root,
            hosts: data.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            policies: data.policies,
            connections,
            digest: data.digest,
            created: data.created.map(Arc::new),
        })
    }

    /// The same organisation as it is administered. A connection the files have too is the files' one.
    #[must_use]
    pub fn managed(&self, shape: ManagedShape) -> Self {
        let mut managed = self.clone();
        managed.suspended |= shape.suspended;
        for connection in shape.connections {
            let place = managed.connections.entry(connection.key.id.clone());
            place.or_insert_with(|| Arc::new(connection));
        }
        for (domain, id) in shape.domains {
            let Some(connection) = managed.connections.get_mut(&id) else { continue };
            let domains = &mut Arc::make_mut(connection).email_domains;
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        managed
    }

    /// The same organisation as it is administered, with what `other` says of itself: its name, hosts and root.
    #[must_use]
    pub fn said(&self, other: &Self) -> Self {
        let mut changed = self.clone();
        changed.name.clone_from(&other.name);
        changed.hosts.clone_from(&other.hosts);
        changed.created.clone_from(&other.created);
        changed
    }

    /// The same organisation, with `connection` in the place of the one of this id, or without it.
    #[must_use]
    pub fn with_connection(&self, id: &ConnectionId, connection: Option<Connection>) -> Self {
        let mut changed = self.clone();
        match connection {
            Some(connection) => drop(changed.connections.insert(id.clone(), Arc::new(connection))),
            None => drop(changed.connections.remove(id)),
        }
        changed
    }

    /// Its id.
    pub const fn id(&self) -> &TenantId {
        &self.id
    }

    /// The name shown to people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is suspended: served nothing.
    pub const fn suspended(&self) -> bool {
        self.suspended
    }

    /// The entity that stands for the whole organisation.
    pub const fn root(&self) -> &EntityUid {
        &self.root
    }

    /// Host names that belong to this organisation alone, lower case.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The connection with this id.
    pub fn connection(&self, id: &ConnectionId) -> Option<&Arc<Connection>> {
        self.connections.get(id)
    }

    /// All connections, in order of their ids.
    pub fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections.values()
    }

    /// Its own policies.
    pub fn policies(&self) -> &[PolicySource] {
        &self.policies
    }

    /// SHA-256 over everything it was read from, members and resources included; part of the snapshot's name.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Its root, if the platform created it: such an organisation has no files.
    pub fn created(&self) -> Option<&EntityRecord> {
        self.created.as_deref()
    }
}

fn connections(
    tenant: &TenantId,
    given: Vec<Connection>,
    errors: &mut Vec<DirectoryError>,
) -> BTreeMap<ConnectionId, Arc<Connection>> {
    let mut connections = BTreeMap::new();
    for connection in given {
        let id = connection.key.id.clone();
        if connection.key.tenant != *tenant {
            errors.push(DirectoryError::ForeignConnection(id.clone()));
        }
        if connections.insert(id.clone(), Arc::new(connection)).is_some() {
            errors.push(DirectoryError::DuplicateConnection(id));
        }
    }
    connections
}
