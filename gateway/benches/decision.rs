//! Measures what a decision costs, new and repeated, with few and many policies; and what an access set costs.
//!
//! `cargo bench -p hubgate --bench decision`. Prints microseconds per decision: the least, the
//! median and the 99th percentile of batches; on a busy machine only the least means something.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool for people")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hubgate::authz::{
    AccessQuestion, Facts, Partition, Pdp, PolicySchema, PreparedPrincipal, Question,
};
use hubgate::config::read_policies;
use hubgate::directory::principal_entity;
use hubgate::model::{
    ActionId, AuthMethod, EntityRecord, EntityUid, PolicySource, RoleAssignment, Scopes, UnixNanos,
};
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../schemas/hub.cedarschema");

/// Decisions measured together, so that the clock costs nothing.
const BATCH: u32 = 100;
const BATCHES: usize = 200;
const TEAMS: usize = 1_000;

fn main() {
    println!("{:<34} {:>9} {:>9} {:>9}", "µs per decision", "min", "p50", "p99");
    for policies in [75, 1_000, 10_000] {
        measure(policies);
    }
    println!("{:<34} {:>9} {:>9} {:>9}", "µs per access set", "min", "p50", "p99");
    for teams in [1_000, 20_000] {
        measure_access(teams);
    }
}

/// Somebody with a role on the main account of so many teams, of which one in five hundred is suspended by a
/// policy of the organisation's own.
fn measure_access(teams: usize) {
    let schema = Arc::new(PolicySchema::parse("hub.cedarschema", SCHEMA).unwrap());
    let records = records(teams, 500);
    let partition = Partition::build(&schema, records.iter()).unwrap();
    let hold = "@id(\"hold\") @reason(\"On hold.\") \
                forbid (principal, action in [Action::\"charges:read\"], resource is Team) when { resource.frozen };";
    let hold = PolicySource { name: "hold.cedar".to_owned(), text: hold.to_owned() };
    let sources = [sources(20), vec![hold]].concat();
    let pdp = Pdp::load(Arc::clone(&schema), &sources, &BTreeMap::new()).unwrap();
    let action = ActionId::parse("charges:list").unwrap();
    let scopes = Scopes::none();
    let (manager, mut asked) = (principal(&schema, &partition), 0);
    let mut ask = |new: bool| {
        asked += 1;
        let context = Facts {
            method: AuthMethod::Session,
            connection: None,
            scopes: &scopes,
            source: [192, 0, 2, 1].into(),
            // A set holds for a minute.
            now: UnixNanos::from_seconds(if new { 100 * asked } else { 1 }),
        };
        let (principal, types) = (&manager, &["Operator", "Team"][..]);
        let question = AccessQuestion { principal, action: &action, context, types };
        let set = pdp.access_set(None, &partition, &question).unwrap();
        assert_eq!((set.within().len(), set.without().len()), (1, teams / 500));
        let _ = black_box(set);
    };
    println!("{teams} teams");
    report_batches("  new", 1, || ask(true));
    report_batches("  repeated", BATCH, || ask(false));
}

fn measure(policies: usize) {
    let schema = Arc::new(PolicySchema::parse("hub.cedarschema", SCHEMA).unwrap());
    let records = records(TEAMS, usize::MAX);
    let partition = Partition::build(&schema, records.iter()).unwrap();
    let load = Instant::now();
    let pdp = Pdp::load(Arc::clone(&schema), &sources(policies), &BTreeMap::new()).unwrap();
    let load = load.elapsed();
    let manager = principal(&schema, &partition);
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

fn report(name: &str, ask: impl FnMut()) {
    report_batches(name, BATCH, ask);
}

fn report_batches(name: &str, batch: u32, mut ask: impl FnMut()) {
    (0..2 * batch).for_each(|_| ask());
    let mut batches: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            (0..batch).for_each(|_| ask());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(batch)
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    let at = |part: usize| batches.get(BATCHES * part / 100).copied().unwrap_or_default();
    println!("{name:<34} {:>9.2} {:>9.2} {:>9.2}", at(0), at(50), at(99));
}

/// The hub's own policies, and around them such as the other organisations of a large one would have.
fn sources(policies: usize) -> Vec<PolicySource> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let own = read_policies(&root.join("policies"), root).unwrap();
    let present: usize = own.iter().map(|file| file.text.matches("@id(").count()).sum();
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
    own.into_iter().chain(files).collect()
}

fn reference(kind: &str, id: &str) -> Value {
    json!({ "__entity": { "type": kind, "id": id } })
}

/// An organisation with so many teams, each `frozen`th of them frozen.
fn records(teams: usize, frozen: usize) -> Vec<EntityRecord> {
    let account = json!({ "tier": "business", "country": "DK", "kyb": "approved", "features": [],
        "hub_run": false, "bank_account": false });
    let mut records = vec![json!({ "uid": "Operator::main", "attributes": account })];
    for sub in 0..10 {
        let uid = format!("Operator::s{sub}");
        records.push(json!({ "uid": uid, "parents": ["Operator::main"], "attributes": account }));
    }
    for team in 0..teams {
        let id = format!("t{team}");
        let above = format!("s{}", team % 10);
        records.push(
            json!({ "uid": format!("Team::{id}"), "parents": [format!("Operator::{above}")],
            "attributes": { "operator": reference("Operator", &above), "kind": "private",
            "frozen": team % frozen == frozen - 1, "billing": "invoice", "country": "DK",
            "kyb": "approved", "vat_registered": true, "payment_card": true } }),
        );
        records.push(json!({ "uid": format!("Site::p{team}"), "parents": [format!("Team::{id}")],
            "attributes": { "team": reference("Team", &id) } }));
        records.push(
            json!({ "uid": format!("ChargePoint::c{team}"), "parents": [format!("Site::p{team}")],
            "attributes": { "team": reference("Team", &id), "operator": reference("Operator", &above) } }),
        );
    }
    records.into_iter().map(|record| serde_json::from_value(record).unwrap()).collect()
}

fn principal(schema: &PolicySchema, partition: &Partition) -> PreparedPrincipal {
    let main = EntityUid::parse("Operator::main").unwrap();
    let roles = [RoleAssignment { role: "operations_manager".to_owned(), on: main }];
    let uid = EntityUid::parse("User::manager").unwrap();
    let record = principal_entity(uid, &roles, schema.role_names("User"), serde_json::Map::new());
    partition.principal(&record).unwrap()
}
