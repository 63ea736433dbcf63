//! What the administration API keeps of organisations: its objects, what happened to them, and answers that may be
//! asked for again.
//!
//! Every change goes with a change of the organisation's one [`ManagedHead`], in one batch with its audit event and
//! with the answer to a request that may be sent again: all of it counts, or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::answered::{ANSWERED_KEPT, Answered};
use super::error::StoreError;
use super::key::{Key, Kind, Prefix};
use super::managed_connections::{StoredConnection, StoredDomain};
use super::organisations::StoredOrganisation;
use super::policies::StoredPolicy;
use super::provisioning::{PROVISIONING, Provisioning, StoredGroup, StoredUser};
use super::record::damaged;
use super::state::{Batch, Put, StateStore, Swap};
use crate::audit::{AuditEvent, AuditEvents, NotKept};
use crate::directory::Member;
use crate::model::{MemberId, TenantId, UnixNanos};
use crate::scim::{self, Document};

/// How far the administration of one organisation has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedHead {
    /// Grows with each change.
    pub revision: u64,
    /// SHA-256 over all changes there ever were, in order: names the present state.
    pub digest: [u8; 32],
}

/// A head, with the version that a write expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedState {
    /// What it says.
    pub head: ManagedHead,
    version: Option<u64>,
}

/// A member as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredMember {
    /// The member.
    pub member: Member,
    /// When it was made.
    pub created: UnixNanos,
    /// When it was last changed.
    pub changed: UnixNanos,
}

/// What the platform says of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Why it is suspended, for people; nothing where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<String>,
    /// When that was last changed.
    #[serde(default)]
    pub changed: UnixNanos,
}

/// The one profile of an organisation.
pub const PROFILE: &str = "profile";

/// What every request may need of an administered organisation, as it is kept.
#[derive(Clone, Debug, Default)]
pub struct StoredShape {
    /// Connections to identity providers.
    pub connections: Vec<StoredConnection>,
    /// E-mail domains.
    pub domains: Vec<StoredDomain>,
    /// What the platform says.
    pub profile: Profile,
}

/// Everybody the administration made a member, as they are kept.
#[derive(Clone, Debug, Default)]
pub struct StoredPeople {
    /// Members by the administration API.
    pub members: Vec<StoredMember>,
    /// How people are provisioned, where they are.
    pub provisioning: Option<Provisioning>,
    /// Users by SCIM.
    pub users: Vec<StoredUser>,
    /// Their groups.
    pub groups: Vec<StoredGroup>,
}

impl StoredPeople {
    /// The members they come to.
    pub fn into_members(self) -> Vec<Member> {
        let Self { members, provisioning, users, groups } = self;
        let groups: BTreeMap<&str, &StoredGroup> =
            groups.iter().map(|group| (group.id.as_str(), group)).collect();
        let mut all: Vec<Member> = members.into_iter().map(|stored| stored.member).collect();
        if let Some(settings) = &provisioning {
            all.extend(users.iter().map(|user| user.member(shown_as(user), settings, &groups)));
        }
        all
    }
}

/// The name and the address people are shown of a user.
fn shown_as(user: &StoredUser) -> (String, Option<String>) {
    let document = Document::read(scim::Kind::User, &Value::Object(user.document.clone()));
    // What was kept was read before.
    document.map_or_else(
        |_| (user.id.to_string(), None),
        |document| (document.display_name(), document.primary_email().map(str::to_owned)),
    )
}

/// How long audit events are kept: a year, and some weeks for the audit of that year.
pub const EVENTS_KEPT: Duration = Duration::from_hours(24 * 400);

/// One object to write, or to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectWrite {
    kind: Kind,
    id: String,
    value: Option<Vec<u8>>,
    counts: bool,
    over: Over,
}

/// What a write expects in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Anything,
    This(Option<u64>),
}

impl ObjectWrite {
    /// Writes `value`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it has no JSON form.
    pub fn put<T: Serialize>(kind: Kind, id: &str, value: &T) -> Result<Self, StoreError> {
        let value = serde_json::to_vec(value).map_err(|error| StoreError::Damaged {
            key: id.to_owned(),
            cause: error.to_string(),
        })?;
        Ok(Self { value: Some(value), ..Self::gone(kind, id) })
    }

    /// Deletes.
    pub fn gone(kind: Kind, id: &str) -> Self {
        let (id, over) = (id.to_owned(), Over::Anything);
        Self { kind, id, value: None, counts: true, over }
    }

    /// The same write of something no decision's snapshot depends on: a credential has a cache of its own.
    #[must_use]
    pub fn beside(self) -> Self {
        Self { counts: false, ..self }
    }

    /// The same write, of what has this version now, or is not there: for objects that others write, too.
    #[must_use]
    pub fn over(self, version: Option<u64>) -> Self {
        Self { over: Over::This(version), ..self }
    }
}

/// A change: its objects, what is told of it, and the answer to the request that made it.
#[derive(Clone, Debug, Default)]
pub struct ManagedChange {
    /// The objects.
    pub objects: Vec<ObjectWrite>,
    /// What happened.
    pub events: Vec<AuditEvent>,
    /// The answer, by the name of the request.
    pub answered: Option<(String, Answered)>,
}

/// Keeps what is administered.
#[derive(Clone, Debug)]
pub struct ManagedObjects {
    store: Arc<dyn StateStore>,
}

/// Entries read at once.
const PAGE: usize = 500;

impl ManagedObjects {
    /// Keeps it in `store`.
    pub fn new(store: Arc<dyn StateStore>) -> Self {
        Self { store }
    }

    /// How far the administration of an organisation has come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn state(&self, tenant: &TenantId) -> Result<ManagedState, StoreError> {
        let place = head_key(tenant)?;
        let Some(found) = self.store.get(&place).await? else {
            return Ok(ManagedState::default());
        };
        Ok(ManagedState { head: read(&place, &found.value)?, version: Some(found.version) })
    }

    /// Reads one object.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        kind: Kind,
        id: &str,
    ) -> Result<Option<T>, StoreError> {
        let place = key(tenant, kind, id)?;
        let found = self.store.get(&place).await?;
        found.map(|found| read(&place, &found.value)).transpose()
    }

    /// Reads all objects of a kind as they are at one moment, and names the state they are of.
    ///
    /// # Errors
    /// [`StoreError`], also when they change faster than they can be read.
    pub async fn all<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        kind: Kind,
    ) -> Result<(Vec<T>, [u8; 32]), StoreError> {
        self.at_one_moment(tenant, || self.every(tenant, kind)).await
    }

    /// Reads what every request may need of an organisation, as it is at one moment, and names the state it is of.
    /// Where nothing was ever administered, that costs one look.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shape(&self, tenant: &TenantId) -> Result<(StoredShape, [u8; 32]), StoreError> {
        if self.state(tenant).await?.version.is_none() {
            return Ok((StoredShape::default(), ManagedHead::default().digest));
        }
        let shape = || async {
            Ok(StoredShape {
                connections: self.every(tenant, Kind::Connection).await?,
                domains: self.every(tenant, Kind::Domain).await?,
                profile: self.find(tenant, Kind::Profile, PROFILE).await?.unwrap_or_default(),
            })
        };
        self.at_one_moment(tenant, shape).await
    }

    /// Reads everybody the organisation's administration made a member, as they are at one moment, and names the state
    /// they are of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn members(&self, tenant: &TenantId) -> Result<(StoredPeople, [u8; 32]), StoreError> {
        if self.state(tenant).await?.version.is_none() {
            return Ok((StoredPeople::default(), ManagedHead::default().digest));
        }
        let people = || async {
            let provisioning = self.find(tenant, Kind::Provisioning, PROVISIONING).await?;
            let settled = provisioning.is_some();
            Ok(StoredPeople {
                members: self.every(tenant, Kind::Member).await?,
                provisioning,
                // Without settings nobody can have been provisioned.
                users: if settled { self.every(tenant, Kind::ScimUser).await? } else { Vec::new() },
                groups: if settled {
                    self.every(tenant, Kind::ScimGroup).await?
                } else {
                    Vec::new()
                },
            })
        };
        self.at_one_moment(tenant, people).await
    }

    /// The members that the users there are would come to by `settings`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn provisioned(
        &self,
        tenant: &TenantId,
        settings: Option<&Provisioning>,
    ) -> Result<Vec<Member>, StoreError> {
        let Some(settings) = settings else { return Ok(Vec::new()) };
        let people = StoredPeople {
            members: Vec::new(),
            provisioning: Some(settings.clone()),
            users: self.every(tenant, Kind::ScimUser).await?,
            groups: self.every(tenant, Kind::ScimGroup).await?,
        };
        Ok(people.into_members())
    }

    /// The ids of all users in a provisioned group, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn in_group(
        &self,
        tenant: &TenantId,
        group: &str,
        limit: usize,
    ) -> Result<Vec<MemberId>, StoreError> {
        let start = format!("{group}.");
        let prefix = Prefix::of(tenant, Kind::ScimMembership);
        let (mut found, mut after) = (Vec::new(), key(tenant, Kind::ScimMembership, &start)?);
        loop {
            let page = self.store.scan(&prefix, Some(&after), PAGE).await?;
            for entry in &page {
                let Some(user) = entry.key.id().strip_prefix(&start) else { return Ok(found) };
                if found.len() == limit {
                    return Ok(found);
                }
                found.push(MemberId::parse(user).map_err(|error| damaged(&entry.key, &error))?);
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE) else { return Ok(found) };
            after = last.key.clone();
        }
    }

    /// A page of objects of a kind: those after the id `after`, at most as many as are read at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        kind: Kind,
        after: Option<&str>,
    ) -> Result<(Vec<T>, Option<String>), StoreError> {
        let after = after.map(|id| key(tenant, kind, id)).transpose()?;
        let page = self.store.scan(&Prefix::of(tenant, kind), after.as_ref(), PAGE).await?;
        let next = page.last().filter(|_| page.len() == PAGE).map(|it| it.key.id().to_owned());
        let objects: Result<Vec<T>, StoreError> =
            page.iter().map(|entry| read(&entry.key, &entry.versioned.value)).collect();
        Ok((objects?, next))
    }

    /// Pages are read one by one: only an unchanged head says that they are of one moment.
    async fn at_one_moment<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        tenant: &TenantId,
        read: impl Fn() -> F,
    ) -> Result<(T, [u8; 32]), StoreError> {
        const READINGS_MAX: usize = 8;
        for _ in 0..READINGS_MAX {
            let before = self.state(tenant).await?;
            let found = read().await?;
            if self.state(tenant).await?.head == before.head {
                return Ok((found, before.head.digest));
            }
        }
        Err(StoreError::Failed(String::from("it changes faster than it can be read")))
    }

    /// The base policies that were added to those of the files, by name. They count whichever organisation runs the
    /// platform now: the one that added the first is remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn policies(&self) -> Result<Vec<StoredPolicy>, StoreError> {
        self.every_of_platform(Kind::Policy).await
    }

    /// The organisations the platform created, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn organisations(&self) -> Result<Vec<StoredOrganisation>, StoreError> {
        self.every_of_platform(Kind::Organisation).await
    }

    async fn every_of_platform<T: DeserializeOwned>(
        &self,
        kind: Kind,
    ) -> Result<Vec<T>, StoreError> {
        match self.platform_keeper().await? {
            Some(tenant) => self.every(&tenant, kind).await,
            None => Ok(Vec::new()),
        }
    }

    /// The organisation whose administrators add to what the files say, if any ever did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn platform_keeper(&self) -> Result<Option<TenantId>, StoreError> {
        let place = keeper_key()?;
        let found = self.store.get(&place).await?;
        found.map(|found| read(&place, &found.value)).transpose()
    }

    /// Makes an organisation the one whose administrators add to what the files say, if there is none yet. Tells which
    /// it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_platform_with(&self, tenant: &TenantId) -> Result<TenantId, StoreError> {
        if let Some(keeper) = self.platform_keeper().await? {
            return Ok(keeper);
        }
        let place = keeper_key()?;
        let value = written(&place, tenant)?;
        self.store.compare_and_swap(&place, None, value, None).await?;
        let keeper = self.platform_keeper().await?;
        keeper.ok_or_else(|| StoreError::Failed(String::from("what was just written is not there")))
    }

    async fn every<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        kind: Kind,
    ) -> Result<Vec<T>, StoreError> {
        let prefix = Prefix::of(tenant, kind);
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.scan(&prefix, after.as_ref(), PAGE).await?;
            for entry in &page {
                all.push(read(&entry.key, &entry.versioned.value)?);
            }
            if page.len() < PAGE {
                return Ok(all);
            }
            after = page.last().map(|entry| entry.key.clone());
        }
    }

    /// Writes a change, all or nothing, if the state is still `before`.
    ///
    /// # Errors
    /// [`StoreError`]; after most of them it is not known how it ended, but it is all or nothing even then.
    pub async fn write(
        &self,
        tenant: &TenantId,
        before: &ManagedState,
        (change, now): (ManagedChange, UnixNanos),
    ) -> Result<Swap, StoreError> {
        let guard = head_key(tenant)?;
        let mut head = before.head.clone();
        let (mut checks, mut puts, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
        head.advance(&change.objects);
        for ObjectWrite { kind, id, value, over, .. } in change.objects {
            let key = key(tenant, kind, &id)?;
            if let Over::This(version) = over {
                checks.push((key.clone(), version));
            }
            match value {
                Some(value) => puts.push(Put { key, value, expiry: None }),
                None => deletes.push(key),
            }
        }
        for event in &change.events {
            puts.push(event_put(tenant, event)?);
        }
        if let Some((name, answered)) = &change.answered {
            let key = key(tenant, Kind::Answered, name)?;
            let (value, expiry) = (written(&key, answered)?, Some(now.plus(ANSWERED_KEPT)));
            puts.push(Put { key, value, expiry });
        }
        let (value, expected) = (written(&guard, &head)?, before.version);
        self.store.swap_all(Batch { guard, expected, value, checks, puts, deletes }).await
    }

    /// The answer given before under this name, within [`ANSWERED_KEPT`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn answered(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<Answered>, StoreError> {
        self.find(tenant, Kind::Answered, name).await
    }

    async fn write_event(&self, tenant: &TenantId, event: &AuditEvent) -> Result<(), StoreError> {
        let Put { key, value, expiry } = event_put(tenant, event)?;
        self.store.put(&key, value, expiry).await.map(drop)
    }

    /// What happened, the latest first: those after the event `after`, in the order they are told, at most `limit`.
    /// A limit of more than a page is a page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let after = after.map(|id| key(tenant, Kind::AuditEvent, id)).transpose()?;
        let prefix = Prefix::of(tenant, Kind::AuditEvent);
        let found = self.store.scan(&prefix, after.as_ref(), limit.min(PAGE)).await?;
        found.iter().map(|entry| read(&entry.key, &entry.versioned.value)).collect()
    }

    /// One event.
    ///
    /// # Errors
    /// [`StoreError`], also for an id no event can have.
    pub async fn event(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<AuditEvent>, StoreError> {
        self.find(tenant, Kind::AuditEvent, id).await
    }
}

#[async_trait]
impl AuditEvents for ManagedObjects {
    async fn note(&self, tenant: &TenantId, event: AuditEvent) -> Result<(), NotKept> {
        self.write_event(tenant, &event).await.map_err(|error| {
            tracing::error!(%error, "an audit event was not kept");
            NotKept
        })
    }
}

impl ManagedHead {
    fn advance(&mut self, objects: &[ObjectWrite]) {
        self.revision = self.revision.saturating_add(1);
        let counting = objects.iter().filter(|object| object.counts);
        for ObjectWrite { kind, id, value, .. } in counting {
            let mut hash = Sha256::new();
            hash.update(self.digest);
            for part in [kind.name().as_bytes(), id.as_bytes()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            hash.update([u8::from(value.is_some())]);
            hash.update(value.as_deref().unwrap_or_default());
            self.digest = hash.finalize().into();
        }
    }
}

fn event_put(tenant: &TenantId, event: &AuditEvent) -> Result<Put, StoreError> {
    let key = key(tenant, Kind::AuditEvent, &event.id)?;
    let value = written(&key, event)?;
    Ok(Put { key, value, expiry: Some(event.at.plus(EVENTS_KEPT)) })
}

fn head_key(tenant: &TenantId) -> Result<Key, StoreError> {
    key(tenant, Kind::Managed, "head")
}

fn key(tenant: &TenantId, kind: Kind, id: &str) -> Result<Key, StoreError> {
    Key::of(tenant, kind, id)
        .map_err(|error| StoreError::Damaged { key: tenant.to_string(), cause: error.to_string() })
}

/// Where it stands which organisation adds to what the files say.
fn keeper_key() -> Result<Key, StoreError> {
    const KEEPER: &str = "keeper";
    Key::index(Kind::Policy, KEEPER)
        .map_err(|error| StoreError::Damaged { key: KEEPER.to_owned(), cause: error.to_string() })
}

fn read<T: DeserializeOwned>(place: &Key, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| damaged(place, &error))
}

fn written<T: Serialize>(place: &Key, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| damaged(place, &error))
}

#[cfg(test)]
mod tests;
