//! Measures what a decision costs: new and repeated, with few and many policies.
//!
//! `cargo bench -p hubgate --bench decision`. Prints microseconds per decision: the least, the
//! median and the 99th percentile of batches; on a busy machine only the least means something.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool for people")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use hubgate::authz::{Facts, Partition, Pdp, PolicySchema, PreparedPrincipal, Question};
use hubgate::model::{
    ActionId, AuthMethod, EntityRecord, EntityUid, PolicySource, Scopes, UnixNanos,
};
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../schemas/hub.cedarschema");

/// Decisions measured together, so that the clock costs nothing.
const BATCH: u32 = 100;
const BATCHES: usize = 200;
const TEAMS: usize = 1_000;

fn main() {
    println!("{:<34} {:>9} {:>9} {:>9}", "µs per decision", "min", "p50", "p99");
    for policies in [20, 1_000, 10_000] {
        measure(policies);
    }
}

fn measure(policies: usize) {
    let schema = Arc::new(PolicySchema::parse("hub.cedarschema", SCHEMA).unwrap());
    let records = records();
    let partition = Partition::build(&schema, records.iter()).unwrap();
    let load = Instant::now();
    let pdp = Pdp::load(Arc::clone(&schema), &sources(policies), &BTreeMap::new()).unwrap();
    let load = load.elapsed();
    let manager = principal(&partition);
    let resources: Vec<EntityUid> = (0..TEAMS)
        .flat_map(|n| [format!("Team::t{n}"), format!("ChargePoint::c{n}")])
        .map(|text| EntityUid::parse(&text).unwrap())
        .collect();
    let actions = ["teams:view", "charges:start"].map(|action| ActionId::parse(action).unwrap());
    let mut asked = 0_usize;
    let scopes = Scopes::none();
    // The clock moves on by a minute with each pass over the resources: nothing is remembered.
    let mut ask = |new: bool| {
        let turn = if new { asked } else { asked % BATCH as usize };
        asked += 1;
        let facts = Facts {
            method: AuthMethod::Session,
            connection: None,
            scopes: &scopes,
            source: [192, 0, 2, 1].into(),
            now: UnixNanos::from_seconds(if new {
                60 * (asked / resources.len()) as u64
            } else {
                1
            }),
        };
        let resource = resources.get(turn % resources.len()).unwrap();
        let action = actions.get(turn % 2).unwrap();
        let question = Question { principal: &manager, action, resource, context: facts };
        let decision = pdp.decide(None, &partition, &question);
        assert!(decision.allowed(), "{}", decision.reason_code());
        assert!(!new || !decision.cached());
        let _ = black_box(decision);
    };
    println!("{policies} policies, loaded in {load:?}");
    report("  new", || ask(true));
    report("  repeated", || ask(false));
}

fn report(name: &str, mut ask: impl FnMut()) {
    (0..2 * BATCH).for_each(|_| ask());
    let mut batches: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            (0..BATCH).for_each(|_| ask());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH)
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    let at = |part: usize| batches.get(BATCHES * part / 100).copied().unwrap_or_default();
    println!("{name:<34} {:>9.2} {:>9.2} {:>9.2}", at(0), at(50), at(99));
}

/// The hub's own policies, and around them such as the other organisations of a large one would have.
fn sources(policies: usize) -> Vec<PolicySource> {
    let own = [
        include_str!("../../policies/roles/admin.cedar"),
        include_str!("../../policies/roles/operations-manager.cedar"),
        include_str!("../../policies/roles/bookkeeper.cedar"),
        include_str!("../../policies/roles/support-agent.cedar"),
        include_str!("../../policies/guard-rails/frozen-teams.cedar"),
        include_str!("../../policies/guard-rails/operator-transactions.cedar"),
        include_str!("../../policies/scopes/teams.cedar"),
        include_str!("../../policies/scopes/charge-points.cedar"),
        include_str!("../../policies/scopes/charges.cedar"),
        include_str!("../../policies/scopes/wallets.cedar"),
    ]
    .join("\n");
    let present = own.matches("@id(").count();
    let more = (present..policies).map(|n| match n % 3 {
        0 => format!(
            "@id(\"x{n}\") permit (principal == User::\"u{n}\", action in Action::\"teams:read\", resource in Operator::\"o{n}\");"
        ),
        1 => format!(
            "@id(\"x{n}\") permit (principal is User, action in Action::\"teams:write\", resource in Operator::\"o{n}\") when {{ resource in principal.roles.support_agent }};"
        ),
        _ => format!(
            "@id(\"x{n}\") @reason(\"No.\") forbid (principal is User, action in Action::\"charges:control\", resource == ChargePoint::\"x{n}\") when {{ resource.team.frozen }};"
        ),
    });
    let more: Vec<String> = more.collect();
    let files = more
        .chunks(1_000)
        .enumerate()
        .map(|(n, chunk)| PolicySource { name: format!("more-{n}.cedar"), text: chunk.join("\n") });
    let own = PolicySource { name: "own.cedar".to_owned(), text: own };
    std::iter::once(own).chain(files).collect()
}

fn reference(kind: &str, id: &str) -> Value {
    json!({ "__entity": { "type": kind, "id": id } })
}

fn records() -> Vec<EntityRecord> {
    let mut records = vec![json!({ "uid": "Operator::main" })];
    for sub in 0..10 {
        records.push(json!({ "uid": format!("Operator::s{sub}"), "parents": ["Operator::main"] }));
    }
    for team in 0..TEAMS {
        let id = format!("t{team}");
        records.push(
            json!({ "uid": format!("Team::{id}"), "parents": [format!("Operator::s{}", team % 10)],
            "attributes": { "kind": "private", "frozen": false, "billing": "invoice" } }),
        );
        records.push(json!({ "uid": format!("Site::p{team}"), "parents": [format!("Team::{id}")],
            "attributes": { "team": reference("Team", &id) } }));
        records.push(
            json!({ "uid": format!("ChargePoint::c{team}"), "parents": [format!("Site::p{team}")],
            "attributes": { "team": reference("Team", &id) } }),
        );
    }
    records.into_iter().map(|record| serde_json::from_value(record).unwrap()).collect()
}

fn principal(partition: &Partition) -> PreparedPrincipal {
    let record = json!({ "uid": "User::manager", "attributes": { "roles": {
        "admin": [], "operations_manager": [reference("Operator", "main")],
        "bookkeeper": [], "support_agent": [] } } });
    partition.principal(&serde_json::from_value(record).unwrap()).unwrap()
}
