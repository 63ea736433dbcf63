use std::sync::Arc;

use super::*;
use crate::audit::{
    Also, DecisionRecord, Effect, Event, EventRecord, RecordBody, Source, Verdict, What, Who,
};
use crate::journal::fixture::{decision_id, outcome};
use crate::model::{ActionId, EntityUid, TenantId};

const NOW: UnixNanos = UnixNanos::new(1_795_355_293_123_456_789);

fn line(body: &RecordBody) -> Line {
    Line::parse("shard", body.as_bytes()).unwrap()
}

fn decision(path: &str, effect: Effect, reason: &str) -> RecordBody {
    let tenant = TenantId::parse("nordvolt").unwrap();
    let principal = EntityUid::new("User", "ada").unwrap();
    let resource = EntityUid::new("Team", "t-7").unwrap();
    let action = ActionId::parse("teams:read").unwrap();
    let determining = [Arc::from("roles/admin")];
    DecisionRecord {
        id: decision_id(7),
        ts: NOW,
        node: "gw-1",
        build: "0.1.0",
        snapshot: None,
        traceparent: None,
        who: Who { tenant: Some(&tenant), principal: Some(&principal), ..Who::UNKNOWN },
        from: Source::default(),
        what: What {
            method: Some("GET"),
            path: Some(path),
            action: Some(&action),
            resource: Some(&resource),
            ..What::default()
        },
        decision: Verdict { effect, determining: &determining, ..Verdict::refused(reason) },
    }
    .encode()
}

#[test]
fn a_decision_is_one_line_in_columns() {
    let shown = render_line(&line(&decision("/teams/t-7", Effect::Allow, "permitted")));
    let expected = "13:48:13.123  07070707  allow   nordvolt    User::ada                \
                    GET  /teams/t-7                   teams:read Team::t-7 · permitted by roles/admin";
    assert_eq!(shown, expected);
}

#[test]
fn a_decision_tells_what_else_was_asked() {
    let asked = |id: &str, effect| Also {
        action: ActionId::parse("teams:list").unwrap(),
        resource: EntityUid::new("Team", id).unwrap(),
        effect,
        reason: "no_permit",
        policies: Vec::new(),
    };
    let mut also = vec![asked("t-8", Effect::Allow), asked("t-9", Effect::Deny)];
    let shown = |also: &[Also]| {
        let what = What { also, ..What::default() };
        let record = DecisionRecord { what, ..empty() };
        render_line(&line(&record.encode()))
    };
    let both = "also teams:list Team::t-8 · also teams:list Team::t-9 denied · no_permit";
    assert!(shown(&also).ends_with(both), "{}", shown(&also));
    also.splice(0..0, (0..4).map(|_| asked("t-7", Effect::Allow)));
    let shown = shown(&also);
    assert!(shown.contains("Team::t-9 denied") && shown.contains("+2 asked"), "{shown}");
}

fn empty() -> DecisionRecord<'static> {
    DecisionRecord {
        id: decision_id(7),
        ts: NOW,
        node: "gw-1",
        build: "0.1.0",
        snapshot: None,
        traceparent: None,
        who: Who::UNKNOWN,
        from: Source::default(),
        what: What::default(),
        decision: Verdict::refused("no_permit"),
    }
}

#[test]
fn an_outcome_hangs_below_its_decision() {
    let shown = render_line(&line(&outcome(7, NOW)));
    assert_eq!(
        shown,
        "13:48:13.123  07070707  └ 200   6.9 ms · 0 B in, 4.3 kB out · 127.0.0.1:9000"
    );
}

#[test]
fn an_event_names_what_happened_first() {
    let tenant = TenantId::parse("nordvolt").unwrap();
    let event = EventRecord {
        tenant: Some(&tenant),
        reason: Some("nonce_mismatch"),
        ..EventRecord::of(Event::SignInFailed, decision_id(7), NOW, "gw-1", "0.1.0")
    };
    let shown = render_line(&line(&event.encode()));
    assert_eq!(shown, "13:48:13.123  07070707  event   sign in failed · nordvolt · nonce_mismatch");
}

#[test]
fn the_day_stands_above_its_first_line_only() {
    let mut renderer = Renderer::new(Colour::Never);
    let line = line(&outcome(7, NOW));
    assert!(renderer.render(&line).starts_with("Sunday 2026-11-22 (UTC)\n13:48:13.123"));
    assert!(renderer.render(&line).starts_with("13:48:13.123"));
}

#[test]
fn columns_are_as_wide_as_the_lines_need() {
    let lines = [
        line(&decision("/a", Effect::Allow, "permitted")),
        line(&decision("/teams/t-7/charge-points/cp-1", Effect::Deny, "no_permit")),
    ];
    let renderer = Renderer::fitted(Colour::Never, &lines);
    let columns: Vec<_> = lines.iter().map(|l| renderer.row(l).find("teams:read")).collect();
    assert_eq!(columns[0], columns[1]);
}

#[test]
fn nothing_a_client_sent_can_steer_the_terminal() {
    let body = decision("/x\u{1b}[2J\n\u{202e}y\u{9b}", Effect::Deny, "no_permit");
    for colour in [Colour::Never, Colour::Always] {
        let shown = Renderer::new(colour).row(&line(&body));
        let ours = shown.replace("\u{1b}[0m", "").replace("\u{1b}[2m", "");
        let ours = ours.replace("\u{1b}[31m", "").replace("\u{1b}[36m", "");
        assert!(!ours.chars().any(is_hostile), "{ours:?}");
    }
}

#[test]
fn colour_appears_only_when_asked_for() {
    let line = line(&decision("/x", Effect::Deny, "no_permit"));
    assert!(!render_line(&line).contains('\u{1b}'));
    assert!(Renderer::new(Colour::Always).render(&line).contains("\u{1b}[31mdeny"));
}

#[test]
fn amounts_read_well() {
    assert_eq!(
        [size(0), size(999), size(1_000), size(4_321_000)],
        ["0 B", "999 B", "1.0 kB", "4.3 MB"]
    );
    assert_eq!([duration(7), duration(6_912), duration(2_500_000)], ["7 µs", "6.9 ms", "2.5 s"]);
}
