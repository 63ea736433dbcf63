//! Token families in the store, with copies in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::cache::{Cache, ENTRIES_MAX};
use super::error::StoreError;
use super::key::{Key, Kind};
use super::record::{damaged, locate, located};
use super::state::{Change, StateStore, Swap, Versioned};
use super::watch::Follower;
use crate::authn::{KeepFamilyError, StoreUnavailable, TokenFamilies, TokenFamily};
use crate::model::{Clock, FamilyId, UnixNanos};

/// Keeps token families. Register it as a [`Follower`], or it trusts no copy and asks the store each time.
#[derive(Debug)]
pub struct StoredTokenFamilies {
    store: Arc<dyn StateStore>,
    cache: Cache<FamilyId, TokenFamily>,
}

impl StoredTokenFamilies {
    /// Keeps families in `store`.
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, cache: Cache::new(ENTRIES_MAX, clock) }
    }

    async fn load(&self, id: &FamilyId) -> Result<Option<(Arc<TokenFamily>, u64)>, StoreError> {
        let ticket = self.cache.ticket(id);
        let Some(place) = locate(&*self.store, Kind::TokenFamily, id.as_str()).await? else {
            return Ok(None);
        };
        let Some(found) = self.store.get(&place).await? else {
            return Ok(None);
        };
        let family = Arc::new(read(&place, &found)?);
        self.cache.insert(ticket, id.clone(), found.version, Arc::clone(&family));
        Ok(Some((family, found.version)))
    }

    async fn write_new(&self, family: &TokenFamily) -> Result<Swap, StoreError> {
        let (index, place) = located(&family.tenant, Kind::TokenFamily, family.id.as_str())?;
        let value = written(&place, family)?;
        // The index first: it claims the id over all organisations, and without its record finds nothing.
        let tenant = family.tenant.as_str().into();
        let until = Some(family.kept_until());
        let claim = self.store.compare_and_swap(&index, None, tenant, until).await?;
        if let Swap::Changed(_) = claim {
            return Ok(claim);
        }
        self.store.compare_and_swap(&place, None, value, until).await
    }

    async fn write(&self, family: &TokenFamily, version: u64) -> Result<Swap, StoreError> {
        let (index, place) = located(&family.tenant, Kind::TokenFamily, family.id.as_str())?;
        let value = written(&place, family)?;
        let until = Some(family.kept_until());
        // What finds it lives as long as it does: longer, should somebody else be quicker.
        self.store.put(&index, family.tenant.as_str().into(), until).await?;
        self.store.compare_and_swap(&place, Some(version), value, until).await
    }

    async fn erase(&self, id: &FamilyId) -> Result<(), StoreError> {
        if let Some(place) = locate(&*self.store, Kind::TokenFamily, id.as_str()).await? {
            self.store.delete(&place, None).await?;
            let index = Key::index(Kind::TokenFamily, id.as_str());
            let index = index.map_err(|error| damaged(&place, &error))?;
            self.store.delete(&index, None).await?;
        }
        Ok(())
    }
}

fn read(place: &Key, found: &Versioned) -> Result<TokenFamily, StoreError> {
    let family: TokenFamily =
        serde_json::from_slice(&found.value).map_err(|error| damaged(place, &error))?;
    // A record that was moved to another place would change its organisation or its id.
    let home = Key::of(&family.tenant, Kind::TokenFamily, family.id.as_str());
    if home.as_ref() != Ok(place) {
        return Err(damaged(place, &"it is the record of another family"));
    }
    Ok(family)
}

fn written(place: &Key, family: &TokenFamily) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(family).map_err(|error| damaged(place, &error))
}

const fn kept(swap: Swap) -> Result<(), KeepFamilyError> {
    match swap {
        Swap::Stored(_) => Ok(()),
        Swap::Changed(_) => Err(KeepFamilyError::Changed),
    }
}

#[async_trait]
impl TokenFamilies for StoredTokenFamilies {
    fn cached(&self, id: &FamilyId) -> Option<Arc<TokenFamily>> {
        self.cache.find(id)
    }

    async fn find(&self, id: &FamilyId) -> Result<Option<Arc<TokenFamily>>, StoreUnavailable> {
        match self.cache.find(id) {
            Some(family) => Ok(Some(family)),
            None => Ok(self.load(id).await?.map(|(family, _)| family)),
        }
    }

    async fn kept(
        &self,
        id: &FamilyId,
    ) -> Result<Option<(Arc<TokenFamily>, u64)>, StoreUnavailable> {
        Ok(self.load(id).await?)
    }

    async fn create(&self, family: TokenFamily) -> Result<(), KeepFamilyError> {
        kept(self.write_new(&family).await.map_err(StoreUnavailable::from)?)
    }

    async fn replace(&self, family: TokenFamily, version: u64) -> Result<(), KeepFamilyError> {
        let swap = self.write(&family, version).await;
        // After the store, or a look-up in between would bring it back; and also if the store failed.
        self.cache.remove(&family.id);
        kept(swap.map_err(StoreUnavailable::from)?)
    }

    async fn end(&self, id: &FamilyId) -> Result<(), StoreUnavailable> {
        let erased = self.erase(id).await;
        self.cache.remove(id);
        Ok(erased?)
    }
}

impl Follower for StoredTokenFamilies {
    fn changed(&self, change: &Change) {
        if change.key.kind() == Kind::TokenFamily
            && !change.key.is_index()
            && let Ok(id) = FamilyId::parse(change.key.id())
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
