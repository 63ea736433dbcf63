//! Stores in memory, for tests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{
    ApiKey, ApiKeys, CreateApiKeyError, KeepFamilyError, NewSession, Session, SessionKey, Sessions,
    StoreUnavailable, TokenFamilies, TokenFamily,
};
use crate::model::{EntityUid, FamilyId, KeyId, Secret, TenantId, UnixNanos};

/// All traits over maps; `silent` makes every answer a failure.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) sessions: Mutex<HashMap<SessionKey, Arc<Session>>>,
    pub(super) keys: Mutex<HashMap<KeyId, Arc<ApiKey>>>,
    pub(super) touched: Mutex<Vec<UnixNanos>>,
    pub(super) used: Mutex<Vec<UnixNanos>>,
    pub(super) families: Mutex<HashMap<FamilyId, (Arc<TokenFamily>, u64)>>,
    pub(super) silent: AtomicBool,
}

impl Memory {
    fn answer<T>(&self, value: T) -> Result<T, StoreUnavailable> {
        if self.silent.load(Ordering::Relaxed) { Err(StoreUnavailable) } else { Ok(value) }
    }
}

#[async_trait]
impl Sessions for Memory {
    fn cached(&self, _: &SessionKey) -> Option<Arc<Session>> {
        None
    }
    async fn find(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreUnavailable> {
        self.answer(self.sessions.lock().unwrap().get(key).cloned())
    }
    async fn create(&self, new: NewSession) -> Result<(), StoreUnavailable> {
        self.sessions.lock().unwrap().insert(new.session.key, Arc::new(new.session));
        self.answer(())
    }
    async fn touch(&self, _: &SessionKey, now: UnixNanos) -> Result<(), StoreUnavailable> {
        self.touched.lock().unwrap().push(now);
        self.answer(())
    }
    async fn work_in(&self, _: &SessionKey, _: Option<&EntityUid>) -> Result<(), StoreUnavailable> {
        self.answer(())
    }
    async fn remove(&self, key: &SessionKey) -> Result<(), StoreUnavailable> {
        self.sessions.lock().unwrap().remove(key);
        self.answer(())
    }
    async fn id_token(&self, _: &SessionKey) -> Result<Option<Secret<String>>, StoreUnavailable> {
        self.answer(None)
    }
}

#[async_trait]
impl ApiKeys for Memory {
    fn cached(&self, _: &KeyId) -> Option<Arc<ApiKey>> {
        None
    }
    fn note_use(&self, _: &ApiKey, now: UnixNanos) {
        self.used.lock().unwrap().push(now);
    }
    async fn find(&self, id: &KeyId) -> Result<Option<Arc<ApiKey>>, StoreUnavailable> {
        self.answer(self.keys.lock().unwrap().get(id).cloned())
    }
    async fn create(&self, key: ApiKey) -> Result<(), CreateApiKeyError> {
        self.keys.lock().unwrap().insert(key.id.clone(), Arc::new(key));
        Ok(())
    }
    async fn list(&self, _: &TenantId) -> Result<Vec<ApiKey>, StoreUnavailable> {
        self.answer(Vec::new())
    }
    async fn revoke(
        &self,
        _: &TenantId,
        id: &KeyId,
        now: UnixNanos,
    ) -> Result<bool, StoreUnavailable> {
        let mut keys = self.keys.lock().unwrap();
        let key = ApiKey::clone(&keys[id]);
        keys.insert(id.clone(), Arc::new(ApiKey { revoked: Some(now), ..key }));
        self.answer(true)
    }
}

#[async_trait]
impl TokenFamilies for Memory {
    fn cached(&self, _: &FamilyId) -> Option<Arc<TokenFamily>> {
        None
    }
    async fn find(&self, id: &FamilyId) -> Result<Option<Arc<TokenFamily>>, StoreUnavailable> {
        self.answer(self.families.lock().unwrap().get(id).map(|(family, _)| Arc::clone(family)))
    }
    async fn kept(
        &self,
        id: &FamilyId,
    ) -> Result<Option<(Arc<TokenFamily>, u64)>, StoreUnavailable> {
        self.answer(self.families.lock().unwrap().get(id).cloned())
    }
    async fn create(&self, family: TokenFamily) -> Result<(), KeepFamilyError> {
        self.answer(())?;
        self.families.lock().unwrap().insert(family.id.clone(), (Arc::new(family), 1));
        Ok(())
    }
    async fn replace(&self, family: TokenFamily, version: u64) -> Result<(), KeepFamilyError> {
        self.answer(())?;
        let mut families = self.families.lock().unwrap();
        match families.get_mut(&family.id) {
            Some(kept) if kept.1 == version => {
                *kept = (Arc::new(family), version + 1);
                Ok(())
            }
            _ => Err(KeepFamilyError::Changed),
        }
    }
    async fn end(&self, id: &FamilyId) -> Result<(), StoreUnavailable> {
        self.families.lock().unwrap().remove(id);
        self.answer(())
    }
}
