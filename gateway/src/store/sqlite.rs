//! The embedded store: one SQLite file that several processes may have open at once.
//!
//! One thread writes and two read, so no async thread ever waits for a disk. The writer takes whatever is
//! waiting and commits it as one transaction, so many writes share one flush. Decisions and measurements:
//! `docs/decisions/0003-embedded-store.md`.

mod connection;
mod reader;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

pub use connection::OpenError;

use self::reader::ReadJob;
use self::writer::{Command, Done, Expected, Write, WriteJob};
use super::error::StoreError;
use super::key::{Key, Prefix};
use super::state::{
    BATCH_MAX, Batch, Changes, Entry, StateStore, Swap, VALUE_BYTES_MAX, Versioned,
};
use crate::model::{Clock, UnixNanos};

/// Longest wait for an answer. A request is refused rather than held longer; a flush on a loaded disk takes
/// tens of milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Two readers: the machine's other core may be reading too, and a miss is rare.
const READERS: usize = 2;

/// State in a SQLite file. Must be used within a tokio runtime with its timer on.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writes: SyncSender<WriteJob>,
    reads: SyncSender<ReadJob>,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens the file, makes it if there is none, brings its schema up to date, and starts the threads. They
    /// end when the last clone is dropped. Blocks: call it at the start.
    ///
    /// # Errors
    /// [`OpenError`] saying what about the file is wrong.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let writes = writer::start(connection::open_writer(path)?, Arc::clone(&clock))?;
        let connections: Result<Vec<_>, OpenError> =
            (0..READERS).map(|_| connection::open_reader(path)).collect();
        let reads = reader::start(connections?)?;
        Ok(Self { writes, reads, clock })
    }

    async fn write(&self, command: Command) -> Result<Done, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = WriteJob { command, reply };
        self.writes.try_send(job).map_err(|error| queue_error(&error))?;
        wait(answer).await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |connection| {
            // A failed send means that nobody waits any more.
            let _ = reply.send(query(connection));
        });
        self.reads.try_send(job).map_err(|error| queue_error(&error))?;
        wait(answer).await
    }

    async fn upsert(&self, write: Write) -> Result<Swap, StoreError> {
        let bytes = write.value.len();
        if bytes > VALUE_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes, max: VALUE_BYTES_MAX });
        }
        match self.write(Command::Write(write)).await? {
            Done::Swap(swap) => Ok(swap),
            other => Err(writer::misanswered(&other)),
        }
    }
}

/// What no store takes.
fn check(batch: &Batch) -> Result<(), StoreError> {
    let entries = batch.puts.len().saturating_add(batch.deletes.len());
    if entries > BATCH_MAX {
        return Err(StoreError::TooMany { entries, max: BATCH_MAX });
    }
    let values = batch.puts.iter().map(|put| &put.value).chain([&batch.value]);
    if let Some(bytes) = values.map(Vec::len).find(|bytes| *bytes > VALUE_BYTES_MAX) {
        return Err(StoreError::TooLarge { bytes, max: VALUE_BYTES_MAX });
    }
    let checked = batch.checks.iter().map(|(key, _)| key);
    let puts = batch.puts.iter().map(|put| &put.key);
    let mut keys = checked.chain(puts).chain(&batch.deletes);
    if keys.any(|key| key.space() != batch.guard.space()) {
        return Err(StoreError::Scattered);
    }
    Ok(())
}

fn queue_error<T>(error: &std::sync::mpsc::TrySendError<T>) -> StoreError {
    match error {
        std::sync::mpsc::TrySendError::Full(_) => StoreError::Overloaded,
        std::sync::mpsc::TrySendError::Disconnected(_) => StoreError::Closed,
    }
}

async fn wait<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(StoreError::Closed),
        Err(_) => Err(StoreError::Timeout),
    }
}

#[async_trait]
impl StateStore for SqliteStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let (key, now) = (key.clone(), self.clock.now());
        self.read(move |connection| reader::get(connection, &key, now)).await
    }

    async fn put(
        &self,
        key: &Key,
        value: Vec<u8>,
        expiry: Option<UnixNanos>,
    ) -> Result<u64, StoreError> {
        let write = Write { key: key.clone(), value, expiry, expected: Expected::Anything };
        match self.upsert(write).await? {
            Swap::Stored(version) => Ok(version),
            Swap::Changed(_) => {
                Err(StoreError::Failed("an unconditional write was not done".into()))
            }
        }
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<u64>,
        value: Vec<u8>,
        expiry: Option<UnixNanos>,
    ) -> Result<Swap, StoreError> {
        let expected = expected.map_or(Expected::Nothing, Expected::Version);
        self.upsert(Write { key: key.clone(), value, expiry, expected }).await
    }

    async fn swap_all(&self, batch: Batch) -> Result<Swap, StoreError> {
        check(&batch)?;
        match self.write(Command::Batch(batch)).await? {
            Done::Swap(swap) => Ok(swap),
            other => Err(writer::misanswered(&other)),
        }
    }

    async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        if keys.len() > BATCH_MAX {
            return Err(StoreError::TooMany { entries: keys.len(), max: BATCH_MAX });
        }
        let (keys, now) = (keys.to_vec(), self.clock.now());
        self.read(move |connection| reader::get_all(connection, &keys, now)).await
    }

    async fn delete(&self, key: &Key, expected: Option<u64>) -> Result<bool, StoreError> {
        let expected = expected.map_or(Expected::Anything, Expected::Version);
        match self.write(Command::Delete { key: key.clone(), expected }).await? {
            Done::Deleted(was_there) => Ok(was_there),
            other => Err(writer::misanswered(&other)),
        }
    }

    async fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (prefix, after, now) = (prefix.clone(), after.cloned(), self.clock.now());
        let page = reader::Page { prefix, after, limit };
        self.read(move |connection| reader::scan(connection, &page, now)).await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Changes, StoreError> {
        self.read(move |connection| reader::changes(connection, after, limit)).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        match self.write(Command::Sweep).await? {
            Done::Swept(entries) => Ok(entries),
            other => Err(writer::misanswered(&other)),
        }
    }
}

#[cfg(test)]
mod tests;
