//! A small log for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::writer::{Journal, JournalSettings};
use crate::audit::{DecisionRecord, Effect, OutcomeRecord, RecordBody, Source, Verdict, What, Who};
use crate::model::{DecisionId, EntityUid, ManualClock, OsEntropy, TenantId, UnixNanos};

/// A log folder, and a clock that says when.
#[derive(Debug)]
pub(super) struct Fixture {
    root: tempfile::TempDir,
    pub(super) clock: Arc<ManualClock>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1_795_355_293)));
        Self { root: tempfile::tempdir().unwrap(), clock }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.root.path().join("log")
    }

    pub(super) fn settings(&self) -> JournalSettings {
        JournalSettings::new(self.folder(), "gw-1".into(), "0.1.0".into())
    }

    /// Opens the log; every opening is a second later, so shards sort.
    pub(super) fn open(&self) -> Journal {
        self.clock.advance(Duration::from_secs(1));
        Journal::open(self.settings(), self.clock.clone(), &OsEntropy).unwrap()
    }

    /// The only segment of a shard.
    pub(super) fn segment(&self, shard: &str) -> PathBuf {
        self.folder().join(shard).join("00000001.jsonl")
    }

    /// Copies the whole log elsewhere, to be damaged there.
    pub(super) fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for shard in std::fs::read_dir(self.folder()).unwrap() {
            let shard = shard.unwrap();
            let target = copy.path().join(shard.file_name());
            std::fs::create_dir(&target).unwrap();
            for file in std::fs::read_dir(shard.path()).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
            }
        }
        copy
    }
}

/// The lines of a file, newlines included.
pub(super) fn raw_lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

pub(super) fn decision_id(number: u8) -> DecisionId {
    DecisionId::from_parts(UnixNanos::from_seconds(1_795_355_293), [number; 10])
}

pub(super) fn decision(number: u8, effect: Effect, ts: UnixNanos) -> RecordBody {
    let tenant = TenantId::parse(if number < 100 { "nordvolt" } else { "sudstrom" }).unwrap();
    let principal = EntityUid::new("User", &format!("u{number}")).unwrap();
    let who = Who { tenant: Some(&tenant), principal: Some(&principal), ..Who::UNKNOWN };
    let what = What { method: Some("GET"), path: Some("/teams/t-7"), ..What::default() };
    let reason = if effect == Effect::Allow { "permitted" } else { "no_permit" };
    DecisionRecord {
        id: decision_id(number),
        ts,
        node: "gw-1",
        build: "0.1.0",
        snapshot: None,
        traceparent: None,
        who,
        from: Source::default(),
        what,
        decision: Verdict { effect, ..Verdict::refused(reason) },
    }
    .encode()
}

pub(super) fn outcome(number: u8, ts: UnixNanos) -> RecordBody {
    OutcomeRecord {
        decision_id: decision_id(number),
        ts,
        tenant: None,
        service: None,
        upstream: Some("127.0.0.1:9000"),
        first_byte_sent: true,
        status: Some(200),
        bytes_in: 0,
        bytes_out: 4321,
        duration_us: 6912,
        attempts: 1,
        aborted: None,
    }
    .encode()
}
