//! Everything a request is decided under, as one immutable value (promise P4).

mod organisations;
mod policies;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::asker::{Asker, Askers, Standing};
use super::in_force::reader;
use super::navigation::{Navigation, active_node};
use super::organisations::{
    Content, Opening, OrganisationSource, Reader, Readers, Shelf, Slot, SourceError, Unread,
    Version,
};
use crate::audit::{Pseudonym, PseudonymKey};
use crate::authn::Authenticated;
use crate::authz::{
    self, ChangeTable, Partition, Pdp, PolicyBook, PolicySchema, PreparedPrincipal,
};
use crate::directory::{Directory, Members, Organisation, principal_entity};
use crate::limits::Plans;
use crate::model::{
    Clock, EntityRecord, EntityUid, ErrorStyle, PersonId, PolicySource, Principal, Refusal,
    SnapshotId, TenantId, UnixNanos,
};
use crate::routing::RouteTable;

pub use organisations::OrganisationsRefused;
pub use policies::PoliciesRefused;

/// What a snapshot is built from: every part was checked against the others when it was read.
#[derive(Clone, Debug)]
pub struct SnapshotParts {
    /// The routes.
    pub routes: Arc<RouteTable>,
    /// The schema the policies were checked against.
    pub schema: Arc<PolicySchema>,
    /// The decision point.
    pub pdp: Arc<Pdp>,
    /// The base policies of the files, with what tests and shows them.
    pub book: Arc<PolicyBook>,
    /// The base policies that were added to those, in order of their names.
    pub added: Vec<PolicySource>,
    /// All organisations.
    pub directory: Arc<Directory>,
    /// Where their members and resources come from.
    pub source: Arc<dyn OrganisationSource>,
    /// How refusals are written, host by host; the default where a host is not named.
    pub error_styles: HashMap<String, ErrorStyle>,
    /// The quotas there are.
    pub plans: Plans,
    /// What menus are made from.
    pub navigation: Option<Navigation>,
    /// Which action makes which change of data: so a person denied can be told whom to ask.
    pub changes: ChangeTable,
    /// SHA-256 over the configuration.
    pub config_digest: [u8; 32],
    /// Names people in the log.
    pub pseudonyms: PseudonymKey,
    /// Dates failures.
    pub clock: Arc<dyn Clock>,
}

/// Why a snapshot cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The entities nobody's decision sees: none. Building them failed, which an empty set cannot.
    #[error("the empty partition cannot be built")]
    Nobody,
    /// An organisation could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Why an organisation's resources were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such organisation.
    #[error("there is no organisation `{0}`")]
    UnknownOrganisation(TenantId),
    /// Its source changed again and again while it was read.
    #[error("the organisation `{0}` changes faster than it can be read")]
    Restless(TenantId),
    /// The state of its resources cannot be told.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Policies, schema, directory, routes: one value, taken once for a request.
///
/// Members and resources of an organisation are read when it is first asked about. The snapshot's name covers
/// them all the same: it names what they are read from.
#[derive(Debug)]
pub struct Snapshot {
    id: SnapshotId,
    /// The snapshot the settings came with.
    settings: SnapshotId,
    parts: Arc<SnapshotParts>,
    /// The organisations of `parts` as they are administered.
    directory: Arc<Directory>,
    nobody: Arc<Partition>,
    shelf: Shelf,
    askers: Arc<Askers>,
    readers: Arc<Readers>,
}

/// Where an organisation is that has moved on, by name, and what it is there, if that was read.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) version: Version,
    pub(super) content: Option<Arc<Content>>,
    /// The organisation as it is administered there, where that was read.
    pub(super) organisation: Option<Arc<Organisation>>,
}

impl Snapshot {
    /// Puts a snapshot together. Of the organisations in use `before`, those that did not change are taken
    /// over, and the others are read now: nobody waits for them later. It may block.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn new(parts: SnapshotParts, before: Option<&Self>) -> Result<Self, SnapshotError> {
        let nobody = Partition::build(&parts.schema, std::iter::empty());
        let nobody = Arc::new(nobody.map_err(|_| SnapshotError::Nobody)?);
        let (directory, managed) = administered(&parts)?;
        let mut shelf = Shelf::of(&directory, &*parts.source, &managed)?;
        if let Some(before) = before {
            // What was read under another schema is checked against this one, before anybody waits for it.
            let changed = if before.parts.schema.digest() == parts.schema.digest() {
                shelf.take_over(&before.shelf)
            } else {
                before.shelf.tenants_in_use()
            };
            for tenant in changed {
                let organisation = directory.organisation(&tenant);
                let slots = (shelf.slot(&tenant), before.shelf.slot(&tenant));
                let (Some(organisation), (Some(_), Some(old))) = (organisation, slots) else {
                    continue;
                };
                let content = parts.source.open(organisation, &parts.schema)?;
                shelf = shelf.with(&tenant, Slot::filled(content, old.used()));
            }
        }
        let id = snapshot_id(&parts, &shelf);
        let (settings, parts) = (id.clone(), Arc::new(parts));
        // Readings go on across snapshots, and so do their bounds.
        let readers = before.map(|before| Arc::clone(&before.readers));
        let readers = readers.unwrap_or_else(|| Arc::new(Readers::new(Arc::clone(&parts.clock))));
        let askers = Arc::new(Askers::new());
        Ok(Self { id, settings, parts, directory, nobody, shelf, askers, readers })
    }

    /// The snapshot with other resources of one organisation, those its source has while what was pushed is named
    /// `pushed`; everything else is shared. An organisation that is not in memory is not kept: it will be read
    /// when it is asked about. Nothing, where they are in force already.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub(super) fn changed(
        &self,
        tenant: &TenantId,
        (partition, pushed): (Arc<Partition>, &[u8; 32]),
    ) -> Result<Option<Self>, ChangeError> {
        let (_, old) = self.place(tenant)?;
        let version = Version { pushed: *pushed, ..*old.version() };
        if version == *old.version() {
            return Ok(None);
        }
        let slot = match old.peek() {
            None => Slot::empty(version),
            Some(content) => {
                let members = Arc::clone(&content.members);
                Slot::filled(Content { members, partition, version }, old.used())
            }
        };
        Ok(Some(self.with(tenant, slot, None)))
    }

    /// What one organisation is read from now, by name, and its content as it is read now, where that is another
    /// state than this snapshot's. What is not in memory is not read. It may block.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub(super) fn moved_on(&self, tenant: &TenantId) -> Result<Option<Moved>, ChangeError> {
        let (organisation, slot) = self.place(tenant)?;
        let source = &self.parts.source;
        let version = source.version(organisation)?;
        if version == *slot.version() {
            return Ok(None);
        }
        let (organisation, managed) = self.administered(tenant)?;
        let version = Version { managed, ..version };
        let Some(content) = slot.peek() else {
            return Ok(Some(Moved { version, content: None, organisation: Some(organisation) }));
        };
        let schema = &self.parts.schema;
        // Reading resources takes seconds where there are a million of them.
        let content = if version.has_resources_of(&content.version) {
            source.reopen(&organisation, schema, &content)?
        } else {
            source.open(&organisation, schema)?
        };
        let (version, organisation) = (content.version, Some(organisation));
        // Of two states: neither is put in force, and it is read again.
        let organisation = organisation.filter(|_| version.managed == managed);
        Ok(Some(Moved { version, content: Some(Arc::new(content)), organisation }))
    }

    /// The snapshot with one organisation at `version`, and its content where there is one; nothing, where it is
    /// that already. Only a version that its source is in now is put in force. It may block, for milliseconds.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub(super) fn at(
        &self,
        tenant: &TenantId,
        Moved { version, content, organisation: administered }: Moved,
    ) -> Result<Option<Self>, ChangeError> {
        let (organisation, old) = self.place(tenant)?;
        // A version names files and pushes, not the schema they were read under.
        let digest = self.parts.schema.digest();
        let content = content.filter(|content| content.partition.schema().digest() == digest);
        if *old.version() == version {
            if let Some(content) = content {
                old.fill(content, old.used());
            }
            return Ok(None);
        }
        if self.parts.source.version(organisation)? != version {
            return Ok(None);
        }
        let administered = match administered {
            _ if version.managed == old.version().managed => None,
            None => match self.administered(tenant)? {
                (organisation, managed) if managed == version.managed => Some(organisation),
                _ => return Ok(None),
            },
            read => read,
        };
        let slot = Slot::empty(version);
        if let Some(content) = content {
            slot.fill(content, old.used());
        }
        Ok(Some(self.with(tenant, slot, administered)))
    }

    /// The organisation as it is administered now.
    fn administered(
        &self,
        tenant: &TenantId,
    ) -> Result<(Arc<Organisation>, [u8; 32]), ChangeError> {
        let organisation = self.parts.directory.organisation(tenant);
        let organisation =
            organisation.ok_or_else(|| ChangeError::UnknownOrganisation(tenant.clone()))?;
        Ok(self.parts.source.managed(organisation)?)
    }

    /// The resources of an organisation and what they were read from, by name; read now if they are not in memory.
    /// Blocks then, so it must not be called on a thread that serves requests.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub(super) fn resources(
        &self,
        tenant: &TenantId,
        now: UnixNanos,
    ) -> Result<Arc<Content>, ChangeError> {
        let (organisation, slot) = self.place(tenant)?;
        Ok(slot.content_now(&self.opening(organisation), now)?)
    }

    fn place(&self, tenant: &TenantId) -> Result<(&Arc<Organisation>, &Arc<Slot>), ChangeError> {
        let organisation = self.directory.organisation(tenant);
        organisation
            .zip(self.shelf.slot(tenant))
            .ok_or_else(|| ChangeError::UnknownOrganisation(tenant.clone()))
    }

    fn opening(&self, organisation: &Arc<Organisation>) -> Opening {
        Opening {
            organisation: Arc::clone(organisation),
            schema: Arc::clone(&self.parts.schema),
            source: Arc::clone(&self.parts.source),
            readers: Arc::clone(&self.readers),
        }
    }

    /// The same snapshot with another place for one organisation, which is `administered` otherwise than before.
    fn with(&self, tenant: &TenantId, slot: Slot, administered: Option<Arc<Organisation>>) -> Self {
        let organisations = self.shelf.with(tenant, slot);
        let id = snapshot_id(&self.parts, &organisations);
        let (settings, parts) = (self.settings.clone(), Arc::clone(&self.parts));
        let nobody = Arc::clone(&self.nobody);
        let (directory, askers) = match administered {
            // Askers of the changed organisation are told by its partition, which is another now.
            None => (Arc::clone(&self.directory), Arc::clone(&self.askers)),
            // Its members or connections are others, and its partition may be the same.
            Some(it) => (Arc::new(self.directory.with(it)), Arc::new(Askers::new())),
        };
        let readers = Arc::clone(&self.readers);
        Self { id, settings, parts, directory, nobody, shelf: organisations, askers, readers }
    }

    /// The state of an organisation under this snapshot, as its source names it.
    pub fn version(&self, tenant: &TenantId) -> Option<&Version> {
        Some(self.shelf.slot(tenant)?.version())
    }

    /// Its name: SHA-256 over everything a decision under it depends on.
    pub const fn id(&self) -> &SnapshotId {
        &self.id
    }

    /// The name of the snapshot its settings, routes and services came with: its own, unless only resources
    /// changed since.
    pub const fn settings(&self) -> &SnapshotId {
        &self.settings
    }

    /// How many organisations have members and resources in memory.
    pub fn organisations_in_use(&self) -> usize {
        self.shelf.in_use()
    }

    /// Forgets organisations nobody asked about for `idle`; how many.
    pub fn forget_idle(&self, now: UnixNanos, idle: Duration) -> usize {
        self.shelf.forget_idle(now, idle)
    }

    /// The members of an organisation and its resources, as decisions see them; read if need be.
    ///
    /// # Errors
    /// [`Refusal::CredentialInvalid`] when there is no such organisation (the credential outlived it),
    /// [`Refusal::Unavailable`] when it cannot be read.
    pub(super) async fn content(
        &self,
        tenant: &TenantId,
        now: UnixNanos,
    ) -> Result<Arc<Content>, Refusal> {
        let organisation = self.directory.organisation(tenant);
        let (Some(organisation), Some(slot)) = (organisation, self.shelf.slot(tenant)) else {
            return Err(Refusal::CredentialInvalid);
        };
        Ok(slot.content(|| self.opening(organisation), (Reader::Known, now)).await?)
    }

    #[cfg(test)]
    pub(super) fn slot(&self, tenant: &TenantId) -> &Slot {
        self.shelf.slot(tenant).unwrap()
    }

    /// Whether an organisation is in memory.
    pub(super) fn has(&self, tenant: &TenantId) -> bool {
        self.shelf.slot(tenant).is_some_and(|slot| slot.peek().is_some())
    }

    /// Sees to it that an organisation is in memory; nothing to do where there is none, or it is suspended.
    ///
    /// # Errors
    /// [`Unread`].
    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        at: (Reader, UnixNanos),
    ) -> Result<(), Unread> {
        let Ok((organisation, slot)) = self.place(tenant) else { return Ok(()) };
        if organisation.suspended() {
            return Ok(());
        }
        slot.content(|| self.opening(organisation), at).await.map(drop)
    }

    /// Lets go of what was read of an organisation and is newer than this snapshot.
    pub(super) fn forget_newer(&self, tenant: &TenantId) {
        if let Some(slot) = self.shelf.slot(tenant) {
            slot.forget_newer();
        }
    }

    /// The decision point.
    pub fn pdp(&self) -> &Pdp {
        &self.parts.pdp
    }

    /// The organisations.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The routes.
    pub fn routes(&self) -> &RouteTable {
        &self.parts.routes
    }

    /// How refusals are written on a host.
    pub fn error_style(&self, host: &str) -> ErrorStyle {
        self.parts.error_styles.get(host).copied().unwrap_or_default()
    }

    /// The quotas there are.
    pub(super) fn plans(&self) -> &Plans {
        &self.parts.plans
    }

    /// What menus are made from.
    pub(super) fn navigation(&self) -> Option<&Navigation> {
        self.parts.navigation.as_ref()
    }

    /// Which action makes which change of data.
    pub(super) fn changes(&self) -> &ChangeTable {
        &self.parts.changes
    }

    /// A person as the log names them.
    pub(super) fn pseudonym(&self, person: &PersonId) -> Pseudonym {
        self.parts.pseudonyms.person(person)
    }

    /// The root entity of an organisation.
    pub(super) fn root(&self, tenant: Option<&TenantId>) -> Option<&EntityUid> {
        Some(self.directory.organisation(tenant?)?.root())
    }

    /// Works out who an authenticated principal is in its organisation, or finds it worked out. Nobody known is
    /// somebody in the organisation the host is `bound` to. With it come the entities its decision sees: that
    /// organisation's, or none at all (promise P3).
    ///
    /// # Errors
    /// [`Refusal::CredentialInvalid`] when its organisation is gone, [`Refusal::Denied`] when suspended,
    /// [`Refusal::Unavailable`] when it cannot be read.
    pub(super) async fn asker(
        &self,
        authenticated: Authenticated,
        bound: Option<&TenantId>,
        now: UnixNanos,
    ) -> Result<(Asker, Arc<Partition>), Refusal> {
        let tenant = authenticated.principal().tenant().or(bound).cloned();
        let Some(tenant) = tenant else {
            let partition = Arc::clone(&self.nobody);
            let asker = self.known(authenticated, &partition, None);
            return Ok((asker, partition));
        };
        let organisation = self.directory.organisation(&tenant);
        // The credential outlived its organisation.
        let organisation = organisation.ok_or(Refusal::CredentialInvalid)?;
        if organisation.suspended() {
            let reason = String::from("this organisation is suspended");
            return Err(Refusal::Denied { reason: Some(reason), hidden: false });
        }
        let at = (reader(&authenticated), now);
        let (_, slot) = self.place(&tenant).map_err(|_| Refusal::CredentialInvalid)?;
        let content = slot.content(|| self.opening(organisation), at).await?;
        let partition = Arc::clone(&content.partition);
        let asker = self.known(authenticated, &partition, Some((organisation, &content.members)));
        Ok((asker, partition))
    }

    fn known(
        &self,
        authenticated: Authenticated,
        partition: &Partition,
        own: Option<(&Organisation, &Members)>,
    ) -> Asker {
        // One that was worked out before its organisation was read anew says nothing any more.
        let identity = partition.identity();
        let known = self.askers.find(&authenticated).filter(|asker| asker.partition() == identity);
        known.unwrap_or_else(|| {
            let asker = self.work_out(authenticated, partition, own);
            self.askers.keep(&asker);
            asker
        })
    }

    fn work_out(
        &self,
        authenticated: Authenticated,
        partition: &Partition,
        own: Option<(&Organisation, &Members)>,
    ) -> Asker {
        // Membership is what this snapshot says, never what an earlier one said: a person who is a member
        // no more, or whose connection was disabled, is nobody's member.
        let member = own.and_then(|(organisation, members)| {
            let Principal::User { person, .. } = authenticated.principal() else { return None };
            let connection = organisation.connection(&person.connection)?;
            let member = members.member_of(person).filter(|_| connection.enabled)?;
            Some(member.id.clone())
        });
        let authenticated = authenticated.with_member(member);
        let standing = self.standing(&authenticated, partition, own);
        Asker::new(authenticated, standing, &self.parts.pseudonyms)
    }

    fn standing(
        &self,
        authenticated: &Authenticated,
        partition: &Partition,
        own: Option<(&Organisation, &Members)>,
    ) -> Standing {
        let identity = partition.identity();
        let Some(entity) = authenticated.principal().entity() else {
            return Standing { partition: identity, ..Standing::default() };
        };
        let nothing = authz::Standing { roles: &[], scopes: &[], attributes: None };
        let prepared = match (authenticated.principal(), authenticated.api_key(), own) {
            (Principal::User { member: Some(id), .. }, _, Some((_, members))) => {
                let member = members.member(id);
                member.map_or(nothing, |member| {
                    let attributes = Some(&member.attributes);
                    authz::Standing { roles: &member.roles, attributes, ..nothing }
                })
            }
            (Principal::ApiClient { .. }, Some(key), _) => {
                authz::Standing { roles: &key.roles, scopes: &key.scopes, ..nothing }
            }
            _ => nothing,
        };
        let roles = prepared.roles;
        let prepared = self.prepared(&entity, partition, prepared);
        let chosen = authenticated.session().and_then(|session| session.active.as_ref());
        let active = own.map(|(organisation, _)| {
            active_node(self.navigation(), organisation, partition, roles, chosen)
        });
        Standing { prepared, roles: Arc::from(roles), partition: identity, active }
    }

    /// The entity of somebody who asks, from their roles, the scopes of an API client and further attributes;
    /// remembered. One that does not fit the schema is no entity: no policy can speak of it, so it gets nothing.
    pub(super) fn prepared(
        &self,
        entity: &EntityUid,
        partition: &Partition,
        standing: authz::Standing<'_>,
    ) -> Option<Arc<PreparedPrincipal>> {
        let authz::Standing { roles, scopes, attributes } = standing;
        let known = partition.principal_for(entity, standing, || {
            if entity.kind() == ANONYMOUS {
                let attributes = serde_json::Map::new();
                return EntityRecord { uid: entity.clone(), parents: Vec::new(), attributes };
            }
            let mut attributes = attributes.cloned().unwrap_or_default();
            if entity.kind() == API_CLIENT {
                attributes.insert(String::from("scopes"), scopes.into());
            }
            let names = self.parts.schema.role_names(entity.kind());
            principal_entity(entity.clone(), roles, names, attributes)
        });
        known
            .inspect_err(
                |error| tracing::warn!(%entity, %error, "principal does not fit the schema"),
            )
            .ok()
    }
}

/// The type of nobody known in the schema.
const ANONYMOUS: &str = "Anonymous";

/// The type of API clients there.
const API_CLIENT: &str = "ApiClient";

/// What names the state each organisation is administered in.
type Names = BTreeMap<TenantId, [u8; 32]>;

/// The organisations as they are administered.
fn administered(parts: &SnapshotParts) -> Result<(Arc<Directory>, Names), SourceError> {
    let (mut all, mut names) = (Vec::new(), BTreeMap::new());
    for organisation in parts.directory.organisations() {
        let (managed, name) = parts.source.managed(organisation)?;
        names.insert(managed.id().clone(), name);
        all.push(managed);
    }
    Ok((Arc::new(Directory::administered(all)), names))
}

fn snapshot_id(parts: &SnapshotParts, shelf: &Shelf) -> SnapshotId {
    let mut hash = Sha256::new();
    hash.update(parts.config_digest);
    hash.update(parts.pdp.digest());
    for (tenant, version) in shelf.versions() {
        hash.update(tenant.as_str().as_bytes());
        hash.update([0]);
        hash.update(version.files);
        hash.update(version.pushed);
        hash.update(version.managed);
    }
    SnapshotId::from_digest(&hash.finalize().into())
}
