//! Members and resources of the organisations in use: read when first asked about, forgotten when idle.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::authz::{Partition, PolicySchema};
use crate::directory::{Directory, Members, Organisation};
use crate::model::{Dependency, Refusal, TenantId, UnixNanos};

/// How long a request waits for its organisation to be read: a million resources take some ten seconds. What
/// takes longer is read to its end all the same, for the requests that come later.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// After a failure nobody tries again for this long: a broken organisation must not keep the disk busy.
const FAILURE_HOLDS: Duration = Duration::from_secs(5);

/// What is read of an organisation when it is first asked about.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its members.
    pub members: Arc<Members>,
    /// Its resources.
    pub partition: Arc<Partition>,
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
    fn version(&self, organisation: &Organisation) -> Result<[u8; 32], SourceError>;

    /// Reads and checks an organisation, and refuses one that is not what `organisation` says.
    ///
    /// # Errors
    /// [`SourceError`].
    fn open(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
    ) -> Result<Content, SourceError>;
}

/// What it takes to read one organisation.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) organisation: Arc<Organisation>,
    pub(super) schema: Arc<PolicySchema>,
    pub(super) source: Arc<dyn OrganisationSource>,
}

/// The organisations of a snapshot: those in use with their content.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf(BTreeMap<TenantId, Arc<Slot>>);

/// One organisation's place. It is shared by snapshots that agree on the organisation.
#[derive(Debug)]
pub(super) struct Slot {
    version: [u8; 32],
    state: Mutex<State>,
    /// Held while the organisation is read: one at a time.
    gate: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    content: Option<Arc<Content>>,
    used: UnixNanos,
    failed: Option<UnixNanos>,
}

impl Shelf {
    /// Places for all organisations, all empty.
    pub(super) fn of(
        directory: &Directory,
        source: &dyn OrganisationSource,
    ) -> Result<Self, SourceError> {
        let place = |organisation: &Arc<Organisation>| {
            let slot = Slot::empty(source.version(organisation)?);
            Ok((organisation.id().clone(), Arc::new(slot)))
        };
        directory.organisations().map(place).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn slot(&self, tenant: &TenantId) -> Option<&Arc<Slot>> {
        self.0.get(tenant)
    }

    /// The same shelf, with another place for one organisation.
    pub(super) fn with(&self, tenant: &TenantId, slot: Slot) -> Self {
        let mut slots = self.0.clone();
        slots.insert(tenant.clone(), Arc::new(slot));
        Self(slots)
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
    pub(super) fn versions(&self) -> impl Iterator<Item = (&TenantId, &[u8; 32])> {
        self.0.iter().map(|(tenant, slot)| (tenant, &slot.version))
    }

    /// Forgets what was not asked about since `idle` before `now`. What a request still holds stays with it.
    pub(super) fn forget_idle(&self, now: UnixNanos, idle: Duration) -> usize {
        self.0.values().filter(|slot| slot.forget_idle(now, idle)).count()
    }

    /// How many organisations are in memory.
    pub(super) fn in_use(&self) -> usize {
        self.0.values().filter(|slot| slot.peek().is_some()).count()
    }
}

impl Slot {
    pub(super) fn empty(version: [u8; 32]) -> Self {
        Self { version, state: Mutex::default(), gate: Arc::default() }
    }

    pub(super) fn filled(version: [u8; 32], content: Content, used: UnixNanos) -> Self {
        let state = State { content: Some(Arc::new(content)), used, failed: None };
        Self { version, state: Mutex::new(state), gate: Arc::default() }
    }

    /// Names what it is read from.
    pub(super) const fn version(&self) -> &[u8; 32] {
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

    /// The content; read first if it is not in memory.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it cannot be read, or not in time.
    pub(super) async fn content(
        self: &Arc<Self>,
        opening: impl FnOnce() -> Opening,
        now: UnixNanos,
    ) -> Result<Arc<Content>, Refusal> {
        if let Some(content) = self.use_now(now) {
            return Ok(content);
        }
        let opening = opening();
        let tenant = opening.organisation.id().clone();
        let Ok(loaded) = tokio::time::timeout(WAIT_MAX, self.load(opening, now)).await else {
            tracing::error!(%tenant, "an organisation is not read in time: requests are refused");
            return Err(UNREADABLE);
        };
        loaded
    }

    /// The content; read now if it is not in memory. Blocks, so never on a thread that serves requests.
    ///
    /// # Errors
    /// [`SourceError`] when it cannot be read.
    pub(super) fn content_now(
        &self,
        opening: &Opening,
        now: UnixNanos,
    ) -> Result<Arc<Content>, SourceError> {
        let _one = self.gate.blocking_lock();
        self.use_now(now).map_or_else(|| self.open(opening, now), Ok)
    }

    async fn load(
        self: &Arc<Self>,
        opening: Opening,
        now: UnixNanos,
    ) -> Result<Arc<Content>, Refusal> {
        let guard = Arc::clone(&self.gate).lock_owned().await;
        if let Some(content) = self.use_now(now) {
            return Ok(content);
        }
        if self.state().failed.is_some_and(|since| now.since(since) < FAILURE_HOLDS) {
            return Err(UNREADABLE);
        }
        let slot = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let opened = slot.open(&opening, now);
            drop(guard);
            opened.map_err(|_| UNREADABLE)
        });
        reading.await.unwrap_or_else(|error| {
            tracing::error!(%error, "reading an organisation broke off");
            Err(UNREADABLE)
        })
    }

    fn open(&self, opening: &Opening, now: UnixNanos) -> Result<Arc<Content>, SourceError> {
        let opened = opening.source.open(&opening.organisation, &opening.schema);
        let mut state = self.state();
        match opened {
            Ok(content) => {
                let content = Arc::new(content);
                *state = State { content: Some(Arc::clone(&content)), used: now, failed: None };
                let tenant = opening.organisation.id();
                tracing::debug!(%tenant, resources = content.partition.len(), "organisation read");
                Ok(content)
            }
            Err(error) => {
                state.failed = Some(now);
                tracing::error!(%error, "requests to this organisation are refused");
                Err(error)
            }
        }
    }

    fn use_now(&self, now: UnixNanos) -> Option<Arc<Content>> {
        let mut state = self.state();
        state.used = state.used.max(now);
        state.content.clone()
    }

    fn forget_idle(&self, now: UnixNanos, idle: Duration) -> bool {
        let mut state = self.state();
        let is_idle = now.since(state.used) >= idle;
        is_idle && state.content.take().is_some()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without its organisation's data a request cannot be decided.
const UNREADABLE: Refusal = Refusal::Unavailable(Dependency::DecisionPoint);

#[cfg(test)]
mod tests;
