//! One organisation, checked and immutable.

mod changed;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::member::Member;
use super::tree;
use crate::model::{
    Connection, ConnectionId, EntityRecord, EntityUid, MemberId, PersonId, PolicySource, TenantId,
};

/// Most resources of one organisation; the largest known operator has a tenth of it.
const RESOURCES_MAX: usize = 1_000_000;

/// Most members of one organisation.
const MEMBERS_MAX: usize = 100_000;

/// An organisation as it was read, before it is checked.
#[derive(Clone, Debug)]
pub struct OrganisationData {
    /// Its id; also the folder's name.
    pub id: TenantId,
    /// Shown to people.
    pub name: String,
    /// A suspended organisation is served nothing.
    pub suspended: bool,
    /// The entity that stands for the whole organisation; one of `resources`.
    pub root: EntityUid,
    /// Host names that belong to this organisation alone.
    pub hosts: Vec<String>,
    /// Its members.
    pub members: Vec<Member>,
    /// Its resources, operator accounts included.
    pub resources: Vec<EntityRecord>,
    /// Its connections to identity providers.
    pub connections: Vec<Connection>,
    /// Its own policies.
    pub policies: Vec<PolicySource>,
}

/// What is wrong with an organisation's data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The root is not among the resources.
    #[error("the root `{0}` is not among the resources")]
    UnknownRoot(EntityUid),
    /// A resource is there twice.
    #[error("the resource `{0}` is there twice")]
    DuplicateResource(EntityUid),
    /// A parent that does not exist.
    #[error("`{uid}` has the parent `{parent}`, which does not exist")]
    UnknownParent {
        /// The resource.
        uid: EntityUid,
        /// The missing parent.
        parent: EntityUid,
    },
    /// A resource above itself.
    #[error("`{0}` stands above itself")]
    Cycle(EntityUid),
    /// Too many levels.
    #[error("`{0}` stands more than {depth} levels below the top", depth = tree::DEPTH_MAX)]
    TooDeep(EntityUid),
    /// More resources than allowed.
    #[error("{0} resources are more than {RESOURCES_MAX}")]
    TooManyResources(usize),
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

/// One organisation: its tree, members, connections and own policies. Never changes.
#[derive(Debug)]
pub struct Organisation {
    id: TenantId,
    name: String,
    suspended: bool,
    root: EntityUid,
    hosts: Vec<String>,
    members: HashMap<MemberId, Member>,
    people: HashMap<PersonId, MemberId>,
    resources: HashMap<EntityUid, EntityRecord>,
    order: Vec<EntityUid>,
    connections: BTreeMap<ConnectionId, Arc<Connection>>,
    policies: Vec<PolicySource>,
    digest: [u8; 32],
}

impl Organisation {
    /// Checks an organisation's data.
    ///
    /// # Errors
    /// Every [`DirectoryError`]: nothing of a faulty organisation is taken.
    pub fn build(data: OrganisationData) -> Result<Self, Vec<DirectoryError>> {
        let digest = digest(&data);
        let mut errors = Vec::new();
        let connections = connections(&data.id, data.connections, &mut errors);
        let (resources, order) = resources(data.resources, &mut errors);
        errors.append(&mut tree::check(&resources, &order));
        if !resources.contains_key(&data.root) {
            errors.push(DirectoryError::UnknownRoot(data.root.clone()));
        }
        let mut people = HashMap::new();
        let members = members(data.members, &mut errors);
        let mut sorted: Vec<&Member> = members.values().collect();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        for member in sorted {
            check_roles(member, &resources, &mut errors);
            add_people(&data.id, member, &connections, &mut people, &mut errors);
        }
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
            members,
            people,
            resources,
            order,
            connections,
            digest,
        })
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

    /// The member with this id, disabled or not.
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id)
    }

    /// All members, in no order.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The member a person is. Disabled members are nobody.
    pub fn member_of(&self, person: &PersonId) -> Option<&Member> {
        self.members.get(self.people.get(person)?).filter(|member| !member.disabled)
    }

    /// The connection with this id.
    pub fn connection(&self, id: &ConnectionId) -> Option<&Arc<Connection>> {
        self.connections.get(id)
    }

    /// All connections, in order of their ids.
    pub fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections.values()
    }

    /// The resource with this name.
    pub fn resource(&self, uid: &EntityUid) -> Option<&EntityRecord> {
        self.resources.get(uid)
    }

    /// All resources, in the order they were given.
    pub fn resources(&self) -> impl Iterator<Item = &EntityRecord> {
        self.order.iter().filter_map(|uid| self.resources.get(uid))
    }

    /// Its own policies.
    pub fn policies(&self) -> &[PolicySource] {
        &self.policies
    }

    /// SHA-256 over everything here that a request's answer can depend on; part of the snapshot's name.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
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

fn resources(
    given: Vec<EntityRecord>,
    errors: &mut Vec<DirectoryError>,
) -> (HashMap<EntityUid, EntityRecord>, Vec<EntityUid>) {
    if given.len() > RESOURCES_MAX {
        errors.push(DirectoryError::TooManyResources(given.len()));
        return (HashMap::new(), Vec::new());
    }
    let mut order = Vec::with_capacity(given.len());
    let mut resources = HashMap::with_capacity(given.len());
    for record in given {
        let uid = record.uid.clone();
        if resources.insert(uid.clone(), record).is_some() {
            errors.push(DirectoryError::DuplicateResource(uid));
        } else {
            order.push(uid);
        }
    }
    (resources, order)
}

fn members(given: Vec<Member>, errors: &mut Vec<DirectoryError>) -> HashMap<MemberId, Member> {
    if given.len() > MEMBERS_MAX {
        errors.push(DirectoryError::TooManyMembers(given.len()));
        return HashMap::new();
    }
    let mut members = HashMap::with_capacity(given.len());
    let mut seen = HashSet::new();
    for member in given {
        if !seen.insert(member.id.clone()) {
            errors.push(DirectoryError::DuplicateMember(member.id.clone()));
        }
        members.insert(member.id.clone(), member);
    }
    members
}

fn check_roles(
    member: &Member,
    resources: &HashMap<EntityUid, EntityRecord>,
    errors: &mut Vec<DirectoryError>,
) {
    for role in member.roles.iter().filter(|role| !resources.contains_key(&role.on)) {
        errors.push(DirectoryError::UnknownNode {
            member: member.id.clone(),
            role: role.role.clone(),
            on: role.on.clone(),
        });
    }
}

fn add_people(
    tenant: &TenantId,
    member: &Member,
    connections: &BTreeMap<ConnectionId, Arc<Connection>>,
    people: &mut HashMap<PersonId, MemberId>,
    errors: &mut Vec<DirectoryError>,
) {
    for identity in &member.identities {
        let Some(connection) = connections.get(&identity.connection) else {
            errors.push(DirectoryError::UnknownConnection {
                member: member.id.clone(),
                connection: identity.connection.clone(),
            });
            continue;
        };
        let person = PersonId {
            tenant: tenant.clone(),
            connection: identity.connection.clone(),
            issuer: connection.issuer.clone(),
            subject: identity.subject.clone(),
        };
        if let Some(first) = people.insert(person, member.id.clone()) {
            errors.push(DirectoryError::SharedIdentity {
                first,
                second: member.id.clone(),
                connection: identity.connection.clone(),
                subject: identity.subject.clone(),
            });
        }
    }
}

/// Hashes every field, each after its length, so that no two data run into the same bytes. Client
/// secrets are left out: no answer depends on them, and a digest must not help to guess one.
fn digest(data: &OrganisationData) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    field(data.id.as_str());
    field(&data.name);
    field(if data.suspended { "suspended" } else { "active" });
    field(&data.root.to_string());
    field(&data.hosts.join("\n"));
    for member in &data.members {
        field("member");
        field(member.id.as_str());
        field(&member.name);
        field(member.email.as_deref().unwrap_or_default());
        field(if member.disabled { "disabled" } else { "enabled" });
        for identity in &member.identities {
            field("identity");
            field(identity.connection.as_str());
            field(&identity.subject);
        }
        for role in &member.roles {
            field("role");
            field(&role.role);
            field(&role.on.to_string());
        }
        field("attributes");
        // Text keys: it always has a JSON form.
        field(&serde_json::to_string(&member.attributes).unwrap_or_default());
    }
    for record in &data.resources {
        field("resource");
        // A record is plain data with text keys: it always has a JSON form.
        field(&serde_json::to_string(record).unwrap_or_default());
    }
    for connection in &data.connections {
        field("connection");
        field(&connection.key.to_string());
        field(&connection.issuer);
        field(&connection.client_id);
        field(&connection.scopes.join(" "));
        field(&connection.email_domains.join(" "));
        field(connection.ca_pem.as_deref().unwrap_or_default());
        field(if connection.enabled { "enabled" } else { "disabled" });
    }
    for policy in &data.policies {
        field("policy");
        field(&policy.name);
        field(&policy.text);
    }
    hash.finalize().into()
}
