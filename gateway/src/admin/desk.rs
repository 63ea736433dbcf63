//! Where changes are made: one at a time for each organisation, kept whole or not at all, and in force before they
//! are answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::overlay::{NOTHING, Overlay, OverlayError, Turn};
use super::txt::TxtRecords;
use crate::audit::AuditEvent;
use crate::authn::{Pepper, SessionKey};
use crate::model::{
    Clock, DecisionId, Entropy, EntropyError, KeyId, MemberId, TenantId, UnixNanos,
};
use crate::oidc::OpenIdRelyingParty;
use crate::rollout::Scales;
use crate::store::{
    KeyRing, ManagedChange, ManagedObjects, ManagedState, StoreError, StoredApiKeys,
    StoredSessions, Swap,
};

/// What the desk works with.
#[derive(Debug)]
pub struct DeskParts {
    /// What is kept.
    pub objects: ManagedObjects,
    /// Puts it in force.
    pub overlay: Arc<Overlay>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub entropy: Arc<dyn Entropy>,
    /// Where changes are made to their end, whoever still waits.
    pub runtime: Handle,
    /// Who is signed in.
    pub sessions: Arc<StoredSessions>,
    /// The API keys.
    pub keys: Arc<StoredApiKeys>,
    /// What they are kept under.
    pub pepper: Pepper,
    /// Seals secrets that must be read back.
    pub ring: KeyRing,
    /// Tries connections out.
    pub relying_party: Arc<OpenIdRelyingParty>,
    /// Finds proofs of domains.
    pub dns: Arc<dyn TxtRecords>,
    /// Where this node's decision log is.
    pub log_directory: PathBuf,
    /// Held while the log is searched.
    pub searching: Arc<tokio::sync::Mutex<()>>,
    /// Held while it is worked out what policies would change.
    pub weighing: Arc<tokio::sync::Mutex<Scales>>,
}

/// Makes changes.
#[derive(Clone, Debug)]
pub struct Desk(Arc<DeskParts>);

/// Why a change was not made, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskError {
    /// Another process was quicker: read again, and decide again.
    #[error("another process made a change meanwhile")]
    Overtaken,
    /// It is not known how it ended.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is kept, but not in force yet.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// It broke off.
    #[error("it broke off")]
    Broken,
}

/// What is held in memory of what a change changes, and must be read again.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// An API key.
    Key(KeyId),
    /// A session.
    Session(SessionKey),
}

impl DeskParts {
    fn forget(&self, held: &Held) {
        match held {
            Held::Key(id) => self.keys.forget(id),
            Held::Session(key) => self.sessions.forget(key),
        }
    }
}

impl Desk {
    /// Puts it together.
    pub fn new(parts: DeskParts) -> Self {
        Self(Arc::new(parts))
    }

    /// What is kept.
    pub(super) fn objects(&self) -> &ManagedObjects {
        &self.0.objects
    }

    /// Who is signed in.
    pub(super) fn sessions(&self) -> &StoredSessions {
        &self.0.sessions
    }

    /// The API keys.
    pub(super) fn keys(&self) -> &StoredApiKeys {
        &self.0.keys
    }

    /// What secrets of API keys are made with.
    pub(super) fn issuing(&self) -> (&Pepper, &dyn Entropy) {
        (&self.0.pepper, &*self.0.entropy)
    }

    /// What seals secrets that must be read back.
    pub(super) fn sealing(&self) -> (&KeyRing, &dyn Entropy) {
        (&self.0.ring, &*self.0.entropy)
    }

    /// Tries connections out.
    pub(super) fn relying_party(&self) -> &OpenIdRelyingParty {
        &self.0.relying_party
    }

    /// Where this node's decision log is.
    pub(super) fn log_directory(&self) -> &Path {
        &self.0.log_directory
    }

    /// The turn to search the log. It is over when the search is, whoever still waits for it.
    pub(super) async fn searching(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.0.searching).lock_owned().await
    }

    /// The turn to work out what policies would change.
    pub(super) async fn weighing(&self) -> tokio::sync::OwnedMutexGuard<Scales> {
        Arc::clone(&self.0.weighing).lock_owned().await
    }

    /// Finds proofs of domains.
    pub(super) fn dns(&self) -> &dyn TxtRecords {
        &*self.0.dns
    }

    /// The time.
    pub(super) fn now(&self) -> UnixNanos {
        self.0.clock.now()
    }

    /// An id for an event that happens now.
    pub(super) fn event_id(&self, at: UnixNanos) -> Result<String, DeskError> {
        Ok(AuditEvent::new_id(at, &*self.0.entropy)?)
    }

    /// An id for a member that is made now; none is given twice.
    pub(super) fn new_member_id(&self) -> Result<MemberId, DeskError> {
        let mut random = [0_u8; 10];
        self.0.entropy.fill(&mut random)?;
        let id = DecisionId::from_parts(self.now(), random).to_string();
        MemberId::parse(&id).map_err(|_| DeskError::Broken)
    }

    /// A text nobody guesses, for what is proved by showing it.
    pub(super) fn token(&self) -> Result<String, DeskError> {
        Ok(self.0.entropy.token()?)
    }

    /// Whether anything was ever pushed to an organisation.
    ///
    /// # Errors
    /// [`DeskError`] when that cannot be told.
    pub(super) async fn was_pushed(&self, tenant: &TenantId) -> Result<bool, DeskError> {
        let (pushed, tenant) = (self.0.overlay.stored().pushed, tenant.clone());
        let version = tokio::task::spawn_blocking(move || pushed.version(&tenant)).await;
        let version = version.map_err(|_| DeskError::Broken)?.map_err(OverlayError::from)?;
        Ok(version != NOTHING)
    }

    /// The right to change an organisation; waits for whoever has it.
    pub(super) async fn turn(&self, tenant: &TenantId) -> Turn {
        self.0.overlay.turn(tenant).await
    }

    /// Takes over what other processes changed, for the holder of the turn.
    ///
    /// # Errors
    /// [`DeskError::Overlay`].
    pub(super) async fn settled(&self, turn: Turn) -> Result<Turn, DeskError> {
        let overlay = Arc::clone(&self.0.overlay);
        let settled = tokio::task::spawn_blocking(move || overlay.settle(&turn).map(|()| turn));
        Ok(settled.await.map_err(|_| DeskError::Broken)??)
    }

    /// Keeps a change, tells of it and puts it in force. It runs to its end even if nobody waits any more.
    ///
    /// # Errors
    /// [`DeskError`].
    pub(super) async fn commit(
        &self,
        turn: Turn,
        (before, change): (ManagedState, ManagedChange),
        (forget, tell): (Vec<Held>, impl FnOnce() + Send + 'static),
    ) -> Result<(), DeskError> {
        let parts = Arc::clone(&self.0);
        let committed = self.0.runtime.spawn(async move {
            let now = parts.clock.now();
            match parts.objects.write(turn.tenant(), &before, (change, now)).await? {
                Swap::Stored(_) => {}
                Swap::Changed(_) => return Err(DeskError::Overtaken),
            }
            for held in &forget {
                parts.forget(held);
            }
            tell();
            let overlay = Arc::clone(&parts.overlay);
            let tenant = turn.tenant().clone();
            let settled = tokio::task::spawn_blocking(move || overlay.settle(&turn)).await;
            let settled = settled.map_err(|_| DeskError::Broken)?;
            if settled.is_err() {
                parts.overlay.again(tenant);
            }
            Ok(settled?)
        });
        committed.await.map_err(|_| DeskError::Broken)?
    }
}
