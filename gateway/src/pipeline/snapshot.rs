//! Everything a request is decided under, as one immutable value (promise P4).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::asker::{Asker, Askers, Standing};
use crate::audit::{Pseudonym, PseudonymKey};
use crate::authn::Authenticated;
use crate::authz::{EntityError, Partition, Pdp, PolicySchema};
use crate::directory::{Directory, Organisation, principal_entity};
use crate::model::{
    EntityUid, PersonId, Principal, Refusal, RoleAssignment, ServiceId, SnapshotId, TenantId,
};
use crate::routing::RouteTable;

/// What a snapshot is built from.
#[derive(Debug)]
pub struct SnapshotParts {
    /// The routes.
    pub routes: RouteTable,
    /// The schema the policies were checked against.
    pub schema: Arc<PolicySchema>,
    /// The decision point.
    pub pdp: Pdp,
    /// All organisations.
    pub directory: Directory,
    /// Services whose denials look like 404.
    pub hidden: HashSet<ServiceId>,
    /// SHA-256 over the configuration files.
    pub config_digest: [u8; 32],
    /// Names people in the log.
    pub pseudonyms: PseudonymKey,
}

/// A snapshot that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// An object of an organisation does not fit the schema.
    #[error("organisation `{tenant}`: {source}")]
    Entity {
        /// The organisation.
        tenant: TenantId,
        /// What does not fit.
        source: EntityError,
    },
}

/// One organisation, ready for decisions.
#[derive(Debug)]
pub struct Tenant {
    organisation: Arc<Organisation>,
    partition: Partition,
}

impl Tenant {
    /// The organisation.
    pub fn organisation(&self) -> &Arc<Organisation> {
        &self.organisation
    }

    /// Its entities, as the decision point sees them.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }
}

/// Policies, schema, directory, routes: one value, taken once for a request.
#[derive(Debug)]
pub struct Snapshot {
    id: SnapshotId,
    pub(super) routes: RouteTable,
    schema: Arc<PolicySchema>,
    pub(super) pdp: Pdp,
    pub(super) directory: Directory,
    tenants: HashMap<TenantId, Tenant>,
    nobody: Partition,
    hidden: HashSet<ServiceId>,
    pseudonyms: PseudonymKey,
    askers: Askers,
}

impl Snapshot {
    /// Builds a snapshot: every organisation's entities are checked against the schema.
    ///
    /// # Errors
    /// All of [`SnapshotError`] at once.
    pub fn build(parts: SnapshotParts) -> Result<Self, Vec<SnapshotError>> {
        let id = snapshot_id(&parts);
        let mut tenants = HashMap::new();
        let mut errors = Vec::new();
        for organisation in parts.directory.organisations() {
            match Partition::build(&parts.schema, organisation.resources()) {
                Ok(partition) => {
                    let tenant = Tenant { organisation: Arc::clone(organisation), partition };
                    tenants.insert(organisation.id().clone(), tenant);
                }
                Err(found) => errors.extend(found.into_iter().map(|source| {
                    SnapshotError::Entity { tenant: organisation.id().clone(), source }
                })),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let nobody = Partition::build(&parts.schema, std::iter::empty()).map_err(|_| Vec::new())?;
        Ok(Self {
            id,
            routes: parts.routes,
            schema: parts.schema,
            pdp: parts.pdp,
            directory: parts.directory,
            tenants,
            nobody,
            hidden: parts.hidden,
            pseudonyms: parts.pseudonyms,
            askers: Askers::new(),
        })
    }

    /// Its name: SHA-256 over everything a decision under it depends on.
    pub fn id(&self) -> &SnapshotId {
        &self.id
    }

    /// The decision point.
    pub fn pdp(&self) -> &Pdp {
        &self.pdp
    }

    /// The organisations.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// One organisation.
    pub fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.get(id)
    }

    /// A person as the log names them.
    pub(super) fn pseudonym(&self, person: &PersonId) -> Pseudonym {
        self.pseudonyms.person(person)
    }

    /// Whether denials of a service look like 404.
    pub(super) fn hides(&self, service: &ServiceId) -> bool {
        self.hidden.contains(service)
    }

    /// The entities a principal's decision sees: its own organisation's, or none at all (promise P3).
    pub(super) fn partition(&self, tenant: Option<&TenantId>) -> Option<&Partition> {
        match tenant {
            Some(tenant) => self.tenants.get(tenant).map(Tenant::partition),
            None => Some(&self.nobody),
        }
    }

    /// The root entity of an organisation.
    pub(super) fn root(&self, tenant: Option<&TenantId>) -> Option<&EntityUid> {
        tenant.and_then(|tenant| self.tenants.get(tenant)).map(|tenant| tenant.organisation.root())
    }

    /// Works out who an authenticated principal is in its organisation, or finds it worked out.
    ///
    /// # Errors
    /// [`Refusal::CredentialInvalid`] when its organisation is gone, [`Refusal::Denied`] when suspended.
    pub(super) fn asker(&self, authenticated: Authenticated) -> Result<Asker, Refusal> {
        if let Some(asker) = self.askers.find(&authenticated) {
            return Ok(asker);
        }
        let asker = self.work_out(authenticated)?;
        self.askers.keep(&asker);
        Ok(asker)
    }

    fn work_out(&self, authenticated: Authenticated) -> Result<Asker, Refusal> {
        let tenant = match authenticated.principal().tenant() {
            None => None,
            // The credential outlived its organisation.
            Some(id) => Some(self.tenants.get(id).ok_or(Refusal::CredentialInvalid)?),
        };
        if tenant.is_some_and(|tenant| tenant.organisation.suspended()) {
            let reason = String::from("your organisation is suspended");
            return Err(Refusal::Denied { reason: Some(reason), hidden: false });
        }
        let authenticated = match (authenticated.principal(), tenant) {
            (Principal::User { person, .. }, Some(tenant)) => {
                match tenant.organisation.member_of(person) {
                    Some(member) => {
                        let id = member.id.clone();
                        authenticated.with_member(id)
                    }
                    None => authenticated,
                }
            }
            _ => authenticated,
        };
        let standing = self.standing(&authenticated, tenant);
        Ok(Asker::new(authenticated, standing, &self.pseudonyms))
    }

    fn standing(&self, authenticated: &Authenticated, tenant: Option<&Tenant>) -> Standing {
        let Some(entity) = authenticated.principal().entity() else { return Standing::default() };
        let (roles, scopes): (Vec<RoleAssignment>, Option<&[String]>) =
            match (authenticated.principal(), authenticated.api_key(), tenant) {
                (Principal::User { member: Some(id), .. }, _, Some(tenant)) => {
                    let member = tenant.organisation.member(id);
                    (member.map(|member| member.roles.clone()).unwrap_or_default(), None)
                }
                (Principal::ApiClient { .. }, Some(key), _) => {
                    (key.roles.clone(), Some(&key.scopes))
                }
                _ => (Vec::new(), None),
            };
        let mut attributes = serde_json::Map::new();
        if let Some(scopes) = scopes {
            attributes.insert(String::from("scopes"), scopes.into());
        }
        let prepared = self.prepare(&entity, &roles, attributes);
        Standing { prepared, roles: Arc::from(roles) }
    }

    /// An entity that does not fit the schema is no entity: no policy can speak of it, so it gets nothing.
    fn prepare(
        &self,
        entity: &EntityUid,
        roles: &[RoleAssignment],
        attributes: serde_json::Map<String, serde_json::Value>,
    ) -> Option<crate::authz::PreparedPrincipal> {
        let record =
            principal_entity(entity.clone(), roles, self.schema.role_names(), attributes);
        match Partition::principal(&self.schema, &record) {
            Ok(prepared) => Some(prepared),
            Err(error) => {
                tracing::warn!(%entity, %error, "principal does not fit the schema");
                None
            }
        }
    }
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
