//! Everything a request is decided under, as one immutable value (promise P4).

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::asker::{Asker, Askers, Standing};
use crate::audit::{Pseudonym, PseudonymKey};
use crate::authn::Authenticated;
use crate::authz::{self, Partition, Pdp, PolicySchema};
use crate::directory::{Directory, Organisation, principal_entity};
use crate::model::{EntityRecord, EntityUid, PersonId, Principal, Refusal, SnapshotId, TenantId};
use crate::routing::RouteTable;

/// What a snapshot is built from: every part was checked against the others when it was read.
#[derive(Debug)]
pub struct SnapshotParts {
    /// The routes.
    pub routes: Arc<RouteTable>,
    /// The schema the policies were checked against.
    pub schema: Arc<PolicySchema>,
    /// The decision point.
    pub pdp: Arc<Pdp>,
    /// All organisations.
    pub directory: Arc<Directory>,
    /// Their entities, as the decision point sees them.
    pub partitions: BTreeMap<TenantId, Arc<Partition>>,
    /// SHA-256 over the configuration.
    pub config_digest: [u8; 32],
    /// Names people in the log.
    pub pseudonyms: PseudonymKey,
}

/// The entities nobody's decision sees: none. Building them failed, which an empty set cannot.
#[derive(Debug, thiserror::Error)]
#[error("the empty partition cannot be built")]
pub struct SnapshotError;

/// Policies, schema, directory, routes: one value, taken once for a request.
#[derive(Debug)]
pub struct Snapshot {
    id: SnapshotId,
    configuration: SnapshotId,
    parts: SnapshotParts,
    nobody: Partition,
    askers: Askers,
}

impl Snapshot {
    /// Puts a snapshot together.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn new(parts: SnapshotParts) -> Result<Self, SnapshotError> {
        let nobody =
            Partition::build(&parts.schema, std::iter::empty()).map_err(|_| SnapshotError)?;
        let id = snapshot_id(&parts);
        Ok(Self { configuration: id.clone(), id, parts, nobody, askers: Askers::new() })
    }

    /// As [`Snapshot::new`], of the same files as this one.
    pub(super) fn derive(&self, parts: SnapshotParts) -> Result<Self, SnapshotError> {
        Ok(Self { configuration: self.configuration.clone(), ..Self::new(parts)? })
    }

    /// The snapshot of the files alone, before resources were pushed: names the configuration.
    pub const fn configuration(&self) -> &SnapshotId {
        &self.configuration
    }

    pub(super) const fn parts(&self) -> &SnapshotParts {
        &self.parts
    }

    /// Its name: SHA-256 over everything a decision under it depends on.
    pub fn id(&self) -> &SnapshotId {
        &self.id
    }

    /// The decision point.
    pub fn pdp(&self) -> &Pdp {
        &self.parts.pdp
    }

    /// The organisations.
    pub fn directory(&self) -> &Directory {
        &self.parts.directory
    }

    /// The routes.
    pub fn routes(&self) -> &RouteTable {
        &self.parts.routes
    }

    /// A person as the log names them.
    pub(super) fn pseudonym(&self, person: &PersonId) -> Pseudonym {
        self.parts.pseudonyms.person(person)
    }

    /// The entities a principal's decision sees: its own organisation's, or none at all (promise P3).
    pub(super) fn partition(&self, tenant: Option<&TenantId>) -> Option<&Partition> {
        match tenant {
            Some(tenant) => self.parts.partitions.get(tenant).map(|partition| &**partition),
            None => Some(&self.nobody),
        }
    }

    /// The root entity of an organisation.
    pub(super) fn root(&self, tenant: Option<&TenantId>) -> Option<&EntityUid> {
        Some(self.parts.directory.organisation(tenant?)?.root())
    }

    /// Works out who an authenticated principal is in its organisation, or finds it worked out. Nobody known is
    /// somebody in the organisation the host is `bound` to.
    ///
    /// # Errors
    /// [`Refusal::CredentialInvalid`] when its organisation is gone, [`Refusal::Denied`] when suspended.
    pub(super) fn asker(
        &self,
        authenticated: Authenticated,
        bound: Option<&TenantId>,
    ) -> Result<Asker, Refusal> {
        if let Some(asker) = self.askers.find(&authenticated) {
            return Ok(asker);
        }
        let asker = self.work_out(authenticated, bound)?;
        self.askers.keep(&asker);
        Ok(asker)
    }

    fn work_out(
        &self,
        authenticated: Authenticated,
        bound: Option<&TenantId>,
    ) -> Result<Asker, Refusal> {
        let own = authenticated.principal().tenant();
        let organisation = match own.or(bound) {
            None => None,
            // The credential outlived its organisation.
            Some(id) => {
                let found = self.parts.directory.organisation(id);
                Some(found.ok_or(Refusal::CredentialInvalid)?)
            }
        };
        if organisation.is_some_and(|organisation| organisation.suspended()) {
            let reason = String::from("this organisation is suspended");
            return Err(Refusal::Denied { reason: Some(reason), hidden: false });
        }
        // Membership is what this snapshot says, never what an earlier one said: a person who is a member
        // no more, or whose connection was disabled, is nobody's member.
        let member = organisation.and_then(|organisation| {
            let Principal::User { person, .. } = authenticated.principal() else { return None };
            let connection = organisation.connection(&person.connection)?;
            let member = organisation.member_of(person).filter(|_| connection.enabled)?;
            Some(member.id.clone())
        });
        let authenticated = authenticated.with_member(member);
        let partition = self.partition(authenticated.principal().tenant().or(bound));
        let standing = standing(&authenticated, organisation, partition, &self.parts.schema);
        Ok(Asker::new(authenticated, standing, &self.parts.pseudonyms))
    }
}

fn standing(
    authenticated: &Authenticated,
    organisation: Option<&Arc<Organisation>>,
    partition: Option<&Partition>,
    schema: &PolicySchema,
) -> Standing {
    let (Some(entity), Some(partition)) = (authenticated.principal().entity(), partition) else {
        return Standing::default();
    };
    let none = &[][..];
    let (roles, scopes, attributes) =
        match (authenticated.principal(), authenticated.api_key(), organisation) {
            (Principal::User { member: Some(id), .. }, _, Some(organisation)) => {
                let member = organisation.member(id);
                let roles = member.map_or(none, |member| &member.roles);
                (roles, None, member.map(|member| &member.attributes))
            }
            (Principal::ApiClient { .. }, Some(key), _) => {
                (&key.roles[..], Some(&key.scopes[..]), None)
            }
            _ => (none, None, None),
        };
    let prepared = authz::Standing { roles, scopes: scopes.unwrap_or_default(), attributes };
    let known = partition.principal_for(&entity, prepared, || {
        if authenticated.principal() == &Principal::Anonymous {
            let attributes = serde_json::Map::new();
            return EntityRecord { uid: entity.clone(), parents: Vec::new(), attributes };
        }
        let mut attributes = attributes.cloned().unwrap_or_default();
        if let Some(scopes) = scopes {
            attributes.insert(String::from("scopes"), scopes.into());
        }
        principal_entity(entity.clone(), roles, schema.role_names(entity.kind()), attributes)
    });
    // An entity that does not fit the schema is no entity: no policy can speak of it, so it gets nothing.
    let prepared = known
        .inspect_err(|error| tracing::warn!(%entity, %error, "principal does not fit the schema"))
        .ok();
    Standing { prepared, roles: Arc::from(roles) }
}

fn snapshot_id(parts: &SnapshotParts) -> SnapshotId {
    let mut hash = Sha256::new();
    hash.update(parts.config_digest);
    hash.update(parts.pdp.digest());
    for organisation in parts.directory.organisations() {
        hash.update(organisation.id().as_str().as_bytes());
        hash.update([0]);
        hash.update(organisation.digest());
    }
    SnapshotId::from_digest(&hash.finalize().into())
}
