//! The folder's layout: `<log>/<shard>/00000001.jsonl`, and a `lock` file per shard.
//!
//! Shard names begin with their start time, so they sort in order of age.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::UnixNanos;

const SEGMENT_EXTENSION: &str = "jsonl";
const LOCK_FILE: &str = "lock";
/// A reader holds a lock for microseconds; a writer for good. Both at start only.
const LOCK_TRIES: u32 = 3;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The log's folder could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the decision log in `{path}` cannot be read")]
pub struct ShardsError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl ShardsError {
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), source }
    }
}

/// One shard: the folder one process writes, or wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

impl Shard {
    pub(super) fn new(log: &Path, name: String) -> Self {
        let folder = log.join(&name);
        Self { name, folder }
    }

    /// Names a shard by its start and 32 random bits: `20261122T134813.123Z-3f9a2c1b`.
    pub(super) fn name_at(now: UnixNanos, random: [u8; 4]) -> String {
        let start = jiff::Timestamp::from_nanosecond(now.nanos().into()).unwrap_or_default();
        let random = u32::from_be_bytes(random);
        format!("{}-{random:08x}", start.strftime("%Y%m%dT%H%M%S%.3fZ"))
    }

    pub(super) fn segment(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:08}.{SEGMENT_EXTENSION}"))
    }

    /// The numbers of its segments, in order.
    pub(super) fn segments(&self) -> Result<Vec<u32>, ShardsError> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(ShardsError::at(&self.folder))? {
            let path = entry.map_err(ShardsError::at(&self.folder))?.path();
            let is_segment = path.extension().is_some_and(|e| e == SEGMENT_EXTENSION);
            let number: Option<u32> = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            numbers.extend(number.filter(|_| is_segment));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Takes the shard's lock, or says that a living process holds it.
    pub(super) fn lock(&self) -> Result<Option<ShardLock>, ShardsError> {
        let path = self.folder.join(LOCK_FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(ShardsError::at(&path))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(ShardLock(file))),
                // It may be a reader that only looks, see `is_live`.
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(ShardsError { path, source }),
            }
        }
        Ok(None)
    }

    /// Whether a living process holds the lock. Takes it for a moment, and shared, to disturb nobody.
    pub(super) fn is_live(&self) -> bool {
        let Ok(file) = File::open(self.folder.join(LOCK_FILE)) else {
            return false;
        };
        let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        drop(ShardLock(file));
        held
    }
}

/// A shard's lock. It is given up in so many words: closing the file would leave it with a child that
/// is between fork and exec, because flock(2) belongs to all copies of a descriptor.
#[derive(Debug)]
pub(super) struct ShardLock(File);

impl Drop for ShardLock {
    fn drop(&mut self) {
        // The file closes right after; a lock that cannot be given up goes with it.
        let _ = self.0.unlock();
    }
}

/// All shards, oldest first. A folder that does not exist has none.
pub(super) fn list(log: &Path) -> Result<Vec<Shard>, ShardsError> {
    let entries = match std::fs::read_dir(log) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ShardsError::at(log)(error)),
    };
    let mut shards = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ShardsError::at(log))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().into_string().ok().filter(|_| is_folder);
        shards.extend(name.map(|name| Shard::new(log, name)));
    }
    shards.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_age_and_differ_within_a_millisecond() {
        let at = |nanos: u64| UnixNanos::new(1_795_355_293_000_000_000 + nanos);
        let first = Shard::name_at(at(123_456_789), [0xff; 4]);
        assert_eq!(first, "20261122T134813.123Z-ffffffff");
        assert!(first < Shard::name_at(at(124_000_000), [0; 4]));
        assert_ne!(first, Shard::name_at(at(123_456_789), [0; 4]));
    }

    #[test]
    fn only_numbered_segments_are_segments() {
        let log = tempfile::tempdir().unwrap();
        let shard = Shard::new(log.path(), "s".into());
        std::fs::create_dir(&shard.folder).unwrap();
        for name in ["00000010.jsonl", "00000002.jsonl", "00000002.torn", "lock", "x.jsonl"] {
            std::fs::write(shard.folder.join(name), "").unwrap();
        }
        assert_eq!(shard.segments().unwrap(), [2, 10]);
        assert_eq!(list(log.path()).unwrap(), [shard]);
        assert_eq!(list(&log.path().join("absent")).unwrap(), []);
    }

    #[test]
    fn a_lock_is_seen_while_held_and_free_after() {
        let log = tempfile::tempdir().unwrap();
        let shard = Shard::new(log.path(), "s".into());
        std::fs::create_dir(&shard.folder).unwrap();
        assert!(!shard.is_live(), "never locked");
        let held = shard.lock().unwrap().unwrap();
        assert!(shard.is_live());
        assert!(shard.lock().unwrap().is_none());
        drop(held);
        assert!(!shard.is_live());
    }
}
