//! API keys in the store, with copies in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::cache::{Cache, ENTRIES_MAX};
use super::error::StoreError;
use super::key::{Key, Kind, Prefix};
use super::record::{damaged, locate, located};
use super::state::{Change, StateStore, Swap, Versioned};
use super::watch::Follower;
use crate::authn::{ApiKey, ApiKeys, CreateApiKeyError, StoreUnavailable};
use crate::model::{Clock, KeyId, TenantId, UnixNanos};

/// Keeps API keys. Register it as a [`Follower`], or it trusts no copy and asks the store each time.
#[derive(Debug)]
pub struct StoredApiKeys {
    store: Arc<dyn StateStore>,
    cache: Cache<KeyId, ApiKey>,
    /// Uses that wait to be kept.
    uses: Mutex<BTreeMap<KeyId, (TenantId, UnixNanos)>>,
}

/// Keys read at once when listing.
const PAGE: usize = 500;

/// Uses kept in one go: a second's work beside everything else.
const USES_AT_ONCE: usize = 2_000;

/// Uses that wait at most, some megabytes: a store that does not answer must not fill the memory.
const USES_WAITING_MAX: usize = 50_000;

/// How often a revocation is tried against other writers of the same key. Few others write one.
const REVOKE_TRIES: usize = 8;

impl StoredApiKeys {
    /// Keeps keys in `store`.
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, cache: Cache::new(ENTRIES_MAX, clock), uses: Mutex::default() }
    }

    /// Keeps uses that were noted, at most a second's work of them. What cannot be kept is left out: the next use is noted
    /// again.
    ///
    /// # Errors
    /// [`StoreError`] of the first that could not be kept.
    pub async fn keep_uses(&self) -> Result<(), StoreError> {
        for _ in 0..USES_AT_ONCE {
            let Some((id, (tenant, at))) = self.waiting().pop_first() else { return Ok(()) };
            let place = use_key(&tenant, &id)?;
            self.store.put(&place, written_use(&place, at)?, None).await?;
        }
        Ok(())
    }

    /// When keys of an organisation were last used; those of which no use is known are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uses<'k>(
        &self,
        tenant: &TenantId,
        keys: impl Iterator<Item = &'k KeyId>,
    ) -> Result<BTreeMap<KeyId, UnixNanos>, StoreError> {
        let ids: Vec<&KeyId> = keys.collect();
        let mut known = BTreeMap::new();
        for ids in ids.chunks(PAGE) {
            let places: Result<Vec<Key>, StoreError> =
                ids.iter().map(|id| use_key(tenant, id)).collect();
            let places = places?;
            let found = self.store.get_all(&places).await?;
            for ((id, place), found) in ids.iter().zip(&places).zip(found) {
                let Some(found) = found else { continue };
                let at = serde_json::from_slice(&found.value);
                known.insert((*id).clone(), at.map_err(|error| damaged(place, &error))?);
            }
        }
        Ok(known)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<KeyId, (TenantId, UnixNanos)>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self, id: &KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let ticket = self.cache.ticket(id);
        let Some(place) = locate(&*self.store, Kind::ApiKey, id.as_str()).await? else {
            return Ok(None);
        };
        let Some(found) = self.store.get(&place).await? else {
            return Ok(None);
        };
        let key = Arc::new(read(&place, &found)?);
        self.cache.insert(ticket, id.clone(), found.version, Arc::clone(&key));
        Ok(Some(key))
    }

    async fn write_new(&self, key: &ApiKey) -> Result<Swap, StoreError> {
        let (_, place) = located(&key.tenant, Kind::ApiKey, key.id.as_str())?;
        let value = written(&place, key)?;
        // The index first: it claims the id over all organisations, and without its record finds nothing.
        if !self.claim(key).await? {
            return Ok(Swap::Changed(None));
        }
        self.store.compare_and_swap(&place, None, value, None).await
    }

    /// Claims the id of a key that is about to be written: without its record it finds nothing. False when it is
    /// taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let (index, _) = located(&key.tenant, Kind::ApiKey, key.id.as_str())?;
        let claim = self.store.compare_and_swap(&index, None, key.tenant.as_str().into(), None);
        Ok(matches!(claim.await?, Swap::Stored(_)))
    }

    /// A key of an organisation as it is kept, with its version.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kept(
        &self,
        tenant: &TenantId,
        id: &KeyId,
    ) -> Result<Option<(ApiKey, u64)>, StoreError> {
        let (_, place) = located(tenant, Kind::ApiKey, id.as_str())?;
        let found = self.store.get(&place).await?;
        found.map(|found| Ok((read(&place, &found)?, found.version))).transpose()
    }

    /// Forgets copies of a key that was written elsewhere.
    pub fn forget(&self, id: &KeyId) {
        self.cache.remove(id);
    }

    async fn page(
        &self,
        tenant: &TenantId,
        after: Option<&Key>,
    ) -> Result<(Vec<ApiKey>, Option<Key>), StoreError> {
        let prefix = Prefix::of(tenant, Kind::ApiKey);
        let entries = self.store.scan(&prefix, after, PAGE).await?;
        let next = entries.last().filter(|_| entries.len() == PAGE).map(|entry| entry.key.clone());
        let keys: Result<Vec<ApiKey>, StoreError> =
            entries.iter().map(|entry| read(&entry.key, &entry.versioned)).collect();
        Ok((keys?, next))
    }

    async fn write_revoked(&self, place: &Key, now: UnixNanos) -> Result<bool, StoreError> {
        for _ in 0..REVOKE_TRIES {
            let Some(found) = self.store.get(place).await? else {
                return Ok(false);
            };
            let mut key = read(place, &found)?;
            if key.revoked.is_some() {
                return Ok(true);
            }
            key.revoked = Some(now);
            let value = written(place, &key)?;
            let swap = self.store.compare_and_swap(place, Some(found.version), value, None);
            if matches!(swap.await?, Swap::Stored(_)) {
                return Ok(true);
            }
        }
        Err(StoreError::Overloaded)
    }
}

fn read(place: &Key, found: &Versioned) -> Result<ApiKey, StoreError> {
    let key: ApiKey =
        serde_json::from_slice(&found.value).map_err(|error| damaged(place, &error))?;
    // A record that was moved to another place would change its organisation or its id.
    let home = Key::of(&key.tenant, Kind::ApiKey, key.id.as_str());
    if home.as_ref() != Ok(place) {
        return Err(damaged(place, &"it is the record of another key"));
    }
    Ok(key)
}

fn use_key(tenant: &TenantId, id: &KeyId) -> Result<Key, StoreError> {
    let key = Key::of(tenant, Kind::ApiKeyUse, id.as_str());
    key.map_err(|error| StoreError::Damaged { key: id.to_string(), cause: error.to_string() })
}

fn written_use(place: &Key, at: UnixNanos) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&at).map_err(|error| damaged(place, &error))
}

fn written(place: &Key, key: &ApiKey) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(key).map_err(|error| damaged(place, &error))
}

#[async_trait]
impl ApiKeys for StoredApiKeys {
    fn note_use(&self, key: &ApiKey, now: UnixNanos) {
        let mut uses = self.waiting();
        if uses.len() < USES_WAITING_MAX {
            uses.insert(key.id.clone(), (key.tenant.clone(), now));
        }
    }

    fn cached(&self, id: &KeyId) -> Option<Arc<ApiKey>> {
        self.cache.find(id)
    }

    async fn find(&self, id: &KeyId) -> Result<Option<Arc<ApiKey>>, StoreUnavailable> {
        match self.cache.find(id) {
            Some(key) => Ok(Some(key)),
            None => Ok(self.load(id).await?),
        }
    }

    async fn create(&self, key: ApiKey) -> Result<(), CreateApiKeyError> {
        match self.write_new(&key).await.map_err(StoreUnavailable::from)? {
            Swap::Stored(_) => Ok(()),
            Swap::Changed(_) => Err(CreateApiKeyError::IdTaken),
        }
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreUnavailable> {
        let (mut keys, mut next) = self.page(tenant, None).await?;
        while let Some(after) = next {
            let (page, following) = self.page(tenant, Some(&after)).await?;
            keys.extend(page);
            next = following;
        }
        Ok(keys)
    }

    async fn revoke(
        &self,
        tenant: &TenantId,
        id: &KeyId,
        now: UnixNanos,
    ) -> Result<bool, StoreUnavailable> {
        let (_, place) = located(tenant, Kind::ApiKey, id.as_str())?;
        let revoked = self.write_revoked(&place, now).await;
        // After the store, or a look-up in between would bring it back; and also if the store failed.
        self.cache.remove(id);
        Ok(revoked?)
    }
}

impl Follower for StoredApiKeys {
    fn changed(&self, change: &Change) {
        if change.key.kind() == Kind::ApiKey
            && !change.key.is_index()
            && let Ok(id) = KeyId::parse(change.key.id())
        {
            self.cache.forget(&id, change.seq);
        }
    }

    fn reset(&self) {
        self.cache.clear();
    }

    fn synced(&self, at: UnixNanos) {
        self.cache.synced(at);
    }
}

#[cfg(test)]
mod tests;
