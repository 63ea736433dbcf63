//! What hubs pushed, laid over what the files say: the snapshot in force is both together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::directory::{PushedError, PushedResources};
use crate::model::{Change, EntityUid, TenantId, UnixNanos};
use crate::pipeline::{ChangeError, Pipeline, Snapshot};
use crate::store::{self, Follower, Kind};

/// Why pushed resources cannot be joined with those of the files.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// They could not be read.
    #[error(transparent)]
    Pushed(#[from] PushedError),
    /// Resources with two owners.
    #[error(
        "in the files of `{tenant}`, but owned by its hub, which pushed them: {uids}; take them out of the files, or have the hub delete them"
    )]
    Owned {
        /// The organisation.
        tenant: TenantId,
        /// The resources, the first ones.
        uids: String,
    },
    /// Files and pushed resources do not fit together.
    #[error("the pushed resources of `{tenant}` do not fit its files: {cause}")]
    Unfit {
        /// The organisation.
        tenant: TenantId,
        /// Why; the first reasons.
        cause: String,
    },
}

/// How many of many errors one message tells.
const TOLD_MAX: usize = 5;

/// The state of each feed that is part of the snapshot in force.
type Versions = HashMap<TenantId, [u8; 32]>;

/// Keeps the snapshot in force in step with files and feeds. Whoever changes it holds the turn.
#[derive(Debug)]
pub struct Overlay {
    pipeline: Arc<Pipeline>,
    pushed: Arc<dyn PushedResources>,
    state: Mutex<State>,
    turn: Arc<tokio::sync::Mutex<()>>,
    changed: tokio::sync::mpsc::UnboundedSender<Option<TenantId>>,
    changes: Mutex<Option<tokio::sync::mpsc::UnboundedReceiver<Option<TenantId>>>>,
}

#[derive(Debug)]
struct State {
    /// The snapshot of the files alone.
    files: Arc<Snapshot>,
    versions: Versions,
}

/// The right to change the snapshot in force.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedMutexGuard<()>);

/// A snapshot and the feeds it holds, before it is in force.
#[derive(Debug)]
pub struct Joined {
    files: Arc<Snapshot>,
    snapshot: Arc<Snapshot>,
    versions: Versions,
}

impl Joined {
    /// Joins what `files` say with everything that was pushed. Blocks, and must not be called from a thread that
    /// serves requests.
    ///
    /// # Errors
    /// [`OverlayError`], of the first organisation that has one.
    pub fn new(files: Snapshot, pushed: &dyn PushedResources) -> Result<Self, OverlayError> {
        let files = Arc::new(files);
        let (mut snapshot, mut versions) = (Arc::clone(&files), Versions::new());
        let mut tenants: Vec<TenantId> =
            files.directory().organisations().map(|it| it.id().clone()).collect();
        tenants.sort();
        for tenant in tenants {
            let version = pushed.version(&tenant)?;
            if version != NOTHING {
                snapshot = Arc::new(join(&files, &snapshot, pushed, &tenant)?);
                versions.insert(tenant, version);
            }
        }
        Ok(Self { files, snapshot, versions })
    }

    /// The snapshot.
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}

/// The version of a feed that never was.
const NOTHING: [u8; 32] = [0; 32];

/// `snapshot` with what `tenant` pushed on top of its files.
fn join(
    files: &Snapshot,
    snapshot: &Snapshot,
    pushed: &dyn PushedResources,
    tenant: &TenantId,
) -> Result<Snapshot, OverlayError> {
    let mut changes = Vec::new();
    let mut shared: Vec<EntityUid> = Vec::new();
    pushed.read(tenant, &mut |record| {
        if files.has_resource(tenant, &record.uid) {
            shared.push(record.uid.clone());
        }
        changes.push(Change::Put(record));
    })?;
    if !shared.is_empty() {
        let uids = told(shared.iter().map(|uid| format!("`{uid}`")), shared.len());
        return Err(OverlayError::Owned { tenant: tenant.clone(), uids });
    }
    let restored = snapshot.with_organisation_of(files, tenant);
    restored.and_then(|base| base.with_changes(tenant, &changes)).map_err(|errors| {
        let cause = told(errors.iter().map(ChangeError::to_string), errors.len());
        OverlayError::Unfit { tenant: tenant.clone(), cause }
    })
}

fn told(items: impl Iterator<Item = String>, count: usize) -> String {
    let first: Vec<String> = items.take(TOLD_MAX).collect();
    let more = count.saturating_sub(first.len());
    let tail = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{tail}", first.join("; "))
}

impl Overlay {
    /// Keeps `pipeline` in step; it serves `joined` already.
    pub fn new(pipeline: Arc<Pipeline>, joined: Joined, pushed: Arc<dyn PushedResources>) -> Self {
        let (bell, rung) = tokio::sync::mpsc::unbounded_channel();
        Self {
            pipeline,
            pushed,
            state: Mutex::new(State { files: joined.files, versions: joined.versions }),
            turn: Arc::default(),
            changed: bell,
            changes: Mutex::new(Some(rung)),
        }
    }

    /// Puts changed files in force, with everything that was pushed on top. `before` is told of the new snapshot
    /// just before. Blocks while a push is being written.
    ///
    /// # Errors
    /// [`OverlayError`]; what was in force stays.
    pub fn take_over(
        &self,
        files: Snapshot,
        before: impl FnOnce(&Snapshot),
    ) -> Result<(), OverlayError> {
        let _turn = self.turn.blocking_lock();
        let joined = Joined::new(files, &*self.pushed)?;
        before(&joined.snapshot);
        self.pipeline.activate(joined.snapshot);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { files: joined.files, versions: joined.versions };
        Ok(())
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

    /// Reads the feeds again that have changed elsewhere: of one organisation, or of all.
    fn refresh(&self, tenant: Option<&TenantId>) -> Result<(), OverlayError> {
        let _turn = self.turn.blocking_lock();
        let all: Vec<TenantId> = match tenant {
            Some(tenant) => vec![tenant.clone()],
            None => self
                .pipeline
                .snapshot()
                .directory()
                .organisations()
                .map(|it| it.id().clone())
                .collect(),
        };
        all.iter().try_for_each(|tenant| self.catch_up(tenant))
    }

    /// Reads a feed again if it is not as it is in force. The caller holds the turn; blocks.
    fn catch_up(&self, tenant: &TenantId) -> Result<(), OverlayError> {
        let version = self.pushed.version(tenant)?;
        if version == self.version(tenant)
            || self.files().directory().organisation(tenant).is_none()
        {
            return Ok(());
        }
        let joined = join(&self.files(), &self.pipeline.snapshot(), &*self.pushed, tenant)?;
        self.put_in_force(tenant, Arc::new(joined), version);
        Ok(())
    }

    /// The right to change; waits for whoever has it.
    pub(super) async fn turn(&self) -> Turn {
        Turn(Arc::clone(&self.turn).lock_owned().await)
    }

    /// As [`Overlay::catch_up`], for who has the turn.
    pub(super) fn catch_up_with(&self, _: &Turn, tenant: &TenantId) -> Result<(), OverlayError> {
        self.catch_up(tenant)
    }

    /// The state of a feed as it is in force.
    pub(super) fn version(&self, tenant: &TenantId) -> [u8; 32] {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.versions.get(tenant).copied().unwrap_or(NOTHING)
    }

    /// Whether a resource is in force, whoever owns it.
    pub(super) fn has(&self, tenant: &TenantId, uid: &EntityUid) -> bool {
        self.pipeline.snapshot().has_resource(tenant, uid)
    }

    /// What would be in force after `changes`. Blocks.
    pub(super) fn prepare(
        &self,
        tenant: &TenantId,
        changes: &[Change],
    ) -> Result<Arc<Snapshot>, Vec<ChangeError>> {
        self.pipeline.snapshot().with_changes(tenant, changes).map(Arc::new)
    }

    /// Puts what was prepared under the same turn in force.
    pub(super) fn activate(
        &self,
        _: &Turn,
        tenant: &TenantId,
        snapshot: Arc<Snapshot>,
        version: [u8; 32],
    ) {
        self.put_in_force(tenant, snapshot, version);
    }

    fn put_in_force(&self, tenant: &TenantId, snapshot: Arc<Snapshot>, version: [u8; 32]) {
        self.pipeline.activate(snapshot);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.versions.insert(tenant.clone(), version);
    }

    fn files(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner).files)
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
