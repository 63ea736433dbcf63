//! The one thread that writes. It commits all that waits as one transaction.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::connection::OpenError;
use super::reader::{head, number, stored_number, stored_time};
use crate::model::{Clock, UnixNanos};
use crate::store::error::StoreError;
use crate::store::key::Key;
use crate::store::state::{Batch, CHANGES_KEPT, Put, Swap};

/// Writes that may wait. With a flush of a few milliseconds per batch the last waits well below the time-out.
const QUEUE_MAX: usize = 1024;

/// Writes per transaction: bounds how long the first waits for the last.
const BATCH_MAX: usize = 128;

/// Entries and changes freed per sweep: some ten milliseconds of writing.
const SWEEP_MAX: i64 = 10_000;

pub(super) struct WriteJob {
    pub(super) command: Command,
    pub(super) reply: oneshot::Sender<Result<Done, StoreError>>,
}

pub(super) enum Command {
    Write(Write),
    Batch(Batch),
    Delete { key: Key, expected: Expected },
    Sweep,
}

pub(super) struct Write {
    pub(super) key: Key,
    pub(super) value: Vec<u8>,
    pub(super) expiry: Option<UnixNanos>,
    pub(super) expected: Expected,
}

#[derive(Clone, Copy)]
pub(super) enum Expected {
    Anything,
    Nothing,
    Version(u64),
}

#[derive(Debug)]
pub(super) enum Done {
    Swap(Swap),
    Deleted(bool),
    Swept(usize),
}

/// The answer to another command. Refuses instead of guessing.
pub(super) fn misanswered(done: &Done) -> StoreError {
    StoreError::Failed(format!("the writer answered another question: {done:?}"))
}

pub(super) fn start(
    mut connection: Connection,
    clock: Arc<dyn Clock>,
) -> Result<SyncSender<WriteJob>, OpenError> {
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    std::thread::Builder::new()
        .name("store-write".into())
        .spawn(move || {
            while let Some(batch) = next_batch(&receiver) {
                commit(&mut connection, batch, clock.now());
            }
        })
        .map_err(OpenError::Thread)?;
    Ok(sender)
}

/// Waits for one job and takes all that have gathered meanwhile.
fn next_batch(receiver: &Receiver<WriteJob>) -> Option<Vec<WriteJob>> {
    let first = receiver.recv().ok()?;
    let mut batch = vec![first];
    batch.extend(receiver.try_iter().take(BATCH_MAX - 1));
    Some(batch)
}

/// Commits a batch and answers it. If anything fails, nothing is done and everybody hears so.
fn commit(connection: &mut Connection, batch: Vec<WriteJob>, now: UnixNanos) {
    let (commands, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|job| (job.command, job.reply)).unzip();
    match run_all(connection, &commands, now) {
        Ok(all_done) => {
            for (reply, done) in replies.into_iter().zip(all_done) {
                // A failed send means that nobody waits any more.
                let _ = reply.send(Ok(done));
            }
        }
        Err(error) => {
            let error = StoreError::from(error);
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

fn run_all(
    connection: &mut Connection,
    commands: &[Command],
    now: UnixNanos,
) -> rusqlite::Result<Vec<Done>> {
    // Immediate: a transaction that begins by reading cannot always become a writing one.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let all_done: rusqlite::Result<Vec<Done>> =
        commands.iter().map(|command| run(&transaction, command, now)).collect();
    let all_done = all_done?;
    transaction.commit()?;
    Ok(all_done)
}

fn run(transaction: &Transaction<'_>, command: &Command, now: UnixNanos) -> rusqlite::Result<Done> {
    match command {
        Command::Write(write) => upsert(transaction, write, now).map(Done::Swap),
        Command::Batch(batch) => swap_all(transaction, batch, now).map(Done::Swap),
        Command::Delete { key, expected } => {
            delete(transaction, key, *expected, now).map(Done::Deleted)
        }
        Command::Sweep => sweep(transaction, now).map(Done::Swept),
    }
}

/// The writes come before the guard, so that whoever reads of the guard's change finds them in the feed before it.
fn swap_all(
    transaction: &Transaction<'_>,
    batch: &Batch,
    now: UnixNanos,
) -> rusqlite::Result<Swap> {
    let current = version(transaction, &batch.guard, now)?;
    if batch.expected != current {
        return Ok(Swap::Changed(current));
    }
    for (key, expected) in &batch.checks {
        if version(transaction, key, now)? != *expected {
            return Ok(Swap::Changed(current));
        }
    }
    for key in &batch.deletes {
        delete(transaction, key, Expected::Anything, now)?;
    }
    for Put { key, value, expiry } in &batch.puts {
        store(transaction, key, value, *expiry)?;
    }
    store(transaction, &batch.guard, &batch.value, None).map(Swap::Stored)
}

fn upsert(transaction: &Transaction<'_>, write: &Write, now: UnixNanos) -> rusqlite::Result<Swap> {
    let current = version(transaction, &write.key, now)?;
    if !write.expected.matches(current) {
        return Ok(Swap::Changed(current));
    }
    store(transaction, &write.key, &write.value, write.expiry).map(Swap::Stored)
}

fn store(
    transaction: &Transaction<'_>,
    key: &Key,
    value: &[u8],
    expiry: Option<UnixNanos>,
) -> rusqlite::Result<u64> {
    let seq = note_change(transaction, key)?;
    transaction
        .prepare_cached(
            "INSERT INTO entry (key, value, version, expiry) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (key) DO UPDATE
             SET value = excluded.value, version = excluded.version, expiry = excluded.expiry",
        )?
        .execute(params![key.as_str(), value, stored_number(seq), expiry.map(stored_time)])?;
    Ok(seq)
}

fn delete(
    transaction: &Transaction<'_>,
    key: &Key,
    expected: Expected,
    now: UnixNanos,
) -> rusqlite::Result<bool> {
    let current = version(transaction, key, now)?;
    if current.is_none() || !expected.matches(current) {
        return Ok(false);
    }
    note_change(transaction, key)?;
    transaction.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([key.as_str()])?;
    Ok(true)
}

impl Expected {
    fn matches(self, current: Option<u64>) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => current.is_none(),
            Self::Version(version) => current == Some(version),
        }
    }
}

fn version(
    transaction: &Transaction<'_>,
    key: &Key,
    now: UnixNanos,
) -> rusqlite::Result<Option<u64>> {
    transaction
        .prepare_cached(
            "SELECT version FROM entry WHERE key = ?1 AND (expiry IS NULL OR expiry > ?2)",
        )?
        .query_row(params![key.as_str(), stored_time(now)], |row| row.get(0).map(number))
        .optional()
}

fn note_change(transaction: &Transaction<'_>, key: &Key) -> rusqlite::Result<u64> {
    transaction
        .prepare_cached("INSERT INTO change (key) VALUES (?1)")?
        .insert([key.as_str()])
        .map(number)
}

fn sweep(transaction: &Transaction<'_>, now: UnixNanos) -> rusqlite::Result<usize> {
    let freed = transaction
        .prepare_cached(
            "DELETE FROM entry WHERE key IN
             (SELECT key FROM entry WHERE expiry <= ?1 ORDER BY expiry LIMIT ?2)",
        )?
        .execute(params![stored_time(now), SWEEP_MAX])?;
    let last_unneeded = head(transaction)?.saturating_sub(CHANGES_KEPT);
    transaction
        .prepare_cached(
            "DELETE FROM change WHERE seq IN
             (SELECT seq FROM change WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
        )?
        .execute(params![stored_number(last_unneeded), SWEEP_MAX])?;
    Ok(freed)
}
