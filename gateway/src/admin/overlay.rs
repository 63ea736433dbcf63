//! Keeps what is in force in step with what hubs pushed.
//!
//! Where an organisation's resources are read, files and pushed resources come together; here is who may change
//! them when: one at a time, and what other processes on the same store pushed is taken over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};

use crate::authz::Partition;
use crate::directory::{AdditionsUnread, ManagedParts, PushedError, PushedResources, Stored};
use crate::model::{TenantId, UnixNanos};
use crate::pipeline::{
    ChangeError, OrganisationsRefused, Pipeline, PoliciesRefused, Snapshot, SnapshotError,
    SnapshotParts, SourceError,
};
use crate::store::{self, Follower, Kind};

/// Why pushed resources are not in force.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// It cannot be told whether there are any.
    #[error(transparent)]
    Pushed(#[from] PushedError),
    /// They could not be read together with the organisation's files.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// They could not be put in force.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// What the platform added to the files cannot be read.
    #[error(transparent)]
    Additions(#[from] AdditionsUnread),
    /// The policies it added do not go together with the files.
    #[error(transparent)]
    Policies(#[from] PoliciesRefused),
    /// The organisations it created do not.
    #[error(transparent)]
    Organisations(#[from] OrganisationsRefused),
    /// There is no snapshot with them.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// How soon a change that could not be put in force is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The version of a feed that never was.
pub(super) const NOTHING: [u8; 32] = [0; 32];

/// Whose feed has changed; none stands for all.
type Bell = tokio::sync::mpsc::UnboundedSender<Option<TenantId>>;
type Rung = tokio::sync::mpsc::UnboundedReceiver<Option<TenantId>>;

/// Keeps the snapshot in force in step with the feeds. Whoever changes an organisation's resources holds its turn;
/// whoever changes everything waits for all turns to end, and lets none begin.
#[derive(Debug)]
pub struct Overlay {
    pipeline: Arc<Pipeline>,
    stored: Stored,
    everything: Arc<tokio::sync::RwLock<()>>,
    turns: Mutex<HashMap<TenantId, Weak<tokio::sync::Mutex<()>>>>,
    changed: Bell,
    changes: Mutex<Option<Rung>>,
}

/// The right to change the resources of one organisation.
#[derive(Debug)]
pub(super) struct Turn {
    tenant: TenantId,
    #[expect(dead_code, reason = "held, not read")]
    own: OwnedMutexGuard<()>,
    #[expect(dead_code, reason = "held, not read")]
    beside_others: OwnedRwLockReadGuard<()>,
}

impl Turn {
    /// Whose turn it is.
    pub(super) const fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Organisations whose turns are remembered before those that ended are forgotten: a few kilobytes.
const TURNS_KEPT: usize = 100;

/// Checks that what was pushed or created fits the files: of every organisation, except those that are `before` as they are
/// now. Nothing is kept: they are read when they are first asked about. Blocks.
///
/// # Errors
/// [`OverlayError`], of the first organisation that has one.
pub fn check_pushed(
    parts: &SnapshotParts,
    pushed: &dyn PushedResources,
    before: Option<&Snapshot>,
) -> Result<(), OverlayError> {
    let digest = parts.schema.digest();
    let before = before.filter(|before| before.pdp().schema().digest() == digest);
    for organisation in parts.directory.organisations() {
        let tenant = organisation.id();
        // What was created is in no file that was checked.
        if pushed.version(tenant)? == NOTHING && organisation.created().is_none() {
            continue;
        }
        let version = parts.source.version(organisation)?;
        if before.and_then(|before| before.version(tenant)) != Some(&version) {
            parts.source.open(organisation, &parts.schema)?;
        }
    }
    Ok(())
}

/// The parts of a snapshot with what the platform added to the files: organisations, and policies. Blocks.
///
/// # Errors
/// [`OverlayError`] when they cannot be read, or do not go together.
pub fn with_additions(
    parts: SnapshotParts,
    managed: &dyn ManagedParts,
) -> Result<SnapshotParts, OverlayError> {
    let parts = parts.with_organisations(managed.organisations()?)?;
    Ok(parts.with_policies(managed.policies()?)?)
}

impl Overlay {
    /// Keeps `pipeline` in step, whose snapshot reads what is `stored` too.
    pub fn new(pipeline: Arc<Pipeline>, stored: Stored) -> Self {
        let (changed, rung) = tokio::sync::mpsc::unbounded_channel();
        let (everything, turns) = (Arc::default(), Mutex::default());
        Self { pipeline, stored, everything, turns, changed, changes: Mutex::new(Some(rung)) }
    }

    /// What the store has of organisations.
    pub fn stored(&self) -> Stored {
        self.stored.clone()
    }

    /// Puts changed files in force, with everything that was pushed. `ready` is told of the new snapshot just
    /// before. Blocks while pushes are being written.
    ///
    /// # Errors
    /// [`OverlayError`]; what was in force stays.
    pub fn take_over(
        &self,
        parts: SnapshotParts,
        ready: impl FnOnce(&Snapshot),
    ) -> Result<(), OverlayError> {
        let _all = self.everything.blocking_write();
        let parts = with_additions(parts, &*self.stored.managed)?;
        check_pushed(&parts, &*self.stored.pushed, Some(&self.pipeline.snapshot()))?;
        Ok(self.pipeline.activate(parts, ready)?)
    }

    /// Follows pushes of other processes on the same store, until dropped.
    pub async fn follow(self: Arc<Self>) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut changes) = changes else { return };
        while let Some(tenant) = changes.recv().await {
            if let Some(tenant) = tenant {
                self.refresh(tenant).await;
                continue;
            }
            let snapshot = self.pipeline.snapshot();
            for organisation in snapshot.directory().organisations() {
                self.refresh(organisation.id().clone()).await;
            }
        }
    }

    /// Takes over what changed elsewhere of one organisation's feed.
    async fn refresh(self: &Arc<Self>, tenant: TenantId) {
        let turn = self.turn(&tenant).await;
        let overlay = Arc::clone(self);
        let refresh = move || {
            // What was pushed to an organisation that is not there any more is nobody's.
            let snapshot = overlay.pipeline.snapshot();
            let known = snapshot.directory().organisation(&turn.tenant).is_some();
            if known { overlay.settle(&turn) } else { Ok(()) }
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(refresh).await {
            tracing::error!(%tenant, %error, "what was changed is not in force; it is tried again");
            self.again(tenant);
        }
    }

    /// The right to change an organisation's resources; waits for whoever has it.
    pub(super) async fn turn(&self, tenant: &TenantId) -> Turn {
        // In this order: who waits for an organisation must not keep a reload from waiting for it too.
        let beside_others = Arc::clone(&self.everything).read_owned().await;
        let own = self.lock_of(tenant).lock_owned().await;
        Turn { tenant: tenant.clone(), own, beside_others }
    }

    fn lock_of(&self, tenant: &TenantId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = turns.get(tenant).and_then(Weak::upgrade) {
            return lock;
        }
        if turns.len() >= TURNS_KEPT {
            turns.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        turns.insert(tenant.clone(), Arc::downgrade(&lock));
        lock
    }

    /// Takes over what `turn`'s holder has changed.
    pub(super) fn settle(&self, turn: &Turn) -> Result<(), OverlayError> {
        let refreshed = self.pipeline.refresh(&turn.tenant);
        // The platform's administration is where policies are changed and organisations created. That one failed must
        // not keep the other back.
        if self.pipeline.platform() == Some(&turn.tenant) {
            let managed = &self.stored.managed;
            let served = managed.organisations().map(|created| self.pipeline.serve(&created));
            self.pipeline.decide_by(&managed.policies()?)?;
            served??;
        }
        Ok(refreshed?)
    }

    /// Takes it over a little later: what could not be put in force must not stay so.
    pub(super) fn again(self: &Arc<Self>, tenant: TenantId) {
        let overlay = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            overlay.ring(Some(tenant));
        });
    }

    /// The resources of an organisation as its feed is now, put in force if they were not: a write whose end
    /// was not heard, or another process, may have left what is in force behind. Blocks.
    pub(super) fn catch_up(&self, turn: &Turn) -> Result<Arc<Partition>, OverlayError> {
        Ok(self.pipeline.resources(&turn.tenant)?)
    }

    /// Puts `partition` in force, made from what [`Overlay::catch_up`] told under the same turn; it is what there is
    /// while the feed is named `digest`. Blocks.
    pub(super) fn put_in_force(
        &self,
        turn: &Turn,
        (partition, digest): (Arc<Partition>, &[u8; 32]),
    ) -> Result<(), OverlayError> {
        Ok(self.pipeline.change(&turn.tenant, (partition, digest))?)
    }

    fn ring(&self, tenant: Option<TenantId>) {
        // It fails when nobody follows any more: the process is ending.
        drop(self.changed.send(tenant));
    }
}

impl Follower for Overlay {
    fn changed(&self, change: &store::Change) {
        if matches!(change.key.kind(), Kind::Feed | Kind::Managed)
            && let Ok(tenant) = TenantId::parse(change.key.space())
        {
            self.ring(Some(tenant));
        }
    }

    fn reset(&self) {
        self.ring(None);
    }

    fn synced(&self, _: UnixNanos) {}
}
