//! Sessions in the store, with copies in memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::cache::{Cache, ENTRIES_MAX};
use super::error::StoreError;
use super::key::{Key, Kind, Prefix};
use super::record::{damaged, locate, located, open, seal};
use super::seal::KeyRing;
use super::state::{Change, Entry, StateStore, Swap, Versioned};
use super::watch::Follower;
use crate::authn::{NewSession, Session, SessionKey, SessionLimits, Sessions, StoreUnavailable};
use crate::model::{Clock, EntityUid, Entropy, PersonId, Secret, TenantId, UnixNanos};

/// Keeps sessions. Register it as a [`Follower`], or it trusts no copy and asks the store each time.
#[derive(Debug)]
pub struct StoredSessions {
    store: Arc<dyn StateStore>,
    ring: KeyRing,
    entropy: Arc<dyn Entropy>,
    limits: SessionLimits,
    cache: Cache<SessionKey, Session>,
    /// Sessions whose use is being written right now, so that a page of fifty requests writes it once.
    touching: Mutex<HashSet<SessionKey>>,
}

/// A session as it is written. What must be read back is sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    person: PersonId,
    display_name: String,
    created: UnixNanos,
    last_seen: UnixNanos,
    provider_session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<EntityUid>,
    sealed_csrf: String,
    sealed_id_token: Option<String>,
}

const CSRF: &str = "csrf";
const ID_TOKEN: &str = "id-token";

impl StoredSessions {
    /// Keeps sessions in `store`, their secrets sealed with `ring`. `limits` are the authenticator's.
    pub fn new(
        store: Arc<dyn StateStore>,
        ring: KeyRing,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
        limits: SessionLimits,
    ) -> Self {
        let cache = Cache::new(ENTRIES_MAX, clock);
        Self { store, ring, entropy, limits, cache, touching: Mutex::default() }
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreError> {
        let ticket = self.cache.ticket(key);
        let Some((place, record, version)) = self.record(key).await? else {
            return Ok(None);
        };
        let session = Arc::new(self.opened(*key, &place, record)?);
        self.cache.insert(ticket, *key, version, Arc::clone(&session));
        Ok(Some(session))
    }

    async fn record(&self, key: &SessionKey) -> Result<Option<(Key, Record, u64)>, StoreError> {
        let id = key.to_string();
        let Some(place) = locate(&*self.store, Kind::Session, &id).await? else {
            return Ok(None);
        };
        let Some(Versioned { version, value }) = self.store.get(&place).await? else {
            return Ok(None);
        };
        let record: Record =
            serde_json::from_slice(&value).map_err(|error| damaged(&place, &error))?;
        Ok(Some((place, record, version)))
    }

    fn opened(&self, key: SessionKey, place: &Key, record: Record) -> Result<Session, StoreError> {
        let csrf = self.open(place, CSRF, &record.sealed_csrf)?;
        let Record { person, display_name, created, last_seen, provider_session, active, .. } =
            record;
        Ok(Session {
            key,
            person,
            display_name,
            created,
            last_seen,
            provider_session,
            active,
            csrf,
        })
    }

    fn open(&self, place: &Key, field: &str, sealed: &str) -> Result<Secret<String>, StoreError> {
        open(&self.ring, place, field, sealed)
    }

    fn record_of(&self, place: &Key, new: &NewSession) -> Result<Record, StoreError> {
        let session = &new.session;
        let seal = |field, secret: &Secret<String>| {
            seal(&self.ring, &*self.entropy, place, (field, secret))
        };
        Ok(Record {
            person: session.person.clone(),
            display_name: session.display_name.clone(),
            created: session.created,
            last_seen: session.last_seen,
            provider_session: session.provider_session.clone(),
            active: session.active.clone(),
            sealed_csrf: seal(CSRF, &session.csrf)?,
            sealed_id_token: new.id_token.as_ref().map(|t| seal(ID_TOKEN, t)).transpose()?,
        })
    }

    async fn write_new(&self, new: &NewSession) -> Result<(), StoreError> {
        let session = &new.session;
        let (tenant, id) = (&session.person.tenant, session.key.to_string());
        let (index, place) = located(tenant, Kind::Session, &id)?;
        let value = written(&place, &self.record_of(&place, new)?)?;
        let ticket = self.cache.ticket(&session.key);
        let end = session.created.plus(self.limits.absolute);
        // The index first: without its record it finds nothing.
        self.store.put(&index, tenant.as_str().into(), Some(end)).await?;
        let version = self.store.put(&place, value, Some(self.limits.end_of(session))).await?;
        self.cache.insert(ticket, session.key, version, Arc::new(session.clone()));
        Ok(())
    }

    async fn write_use(&self, key: &SessionKey, now: UnixNanos) -> Result<(), StoreError> {
        // Whoever was quicker noted a use too, or ended the session, which must stay ended.
        self.change(key, |record| record.last_seen = record.last_seen.max(now)).await.map(drop)
    }

    /// Somebody else may note a use meanwhile, so it is tried again; a session in such use that eight tries
    /// do not get through is refused, and the person presses once more.
    async fn write_active(
        &self,
        key: &SessionKey,
        node: Option<&EntityUid>,
    ) -> Result<(), StoreError> {
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            if self.change(key, |record| record.active = node.cloned()).await? {
                return Ok(());
            }
        }
        Err(StoreError::Overloaded)
    }

    /// Changes a session that is there, and tells whether that is done with: not when somebody was quicker.
    async fn change(
        &self,
        key: &SessionKey,
        change: impl FnOnce(&mut Record),
    ) -> Result<bool, StoreError> {
        let ticket = self.cache.ticket(key);
        let Some((place, mut record, version)) = self.record(key).await? else {
            return Ok(true);
        };
        change(&mut record);
        let value = written(&place, &record)?;
        let session = self.opened(*key, &place, record)?;
        let end = Some(self.limits.end_of(&session));
        let Swap::Stored(version) =
            self.store.compare_and_swap(&place, Some(version), value, end).await?
        else {
            return Ok(false);
        };
        self.cache.insert(ticket, *key, version, Arc::new(session));
        Ok(true)
    }

    async fn erase(&self, key: &SessionKey) -> Result<(), StoreError> {
        let id = key.to_string();
        if let Some(place) = locate(&*self.store, Kind::Session, &id).await? {
            self.store.delete(&place, None).await?;
            let index = Key::index(Kind::Session, &id).map_err(|error| damaged(&place, &error))?;
            self.store.delete(&index, None).await?;
        }
        Ok(())
    }

    fn touching(&self) -> std::sync::MutexGuard<'_, HashSet<SessionKey>> {
        self.touching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn written(place: &Key, record: &Record) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(|error| damaged(place, &error))
}

/// Ends the note that a session is being touched, also when the touching future is dropped.
struct Touching<'a>(&'a StoredSessions, SessionKey);

impl Drop for Touching<'_> {
    fn drop(&mut self) {
        self.0.touching().remove(&self.1);
    }
}

#[async_trait]
impl Sessions for StoredSessions {
    fn cached(&self, key: &SessionKey) -> Option<Arc<Session>> {
        self.cache.find(key)
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreUnavailable> {
        match self.cache.find(key) {
            Some(session) => Ok(Some(session)),
            None => Ok(self.load(key).await?),
        }
    }

    async fn create(&self, new: NewSession) -> Result<(), StoreUnavailable> {
        Ok(self.write_new(&new).await?)
    }

    async fn touch(&self, key: &SessionKey, now: UnixNanos) -> Result<(), StoreUnavailable> {
        if !self.touching().insert(*key) {
            return Ok(());
        }
        let _touching = Touching(self, *key);
        Ok(self.write_use(key, now).await?)
    }

    async fn work_in(
        &self,
        key: &SessionKey,
        node: Option<&EntityUid>,
    ) -> Result<(), StoreUnavailable> {
        Ok(self.write_active(key, node).await?)
    }

    async fn remove(&self, key: &SessionKey) -> Result<(), StoreUnavailable> {
        let erased = self.erase(key).await;
        // After the store, or a look-up in between would bring it back; and also if the store failed.
        self.cache.remove(key);
        Ok(erased?)
    }

    async fn id_token(&self, key: &SessionKey) -> Result<Option<Secret<String>>, StoreUnavailable> {
        let Some((place, record, _)) = self.record(key).await? else {
            return Ok(None);
        };
        let sealed = record.sealed_id_token;
        Ok(sealed.map(|sealed| self.open(&place, ID_TOKEN, &sealed)).transpose()?)
    }
}

impl Follower for StoredSessions {
    fn changed(&self, change: &Change) {
        if change.key.kind() == Kind::Session
            && !change.key.is_index()
            && let Ok(key) = change.key.id().parse()
        {
            self.cache.forget(&key, change.seq);
        }
    }

    fn reset(&self) {
        self.cache.clear();
    }

    fn synced(&self, at: UnixNanos) {
        self.cache.synced(at);
    }
}

fn noted(place: &Key, found: &Versioned) -> Result<SessionNote, StoreError> {
    let key = place.id().parse().map_err(|error| damaged(place, &error))?;
    let record: Record =
        serde_json::from_slice(&found.value).map_err(|error| damaged(place, &error))?;
    let Record { person, created, last_seen, .. } = record;
    Ok(SessionNote { key, person, created, last_seen })
}

/// A session as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionNote {
    /// Its key.
    pub key: SessionKey,
    /// Who signed in.
    pub person: PersonId,
    /// When.
    pub created: UnixNanos,
    /// When a request last used it, to the minute.
    pub last_seen: UnixNanos,
}

impl StoredSessions {
    /// The sessions of an organisation by key, those after `after`, at most `limit`; ended ones may be among them until
    /// they are swept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notes(
        &self,
        tenant: &TenantId,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionNote>, StoreError> {
        let prefix = Prefix::of(tenant, Kind::Session);
        let after =
            after.map(|key| located(tenant, Kind::Session, &key.to_string())).transpose()?;
        let found = self.store.scan(&prefix, after.as_ref().map(|(_, place)| place), limit).await?;
        found.iter().map(|Entry { key, versioned }| noted(key, versioned)).collect()
    }

    /// One session of an organisation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(
        &self,
        tenant: &TenantId,
        key: &SessionKey,
    ) -> Result<Option<SessionNote>, StoreError> {
        let (_, place) = located(tenant, Kind::Session, &key.to_string())?;
        let found = self.store.get(&place).await?;
        found.map(|found| noted(&place, &found)).transpose()
    }

    /// When a session ends if nobody uses it again.
    pub fn end_of(&self, note: &SessionNote) -> UnixNanos {
        let (absolute, idle) = (self.limits.absolute, self.limits.idle);
        note.created.plus(absolute).min(note.last_seen.plus(idle))
    }

    /// Forgets copies of a session that is gone from the store.
    pub fn forget(&self, key: &SessionKey) {
        self.cache.remove(key);
    }
}

#[cfg(test)]
mod tests;
