//! Reads the log back: the last lines that match, and whatever follows.
//!
//! It must never write, and never wait: the caller of [`Follow::poll`] decides how often to look.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::line::Line;
use super::shards::{self, Shard, ShardsError};
use crate::model::UnixNanos;

/// How far lines of a shard may stand out of order in time: a record's time is taken before its turn,
/// and a clock may be set back a little.
const DISORDER: Duration = Duration::from_mins(1);

/// Why lines cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The folder cannot be read.
    #[error(transparent)]
    Shards(#[from] ShardsError),
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

/// Which lines to show: those that match everything that is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The organisation.
    pub tenant: Option<String>,
    /// The Cedar principal, `User::ada`.
    pub principal: Option<String>,
    /// A decision's effect: `allow`, `deny`, `error`, `refuse`.
    pub effect: Option<String>,
    /// The reason code.
    pub reason: Option<String>,
    /// The decision's id, its beginning or its end: shows the decision and its outcome.
    pub decision: Option<String>,
    /// The kind: `decision`, `outcome`, `event`, `journal`.
    pub kind: Option<String>,
    /// Nothing older than this.
    pub since: Option<UnixNanos>,
}

impl Filter {
    /// Whether the line is to be shown.
    pub fn matches(&self, line: &Line) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let about = |wanted: &Option<String>, found: Option<&str>| {
            let Some(wanted) = wanted.as_deref() else {
                return true;
            };
            found.is_some_and(|found| found.starts_with(wanted) || found.ends_with(wanted))
        };
        same(&self.tenant, line.tenant())
            && same(&self.principal, line.principal())
            && same(&self.effect, line.effect())
            && same(&self.reason, line.reason())
            && same(&self.kind, Some(line.kind()))
            && about(&self.decision, line.decision())
            && self.since.is_none_or(|since| line.time() >= since)
    }
}

/// A look at the end of the log.
#[derive(Clone, Debug)]
pub struct Tail {
    folder: PathBuf,
    filter: Filter,
    count: usize,
}

impl Tail {
    /// Asks for the last `count` lines that match.
    pub fn new(folder: &Path, filter: Filter, count: usize) -> Self {
        Self { folder: folder.to_owned(), filter, count }
    }

    /// The lines, oldest first. Lines that cannot be read are left to `verify`.
    ///
    /// # Errors
    /// [`TailError`] when the log cannot be read.
    pub fn lines(&self) -> Result<Vec<Line>, TailError> {
        let mut found: Vec<Line> = Vec::new();
        for shard in shards::list(&self.folder)?.iter().rev() {
            // Sorted by time, newest first: the last one kept is the oldest still of interest.
            let oldest = found.get(self.count.saturating_sub(1)).map(Line::time);
            found.extend(self.last_of(shard, oldest)?);
            found.sort_by_key(|line| std::cmp::Reverse((line.time(), line.seq())));
            found.truncate(self.count);
        }
        found.reverse();
        Ok(found)
    }

    /// As [`Tail::lines`], and a handle to what comes after them.
    ///
    /// # Errors
    /// As [`Tail::lines`].
    pub fn follow(self) -> Result<(Vec<Line>, Follow), TailError> {
        // The ends are noted first: a line between the two looks would be lost the other way round.
        let (ends, limits) = ends_of(&self.folder)?;
        let mut lines = self.lines()?;
        let seen = |line: &Line| limits.get(line.shard()).is_some_and(|seq| line.seq() <= *seq);
        lines.retain(seen);
        Ok((lines, Follow { folder: self.folder, filter: self.filter, ends }))
    }

    /// The last matching lines of a shard, newest first; stops where all are older than `oldest`.
    fn last_of(&self, shard: &Shard, oldest: Option<UnixNanos>) -> Result<Vec<Line>, TailError> {
        let mut found = Vec::new();
        for number in shard.segments()?.into_iter().rev() {
            let path = shard.segment(number);
            let bytes = std::fs::read(&path).map_err(|source| TailError::Io { path, source })?;
            let mut parts = bytes.rsplit(|b| *b == b'\n');
            // What stands after the last newline is torn, or still being written.
            parts.next();
            for line in parts.filter_map(|part| Line::parse(&shard.name, part)) {
                let late = line.time().plus(DISORDER);
                let too_old = |bound: Option<UnixNanos>| bound.is_some_and(|b| late < b);
                if found.len() >= self.count || too_old(oldest) || too_old(self.filter.since) {
                    return Ok(found);
                }
                if self.filter.matches(&line) {
                    found.push(line);
                }
            }
        }
        Ok(found)
    }
}

/// Where reading stopped in a shard.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    segment: u32,
    offset: u64,
}

/// Follows the log as it grows, over new segments and new processes.
#[derive(Debug)]
pub struct Follow {
    folder: PathBuf,
    filter: Filter,
    ends: Ends,
}

impl Follow {
    /// The matching lines written since the last look, in order of time. Never waits.
    ///
    /// # Errors
    /// [`TailError`] when the log cannot be read.
    pub fn poll(&mut self) -> Result<Vec<Line>, TailError> {
        let mut lines = Vec::new();
        for shard in shards::list(&self.folder)? {
            let end = self.ends.entry(shard.name.clone()).or_default();
            let known = *end;
            for number in shard.segments()?.into_iter().filter(|number| *number >= known.segment) {
                let offset = if number == known.segment { known.offset } else { 0 };
                let (bytes, offset) = whole_lines(&shard, number, offset)?;
                *end = End { segment: number, offset };
                lines.extend(
                    bytes.split(|b| *b == b'\n').filter_map(|b| Line::parse(&shard.name, b)),
                );
            }
        }
        lines.retain(|line| self.filter.matches(line));
        lines.sort_by_key(|line: &Line| (line.time(), line.seq()));
        Ok(lines)
    }
}

type Ends = HashMap<String, End>;
type LastSeqs = HashMap<String, u64>;

/// Where each shard ends now, and the number of its last line.
fn ends_of(folder: &Path) -> Result<(Ends, LastSeqs), TailError> {
    let (mut ends, mut last) = (HashMap::new(), HashMap::new());
    for shard in shards::list(folder)? {
        for segment in shard.segments()?.into_iter().rev() {
            let (bytes, offset) = whole_lines(&shard, segment, 0)?;
            ends.entry(shard.name.clone()).or_insert(End { segment, offset });
            let mut lines = bytes.rsplit(|b| *b == b'\n');
            if let Some(line) = lines.find_map(|b| Line::parse(&shard.name, b)) {
                last.insert(shard.name.clone(), line.seq());
                break;
            }
        }
    }
    Ok((ends, last))
}

/// The whole lines of a segment from `offset` on, and where they end.
fn whole_lines(shard: &Shard, segment: u32, offset: u64) -> Result<(Vec<u8>, u64), TailError> {
    let path = shard.segment(segment);
    let bytes = whole_lines_from(&path, offset).map_err(|source| TailError::Io { path, source })?;
    let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok((bytes, offset.saturating_add(read)))
}

fn whole_lines_from(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1);
    bytes.truncate(whole);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
