use super::*;
use crate::audit::{Event, EventRecord};
use crate::model::{ConnectionId, ConnectionKey};

const RECORD_BYTES_MAX: usize = 16 * 1024;

fn id() -> DecisionId {
    DecisionId::from_parts(UnixNanos::from_seconds(1_760_000_000), [7; 10])
}

fn json(body: &RecordBody) -> serde_json::Value {
    serde_json::from_slice(body.as_bytes()).unwrap()
}

fn refusal<'a>(what: What<'a>, from: Source<'a>) -> DecisionRecord<'a> {
    DecisionRecord {
        id: id(),
        ts: UnixNanos::new(1_760_000_000_000_000_042),
        node: "gw-1",
        build: "0.1.0",
        snapshot: None,
        traceparent: None,
        who: Who::UNKNOWN,
        from,
        what,
        decision: Verdict::refused("route_not_found"),
    }
}

#[test]
fn a_decision_holds_its_groups_under_their_contract_names() {
    let tenant = TenantId::parse("nordvolt").unwrap();
    let principal = EntityUid::new("User", "ada").unwrap();
    let resource = EntityUid::new("Team", "t-7").unwrap();
    let (route, action) =
        (RouteId::parse("teams.read").unwrap(), ActionId::parse("teams:read").unwrap());
    let policies = [Arc::from("roles/admin")];
    let record = DecisionRecord {
        who: Who {
            tenant: Some(&tenant),
            principal: Some(&principal),
            credential: Some("k1a2b3c4d5e6"),
            method: AuthMethod::ApiKey,
            ..Who::UNKNOWN
        },
        decision: Verdict {
            effect: Effect::Allow,
            reason: "permitted",
            determining: &policies,
            evaluation_us: 12,
            ..Verdict::refused("")
        },
        ..refusal(
            What {
                method: Some("GET"),
                authority: Some("hub.example:8443"),
                path: Some("/teams/t-7"),
                query: QueryKeys::of(Some("fields=name")),
                route: Some(&route),
                action: Some(&action),
                resource: Some(&resource),
                ..What::default()
            },
            Source { peer: Some(([127, 0, 0, 1], 4711).into()), ..Source::default() },
        )
    };
    let expected = serde_json::json!({
        "v": 1, "kind": "decision", "id": id().to_string(), "ts": 1_760_000_000_000_000_042_u64,
        "node": "gw-1", "build": "0.1.0",
        "who": {"tenant": "nordvolt", "principal": "User::ada", "credential": "k1a2b3c4d5e6", "method": "api_key"},
        "from": {"peer": "127.0.0.1:4711"},
        "what": {"method": "GET", "authority": "hub.example:8443", "path": "/teams/t-7", "query": ["fields"],
                 "route": "teams.read", "action": "teams:read", "resource": "Team::t-7"},
        "decision": {"effect": "allow", "reason": "permitted", "determining": ["roles/admin"],
                     "cached": false, "evaluation_us": 12},
    });
    assert_eq!(json(&record.encode()), expected);
}

#[test]
fn a_refusal_without_any_readable_part_is_a_record_too() {
    let body = refusal(What::default(), Source::default()).encode();
    let record = json(&body);
    assert_eq!(record["decision"]["effect"], "refuse");
    assert_eq!(record["decision"]["reason"], "route_not_found");
    assert_eq!(record["what"], serde_json::json!({}));
}

#[test]
fn an_outcome_names_its_decision() {
    let outcome = OutcomeRecord {
        decision_id: id(),
        ts: UnixNanos::new(5),
        tenant: None,
        service: None,
        upstream: Some("127.0.0.1:9000"),
        first_byte_sent: true,
        status: Some(200),
        bytes_in: 0,
        bytes_out: 512,
        duration_us: 900,
        attempts: 1,
        aborted: None,
    };
    let record = json(&outcome.encode());
    assert_eq!(record["kind"], "outcome");
    assert_eq!(record["decision_id"], id().to_string());
    assert!(record.get("aborted").is_none(), "a complete answer has no cause of abortion");
}

#[test]
fn an_event_carries_only_what_is_known() {
    let connection = ConnectionKey {
        tenant: TenantId::parse("nordvolt").unwrap(),
        id: ConnectionId::parse("okta").unwrap(),
    };
    let event = EventRecord {
        connection: Some(&connection),
        reason: Some("nonce_mismatch"),
        ..EventRecord::of(Event::SignInFailed, id(), UnixNanos::new(1), "gw-1", "0.1.0")
    };
    let record = json(&event.encode());
    assert_eq!(record["event"], "sign_in_failed");
    assert_eq!(record["connection"], "nordvolt/okta");
    assert_eq!(record.as_object().unwrap().len(), 9);
}

#[test]
fn the_most_hostile_request_stays_within_the_record_size() {
    let nasty = "\u{1}".repeat(9000);
    let query = vec!["\u{1}".repeat(40); 500].join("&");
    let policies = vec![Arc::<str>::from("p".repeat(300)); 500];
    let mut record = refusal(
        What {
            method: Some(&nasty),
            authority: Some(&nasty),
            path: Some(&nasty),
            query: QueryKeys::of(Some(&query)),
            ..What::default()
        },
        Source {
            peer: None,
            protocol: Some(&nasty),
            tls: Some(&nasty),
            server_name: Some(&nasty),
            user_agent: Some(&nasty),
        },
    );
    record.decision.determining = &policies;
    record.decision.erring = &policies;
    let bytes = record.encode().as_bytes().len();
    assert!(bytes <= RECORD_BYTES_MAX + 8 * 1024, "{bytes}");
    record.decision.determining = &[];
    record.decision.erring = &[];
    // Policies decide only requests that are canonical, whose text needs no escapes.
    let bytes = record.encode().as_bytes().len();
    assert!(bytes <= RECORD_BYTES_MAX, "{bytes}");
}

#[test]
fn a_new_line_in_a_field_cannot_start_a_record() {
    let forged = "/x\n{\"seq\":2,\"kind\":\"decision\"}";
    let body = refusal(What { path: Some(forged), ..What::default() }, Source::default()).encode();
    assert!(!body.as_bytes().contains(&b'\n'));
    assert_eq!(json(&body)["what"]["path"], forged);
}

/// What the journal takes in one line.
const JOURNAL_BODY_BYTES_MAX: usize = 65_000;

#[test]
fn a_record_of_as_many_questions_as_there_may_be_fits_into_the_journal() {
    let id = "i".repeat(256 - "Team".len());
    let asked = Also {
        action: ActionId::parse(&"a".repeat(128)).unwrap(),
        resource: EntityUid::new("Team", &id).unwrap(),
        effect: Effect::Deny,
        reason: "unknown_resource",
        policies: vec![Arc::from("p".repeat(200)); 9],
    };
    let also = vec![asked; 64];
    let path = "/a".repeat(8_192);
    let what = What { path: Some(&path), also: &also, ..What::default() };
    let body = refusal(what, Source::default()).encode();
    assert!(body.as_bytes().len() < JOURNAL_BODY_BYTES_MAX - RECORD_BYTES_MAX);
    let record = json(&body);
    let last = &record["what"]["also"][63];
    assert_eq!((&last["effect"], &last["reason"]), (&"deny".into(), &"unknown_resource".into()));
    assert_eq!(last["policies"][2], "+7 more");
}
