use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::audit::Effect;
use crate::journal::fixture::{Fixture, decision, outcome, raw_lines};
use crate::journal::{Ending, verify};
use crate::model::{ManualClock, OsEntropy, SystemClock};

const NOW: UnixNanos = UnixNanos::from_seconds(1_795_355_300);

/// A disk with little room, that can also fail to flush and to cut.
#[derive(Clone, Debug, Default)]
struct SmallDisk(Arc<Room>);

#[derive(Debug, Default)]
struct Room {
    left: AtomicUsize,
    refuses_cut: AtomicBool,
    refuses_flush: AtomicBool,
}

#[derive(Debug)]
struct SmallSegment(File, Arc<Room>);

impl SmallDisk {
    fn with(left: usize) -> Self {
        let disk = Self::default();
        disk.0.left.store(left, Ordering::SeqCst);
        disk
    }
}

impl Disk for SmallDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Segment>> {
        if self.0.left.load(Ordering::SeqCst) < 100 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = File::options().append(true).create_new(true).open(path)?;
        Ok(Arc::new(SmallSegment(file, Arc::clone(&self.0))))
    }
}

impl Segment for SmallSegment {
    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let left = self.1.left.load(Ordering::SeqCst);
        let fits = bytes.len().min(left);
        let file = &self.0;
        file.write_all(&bytes[..fits])?;
        self.1.left.store(left - fits, Ordering::SeqCst);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let refuses = self.1.refuses_flush.load(Ordering::SeqCst);
        if refuses { Err(io::Error::other("disk gone")) } else { Ok(()) }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let refuses = self.1.refuses_cut.load(Ordering::SeqCst);
        if refuses { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { self.0.set_len(len) }
    }
}

fn open_on(disk: &SmallDisk, fixture: &Fixture) -> Journal {
    let disk = Arc::new(disk.clone());
    Journal::open_on(disk, fixture.settings(), fixture.clock.clone(), &OsEntropy).unwrap()
}

#[test]
fn numbers_have_no_gaps_and_the_file_is_the_owners_alone() {
    let fixture = Fixture::new();
    let journal = fixture.open();
    let first = journal.append(decision(1, Effect::Allow, NOW)).unwrap();
    let second = journal.append(outcome(1, NOW)).unwrap();
    assert_eq!((first.seq, second.seq), (2, 3), "record 1 is `opened`");
    let segment = fixture.segment(journal.shard());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&segment), 0o600);
    assert_eq!(mode(segment.parent().unwrap()), 0o700);
    assert_eq!(mode(&fixture.folder()), 0o700);
    assert_eq!(raw_lines(&segment).len(), 3, "a record is in the file when append returns");
}

#[test]
fn many_threads_make_one_unbroken_chain() {
    let fixture = Fixture::new();
    let journal = fixture.open();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..250 {
                    journal.append(decision(9, Effect::Deny, NOW)).unwrap();
                }
            });
        }
    });
    journal.close();
    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact(), "{:?}", report.problems);
    assert_eq!(report.shards[0].head.unwrap().0, 2002);
    assert_eq!(report.decisions["deny"], 2000);
}

#[test]
fn a_full_segment_is_left_for_the_next() {
    let fixture = Fixture::new();
    let mut settings = fixture.settings();
    settings.segment_bytes_max = 2000;
    let journal = Journal::open(settings, fixture.clock.clone(), &OsEntropy).unwrap();
    for _ in 0..20 {
        journal.append(decision(9, Effect::Deny, NOW)).unwrap();
    }
    journal.close();
    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact(), "{:?}", report.problems);
    assert!(report.shards[0].segments > 3);
}

#[tokio::test]
async fn strict_records_share_flushes_and_all_return() {
    let fixture = Fixture::new();
    let journal = Arc::new(fixture.open());
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let journal = Arc::clone(&journal);
            let body = decision(9, Effect::Deny, NOW);
            tokio::spawn(async move { journal.append_strict(body).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    journal.close();
    assert_eq!(journal.append_strict(decision(9, Effect::Deny, NOW)).await, Err(SinkError::Closed));
    assert!(verify(&fixture.folder()).unwrap().is_intact());
}

#[test]
fn a_closed_journal_takes_nothing() {
    let fixture = Fixture::new();
    let journal = fixture.open();
    journal.close();
    journal.close();
    assert_eq!(journal.append(outcome(1, NOW)), Err(SinkError::Closed));
    assert!(!journal.is_writable());
    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact());
    assert_eq!((report.shards[0].records, report.shards[0].ending), (2, Ending::Closed));
}

#[test]
fn a_full_disk_refuses_until_there_is_room_and_then_says_what_was_refused() {
    let fixture = Fixture::new();
    let disk = SmallDisk::with(3000);
    let journal = open_on(&disk, &fixture);
    let mut taken = 0_u64;
    while journal.append(decision(9, Effect::Deny, NOW)).is_ok() {
        taken += 1;
    }
    assert!(taken > 0);
    assert!(!journal.is_writable());
    for _ in 0..4 {
        let refused = journal.append(decision(9, Effect::Deny, NOW));
        assert!(matches!(refused, Err(SinkError::Unwritable(_))), "{refused:?}");
    }
    fixture.clock.advance(RETRY_AFTER);
    assert!(journal.append(decision(9, Effect::Deny, NOW)).is_err(), "still full");

    disk.0.left.store(1_000_000, Ordering::SeqCst);
    assert!(journal.append(decision(9, Effect::Deny, NOW)).is_err(), "not retried at once");
    fixture.clock.advance(RETRY_AFTER);
    assert!(journal.is_writable());
    journal.append(decision(9, Effect::Deny, NOW)).unwrap();
    journal.close();

    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact(), "{:?}", report.problems);
    assert_eq!(report.decisions["deny"], taken + 1);
    let second = fixture.folder().join(journal.shard()).join("00000002.jsonl");
    let resumed = String::from_utf8(raw_lines(&second)[0].clone()).unwrap();
    assert!(resumed.contains(r#""event":"resumed""#), "{resumed}");
    assert!(resumed.contains(r#""unrecorded":7"#), "1 + 4 + 1 + 1 refused: {resumed}");
}

#[test]
fn a_torn_line_that_cannot_be_cut_is_named_and_excused() {
    let fixture = Fixture::new();
    let disk = SmallDisk::with(2500);
    let journal = open_on(&disk, &fixture);
    disk.0.refuses_cut.store(true, Ordering::SeqCst);
    while journal.append(decision(9, Effect::Deny, NOW)).is_ok() {}
    let torn = raw_lines(&fixture.segment(journal.shard())).pop().unwrap();
    assert!(!torn.ends_with(b"\n"), "the limiter must have torn a line");

    disk.0.left.store(1_000_000, Ordering::SeqCst);
    fixture.clock.advance(RETRY_AFTER);
    journal.append(decision(9, Effect::Deny, NOW)).unwrap();
    journal.close();
    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact(), "{:?}", report.problems);
}

#[tokio::test]
async fn a_failed_flush_refuses_and_moves_to_a_new_segment() {
    let fixture = Fixture::new();
    let disk = SmallDisk::with(1_000_000);
    let journal = open_on(&disk, &fixture);
    disk.0.refuses_flush.store(true, Ordering::SeqCst);
    let refused = journal.append_strict(decision(9, Effect::Deny, NOW)).await;
    assert_eq!(refused, Err(SinkError::Unwritable("disk gone".into())));
    assert!(journal.append(decision(9, Effect::Deny, NOW)).is_err(), "shut for all");
    disk.0.refuses_flush.store(false, Ordering::SeqCst);
    fixture.clock.advance(RETRY_AFTER);
    journal.append_strict(decision(9, Effect::Deny, NOW)).await.unwrap();
    journal.close();
    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact(), "{:?}", report.problems);
    assert_eq!(report.shards[0].segments, 2);
}

#[test]
fn a_clock_that_steps_back_does_not_keep_the_log_shut() {
    let fixture = Fixture::new();
    let disk = SmallDisk::with(1500);
    let journal = open_on(&disk, &fixture);
    while journal.append(decision(9, Effect::Deny, NOW)).is_ok() {}
    disk.0.left.store(1_000_000, Ordering::SeqCst);
    lock_writer(&journal.writer).clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1)));
    assert!(journal.is_writable());
}

#[test]
fn a_record_beyond_the_cap_is_refused_alone() {
    let fixture = Fixture::new();
    let journal = fixture.open();
    let shard = "s".repeat(40);
    let link = Link { shard, seq: 1, hash: ChainHash::ZERO, live: false };
    let links = vec![link; 1000];
    let note = Note { links: &links, ..Note::default() };
    let body = lock_writer(&journal.writer).note(JournalEvent::Linked, note);
    assert!(matches!(journal.append(body), Err(SinkError::TooLarge { .. })));
    journal.append(decision(9, Effect::Deny, NOW)).unwrap();
}

const CHILD: &str = "HUBGATE_JOURNAL_CHILD";

/// Runs only as the child of the test below: appends and reports until it is killed.
#[test]
fn child_that_appends_until_killed() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let settings = JournalSettings::new(folder.into(), "gw-1".into(), "0.1.0".into());
    let journal = Journal::open(settings, Arc::new(SystemClock), &OsEntropy).unwrap();
    let mut out = io::stdout();
    loop {
        let receipt = journal.append(decision(9, Effect::Deny, NOW)).unwrap();
        // The parent went away: nothing left to prove.
        if writeln!(out, "taken {} {}", journal.shard(), receipt.seq).is_err() {
            return;
        }
    }
}

#[test]
fn a_killed_process_loses_no_record_it_was_told_is_taken() {
    let fixture = Fixture::new();
    for cycle in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::writer::tests::child_that_appends_until_killed"])
            .args(["--nocapture", "--test-threads=1"])
            .env(CHILD, fixture.folder())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last = (String::new(), 0_u64);
        let mut taken = 0;
        while let Some(Ok(line)) = lines.next() {
            let Some((shard, seq)) = line.strip_prefix("taken ").and_then(|l| l.split_once(' '))
            else {
                continue;
            };
            // The pipe may hold a last line cut short; a number is whole only before its newline.
            last = (shard.to_owned(), seq.parse().unwrap_or(last.1));
            taken += 1;
            if taken == 100 + cycle * 37 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(last.1 >= 100, "the child must have run: {last:?}");
        // The next process recovers what the killed one left.
        fixture.open().close();
        let report = verify(&fixture.folder()).unwrap();
        assert!(report.is_intact(), "{:?}", report.problems);
        let shard = report.shards.iter().find(|shard| shard.name == last.0).unwrap();
        assert!(shard.head.unwrap().0 >= last.1, "record {} is missing", last.1);
    }
}
