use super::*;
use crate::audit::{Effect, Sink as _};
use crate::journal::fixture::{Fixture, decision, outcome, raw_lines};

const NOW: UnixNanos = UnixNanos::from_seconds(1_795_355_300);

/// A log of one closed shard: opened, allow, deny, outcome, closed.
fn small() -> (Fixture, String) {
    let fixture = Fixture::new();
    let journal = fixture.open();
    journal.append(decision(1, Effect::Allow, NOW)).unwrap();
    journal.append(decision(2, Effect::Deny, NOW)).unwrap();
    journal.append(outcome(1, NOW)).unwrap();
    journal.close();
    let shard = journal.shard().to_owned();
    (fixture, shard)
}

fn kinds(folder: &Path) -> Vec<ProblemKind> {
    verify(folder).unwrap().problems.into_iter().map(|problem| problem.kind).collect()
}

#[test]
fn a_whole_log_is_intact_and_counted() {
    let (fixture, shard) = small();
    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact(), "{:?}", report.problems);
    assert_eq!(report.decisions, BTreeMap::from([("allow".into(), 1), ("deny".into(), 1)]));
    let one = &report.shards[0];
    assert_eq!((&one.name, one.records, one.ending), (&shard, 5, Ending::Closed));
    assert!(one.unfinished.is_empty());
}

#[test]
fn an_empty_folder_is_intact() {
    let fixture = Fixture::new();
    assert_eq!(verify(&fixture.folder()).unwrap(), Report::default());
}

#[test]
fn every_flipped_bit_is_found() {
    let fixture = Fixture::new();
    let journal = fixture.open();
    journal.append(decision(1, Effect::Deny, NOW)).unwrap();
    journal.close();
    let shard = journal.shard().to_owned();
    let path = fixture.segment(&shard);
    let good = std::fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &bad).unwrap();
        assert!(!verify(&fixture.folder()).unwrap().is_intact(), "bit {bit}");
    }
}

#[test]
fn every_edit_of_whole_lines_is_found() {
    let (fixture, shard) = small();
    let path = fixture.segment(&shard);
    let good = raw_lines(&path);
    // Cutting the end of a closed shard is seen by its head alone, as for any log without witness.
    let head = verify(&fixture.folder()).unwrap().shards[0].head.unwrap();
    let heads = [Head { shard: shard.clone(), seq: head.0, hash: head.1 }];
    let mut edits: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for at in 0..good.len() {
        let mut deleted = good.clone();
        deleted.remove(at);
        edits.push((format!("delete {at}"), deleted));
        let mut doubled = good.clone();
        doubled.insert(at, good[at].clone());
        edits.push((format!("duplicate {at}"), doubled));
        edits.push((format!("truncate to {at}"), good[..at].to_vec()));
        for other in at + 1..good.len() {
            let mut swapped = good.clone();
            swapped.swap(at, other);
            edits.push((format!("swap {at} and {other}"), swapped));
        }
    }
    for (edit, lines) in edits {
        std::fs::write(&path, lines.concat()).unwrap();
        let report = verify_against(&fixture.folder(), &heads).unwrap();
        assert!(!report.is_intact(), "{edit}");
    }
}

#[test]
fn a_line_of_another_log_is_found() {
    let (fixture, shard) = small();
    let (other, other_shard) = small();
    let path = fixture.segment(&shard);
    let (good, foreign) = (raw_lines(&path), raw_lines(&other.segment(&other_shard)));
    for at in 0..good.len() {
        let mut spliced = good.clone();
        spliced[at] = foreign[at].clone();
        std::fs::write(&path, spliced.concat()).unwrap();
        assert!(!verify(&fixture.folder()).unwrap().is_intact(), "splice {at}");
    }
}

#[test]
fn a_later_shard_pins_the_end_of_the_one_before() {
    let (fixture, shard) = small();
    fixture.open().close();
    assert_eq!(kinds(&fixture.folder()), []);
    let path = fixture.segment(&shard);
    let good = raw_lines(&path);
    for keep in 0..good.len() {
        std::fs::write(&path, good[..keep].concat()).unwrap();
        let missing = ProblemKind::EndMissing { seq: 5 };
        assert!(kinds(&fixture.folder()).contains(&missing), "truncated to {keep}");
    }
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert_eq!(kinds(&fixture.folder()), [ProblemKind::ShardMissing]);
}

#[test]
fn a_missing_or_swapped_segment_is_found() {
    let fixture = Fixture::new();
    let mut settings = fixture.settings();
    settings.segment_bytes_max = 1200;
    let journal =
        crate::journal::Journal::open(settings, fixture.clock.clone(), &crate::model::OsEntropy)
            .unwrap();
    for _ in 0..12 {
        journal.append(decision(9, Effect::Deny, NOW)).unwrap();
    }
    journal.close();
    assert_eq!(kinds(&fixture.folder()), []);
    let copy = fixture.copy();
    let folder = copy.path().join(journal.shard());
    let segment = |number: u32| folder.join(format!("{number:08}.jsonl"));
    std::fs::rename(segment(2), segment(99)).unwrap();
    assert!(kinds(copy.path()).contains(&ProblemKind::SegmentMissing(2)));
    std::fs::rename(segment(3), segment(2)).unwrap();
    std::fs::rename(segment(99), segment(3)).unwrap();
    let swapped = kinds(copy.path());
    assert!(swapped.iter().any(|kind| matches!(kind, ProblemKind::Sequence { .. })), "{swapped:?}");
}

#[test]
fn an_allow_without_outcome_is_explained_by_how_the_shard_ends() {
    let fixture = Fixture::new();
    let journal = fixture.open();
    journal.append(decision(1, Effect::Allow, NOW)).unwrap();
    let live = &verify(&fixture.folder()).unwrap().shards[0];
    assert_eq!((live.ending, live.unfinished.len()), (Ending::Live, 1));
    journal.abandon();
    let report = verify(&fixture.folder()).unwrap();
    assert!(report.is_intact(), "a dead process is no breach of the log");
    assert_eq!((report.shards[0].ending, report.shards[0].unfinished.len()), (Ending::Died, 1));

    let journal = fixture.open();
    journal.append(decision(2, Effect::Allow, NOW)).unwrap();
    journal.append(outcome(3, NOW)).unwrap();
    journal.close();
    let found = kinds(&fixture.folder());
    assert!(matches!(&found[..], [ProblemKind::OutcomeAlone(_), ProblemKind::OutcomeMissing(_)]));
}

#[test]
fn a_torn_tail_is_told_apart_from_a_change() {
    let (fixture, shard) = small();
    let path = fixture.segment(&shard);
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() - 30]).unwrap();
    let found = kinds(&fixture.folder());
    assert!(matches!(&found[..], [ProblemKind::TornTail { .. }]), "{found:?}");
}
