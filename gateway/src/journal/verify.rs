//! Proves the log whole: every line sound, every chain unbroken, every allow with its outcome.
//!
//! Offline and read-only. It must never repair anything, and never call a log whole that it could not
//! read. What it cannot see without a [`Head`] noted elsewhere: records cut from the end of a shard
//! that was neither closed nor pinned by a later one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::line::{Skim, lines};
use super::recovery::{RecoveryError, links_of};
use super::shards::{self, Shard, ShardsError};
use crate::audit::{ChainHash, Link, Sealed, inspect};
use crate::model::UnixNanos;

/// Problems listed per report; a log with more is beyond listing.
const PROBLEMS_MAX: usize = 1000;

/// The log could not be read, so nothing can be said about it.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder cannot be read.
    #[error(transparent)]
    Shards(#[from] ShardsError),
    /// The first records of a shard cannot be read.
    #[error(transparent)]
    Links(#[from] RecoveryError),
    /// A segment cannot be read.
    #[error("`{path}` cannot be read")]
    Io {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A point of a shard noted outside the log: from there back, nothing can be cut unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The shard.
    pub shard: String,
    /// The number of a record in it.
    pub seq: u64,
    /// The hash of that record.
    pub hash: ChainHash,
}

/// How a shard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its process closed it in order.
    Closed,
    /// Its process is still writing.
    Live,
    /// Its process died; requests then under way have no outcome.
    Died,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The shard.
    pub shard: String,
    /// The segment's number, where there is one.
    pub segment: Option<u32>,
    /// The line's number in the segment, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: ProblemKind,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shard)?;
        if let Some(segment) = self.segment {
            write!(f, "/{segment:08}.jsonl")?;
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

/// What can be wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// A line does not match its own hash.
    #[error("the record was changed: {0}")]
    Changed(crate::audit::LineError),
    /// A line is sound but holds no record.
    #[error("the record cannot be read")]
    Unreadable,
    /// Numbers are missing or come again.
    #[error("record {expected} expected, record {found} found")]
    Sequence {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A line does not continue the one before it.
    #[error("the record does not continue the one before it")]
    Chain,
    /// A segment file is missing.
    #[error("segment {0} is missing")]
    SegmentMissing(u32),
    /// The last line is not whole.
    #[error("the last line is torn ({bytes} bytes); the next start cuts it")]
    TornTail {
        /// Its size.
        bytes: usize,
    },
    /// A shard that a later one, or a noted head, names is not there.
    #[error("the shard is missing")]
    ShardMissing,
    /// A shard ends before the record another place names.
    #[error("records are missing at the end: record {seq} is known to exist")]
    EndMissing {
        /// The number known to exist.
        seq: u64,
    },
    /// A shard has another record than another place names.
    #[error("record {seq} is not the one known from elsewhere")]
    Replaced {
        /// Its number.
        seq: u64,
    },
    /// A shard goes on after its pinned or closing record.
    #[error("records follow the end of the shard")]
    AfterEnd,
    /// An outcome has no decision before it.
    #[error("the outcome of decision `{0}` has no allow before it")]
    OutcomeAlone(String),
    /// A closed shard has an allow without outcome.
    #[error("the allow `{0}` has no outcome although the shard was closed in order")]
    OutcomeMissing(String),
}

/// One shard, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardReport {
    /// Its name.
    pub name: String,
    /// Its segments.
    pub segments: usize,
    /// Its sound records.
    pub records: u64,
    /// Its size.
    pub bytes: u64,
    /// The time of the first and the last record.
    pub span: Option<(UnixNanos, UnixNanos)>,
    /// Its last record: worth noting elsewhere.
    pub head: Option<(u64, ChainHash)>,
    /// How it ends.
    pub ending: Ending,
    /// Allows without outcome: under way when the process died, or under way now.
    pub unfinished: Vec<String>,
}

/// The whole log, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its shards, oldest first.
    pub shards: Vec<ShardReport>,
    /// Decisions by effect.
    pub decisions: BTreeMap<String, u64>,
    /// Everything wrong, at most 1000.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether nothing is wrong. Unfinished requests of a dead process are no breach of the log.
    pub const fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Reads and checks the whole log.
///
/// # Errors
/// [`VerifyError`] when it cannot be read; damage is not an error but a finding.
pub fn verify(folder: &Path) -> Result<Report, VerifyError> {
    verify_against(folder, &[])
}

/// As [`verify`], and checks that points noted elsewhere are still there.
///
/// # Errors
/// As [`verify`].
pub fn verify_against(folder: &Path, heads: &[Head]) -> Result<Report, VerifyError> {
    let shards = shards::list(folder)?;
    let mut pins = Pins::default();
    for shard in &shards {
        links_of(shard)?.into_iter().for_each(|link| pins.add(link));
    }
    for head in heads {
        let Head { shard, seq, hash } = head.clone();
        pins.add(Link { shard, seq, hash, live: true });
    }
    let mut report = Report::default();
    for shard in &shards {
        let pinned = pins.take(&shard.name);
        let done = Reader::new(shard, pinned, &mut report).read()?;
        report.shards.push(done);
    }
    for name in pins.0.into_keys() {
        note(&mut report, name, None, None, ProblemKind::ShardMissing);
    }
    Ok(report)
}

fn note(
    report: &mut Report,
    shard: String,
    segment: Option<u32>,
    line: Option<usize>,
    kind: ProblemKind,
) {
    if report.problems.len() < PROBLEMS_MAX {
        report.problems.push(Problem { shard, segment, line, kind });
    }
}

/// What other places know of the shards.
#[derive(Debug, Default)]
struct Pins(BTreeMap<String, Vec<Link>>);

impl Pins {
    fn add(&mut self, link: Link) {
        self.0.entry(link.shard.clone()).or_default().push(link);
    }

    fn take(&mut self, shard: &str) -> Vec<Link> {
        self.0.remove(shard).unwrap_or_default()
    }
}

/// Reads one shard.
struct Reader<'a> {
    shard: &'a Shard,
    report: &'a mut Report,
    pins: HashMap<u64, Vec<Link>>,
    /// The last record there may be, when a later shard or a closing record said so.
    end: Option<u64>,
    next: u64,
    head: ChainHash,
    open: HashSet<String>,
    closed: bool,
    torn_tails: HashMap<u32, usize>,
    excused: HashSet<u32>,
    done: ShardReport,
    at: (u32, usize),
}

impl<'a> Reader<'a> {
    fn new(shard: &'a Shard, pins: Vec<Link>, report: &'a mut Report) -> Self {
        let end = pins.iter().filter(|pin| !pin.live).map(|pin| pin.seq).min();
        let mut by_seq: HashMap<u64, Vec<Link>> = HashMap::new();
        // A link to record 0 says the shard was empty; there is no line to compare.
        for pin in pins.into_iter().filter(|pin| pin.seq > 0) {
            by_seq.entry(pin.seq).or_default().push(pin);
        }
        let done = ShardReport {
            name: shard.name.clone(),
            segments: 0,
            records: 0,
            bytes: 0,
            span: None,
            head: None,
            ending: Ending::Died,
            unfinished: Vec::new(),
        };
        Self {
            shard,
            report,
            pins: by_seq,
            end,
            next: 1,
            head: ChainHash::ZERO,
            open: HashSet::new(),
            closed: false,
            torn_tails: HashMap::new(),
            excused: HashSet::new(),
            done,
            at: (0, 0),
        }
    }

    fn read(mut self) -> Result<ShardReport, VerifyError> {
        // Asked first: a process that ends while we read has then written its last line already.
        let live = self.shard.is_live();
        let numbers = self.shard.segments()?;
        let mut expected = 1;
        for number in &numbers {
            while expected < *number {
                self.problem_in(None, None, ProblemKind::SegmentMissing(expected));
                expected += 1;
            }
            expected = number.saturating_add(1);
            self.segment(*number)?;
        }
        self.done.segments = numbers.len();
        self.finish(live, numbers.last().copied());
        Ok(self.done)
    }

    fn segment(&mut self, number: u32) -> Result<(), VerifyError> {
        let path = self.shard.segment(number);
        let bytes = std::fs::read(&path).map_err(|source| VerifyError::Io { path, source })?;
        self.done.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        for (index, (_, line, ended)) in lines(&bytes).enumerate() {
            self.at = (number, index + 1);
            if ended {
                self.line(line);
            } else {
                self.torn_tails.insert(number, line.len());
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) {
        let sealed = match inspect(line) {
            Ok(sealed) => sealed,
            Err(error) => return self.problem(ProblemKind::Changed(error)),
        };
        self.place(&sealed);
        match serde_json::from_slice::<Skim<'_>>(line) {
            Ok(skim) => self.content(&skim),
            Err(_) => self.problem(ProblemKind::Unreadable),
        }
        self.done.records += 1;
        self.done.head = Some((sealed.seq, sealed.hash));
    }

    fn place(&mut self, line: &Sealed) {
        if line.seq != self.next {
            self.problem(ProblemKind::Sequence { expected: self.next, found: line.seq });
        } else if line.prev != self.head {
            self.problem(ProblemKind::Chain);
        }
        if self.closed || self.end.is_some_and(|end| line.seq > end) {
            self.problem(ProblemKind::AfterEnd);
        }
        let pins = self.pins.remove(&line.seq).unwrap_or_default();
        if pins.iter().any(|pin| pin.hash != line.hash) {
            self.problem(ProblemKind::Replaced { seq: line.seq });
        }
        self.next = line.seq.saturating_add(1);
        self.head = line.hash;
    }

    fn content(&mut self, skim: &Skim<'_>) {
        let time = UnixNanos::new(skim.ts);
        let first = self.done.span.map_or(time, |(first, _)| first);
        self.done.span = Some((first, time));
        if let (Some(id), Some(verdict)) = (&skim.id, &skim.decision) {
            *self.report.decisions.entry(verdict.effect.to_string()).or_default() += 1;
            if verdict.effect == "allow" {
                self.open.insert(id.to_string());
            }
        }
        if let Some(decision) = &skim.decision_id
            && !self.open.remove(&**decision)
        {
            self.problem(ProblemKind::OutcomeAlone(decision.to_string()));
        }
        self.excused.extend(&skim.torn_segments);
        self.closed |= skim.is_journal("closed");
    }

    fn finish(&mut self, live: bool, last: Option<u32>) {
        self.done.ending = match (self.closed, live) {
            (true, _) => Ending::Closed,
            (false, true) => Ending::Live,
            (false, false) => Ending::Died,
        };
        for (segment, bytes) in std::mem::take(&mut self.torn_tails) {
            // A line without its end may be on its way in a live shard's last segment.
            let excused = self.excused.contains(&segment)
                || (live && last.is_some_and(|last| last == segment));
            if !excused {
                self.problem_in(Some(segment), None, ProblemKind::TornTail { bytes });
            }
        }
        for seq in std::mem::take(&mut self.pins).into_keys() {
            self.problem_in(None, None, ProblemKind::EndMissing { seq });
        }
        self.done.unfinished = std::mem::take(&mut self.open).into_iter().collect();
        self.done.unfinished.sort_unstable();
        if self.closed {
            for id in std::mem::take(&mut self.done.unfinished) {
                self.problem_in(None, None, ProblemKind::OutcomeMissing(id));
            }
        }
    }

    fn problem(&mut self, kind: ProblemKind) {
        let (segment, line) = self.at;
        self.problem_in(Some(segment), Some(line), kind);
    }

    fn problem_in(&mut self, segment: Option<u32>, line: Option<usize>, kind: ProblemKind) {
        note(self.report, self.shard.name.clone(), segment, line, kind);
    }
}

#[cfg(test)]
mod tests;
