//! The snapshot in force, and the one way to replace it: as a whole, made from the one before (promise P10).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::organisations::{Content, Reader, Unread, WAIT_MAX};
use super::snapshot::{
    ChangeError, Moved, OrganisationsRefused, PoliciesRefused, Snapshot, SnapshotError,
    SnapshotParts,
};
use crate::authn::Authenticated;
use crate::authz::Partition;
use crate::directory::OrganisationData;
use crate::model::{Dependency, PolicySource, Principal, Refusal, TenantId, UnixNanos};

/// Readings before it is given up: each is overtaken by a push, and one push takes longer than a usual reading.
const READINGS_MAX: usize = 3;

/// The snapshot in force.
#[derive(Debug)]
pub(super) struct InForce {
    snapshot: ArcSwap<Snapshot>,
    /// Held while the next snapshot is made from the present one.
    swapping: Mutex<()>,
}

impl InForce {
    pub(super) fn new(first: Arc<Snapshot>) -> Self {
        Self { snapshot: ArcSwap::new(first), swapping: Mutex::default() }
    }

    /// The snapshot in force.
    pub(super) fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    pub(super) fn activate(
        &self,
        parts: SnapshotParts,
        ready: impl FnOnce(&Snapshot),
    ) -> Result<(), SnapshotError> {
        let _one = self.swapping();
        let snapshot = Snapshot::new(parts, Some(&self.load()))?;
        ready(&snapshot);
        self.snapshot.store(Arc::new(snapshot));
        Ok(())
    }

    pub(super) fn change(
        &self,
        tenant: &TenantId,
        to: (Arc<Partition>, &[u8; 32]),
    ) -> Result<(), ChangeError> {
        let _one = self.swapping();
        if let Some(snapshot) = self.load().changed(tenant, to)? {
            self.snapshot.store(Arc::new(snapshot));
        }
        Ok(())
    }

    /// Takes over the state one organisation's source is in now. It is read before anything is held.
    pub(super) fn refresh(&self, tenant: &TenantId) -> Result<(), ChangeError> {
        for _ in 0..READINGS_MAX {
            let Some(moved) = self.load().moved_on(tenant)? else { return Ok(()) };
            self.adopt(tenant, moved)?;
        }
        // It may have been the last adoption that brought it up to date.
        self.load().moved_on(tenant)?.map_or(Ok(()), |_| Err(restless(tenant)))
    }

    /// The resources of an organisation as its source has them now, in force.
    pub(super) fn resources(
        &self,
        tenant: &TenantId,
        now: UnixNanos,
    ) -> Result<Arc<Partition>, ChangeError> {
        for _ in 0..READINGS_MAX {
            self.refresh(tenant)?;
            let snapshot = self.load();
            let content = snapshot.resources(tenant, now)?;
            if snapshot.version(tenant) == Some(&content.version) {
                return Ok(Arc::clone(&content.partition));
            }
            snapshot.forget_newer(tenant);
        }
        Err(restless(tenant))
    }

    /// Decides by other policies that were added to those of the files. They are loaded before anything is held.
    pub(super) fn decide_by(&self, added: &[PolicySource]) -> Result<(), PoliciesRefused> {
        loop {
            let files = self.load();
            let Some(parts) = files.parts_with(added)? else { return Ok(()) };
            let _one = self.swapping();
            // Another snapshot of the same files has only other resources.
            if let Some(snapshot) = self.load().decided_by(parts, &files) {
                self.snapshot.store(Arc::new(snapshot));
                return Ok(());
            }
        }
    }

    /// Serves these organisations beside those of the files, and no other that was created.
    pub(super) fn serve(&self, created: &[OrganisationData]) -> Result<(), OrganisationsRefused> {
        loop {
            let files = self.load();
            let Some(parts) = files.parts_serving(created.to_vec())? else { return Ok(()) };
            let _one = self.swapping();
            if let Some(snapshot) = self.load().serving(parts, &files)? {
                self.snapshot.store(Arc::new(snapshot));
                return Ok(());
            }
        }
    }

    fn adopt(&self, tenant: &TenantId, moved: Moved) -> Result<(), ChangeError> {
        let _one = self.swapping();
        if let Some(snapshot) = self.load().at(tenant, moved)? {
            self.snapshot.store(Arc::new(snapshot));
        }
        Ok(())
    }

    fn swapping(&self) -> MutexGuard<'_, ()> {
        self.swapping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot to decide a request of an organisation under: `snapshot`, if the organisation is in memory
    /// there. Otherwise it is read for the one in force; and if more was pushed meanwhile, that comes into force
    /// first. So the snapshot a record names is what decided, to the letter.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it cannot be read, or not in time, or too many wait for that.
    pub(super) async fn current(
        self: &Arc<Self>,
        snapshot: Arc<Snapshot>,
        tenant: &TenantId,
        at: (Reader, UnixNanos),
    ) -> Result<Arc<Snapshot>, Refusal> {
        if snapshot.has(tenant) {
            return Ok(snapshot);
        }
        let read = tokio::time::timeout(WAIT_MAX, self.read(tenant, at)).await;
        read.unwrap_or(Err(Refusal::Unavailable(Dependency::DecisionPoint)))
    }

    async fn read(
        self: &Arc<Self>,
        tenant: &TenantId,
        at: (Reader, UnixNanos),
    ) -> Result<Arc<Snapshot>, Refusal> {
        let mut last = Unread::Refused;
        for _ in 0..READINGS_MAX {
            let snapshot = self.load();
            match snapshot.read(tenant, at).await {
                Ok(()) => return Ok(snapshot),
                Err(Unread::Newer(content)) => {
                    self.adopt_newer(tenant, Arc::clone(&content)).await;
                    snapshot.forget_newer(tenant);
                    last = Unread::Newer(content);
                }
                // Another snapshot may have come into force meanwhile, which may have it in memory.
                Err(refused) if Arc::ptr_eq(&snapshot, &self.load()) => return Err(refused.into()),
                Err(refused) => last = refused,
            }
        }
        Err(last.into())
    }

    /// Reading its version may block, so it is done elsewhere. Should it fail, the next reading finds out.
    async fn adopt_newer(self: &Arc<Self>, tenant: &TenantId, content: Arc<Content>) {
        let (in_force, tenant) = (Arc::clone(self), tenant.clone());
        let moved = Moved { version: content.version, content: Some(content), organisation: None };
        let adopt = move || in_force.adopt(&tenant, moved);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(adopt).await {
            tracing::error!(%error, "pushed resources are not in force yet");
        }
    }
}

/// For whom an organisation is read that `authenticated` asks about.
pub(super) fn reader(authenticated: &Authenticated) -> Reader {
    match authenticated.principal() {
        Principal::Anonymous => Reader::Stranger,
        _ => Reader::Known,
    }
}

fn restless(tenant: &TenantId) -> ChangeError {
    ChangeError::Restless(tenant.clone())
}
