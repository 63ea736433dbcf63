//! What all kept things share: finding a record through its index entry, and sealing its fields.

use std::fmt::Display;

use super::error::StoreError;
use super::key::{Key, Kind};
use super::seal::KeyRing;
use super::state::StateStore;
use crate::model::{Entropy, Secret, TenantId};

/// The index entry and the record of `id`.
pub(super) fn located(tenant: &TenantId, kind: Kind, id: &str) -> Result<(Key, Key), StoreError> {
    let bad =
        |error| StoreError::Damaged { key: kind.name().to_owned(), cause: format!("{error}") };
    let index = Key::index(kind, id).map_err(bad)?;
    Ok((index, Key::of(tenant, kind, id).map_err(bad)?))
}

/// Where the record of `id` is, by its index entry.
pub(super) async fn locate(
    store: &dyn StateStore,
    kind: Kind,
    id: &str,
) -> Result<Option<Key>, StoreError> {
    let index = Key::index(kind, id).map_err(|error| StoreError::Damaged {
        key: kind.name().to_owned(),
        cause: error.to_string(),
    })?;
    let Some(found) = store.get(&index).await? else {
        return Ok(None);
    };
    let text = String::from_utf8(found.value).map_err(|error| damaged(&index, &error))?;
    let tenant = TenantId::parse(&text).map_err(|error| damaged(&index, &error))?;
    Key::of(&tenant, kind, id).map(Some).map_err(|error| damaged(&index, &error))
}

/// Seals one field of the entry at `place`.
pub(super) fn seal(
    ring: &KeyRing,
    entropy: &dyn Entropy,
    place: &Key,
    (field, secret): (&str, &Secret<String>),
) -> Result<String, StoreError> {
    ring.seal(place, field, secret.expose().as_bytes(), entropy)
        .map_err(|error| damaged(place, &error))
}

/// Opens one field of the entry at `place`.
pub(super) fn open(
    ring: &KeyRing,
    place: &Key,
    field: &str,
    sealed: &str,
) -> Result<Secret<String>, StoreError> {
    let plain = ring.open(place, field, sealed).map_err(|error| damaged(place, &error))?;
    let text = std::str::from_utf8(plain.expose()).map_err(|error| damaged(place, &error))?;
    Ok(Secret::new(text.to_owned()))
}

pub(super) fn damaged(place: &Key, cause: &dyn Display) -> StoreError {
    StoreError::Damaged { key: place.to_string(), cause: cause.to_string() }
}
