//! Keeps what is in force in step with what hubs pushed.
//!
//! Where an organisation's resources are read, files and pushed resources come together; here is who may change
//! them when: one at a time, and what other processes on the same store pushed is taken over.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::authz::Partition;
use crate::directory::{PushedError, PushedResources};
use crate::model::{Change, TenantId, UnixNanos};
use crate::pipeline::{ChangeError, Pipeline, Snapshot, SnapshotError, SnapshotParts, SourceError};
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
    /// There is no snapshot with them.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// The version of a feed that never was.
const NOTHING: [u8; 32] = [0; 32];

/// Whose feed has changed; none stands for all.
type Bell = tokio::sync::mpsc::UnboundedSender<Option<TenantId>>;
type Rung = tokio::sync::mpsc::UnboundedReceiver<Option<TenantId>>;

/// Keeps the snapshot in force in step with the feeds. Whoever changes resources holds the turn.
#[derive(Debug)]
pub struct Overlay {
    pipeline: Arc<Pipeline>,
    pushed: Arc<dyn PushedResources>,
    turn: Arc<tokio::sync::Mutex<()>>,
    changed: Bell,
    changes: Mutex<Option<Rung>>,
}

/// The right to change what is in force.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedMutexGuard<()>);

/// Checks that what was pushed fits the files: of every organisation, except those that are `before` as they are
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
        if pushed.version(tenant)? == NOTHING {
            continue;
        }
        let version = parts.source.version(organisation)?;
        if before.and_then(|before| before.version(tenant)) != Some(&version) {
            parts.source.open(organisation, &parts.schema)?;
        }
    }
    Ok(())
}

impl Overlay {
    /// Keeps `pipeline` in step, whose snapshot reads `pushed` too.
    pub fn new(pipeline: Arc<Pipeline>, pushed: Arc<dyn PushedResources>) -> Self {
        let (changed, rung) = tokio::sync::mpsc::unbounded_channel();
        Self { pipeline, pushed, turn: Arc::default(), changed, changes: Mutex::new(Some(rung)) }
    }

    /// Where pushed resources are read from.
    pub fn pushed(&self) -> Arc<dyn PushedResources> {
        Arc::clone(&self.pushed)
    }

    /// Puts changed files in force, with everything that was pushed. `ready` is told of the new snapshot just
    /// before. Blocks while a push is being written.
    ///
    /// # Errors
    /// [`OverlayError`]; what was in force stays.
    pub fn take_over(
        &self,
        parts: SnapshotParts,
        ready: impl FnOnce(&Snapshot),
    ) -> Result<(), OverlayError> {
        let _turn = self.turn.blocking_lock();
        check_pushed(&parts, &*self.pushed, Some(&self.pipeline.snapshot()))?;
        Ok(self.pipeline.activate(parts, ready)?)
    }

    /// Follows pushes of other processes on the same store, until dropped.
    pub async fn follow(self: Arc<Self>) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut changes) = changes else { return };
        while let Some(tenant) = changes.recv().await {
            let overlay = Arc::clone(&self);
            let read = tokio::task::spawn_blocking(move || overlay.refresh(tenant.as_ref())).await;
            if let Ok(Err(error)) = read {
                tracing::error!(%error, "pushed resources stay as they were");
            }
        }
    }

    /// Takes over the feeds that have changed elsewhere: of one organisation, or of all.
    fn refresh(&self, tenant: Option<&TenantId>) -> Result<(), OverlayError> {
        let _turn = self.turn.blocking_lock();
        let snapshot = self.pipeline.snapshot();
        let directory = snapshot.directory();
        match tenant {
            // What was pushed to an organisation that is not there any more is nobody's.
            Some(tenant) if directory.organisation(tenant).is_none() => Ok(()),
            Some(tenant) => Ok(self.pipeline.refresh(tenant)?),
            None => {
                let mut all = directory.organisations();
                all.try_for_each(|organisation| Ok(self.pipeline.refresh(organisation.id())?))
            }
        }
    }

    /// The right to change; waits for whoever has it.
    pub(super) async fn turn(&self) -> Turn {
        Turn(Arc::clone(&self.turn).lock_owned().await)
    }

    /// The resources of an organisation as its feed is now, put in force if they were not: a write whose end
    /// was not heard, or another process, may have left what is in force behind. Blocks.
    pub(super) fn catch_up(
        &self,
        _: &Turn,
        tenant: &TenantId,
    ) -> Result<Arc<Partition>, OverlayError> {
        self.pipeline.refresh(tenant)?;
        Ok(self.pipeline.snapshot().resources(tenant, self.pipeline.now())?)
    }

    /// Puts changes in force that are in the store and fit what was there at [`Overlay::catch_up`] under the
    /// same turn. Blocks.
    pub(super) fn put_in_force(
        &self,
        _: &Turn,
        tenant: &TenantId,
        changes: &[Change],
    ) -> Result<(), OverlayError> {
        Ok(self.pipeline.change(tenant, changes)?)
    }

    fn ring(&self, tenant: Option<TenantId>) {
        // It fails when nobody follows any more: the process is ending.
        drop(self.changed.send(tenant));
    }
}

impl Follower for Overlay {
    fn changed(&self, change: &store::Change) {
        if change.key.kind() == Kind::Feed
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
