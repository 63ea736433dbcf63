//! Who asks, with everything later stages want of them worked out once per credential and snapshot.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::audit::{Pseudonym, PseudonymKey};
use crate::authn::{ApiKey, Authenticated, Session};
use crate::authz::{Facts, PreparedPrincipal};
use crate::model::{
    AuthMethod, ConnectionId, EntityUid, Principal, RoleAssignment, Scopes, TenantId, UnixNanos,
};

/// Who asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Asker(Arc<Known>);

#[derive(Debug)]
struct Known {
    authenticated: Authenticated,
    entity: Option<EntityUid>,
    prepared: Option<Arc<PreparedPrincipal>>,
    roles: Arc<[RoleAssignment]>,
    credential: Arc<str>,
    person: Option<Pseudonym>,
    partition: u64,
    active: Option<EntityUid>,
}

/// What the directory and the decision point add to an authenticated principal.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The entity policies speak of; none for a person without membership.
    pub(super) prepared: Option<Arc<PreparedPrincipal>>,
    /// The roles given.
    pub(super) roles: Arc<[RoleAssignment]>,
    /// The partition it was worked out in, by its own number.
    pub(super) partition: u64,
    /// The node worked in; none for who belongs to no organisation.
    pub(super) active: Option<EntityUid>,
}

impl Asker {
    /// Puts together what is known.
    pub(super) fn new(
        authenticated: Authenticated,
        standing: Standing,
        pseudonyms: &PseudonymKey,
    ) -> Self {
        let person = match authenticated.principal() {
            Principal::User { person, .. } => Some(pseudonyms.person(person)),
            Principal::ApiClient { .. } | Principal::Anonymous => None,
        };
        Self(Arc::new(Known {
            entity: authenticated.principal().entity(),
            credential: Arc::from(authenticated.credential_handle()),
            authenticated,
            prepared: standing.prepared,
            roles: standing.roles,
            partition: standing.partition,
            active: standing.active,
            person,
        }))
    }

    /// The authentication this stands on.
    pub fn authenticated(&self) -> &Authenticated {
        &self.0.authenticated
    }

    /// The principal.
    pub fn principal(&self) -> &Principal {
        self.0.authenticated.principal()
    }

    /// The organisation.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.principal().tenant()
    }

    /// How it was proved.
    pub fn method(&self) -> AuthMethod {
        self.0.authenticated.method()
    }

    /// The connection a person signed in by.
    pub fn connection(&self) -> Option<&ConnectionId> {
        Some(&self.0.authenticated.session()?.person.connection)
    }

    /// The facts of a request of theirs that came from `source` at `now`, for an operation that accepts
    /// `scopes`.
    pub(super) fn facts<'a>(
        &'a self,
        scopes: &'a Scopes,
        source: IpAddr,
        now: UnixNanos,
    ) -> Facts<'a> {
        Facts { method: self.method(), connection: self.connection(), scopes, source, now }
    }

    /// The Cedar entity.
    pub fn entity(&self) -> Option<&EntityUid> {
        self.0.entity.as_ref()
    }

    /// The entity, prepared for decisions.
    pub(super) fn prepared(&self) -> Option<&PreparedPrincipal> {
        self.0.prepared.as_deref()
    }

    /// The partition it was worked out in.
    pub(super) fn partition(&self) -> u64 {
        self.0.partition
    }

    /// The roles given.
    pub fn roles(&self) -> &Arc<[RoleAssignment]> {
        &self.0.roles
    }

    /// The node of the organisation's tree the asker works in.
    pub fn active(&self) -> Option<&EntityUid> {
        self.0.active.as_ref()
    }

    /// The handle of the credential.
    pub fn credential(&self) -> &Arc<str> {
        &self.0.credential
    }

    /// The person, as the log names them.
    pub fn person(&self) -> Option<&Pseudonym> {
        self.0.person.as_ref()
    }
}

/// Sixteen locks keep two cores apart.
const SHARDS: usize = 16;
/// 4,096 for each shard and about half a kilobyte each bound the cache at 32 MB; a full shard is emptied.
const SHARD_ENTRIES_MAX: usize = 4_096;

/// The askers of one snapshot. It dies with the snapshot, and an entry counts only for the very same session
/// or key value, so it cannot outlive what it was made from.
#[derive(Debug)]
pub(super) struct Askers {
    hasher: RandomState,
    shards: Box<[RwLock<HashMap<Handle, Asker>>]>,
}

/// Sessions and keys are kept apart by the address of their one shared value, and what proves a key by its MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Handle {
    Session(usize),
    ApiKey(usize, u64),
}

impl Handle {
    fn of(authenticated: &Authenticated) -> Option<Self> {
        let session = |session: &Arc<Session>| Self::Session(Arc::as_ptr(session).addr());
        let proof = authenticated.proof_hint();
        let key = |key: &Arc<ApiKey>| Self::ApiKey(Arc::as_ptr(key).addr(), proof);
        authenticated.session().map(session).or_else(|| authenticated.api_key().map(key))
    }
}

impl Askers {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }

    /// The asker of this very credential value, if it asked before. The entry holds the value, so its
    /// address cannot have been given to another.
    pub(super) fn find(&self, authenticated: &Authenticated) -> Option<Asker> {
        let handle = Handle::of(authenticated)?;
        let shard = self.shard(&handle)?.read().unwrap_or_else(PoisonError::into_inner);
        shard
            .get(&handle)
            .filter(|asker| asker.authenticated().is_proved_as(authenticated))
            .cloned()
    }

    /// Keeps an asker for the next request.
    pub(super) fn keep(&self, asker: &Asker) {
        let Some(handle) = Handle::of(asker.authenticated()) else { return };
        let Some(shard) = self.shard(&handle) else { return };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= SHARD_ENTRIES_MAX {
            shard.clear();
        }
        shard.insert(handle, asker.clone());
    }

    fn shard(&self, handle: &Handle) -> Option<&RwLock<HashMap<Handle, Asker>>> {
        let index = usize::try_from(self.hasher.hash_one(handle) % SHARDS as u64).ok()?;
        self.shards.get(index)
    }
}
