//! The journal itself: takes a record, chains it, writes it in one `write(2)` before it returns.
//!
//! It must never report a record as taken that is not whole in the file; after any failure it takes
//! nothing until a new segment with room is open.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::flusher::Flusher;
use super::recovery::{Inheritance, RecoveryError, inherit};
use super::segment::{Disk, FileSystem, Segment, create_folder};
use super::shards::{Shard, ShardLock, ShardsError};
use crate::audit::{
    ChainHash, JournalEvent, JournalRecord, Link, Receipt, RecordBody, Sink, SinkError, seal,
};
use crate::model::{Clock, Entropy, UnixNanos};

/// Largest body: with its envelope a line stays within a transparency log's entry, 65,535 bytes.
const BODY_BYTES_MAX: usize = 65_000;
/// How long after a failure the next attempt to open a segment waits: quick for people, cheap for disks.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// Links per record: 64 are about 9 KB.
const LINKS_MAX: usize = 64;

/// Where and how the log is kept.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The folder; made for its owner only when it is not there.
    pub folder: PathBuf,
    /// The gateway's name in the records.
    pub node: String,
    /// The gateway's build in the records.
    pub build: String,
    /// A segment is left for the next at this size. 64 MiB: read back in a moment, few files a day.
    pub segment_bytes_max: u64,
    /// How often records are flushed that nobody waits for: the most that power loss can take.
    pub flush_period: Duration,
}

impl JournalSettings {
    /// Settings with the usual sizes.
    pub fn new(folder: PathBuf, node: String, build: String) -> Self {
        let segment_bytes_max = 64 * 1024 * 1024;
        Self { folder, node, build, segment_bytes_max, flush_period: Duration::from_secs(1) }
    }
}

/// Why the log cannot be opened. Without it the gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// What earlier processes left cannot be taken over.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The folder cannot be used.
    #[error(transparent)]
    Shards(#[from] ShardsError),
    /// A file cannot be made.
    #[error("the decision log cannot be opened in `{folder}`")]
    Io {
        /// The log's folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The first records cannot be written, or no name can be made for the shard.
    #[error("the decision log cannot be started in `{folder}`: {cause}")]
    Start {
        /// The log's folder.
        folder: PathBuf,
        /// Why.
        cause: String,
    },
}

/// The decision log of this process.
#[derive(Debug)]
pub struct Journal {
    writer: Arc<Mutex<Writer>>,
    flusher: Flusher,
    shard: Shard,
    /// Held as long as the process may write: tells others that this shard is alive.
    lock: Mutex<Option<ShardLock>>,
}

impl Journal {
    /// Recovers what earlier processes left, then opens a shard of its own.
    ///
    /// # Errors
    /// [`JournalError`] when the folder cannot be used or an earlier shard is damaged.
    pub fn open(
        settings: JournalSettings,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, JournalError> {
        Self::open_on(Arc::new(FileSystem), settings, clock, entropy)
    }

    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        settings: JournalSettings,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, JournalError> {
        let folder = settings.folder.clone();
        let io = |source| JournalError::Io { folder: folder.clone(), source };
        let start = |cause: String| JournalError::Start { folder: folder.clone(), cause };
        create_folder(&folder).map_err(io)?;
        let inheritance = inherit(&folder)?;
        let mut random = [0; 4];
        entropy.fill(&mut random).map_err(|error| start(error.to_string()))?;
        let shard = Shard::new(&folder, Shard::name_at(clock.now(), random));
        create_folder(&shard.folder).map_err(io)?;
        let lock = shard.lock()?.ok_or_else(|| start("its shard is locked".into()))?;
        let period = settings.flush_period;
        let mut writer = Writer::create(disk, shard.clone(), settings, clock).map_err(io)?;
        writer.announce(&inheritance).map_err(|error| start(error.to_string()))?;

        let writer = Arc::new(Mutex::new(writer));
        let failing = Arc::clone(&writer);
        let on_error = move |message: &str| lock_writer(&failing).fail(message, Torn::No);
        let flusher = Flusher::start(period, Box::new(on_error)).map_err(io)?;
        flusher.mark(&lock_writer(&writer).segment);
        Ok(Self { writer, flusher, shard, lock: Mutex::new(Some(lock)) })
    }

    /// The name of this process's shard.
    pub fn shard(&self) -> &str {
        &self.shard.name
    }

    /// Ends the shard in order: nothing can be cut from it unseen after that. Idempotent.
    pub fn close(&self) {
        let mut writer = lock_writer(&self.writer);
        let closing = writer.note(JournalEvent::Closed, Note::default());
        // A log that cannot be written cannot be closed in order either; verification will say so.
        let _ = writer.append(&closing);
        writer.health = Health::Closed;
        self.flusher.mark(&writer.segment);
        drop(writer);
        self.flusher.stop();
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Dies as a killed process does: nothing more is written, the lock is free.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        lock_writer(&self.writer).health = Health::Closed;
    }

    fn take(&self, body: &RecordBody) -> Result<Receipt, SinkError> {
        let mut writer = lock_writer(&self.writer);
        let receipt = writer.append(body)?;
        // After the write: a flush that began before it must not count for it.
        self.flusher.mark(&writer.segment);
        Ok(receipt)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Sink for Journal {
    fn append(&self, body: RecordBody) -> Result<Receipt, SinkError> {
        self.take(&body)
    }

    async fn append_strict(&self, body: RecordBody) -> Result<Receipt, SinkError> {
        let failures = self.flusher.failures();
        let receipt = self.take(&body)?;
        let flushed = self.flusher.request().await.map_err(|_| SinkError::Closed)?;
        flushed.map_err(SinkError::Unwritable)?;
        if self.flusher.failures() != failures {
            return Err(SinkError::Unwritable(String::from("a flush failed meanwhile")));
        }
        Ok(receipt)
    }

    /// Asking also tries to recover, so a gateway that gets no requests for being unready comes back.
    fn is_writable(&self) -> bool {
        lock_writer(&self.writer).make_ready().is_ok()
    }
}

/// A panic while writing leaves the lock poisoned and the last line in doubt: that is a failure.
fn lock_writer(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
        writer.clear_poison();
        let mut guard = poisoned.into_inner();
        let undone = guard.segment.truncate(guard.len).is_ok();
        guard.fail("a panic while writing", if undone { Torn::No } else { Torn::Perhaps });
        guard
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Torn {
    No,
    Perhaps,
}

#[derive(Debug)]
enum Health {
    Good,
    Failed(Failure),
    Closed,
}

#[derive(Clone, Debug, Default)]
struct Failure {
    message: String,
    last_attempt: UnixNanos,
    unrecorded: u64,
    torn_segments: Vec<u32>,
}

/// What varies between the journal's own records.
#[derive(Clone, Copy, Debug, Default)]
struct Note<'a> {
    shard: Option<&'a str>,
    links: &'a [Link],
    cut_bytes: Option<u64>,
    torn_segments: &'a [u32],
    unrecorded: Option<u64>,
}

#[derive(Debug)]
struct Writer {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    settings: JournalSettings,
    shard: Shard,
    segment: Arc<dyn Segment>,
    number: u32,
    len: u64,
    seq: u64,
    head: ChainHash,
    /// The line being written; kept to save an allocation per record.
    line: Vec<u8>,
    health: Health,
}

impl Writer {
    fn create(
        disk: Arc<dyn Disk>,
        shard: Shard,
        settings: JournalSettings,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let segment = disk.create(&shard.segment(1))?;
        super::segment::sync_folder_of(&shard.folder)?;
        Ok(Self {
            disk,
            clock,
            settings,
            shard,
            segment,
            number: 1,
            len: 0,
            seq: 0,
            head: ChainHash::ZERO,
            line: Vec::new(),
            health: Health::Good,
        })
    }

    /// Writes the first records: where this shard stands among the others.
    fn announce(&mut self, inheritance: &Inheritance) -> Result<(), SinkError> {
        let mut chunks = inheritance.links.chunks(LINKS_MAX);
        let links = chunks.next().unwrap_or_default();
        self.append(&self.note(JournalEvent::Opened, Note { links, ..Note::default() }))?;
        for links in chunks {
            self.append(&self.note(JournalEvent::Linked, Note { links, ..Note::default() }))?;
        }
        for cut in &inheritance.cuts {
            let (shard, cut_bytes) = (Some(cut.shard.as_str()), Some(cut.bytes));
            let note = Note { shard, cut_bytes, ..Note::default() };
            self.append(&self.note(JournalEvent::Recovered, note))?;
        }
        Ok(())
    }

    fn append(&mut self, body: &RecordBody) -> Result<Receipt, SinkError> {
        if body.is_empty() {
            return Err(SinkError::Unencodable);
        }
        if body.as_bytes().len() > BODY_BYTES_MAX {
            return Err(SinkError::TooLarge { bytes: body.as_bytes().len() });
        }
        let result = self.make_ready().and_then(|()| self.write(body));
        if let (Err(_), Health::Failed(failure)) = (&result, &mut self.health) {
            failure.unrecorded = failure.unrecorded.saturating_add(1);
        }
        result
    }

    /// Makes sure there is a segment with room, or says why not.
    fn make_ready(&mut self) -> Result<(), SinkError> {
        match &self.health {
            Health::Good if self.len < self.settings.segment_bytes_max => Ok(()),
            Health::Good => self.next_segment(),
            Health::Failed(failure) => {
                let failure = failure.clone();
                self.resume(failure)
            }
            Health::Closed => Err(SinkError::Closed),
        }
    }

    fn next_segment(&mut self) -> Result<(), SinkError> {
        let number = self.number.saturating_add(1);
        match self.disk.create(&self.shard.segment(number)) {
            Ok(segment) => {
                self.segment = segment;
                self.number = number;
                self.len = 0;
                Ok(())
            }
            Err(error) => {
                let message = error.to_string();
                self.fail(&message, Torn::No);
                Err(SinkError::Unwritable(message))
            }
        }
    }

    /// Tries a new segment, not too often, and says in it what was lost.
    fn resume(&mut self, failure: Failure) -> Result<(), SinkError> {
        let now = self.clock.now();
        // A clock that stepped back must not keep the log shut.
        let waited = now < failure.last_attempt || now.since(failure.last_attempt) >= RETRY_AFTER;
        if !waited {
            return Err(SinkError::Unwritable(failure.message));
        }
        self.health = Health::Good;
        let resumed = self.next_segment().and_then(|()| {
            let (torn_segments, unrecorded) = (&*failure.torn_segments, Some(failure.unrecorded));
            let note = Note { torn_segments, unrecorded, ..Note::default() };
            let record = self.note(JournalEvent::Resumed, note);
            self.write(&record).map(|_| ())
        });
        if let (Err(_), Health::Failed(again)) = (&resumed, &mut self.health) {
            again.unrecorded = again.unrecorded.saturating_add(failure.unrecorded);
            again.torn_segments.splice(0..0, failure.torn_segments);
        }
        resumed
    }

    fn write(&mut self, body: &RecordBody) -> Result<Receipt, SinkError> {
        self.line.clear();
        let seq = self.seq.saturating_add(1);
        let hash = seal(&mut self.line, seq, self.head, body);
        if let Err(error) = self.segment.write_all(&self.line) {
            let message = error.to_string();
            let undone = self.segment.truncate(self.len).is_ok();
            self.fail(&message, if undone { Torn::No } else { Torn::Perhaps });
            return Err(SinkError::Unwritable(message));
        }
        self.len = self.len.saturating_add(u64::try_from(self.line.len()).unwrap_or(u64::MAX));
        self.seq = seq;
        self.head = hash;
        Ok(Receipt { seq, hash })
    }

    /// Shuts the log until [`Self::resume`] succeeds.
    fn fail(&mut self, message: &str, torn: Torn) {
        if matches!(self.health, Health::Closed) {
            return;
        }
        let mut failure = match &self.health {
            Health::Failed(failure) => failure.clone(),
            _ => Failure::default(),
        };
        message.clone_into(&mut failure.message);
        failure.last_attempt = self.clock.now();
        if torn == Torn::Perhaps {
            failure.torn_segments.push(self.number);
        }
        self.health = Health::Failed(failure);
    }

    fn note(&self, event: JournalEvent, note: Note<'_>) -> RecordBody {
        JournalRecord {
            ts: self.clock.now(),
            node: &self.settings.node,
            build: &self.settings.build,
            event,
            shard: note.shard.unwrap_or(&self.shard.name),
            links: note.links,
            cut_bytes: note.cut_bytes,
            torn_segments: note.torn_segments,
            unrecorded: note.unrecorded,
        }
        .encode()
    }
}

#[cfg(test)]
mod tests;
