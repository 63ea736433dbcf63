use super::*;
use crate::audit::{Effect, Sink as _};
use crate::journal::Journal;
use crate::journal::fixture::{Fixture, decision, decision_id, outcome};

const START: u64 = 1_795_355_400;

fn at(second: u64) -> UnixNanos {
    UnixNanos::from_seconds(START + second)
}

fn filled() -> (Fixture, Journal) {
    let fixture = Fixture::new();
    fixture.clock.advance(Duration::from_secs(107));
    let first = fixture.open();
    first.append(decision(1, Effect::Allow, at(1))).unwrap();
    first.append(outcome(1, at(2))).unwrap();
    first.close();
    let second = fixture.open();
    second.append(decision(2, Effect::Deny, at(3))).unwrap();
    second.append(decision(101, Effect::Allow, at(4))).unwrap();
    (fixture, second)
}

fn shown(fixture: &Fixture, filter: Filter, count: usize) -> Vec<(u64, String)> {
    let lines = Tail::new(&fixture.folder(), filter, count).lines().unwrap();
    let show = |line: &Line| (line.time().seconds().saturating_sub(START), line.kind().to_owned());
    lines.iter().map(show).collect()
}

fn decisions() -> Filter {
    Filter { kind: Some("decision".into()), ..Filter::default() }
}

#[test]
fn shows_the_last_lines_over_all_shards_in_order_of_time() {
    let (fixture, _journal) = filled();
    let lines = shown(&fixture, Filter::default(), 3);
    assert_eq!(lines, [(2, "outcome".into()), (3, "decision".into()), (4, "decision".into())]);
    assert_eq!(shown(&fixture, decisions(), 100).len(), 3);
    assert!(shown(&fixture, Filter::default(), 0).is_empty());
}

#[test]
fn each_filter_selects() {
    let (fixture, _journal) = filled();
    let id = decision_id(1).to_string();
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (Filter { tenant: text("sudstrom"), ..decisions() }, vec![4]),
        (Filter { principal: text("User::u2"), ..decisions() }, vec![3]),
        (Filter { effect: text("allow"), ..decisions() }, vec![1, 4]),
        (Filter { reason: text("no_permit"), ..decisions() }, vec![3]),
        (Filter { since: Some(at(3)), ..decisions() }, vec![3, 4]),
        (Filter { decision: id.get(28..).map(Into::into), ..Filter::default() }, vec![1, 2]),
        (Filter { tenant: text("nobody"), ..decisions() }, vec![]),
    ];
    for (filter, expected) in cases {
        let seconds: Vec<_> = shown(&fixture, filter.clone(), 10).iter().map(|l| l.0).collect();
        assert_eq!(seconds, expected, "{filter:?}");
    }
}

#[test]
fn following_shows_every_later_line_once_and_over_new_processes() {
    let (fixture, journal) = filled();
    let (before, mut follow) = Tail::new(&fixture.folder(), decisions(), 10).follow().unwrap();
    assert_eq!(before.len(), 3);
    assert!(follow.poll().unwrap().is_empty());
    journal.append(decision(3, Effect::Deny, at(5))).unwrap();
    let next = fixture.open();
    next.append(decision(4, Effect::Deny, at(6))).unwrap();
    let seconds: Vec<_> =
        follow.poll().unwrap().iter().map(|l| l.time().seconds() - START).collect();
    assert_eq!(seconds, [5, 6]);
    assert!(follow.poll().unwrap().is_empty(), "each line once");
}

#[test]
fn a_line_being_written_waits_for_its_end() {
    let (fixture, journal) = filled();
    let (_, mut follow) = Tail::new(&fixture.folder(), decisions(), 0).follow().unwrap();
    let path = fixture.segment(journal.shard());
    let mut bytes = std::fs::read(&path).unwrap();
    fixture.clock.advance(Duration::from_secs(1));
    journal.append(decision(5, Effect::Deny, at(7))).unwrap();
    let whole = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(&whole[bytes.len()..whole.len() - 20]);
    std::fs::write(&path, &bytes).unwrap();
    assert!(follow.poll().unwrap().is_empty());
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(follow.poll().unwrap().len(), 1);
}
