//! Directory objects in the store: what the hub pushed, and how far each organisation's feed has come.
//!
//! An object is one entry, under the hash of its name: names hold characters that keys may not. Every change of
//! objects goes with a change of the organisation's one [`FeedHead`], in one batch, so two writers cannot both
//! win, and whoever reads the head knows which objects are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::StoreError;
use super::feed_head::FeedHead;
use super::key::{Key, Kind, Prefix};
use super::record::damaged;
use super::state::{Batch, Entry, Put, StateStore, Swap};
use crate::model::{EntityRecord, EntityUid, Source, TenantId};

/// An object as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredObject {
    /// The object.
    pub record: EntityRecord,
    /// Who may change it.
    pub source: Source,
    /// The feed's revision that wrote it; grows with each change of the organisation's objects.
    pub revision: u64,
}

/// An object of an upload that replaces all, until the whole upload comes into force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagedObject {
    /// The object.
    pub record: EntityRecord,
    /// The line of the upload it stands on, from 1.
    pub line: u64,
}

/// The head of a feed, with the version that a write expects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// What it says.
    pub feed: FeedHead,
    /// Its version; none before the first write.
    pub version: Option<u64>,
}

/// Objects to write and to delete, all of one organisation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    /// Objects that come into force.
    pub objects: Vec<StoredObject>,
    /// Objects that go.
    pub gone: Vec<EntityUid>,
    /// Objects that wait for the end of their upload.
    pub staged: Vec<StagedObject>,
    /// Waiting objects that go.
    pub unstaged: Vec<EntityUid>,
}

/// Keeps the objects of all organisations.
#[derive(Clone, Debug)]
pub struct DirectoryObjects {
    store: Arc<dyn StateStore>,
}

/// Objects read at once: at some 500 bytes each a megabyte.
pub const PAGE: usize = 2_000;

/// Where a reading of many objects goes on.
#[derive(Clone, Debug)]
pub struct Place(Key);

impl DirectoryObjects {
    /// Keeps objects in `store`.
    pub fn new(store: Arc<dyn StateStore>) -> Self {
        Self { store }
    }

    /// Reads how far the feed of an organisation has come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self, tenant: &TenantId) -> Result<Head, StoreError> {
        let place = head_key(tenant)?;
        match self.store.get(&place).await? {
            None => Ok(Head::default()),
            Some(found) => {
                let feed = read(&place, &found.value)?;
                Ok(Head { feed, version: Some(found.version) })
            }
        }
    }

    /// Writes a head and objects with it, all or nothing, if the head is still the one of `expected`.
    ///
    /// # Errors
    /// [`StoreError`]; after most of them it is not known how it ended, and the head tells.
    pub async fn write(
        &self,
        tenant: &TenantId,
        expected: Option<u64>,
        feed: &FeedHead,
        writes: &Writes,
    ) -> Result<Swap, StoreError> {
        let guard = head_key(tenant)?;
        let value = written(&guard, feed)?;
        let mut puts = Vec::with_capacity(writes.objects.len() + writes.staged.len());
        for object in &writes.objects {
            let place = key(tenant, Kind::Resource, &object.record.uid)?;
            let value = written(&place, object)?;
            puts.push(Put { key: place, value, expiry: None });
        }
        for staged in &writes.staged {
            let place = key(tenant, Kind::Staged, &staged.record.uid)?;
            let value = written(&place, staged)?;
            puts.push(Put { key: place, value, expiry: None });
        }
        let gone = writes.gone.iter().map(|uid| key(tenant, Kind::Resource, uid));
        let unstaged = writes.unstaged.iter().map(|uid| key(tenant, Kind::Staged, uid));
        let deletes = gone.chain(unstaged).collect::<Result<_, _>>()?;
        self.store
            .swap_all(Batch { guard, expected, value, checks: Vec::new(), puts, deletes })
            .await
    }

    /// Reads objects by name; those that are not there are left out.
    ///
    /// # Errors
    /// [`StoreError`], also for more than [`super::BATCH_MAX`] names.
    pub async fn find(
        &self,
        tenant: &TenantId,
        uids: &[EntityUid],
    ) -> Result<BTreeMap<EntityUid, StoredObject>, StoreError> {
        let found = self.read_all(tenant, Kind::Resource, uids).await?;
        Ok(found
            .into_iter()
            .map(|object: StoredObject| (object.record.uid.clone(), object))
            .collect())
    }

    /// Reads waiting objects by name; those that are not there are left out.
    ///
    /// # Errors
    /// As [`DirectoryObjects::find`].
    pub async fn find_staged(
        &self,
        tenant: &TenantId,
        uids: &[EntityUid],
    ) -> Result<BTreeMap<EntityUid, StagedObject>, StoreError> {
        let found = self.read_all(tenant, Kind::Staged, uids).await?;
        Ok(found
            .into_iter()
            .map(|object: StagedObject| (object.record.uid.clone(), object))
            .collect())
    }

    /// Reads a page of objects, at most [`PAGE`], and where the next begins.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        tenant: &TenantId,
        after: Option<&Place>,
    ) -> Result<(Vec<StoredObject>, Option<Place>), StoreError> {
        self.scan(tenant, Kind::Resource, after).await
    }

    /// Reads a page of waiting objects, at most [`PAGE`], and where the next begins.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn staged_page(
        &self,
        tenant: &TenantId,
        after: Option<&Place>,
    ) -> Result<(Vec<StagedObject>, Option<Place>), StoreError> {
        self.scan(tenant, Kind::Staged, after).await
    }

    async fn read_all<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        kind: Kind,
        uids: &[EntityUid],
    ) -> Result<Vec<T>, StoreError> {
        let keys: Vec<Key> =
            uids.iter().map(|uid| key(tenant, kind, uid)).collect::<Result<_, _>>()?;
        let found = self.store.get_all(&keys).await?;
        keys.iter()
            .zip(found)
            .filter_map(|(place, found)| Some(read(place, &found?.value)))
            .collect()
    }

    async fn scan<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        kind: Kind,
        after: Option<&Place>,
    ) -> Result<(Vec<T>, Option<Place>), StoreError> {
        let prefix = Prefix::of(tenant, kind);
        let entries = self.store.scan(&prefix, after.map(|place| &place.0), PAGE).await?;
        let last = entries.last().filter(|_| entries.len() == PAGE);
        let next = last.map(|entry| Place(entry.key.clone()));
        let objects = entries.iter().map(|Entry { key, versioned }| read(key, &versioned.value));
        Ok((objects.collect::<Result<_, _>>()?, next))
    }
}

fn head_key(tenant: &TenantId) -> Result<Key, StoreError> {
    Key::of(tenant, Kind::Feed, "head")
        .map_err(|error| StoreError::Damaged { key: tenant.to_string(), cause: error.to_string() })
}

fn key(tenant: &TenantId, kind: Kind, uid: &EntityUid) -> Result<Key, StoreError> {
    let id = URL_SAFE_NO_PAD.encode(Sha256::digest(uid.to_string()));
    Key::of(tenant, kind, &id)
        .map_err(|error| StoreError::Damaged { key: uid.to_string(), cause: error.to_string() })
}

fn read<T: DeserializeOwned>(place: &Key, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| damaged(place, &error))
}

fn written<T: Serialize>(place: &Key, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| damaged(place, &error))
}

#[cfg(test)]
mod tests;
