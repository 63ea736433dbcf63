//! What a starting process does about the ones before it: cuts torn tails, pins the ends of shards.
//!
//! It must never cut anything that has a sound line after it: that is damage, not a torn write.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::line::{Skim, lines};
use super::segment::sync_folder_of;
use super::shards::{self, Shard, ShardsError};
use crate::audit::{ChainHash, Link, Sealed, inspect};

/// Why the log of earlier processes cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A line was damaged after it was written: sound lines follow it.
    #[error(
        "the decision log is damaged at byte {offset} of `{path}`: sound records follow, so this is no \
         torn write; keep the folder as evidence and move it elsewhere to start"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the damage begins.
        offset: usize,
    },
    /// The folder cannot be read.
    #[error(transparent)]
    Shards(#[from] ShardsError),
    /// A segment cannot be read or cut.
    #[error("`{path}` cannot be recovered")]
    Io {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A tail that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) shard: String,
    pub(super) bytes: u64,
}

/// What the new shard's first records say of the older ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inheritance {
    pub(super) links: Vec<Link>,
    pub(super) cuts: Vec<Cut>,
}

/// Recovers every shard whose process is gone and that no later shard has pinned for good.
pub(super) fn inherit(log: &Path) -> Result<Inheritance, RecoveryError> {
    let shards = shards::list(log)?;
    let pinned = pinned(&shards)?;
    let mut inheritance = Inheritance::default();
    for shard in shards.iter().filter(|shard| !pinned.contains(&shard.name)) {
        // The lock is held over the cut, so that two starting processes cannot both cut.
        let lock = shard.lock()?;
        let live = lock.is_none();
        let end = if live { end_of(shard)? } else { recover(shard, &mut inheritance.cuts)? };
        let (seq, hash) = end.map_or((0, ChainHash::ZERO), |line| (line.seq, line.hash));
        inheritance.links.push(Link { shard: shard.name.clone(), seq, hash, live });
    }
    Ok(inheritance)
}

/// The links a shard's first records hold.
pub(super) fn links_of(shard: &Shard) -> Result<Vec<Link>, RecoveryError> {
    let Some(first) = shard.segments()?.first().copied() else {
        return Ok(Vec::new());
    };
    let bytes = read(&shard.segment(first))?;
    let mut links = Vec::new();
    for (_, line, _) in lines(&bytes) {
        match serde_json::from_slice::<Skim<'_>>(line) {
            Ok(skim) if skim.kind == "journal" => links.extend(skim.links),
            _ => break,
        }
    }
    Ok(links)
}

fn pinned(shards: &[Shard]) -> Result<HashSet<String>, RecoveryError> {
    let mut pinned = HashSet::new();
    for shard in shards {
        let links = links_of(shard)?.into_iter();
        pinned.extend(links.filter(|link| !link.live).map(|link| link.shard));
    }
    Ok(pinned)
}

/// Cuts the torn tail of a shard nobody writes, and finds its last line.
fn recover(shard: &Shard, cuts: &mut Vec<Cut>) -> Result<Option<Sealed>, RecoveryError> {
    for number in shard.segments()?.into_iter().rev() {
        let path = shard.segment(number);
        let bytes = read(&path)?;
        let scan = scan(&bytes);
        if scan.sound_after {
            return Err(RecoveryError::Damaged { path, offset: scan.end });
        }
        let torn = bytes.get(scan.end..).unwrap_or_default();
        if !torn.is_empty() {
            cut(&path, scan.end, torn).map_err(|source| RecoveryError::Io { path, source })?;
            let bytes = u64::try_from(torn.len()).unwrap_or(u64::MAX);
            cuts.push(Cut { shard: shard.name.clone(), bytes });
        }
        if scan.last.is_some() {
            return Ok(scan.last);
        }
    }
    Ok(None)
}

/// The last whole line of a shard that is being written.
fn end_of(shard: &Shard) -> Result<Option<Sealed>, RecoveryError> {
    for number in shard.segments()?.into_iter().rev() {
        let last = scan(&read(&shard.segment(number))?).last;
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}

struct Scan {
    last: Option<Sealed>,
    /// Where the sound lines from the start end.
    end: usize,
    /// Whether a sound line stands after `end`.
    sound_after: bool,
}

fn scan(bytes: &[u8]) -> Scan {
    let mut scan = Scan { last: None, end: 0, sound_after: false };
    let mut broken = false;
    for (offset, line, ended) in lines(bytes) {
        let sealed = inspect(line).ok().filter(|_| ended);
        match sealed {
            Some(_) if broken => {
                scan.sound_after = true;
                return scan;
            }
            Some(sealed) => {
                scan.last = Some(sealed);
                scan.end = offset + line.len() + 1;
            }
            None => broken = true,
        }
    }
    scan
}

/// Keeps what is cut beside the segment: it may be all an investigation has.
fn cut(path: &Path, end: usize, torn: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("torn");
    let mut kept = OpenOptions::new().create(true).append(true).mode(0o600).open(&aside)?;
    kept.write_all(torn)?;
    kept.sync_all()?;
    let segment = OpenOptions::new().write(true).open(path)?;
    segment.set_len(u64::try_from(end).unwrap_or(u64::MAX))?;
    segment.sync_all()?;
    sync_folder_of(path)
}

fn read(path: &Path) -> Result<Vec<u8>, RecoveryError> {
    std::fs::read(path).map_err(|source| RecoveryError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Effect, Sink as _};
    use crate::journal::fixture::{Fixture, decision, raw_lines};
    use crate::journal::{Journal, JournalError, verify};
    use crate::model::{OsEntropy, UnixNanos};

    const NOW: UnixNanos = UnixNanos::from_seconds(1_795_355_300);

    /// A log whose only process died after three records.
    fn died() -> (Fixture, PathBuf) {
        let fixture = Fixture::new();
        let journal = fixture.open();
        journal.append(decision(1, Effect::Deny, NOW)).unwrap();
        journal.append(decision(2, Effect::Deny, NOW)).unwrap();
        let segment = fixture.segment(journal.shard());
        journal.abandon();
        (fixture, segment)
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut_and_kept_aside() {
        let (fixture, segment) = died();
        let good = std::fs::read(&segment).unwrap();
        let last = raw_lines(&segment).pop().unwrap();
        let start = good.len() - last.len();
        for kept in 0..last.len() {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join(segment.parent().unwrap().file_name().unwrap());
            std::fs::create_dir(&folder).unwrap();
            let torn = folder.join("00000001.jsonl");
            std::fs::write(&torn, &good[..start + kept]).unwrap();

            let inheritance = inherit(root.path()).unwrap();
            let cuts: Vec<_> = inheritance.cuts.iter().map(|cut| cut.bytes).collect();
            assert_eq!(cuts, if kept == 0 { vec![] } else { vec![kept as u64] });
            assert_eq!(inheritance.links[0].seq, 2);
            assert_eq!(std::fs::read(&torn).unwrap(), &good[..start]);
            assert!(verify(root.path()).unwrap().is_intact(), "cut at {kept}");
            let aside = std::fs::read(folder.join("00000001.torn")).unwrap_or_default();
            assert_eq!(aside, &last[..kept], "what was cut is kept");
        }
        drop(fixture);
    }

    #[test]
    fn the_next_process_says_what_it_cut() {
        let (fixture, segment) = died();
        let good = std::fs::read(&segment).unwrap();
        std::fs::write(&segment, &good[..good.len() - 10]).unwrap();
        let next = fixture.open();
        let lines = raw_lines(&fixture.segment(next.shard()));
        let recovered = String::from_utf8(lines[1].clone()).unwrap();
        assert!(recovered.contains(r#""event":"recovered""#), "{recovered}");
        assert!(recovered.contains(r#""cut_bytes":"#), "{recovered}");
        next.close();
        assert!(verify(&fixture.folder()).unwrap().is_intact());
    }

    #[test]
    fn damage_before_a_sound_line_is_refused_and_left_alone() {
        let (fixture, segment) = died();
        let mut bad = std::fs::read(&segment).unwrap();
        bad[40] ^= 1;
        std::fs::write(&segment, &bad).unwrap();
        let error =
            Journal::open(fixture.settings(), fixture.clock.clone(), &OsEntropy).unwrap_err();
        assert!(
            matches!(error, JournalError::Recovery(RecoveryError::Damaged { offset: 0, .. })),
            "{error}"
        );
        assert_eq!(std::fs::read(&segment).unwrap(), bad, "nothing may be cut");
    }

    #[test]
    fn a_living_process_keeps_its_tail() {
        let fixture = Fixture::new();
        let living = fixture.open();
        living.append(decision(1, Effect::Deny, NOW)).unwrap();
        let next = fixture.open();
        let links = links_of(&Shard::new(&fixture.folder(), next.shard().to_owned())).unwrap();
        assert!(links[0].live && links[0].seq == 2, "{links:?}");
        living.append(decision(2, Effect::Deny, NOW)).unwrap();
        living.close();
        next.close();
        let third = fixture.open();
        let links = links_of(&Shard::new(&fixture.folder(), third.shard().to_owned())).unwrap();
        assert_eq!(links.len(), 2, "both have ended and neither was pinned for good: {links:?}");
        assert!(links.iter().all(|link| !link.live));
        third.close();
        assert!(verify(&fixture.folder()).unwrap().is_intact());
    }

    #[test]
    fn a_shard_is_pinned_for_good_once() {
        let fixture = Fixture::new();
        fixture.open().close();
        fixture.open().close();
        let third = fixture.open();
        let links = links_of(&Shard::new(&fixture.folder(), third.shard().to_owned())).unwrap();
        assert_eq!(links.len(), 1, "only the second was still open-ended: {links:?}");
    }
}
