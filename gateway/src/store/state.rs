//! The store as everybody sees it: small enough that SQLite and Redis can both keep its promises.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::StoreError;
use super::key::{Key, Prefix};
use crate::model::UnixNanos;

/// Largest value: an ID token of 16 KiB, sealed and written as text, with room to spare. Larger things are
/// no state of a request.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// How many changes a store remembers at least. A process that misses more empties its caches: at a thousand
/// writes a second it may sleep for more than a minute before that.
pub const CHANGES_KEPT: u64 = 100_000;

/// A value and the version it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Grows with every write anywhere in the store, and is never used twice, not even for a key that was
    /// deleted and written anew.
    pub version: u64,
    /// What was written.
    pub value: Vec<u8>,
}

/// One hit of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Its value.
    pub versioned: Versioned,
}

/// Several writes that are done together or not at all.
///
/// All keys must be of one organisation: a store that is spread over machines keeps an organisation on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The entry that is compared and swapped; it stands for all the others.
    pub guard: Key,
    /// Its version; `None` expects that there is no entry.
    pub expected: Option<u64>,
    /// Its new value. It does not expire.
    pub value: Vec<u8>,
    /// Further entries that must have these versions, or nothing is done; `None` expects that there is no entry.
    pub checks: Vec<(Key, Option<u64>)>,
    /// Entries to write, whatever was there.
    pub puts: Vec<Put>,
    /// Entries to delete, if they are there.
    pub deletes: Vec<Key>,
}

/// One write of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The entry.
    pub key: Key,
    /// Its value.
    pub value: Vec<u8>,
    /// When it ends by itself.
    pub expiry: Option<UnixNanos>,
}

/// Most writes of a [`Batch`] besides its guard, and most keys read at once. Ten thousand take a store some
/// hundred milliseconds, during which other writers wait.
pub const BATCH_MAX: usize = 10_000;

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The value is in, as this version.
    Stored(u64),
    /// Somebody was quicker: the entry has this version now, or is gone.
    Changed(Option<u64>),
}

/// One change: the key was written or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the feed. A write's place is the version it made.
    pub seq: u64,
    /// What changed.
    pub key: Key,
}

/// An answer of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// All changes after the place asked for, oldest first, up to the limit.
    Since(Vec<Change>),
    /// The feed does not reach back to, or not up to, the place asked for. Forget everything and go on
    /// from `head`.
    Lost {
        /// The last place of the feed.
        head: u64,
    },
}

/// Keeps small values under keys. All operations on one key are linearizable.
///
/// An entry past its expiry is absent for every operation; that it expired is no change. When a write returns,
/// its change is in the feed. A future that is dropped may or may not have had its effect.
#[async_trait]
pub trait StateStore: Send + Sync + Debug {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`StoreError`] when the store did not answer.
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError>;

    /// Writes an entry, whatever was there. Returns its version.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been written.
    async fn put(
        &self,
        key: &Key,
        value: Vec<u8>,
        expiry: Option<UnixNanos>,
    ) -> Result<u64, StoreError>;

    /// Writes an entry if its version is still `expected`; `None` expects that there is no entry.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known how it ended.
    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<u64>,
        value: Vec<u8>,
        expiry: Option<UnixNanos>,
    ) -> Result<Swap, StoreError>;

    /// Swaps the guard as [`StateStore::compare_and_swap`] does, and if that succeeds makes all other writes of
    /// the batch in the same transaction. SQLite: one transaction. Redis: one script over keys that share the
    /// organisation as their hash tag.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known how it ended; it is all or nothing even then. Nothing was done for
    /// [`StoreError::TooLarge`], [`StoreError::TooMany`] and [`StoreError::Scattered`].
    async fn swap_all(&self, batch: Batch) -> Result<Swap, StoreError>;

    /// Reads several entries as they are at one moment, in the order of `keys`. SQLite: one reading
    /// transaction. Redis: `MGET`.
    ///
    /// # Errors
    /// [`StoreError`] when the store did not answer, or for more than [`BATCH_MAX`] keys.
    async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError>;

    /// Deletes an entry, if its version is `expected` where one is given. Tells whether it was there: of two
    /// callers, one hears yes.
    ///
    /// # Errors
    /// [`StoreError`] when it may still be there.
    async fn delete(&self, key: &Key, expected: Option<u64>) -> Result<bool, StoreError>;

    /// Lists entries by key, those after `after` only, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store did not answer.
    async fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Reads the change feed after the place `after`, at most `limit` changes.
    ///
    /// # Errors
    /// [`StoreError`] when the store did not answer.
    async fn changes(&self, after: u64, limit: usize) -> Result<Changes, StoreError>;

    /// Frees what has expired and the changes beyond [`CHANGES_KEPT`], a bounded amount at a time. Returns how
    /// many entries went.
    ///
    /// # Errors
    /// [`StoreError`] when the store did not answer.
    async fn sweep(&self) -> Result<usize, StoreError>;
}
