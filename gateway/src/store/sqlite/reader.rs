//! Queries, on threads of their own.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::connection::OpenError;
use crate::model::UnixNanos;
use crate::store::error::StoreError;
use crate::store::key::{Key, Prefix};
use crate::store::state::{Change, Changes, Entry, Versioned};

pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// Reads that may wait. At some 20 µs each the last waits 20 ms; more are refused.
const QUEUE_MAX: usize = 1024;

pub(super) fn start(connections: Vec<Connection>) -> Result<SyncSender<ReadJob>, OpenError> {
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    for connection in connections {
        let receiver = Arc::clone(&receiver);
        std::thread::Builder::new()
            .name("store-read".into())
            .spawn(move || {
                while let Some(job) = next(&receiver) {
                    job(&connection);
                }
            })
            .map_err(OpenError::Thread)?;
    }
    Ok(sender)
}

/// One reader waits for a job, the others for their turn to wait.
fn next(receiver: &Mutex<Receiver<ReadJob>>) -> Option<ReadJob> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(super) fn get(
    connection: &Connection,
    key: &Key,
    now: UnixNanos,
) -> Result<Option<Versioned>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, value FROM entry WHERE key = ?1 AND (expiry IS NULL OR expiry > ?2)",
    )?;
    Ok(statement.query_row(params![key.as_str(), stored_time(now)], versioned).optional()?)
}

pub(super) fn get_all(
    connection: &Connection,
    keys: &[Key],
    now: UnixNanos,
) -> Result<Vec<Option<Versioned>>, StoreError> {
    // One transaction, so that all are of one moment.
    let transaction = connection.unchecked_transaction()?;
    keys.iter().map(|key| get(&transaction, key, now)).collect()
}

fn versioned(row: &Row<'_>) -> rusqlite::Result<Versioned> {
    Ok(Versioned { version: number(row.get(0)?), value: row.get(1)? })
}

pub(super) struct Page {
    pub(super) prefix: Prefix,
    pub(super) after: Option<Key>,
    pub(super) limit: usize,
}

pub(super) fn scan(
    connection: &Connection,
    page: &Page,
    now: UnixNanos,
) -> Result<Vec<Entry>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT version, value, key FROM entry
         WHERE key > ?1 AND key < ?2 AND (expiry IS NULL OR expiry > ?3)
         ORDER BY key LIMIT ?4",
    )?;
    let prefix = page.prefix.as_str();
    let after = page.after.as_ref().map_or(prefix, |key| key.as_str().max(prefix));
    // The prefix ends in `/`, and `0` follows `/`: the first text past all that start with the prefix.
    let end = format!("{}0", prefix.trim_end_matches('/'));
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![after, end, stored_time(now), limit], |row| {
            Ok((versioned(row)?, row.get::<_, String>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(|(versioned, key)| Ok(Entry { key: parsed(&key)?, versioned })).collect()
}

pub(super) fn changes(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<Changes, StoreError> {
    // One transaction, so that head, tail and list are of one moment.
    let transaction = connection.unchecked_transaction()?;
    let head = head(&transaction)?;
    let oldest: Option<i64> = transaction
        .prepare_cached("SELECT min(seq) FROM change")?
        .query_row([], |row| row.get(0))?;
    let oldest = oldest.map_or(head.saturating_add(1), number);
    if after > head || after.saturating_add(1) < oldest {
        return Ok(Changes::Lost { head });
    }
    let mut statement = transaction
        .prepare_cached("SELECT seq, key FROM change WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![stored_number(after), limit], |row| {
            Ok((number(row.get(0)?), row.get::<_, String>(1)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let changes = rows
        .into_iter()
        .map(|(seq, key)| Key::parse(&key).map(|key| Change { seq, key }))
        .collect::<Result<Vec<_>, _>>();
    // A kind of entry that only a newer program knows, beside us during an upgrade: forgetting everything is
    // always right, and stopping at it would leave this process without its feed.
    Ok(changes.map_or(Changes::Lost { head }, Changes::Since))
}

/// The last number given, also when its row has been trimmed.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<u64> {
    let head: Option<i64> = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'change'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(head.map_or(0, number))
}

fn parsed(key: &str) -> Result<Key, StoreError> {
    Key::parse(key)
        .map_err(|error| StoreError::Damaged { key: key.to_owned(), cause: error.to_string() })
}

/// SQLite has signed numbers only. Ours start at 1 and would need 290 years at a billion a second.
pub(super) fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

pub(super) fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Nanoseconds fit until the year 2262; a later expiry is none.
pub(super) fn stored_time(time: UnixNanos) -> i64 {
    stored_number(time.nanos())
}
