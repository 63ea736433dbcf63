//! Members and resources of the organisations in use: read when first asked about, forgotten when idle.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::authz::{Partition, PolicySchema};
use crate::directory::{Directory, Members, Organisation};
use crate::model::{Dependency, Refusal, TenantId, UnixNanos};

mod readers;

pub(super) use readers::{Reader, Readers, WAIT_MAX};

/// After a failure nobody tries again for this long: a broken organisation must not keep the disk busy.
const FAILURE_HOLDS: Duration = Duration::from_secs(5);

/// What is read of an organisation when it is first asked about.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its members.
    pub members: Arc<Members>,
    /// Its resources.
    pub partition: Arc<Partition>,
    /// Names what both were read from.
    pub version: Version,
}

/// Names everything an organisation depends on, each part by its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its files.
    pub files: [u8; 32],
    /// What was pushed to it.
    pub pushed: [u8; 32],
    /// What its administration API keeps.
    pub managed: [u8; 32],
}

impl Version {
    /// Whether the resources are the same under both: the administration API keeps none of them.
    pub fn has_resources_of(&self, other: &Self) -> bool {
        (self.files, self.pushed) == (other.files, other.pushed)
    }
}

/// An organisation could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the organisation `{tenant}` cannot be read: {cause}")]
pub struct SourceError {
    /// The organisation.
    pub tenant: TenantId,
    /// Why; the first cause, where there are several.
    pub cause: String,
}

/// Where members and resources of organisations come from. Its methods may block.
pub trait OrganisationSource: Debug + Send + Sync {
    /// Names everything [`OrganisationSource::open`] depends on, at this moment.
    ///
    /// # Errors
    /// [`SourceError`].
    fn version(&self, organisation: &Organisation) -> Result<Version, SourceError>;

    /// The organisation as it is administered now, and what names that state ([`Version::managed`]);
    /// `organisation` is as its files say.
    ///
    /// # Errors
    /// [`SourceError`].
    fn managed(
        &self,
        organisation: &Arc<Organisation>,
    ) -> Result<(Arc<Organisation>, [u8; 32]), SourceError>;

    /// Reads and checks an organisation: the files are those `organisation` was read from, and what was pushed is
    /// what there is now. [`Content::version`] names what was read.
    ///
    /// # Errors
    /// [`SourceError`].
    fn open(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
    ) -> Result<Content, SourceError>;

    /// Reads and checks the members anew, for an organisation whose resources are those of `content`.
    ///
    /// # Errors
    /// [`SourceError`].
    fn reopen(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
        content: &Content,
    ) -> Result<Content, SourceError>;
}

/// What it takes to read one organisation.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) organisation: Arc<Organisation>,
    pub(super) schema: Arc<PolicySchema>,
    pub(super) source: Arc<dyn OrganisationSource>,
    pub(super) readers: Arc<Readers>,
}

/// Why a place has no content.
#[derive(Clone, Debug)]
pub(super) enum Unread {
    /// It cannot be read, or not in time, or too many wait.
    Refused,
    /// More was pushed than the place stands for; what was read belongs in another snapshot.
    Newer(Arc<Content>),
}

/// The organisations of a snapshot: those in use with their content.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf(BTreeMap<TenantId, Arc<Slot>>);

/// One organisation's place. It is shared by snapshots that agree on the organisation.
#[derive(Debug)]
pub(super) struct Slot {
    version: Version,
    state: Mutex<State>,
    /// Held while the organisation is read: one at a time.
    gate: Arc<tokio::sync::Mutex<()>>,
    /// Where requests wait for it.
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    content: Option<Arc<Content>>,
    used: UnixNanos,
    failed: Option<UnixNanos>,
    /// What was read last, where it is newer than this place: one reading for all who wait.
    newer: Option<Arc<Content>>,
}

impl Shelf {
    /// Places for all organisations, all empty; `managed` names the state each is administered in.
    pub(super) fn of(
        directory: &Directory,
        source: &dyn OrganisationSource,
        managed: &BTreeMap<TenantId, [u8; 32]>,
    ) -> Result<Self, SourceError> {
        let place = |organisation: &Arc<Organisation>| {
            let version = source.version(organisation)?;
            let tenant = organisation.id().clone();
            // Should it be administered otherwise by now, it will be seen to have moved on.
            let managed = managed.get(&tenant).copied().unwrap_or(version.managed);
            Ok((tenant, Arc::new(Slot::empty(Version { managed, ..version }))))
        };
        directory.organisations().map(place).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn slot(&self, tenant: &TenantId) -> Option<&Arc<Slot>> {
        self.0.get(tenant)
    }

    /// The same shelf, with another place for one organisation.
    pub(super) fn with(&self, tenant: &TenantId, slot: Slot) -> Self {
        let mut all = self.clone();
        all.put(tenant.clone(), slot);
        all
    }

    /// Puts one organisation in its place.
    pub(super) fn put(&mut self, tenant: TenantId, slot: Slot) {
        self.0.insert(tenant, Arc::new(slot));
    }

    /// Lets go of what is not `wanted`.
    pub(super) fn retain(&mut self, wanted: impl Fn(&TenantId) -> bool) {
        self.0.retain(|tenant, _| wanted(tenant));
    }

    /// Takes over from `before` what is the same, and says what was in use there and is not the same.
    pub(super) fn take_over(&mut self, before: &Self) -> Vec<TenantId> {
        let mut changed = Vec::new();
        for (tenant, slot) in &mut self.0 {
            let Some(old) = before.0.get(tenant) else { continue };
            if old.version == slot.version {
                *slot = Arc::clone(old);
            } else if old.peek().is_some() {
                changed.push(tenant.clone());
            }
        }
        changed
    }

    /// What every organisation is read from, by name.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&TenantId, &Version)> {
        self.0.iter().map(|(tenant, slot)| (tenant, &slot.version))
    }

    /// Forgets what was not asked about since `idle` before `now`. What a request still holds stays with it.
    pub(super) fn forget_idle(&self, now: UnixNanos, idle: Duration) -> usize {
        self.0.values().filter(|slot| slot.forget_idle(now, idle)).count()
    }

    /// The organisations in memory.
    pub(super) fn tenants_in_use(&self) -> Vec<TenantId> {
        let in_use = self.0.iter().filter(|(_, slot)| slot.peek().is_some());
        in_use.map(|(tenant, _)| tenant.clone()).collect()
    }

    /// How many organisations are in memory.
    pub(super) fn in_use(&self) -> usize {
        self.0.values().filter(|slot| slot.peek().is_some()).count()
    }
}

impl Slot {
    pub(super) fn empty(version: Version) -> Self {
        let (state, gate) = (Mutex::default(), Arc::default());
        Self { version, state, gate, places: Readers::places() }
    }

    pub(super) fn filled(content: Content, used: UnixNanos) -> Self {
        let slot = Self::empty(content.version);
        slot.fill(Arc::new(content), used);
        slot
    }

    /// Takes content of its version, if it has none.
    pub(super) fn fill(&self, content: Arc<Content>, used: UnixNanos) {
        let mut state = self.state();
        if content.version == self.version && state.content.is_none() {
            *state = State { content: Some(content), used, ..State::default() };
        }
    }

    /// Names what it is read from.
    pub(super) const fn version(&self) -> &Version {
        &self.version
    }

    /// The content, if it is in memory; that does not count as use.
    pub(super) fn peek(&self) -> Option<Arc<Content>> {
        self.state().content.clone()
    }

    /// When it was last asked about.
    pub(super) fn used(&self) -> UnixNanos {
        self.state().used
    }

    /// Lets go of what is newer than this place.
    pub(super) fn forget_newer(&self) {
        self.state().newer = None;
    }

    /// The content; read first if it is not in memory.
    ///
    /// # Errors
    /// [`Unread`].
    pub(super) async fn content(
        self: &Arc<Self>,
        opening: impl FnOnce() -> Opening,
        (reader, now): (Reader, UnixNanos),
    ) -> Result<Arc<Content>, Unread> {
        if let Some(content) = self.use_now(now) {
            return Ok(content);
        }
        let opening = opening();
        let tenant = opening.organisation.id().clone();
        let Some(_waiting) = opening.readers.wait(reader, &self.places) else {
            tracing::warn!(%tenant, "too many requests wait for organisations to be read");
            return Err(Unread::Refused);
        };
        let Ok(loaded) = tokio::time::timeout(WAIT_MAX, self.load(opening, (reader, now))).await
        else {
            tracing::error!(%tenant, "an organisation is not read in time: requests are refused");
            return Err(Unread::Refused);
        };
        loaded
    }

    /// The content; read now if it is not in memory. Blocks, so never on a thread that serves requests.
    ///
    /// # Errors
    /// [`SourceError`] when it cannot be read; what is newer than this place is content too.
    pub(super) fn content_now(
        &self,
        opening: &Opening,
        now: UnixNanos,
    ) -> Result<Arc<Content>, SourceError> {
        let _one = self.gate.blocking_lock();
        if let Some(content) = self.use_now(now) {
            return Ok(content);
        }
        // Without a runtime nobody else reads either.
        let _permit = Handle::try_current().ok().map(|it| it.block_on(opening.readers.permit()));
        self.open(opening)
    }

    async fn load(
        self: &Arc<Self>,
        opening: Opening,
        (reader, now): (Reader, UnixNanos),
    ) -> Result<Arc<Content>, Unread> {
        let turn = opening.readers.turn_of(reader).await;
        let guard = Arc::clone(&self.gate).lock_owned().await;
        if let Some(content) = self.use_now(now) {
            return Ok(content);
        }
        if let Some(newer) = self.state().newer.clone() {
            return Err(Unread::Newer(newer));
        }
        if self.state().failed.is_some_and(|since| now.since(since) < FAILURE_HOLDS) {
            return Err(Unread::Refused);
        }
        let permit = opening.readers.permit().await;
        let slot = Arc::clone(self);
        // It runs to its end, and holds everything until then, even if nobody waits any more.
        let reading = tokio::task::spawn_blocking(move || {
            let opened = slot.open(&opening);
            drop((permit, guard, turn));
            opened
        });
        match reading.await {
            Ok(Ok(content)) if content.version == self.version => Ok(content),
            Ok(Ok(newer)) => Err(Unread::Newer(newer)),
            Ok(Err(_)) => Err(Unread::Refused),
            Err(error) => {
                tracing::error!(%error, "reading an organisation broke off");
                Err(Unread::Refused)
            }
        }
    }

    fn open(&self, opening: &Opening) -> Result<Arc<Content>, SourceError> {
        let opened = opening.source.open(&opening.organisation, &opening.schema);
        let mut state = self.state();
        match opened {
            Ok(content) => {
                let content = Arc::new(content);
                let read = Some(Arc::clone(&content));
                let used = state.used;
                *state = if content.version == self.version {
                    State { content: read, used, ..State::default() }
                } else {
                    State { newer: read, used, ..State::default() }
                };
                let tenant = opening.organisation.id();
                tracing::debug!(%tenant, resources = content.partition.len(), "organisation read");
                Ok(content)
            }
            Err(error) => {
                // Reading takes its time: a failure counts from when it happened.
                state.failed = Some(opening.readers.now());
                tracing::error!(%error, "requests to this organisation are refused");
                Err(error)
            }
        }
    }

    /// Whether nobody more may wait.
    #[cfg(test)]
    pub(super) fn places_taken(&self) -> bool {
        self.places.available_permits() == 0
    }

    fn use_now(&self, now: UnixNanos) -> Option<Arc<Content>> {
        let mut state = self.state();
        state.used = state.used.max(now);
        state.content.clone()
    }

    fn forget_idle(&self, now: UnixNanos, idle: Duration) -> bool {
        let mut state = self.state();
        let is_idle = now.since(state.used) >= idle;
        if is_idle {
            state.newer = None;
        }
        is_idle && state.content.take().is_some()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Unread> for Refusal {
    /// Without its organisation's data a request cannot be decided.
    fn from(_: Unread) -> Self {
        Self::Unavailable(Dependency::DecisionPoint)
    }
}

#[cfg(test)]
mod tests;
