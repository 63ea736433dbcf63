//! A node is in the access set exactly when the single decision about it is to allow.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::{TestCaseError, any};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::*;
use crate::authz::{PolicySchema, Question};
use crate::model::{AuthMethod, EntityRecord, PolicySource, Scopes, UnixNanos};

const SCHEMA: &str = r#"
type Context = {
  authentication: { method: String, connection: String },
  network: { source: ipaddr },
  operation: { scopes: Set<String> },
  now: datetime,
};
entity Account in [Account] { name: String, open: Bool };
entity Crew in [Account, Crew] { name: String, frozen: Bool, home: Account, friend?: Crew };
entity Box in [Crew] { crew: Crew };
entity User { roles: { chief: Set<Account>, hand: Set<Crew> }, home: Account };
action "crews:list" appliesTo { principal: [User], resource: [Account, Crew], context: Context };
action "crews:view" appliesTo { principal: [User], resource: [Crew], context: Context };
action "boxes:view" appliesTo { principal: [User], resource: [Box], context: Context };
"#;

/// What conditions can see of a node, each way of it.
const POLICIES: [&str; 18] = [
    "permit (principal, action, resource) when { resource in principal.roles.chief };",
    "permit (principal, action, resource) when { resource in principal.roles.hand };",
    "permit (principal, action, resource is Crew) when { resource.home in principal.roles.chief };",
    "permit (principal, action, resource is Crew) when { resource in resource.home };",
    "permit (principal, action, resource is Crew) when { resource has friend && resource.friend in resource };",
    "permit (principal, action, resource is Crew) when { resource has friend && resource.friend.frozen };",
    "permit (principal, action, resource is Crew) when { resource has friend && resource in resource.friend.home };",
    "permit (principal, action, resource) when { principal.home in resource };",
    "permit (principal, action, resource in Account::\"a1\");",
    "permit (principal, action, resource == Crew::\"c2\");",
    "permit (principal, action, resource) when { resource in Crew::\"c0\" };",
    "permit (principal, action, resource is Account) when { resource.open };",
    "permit (principal, action, resource is Account) when { resource.name == \"odd\" };",
    "@reason(\"No.\") forbid (principal, action, resource is Crew) when { resource.frozen };",
    "@reason(\"No.\") forbid (principal, action, resource in Account::\"a2\");",
    "@reason(\"No.\") forbid (principal, action, resource) when { resource == principal.home };",
    "@reason(\"No.\") forbid (principal, action, resource is Crew) when { resource.home == principal.home };",
    "@reason(\"No.\") forbid (principal, action, resource is Crew) unless { context.operation.scopes.contains(\"x\") };",
];

fn schema() -> Arc<PolicySchema> {
    static SCHEMA_PARSED: LazyLock<Arc<PolicySchema>> =
        LazyLock::new(|| Arc::new(PolicySchema::parse("schema", SCHEMA).unwrap()));
    Arc::clone(&SCHEMA_PARSED)
}

fn load(policies: impl Iterator<Item = &'static str>) -> Pdp {
    let texts: Vec<String> =
        policies.enumerate().map(|(n, text)| format!("@id(\"p{n}\") {text}")).collect();
    let source = PolicySource { name: "test.cedar".to_owned(), text: texts.join("\n") };
    Pdp::load(schema(), &[source], &BTreeMap::new()).unwrap()
}

fn entity(kind: &str, id: impl std::fmt::Display) -> Value {
    json!({ "__entity": { "type": kind, "id": id.to_string() } })
}

fn record(value: Value) -> EntityRecord {
    serde_json::from_value(value).unwrap()
}

/// Accounts and crews as the bytes say, some below others, crews at times below two parents.
fn organisation(bytes: &[u8; 64]) -> Vec<EntityRecord> {
    const ACCOUNTS: usize = 5;
    const CREWS: usize = 9;
    let byte = |at: usize| usize::from(bytes[at % 64]);
    let mut records = Vec::new();
    for n in 0..ACCOUNTS {
        let parents = match (n, byte(n)) {
            (0, _) => Vec::new(),
            (_, choice) if choice % 6 == 0 => Vec::new(),
            (_, choice) => vec![format!("Account::a{}", choice % n)],
        };
        let name = if byte(n + 40) % 2 == 0 { "even" } else { "odd" };
        records.push(record(json!({ "uid": format!("Account::a{n}"), "parents": parents,
            "attributes": { "name": name, "open": byte(n + 20) % 3 == 0 } })));
    }
    for n in 0..CREWS {
        let choice = byte(n + 5);
        let mut parents = vec![format!("Account::a{}", choice % ACCOUNTS)];
        if n > 0 && choice % 3 == 0 {
            parents.push(format!("Crew::c{}", (choice / 3) % n));
        }
        let mut attributes = json!({ "name": format!("crew {n}"), "frozen": choice % 4 == 0,
            "home": entity("Account", format!("a{}", byte(n + 30) % ACCOUNTS)) });
        if choice % 5 < 2 {
            attributes["friend"] = entity("Crew", format!("c{}", byte(n + 50) % CREWS));
        }
        let uid = format!("Crew::c{n}");
        records.push(record(json!({ "uid": uid, "parents": parents, "attributes": attributes })));
        records.push(record(json!({ "uid": format!("Box::b{n}"), "parents": [uid],
            "attributes": { "crew": entity("Crew", format!("c{n}")) } })));
    }
    records
}

fn user(chief: &[u8], hand: &[u8], home: u8) -> EntityRecord {
    let nodes = |kind: &str, letter: &str, of: u8, ids: &[u8]| {
        ids.iter().map(|id| entity(kind, format!("{letter}{}", id % of))).collect::<Vec<_>>()
    };
    record(json!({ "uid": "User::u", "attributes": {
        "roles": { "chief": nodes("Account", "a", 5, chief), "hand": nodes("Crew", "c", 9, hand) },
        "home": entity("Account", format!("a{}", home % 5)) } }))
}

fn facts(scopes: &Scopes) -> Facts<'_> {
    Facts {
        method: AuthMethod::Session,
        connection: None,
        scopes,
        source: "192.0.2.1".parse().unwrap(),
        now: UnixNanos::from_seconds(1_767_225_600),
    }
}

/// The sets for `who` of each action, compared node by node with single decisions; the largest number of
/// nodes in one of them.
fn compare(pdp: &Pdp, records: &[EntityRecord], who: &EntityRecord, scopes: &Scopes) -> usize {
    let partition = Partition::build(pdp.schema(), records.iter()).unwrap();
    let principal = partition.principal(who).unwrap();
    let context = facts(scopes);
    let mut most = 0;
    for (action, types) in [
        ("crews:list", &["Account", "Crew"][..]),
        ("crews:list", &["Crew"]),
        ("crews:view", &["Account", "Crew"]),
        ("boxes:view", &["Account", "Crew", "Box"]),
        ("boxes:view", &["Account", "Crew"]),
    ] {
        let action = ActionId::parse(action).unwrap();
        let question = AccessQuestion { principal: &principal, action: &action, context, types };
        let set = pdp.access_set(None, &partition, &question).unwrap();
        let mut members = 0;
        for record in records {
            let resource = &record.uid;
            let question = Question { principal: &principal, action: &action, resource, context };
            let single = pdp.decide(None, &partition, &question).allowed();
            let wanted = single && types.contains(&resource.kind());
            assert_eq!(set.contains(&partition, resource), wanted, "{action} {resource} {set:?}");
            members += usize::from(wanted);
        }
        assert!(set.within().len() + set.without().len() <= records.len());
        most = most.max(members);
    }
    most
}

#[test]
fn a_node_is_in_the_set_exactly_when_its_decision_allows() {
    type Drawn = ([u8; 64], Vec<u8>, Vec<u8>, Vec<bool>, u8);
    let strategy = (
        any::<[u8; 64]>(),
        proptest::collection::vec(any::<u8>(), 0..3),
        proptest::collection::vec(any::<u8>(), 0..3),
        proptest::collection::vec(proptest::bool::weighted(0.3), POLICIES.len()),
        any::<u8>(),
    );
    let (empty, some) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = Config { cases: 1_000, failure_persistence: None, ..Config::default() };
    let check = |(bytes, chief, hand, chosen, last): Drawn| {
        let chosen = POLICIES.iter().zip(chosen).filter_map(|(text, on)| on.then_some(*text));
        let pdp = load(chosen);
        let scopes = if last % 2 == 0 { Scopes::none() } else { Scopes::new(["x"]).unwrap() };
        let who = user(&chief, &hand, last);
        let members = compare(&pdp, &organisation(&bytes), &who, &scopes);
        let count = if members == 0 { &empty } else { &some };
        count.set(count.get() + 1);
        Ok::<(), TestCaseError>(())
    };
    TestRunner::new(config).run(&strategy, check).unwrap();
    // Neither side of the comparison was the same all the time.
    assert!(some.get() > 300 && empty.get() > 20, "{} and {}", some.get(), empty.get());
}

/// One account with `crews` crews, of which every `every`th is frozen.
fn large(crews: usize, every: usize) -> Vec<EntityRecord> {
    let account = json!({ "uid": "Account::a0", "attributes": { "name": "", "open": false } });
    let crew = |n: usize| {
        json!({ "uid": format!("Crew::c{n}"), "parents": ["Account::a0"], "attributes": {
            "name": format!("crew {n}"), "frozen": n % every == every - 1,
            "home": entity("Account", "a0") } })
    };
    std::iter::once(account).chain((0..crews).map(crew)).map(record).collect()
}

fn ask(pdp: &Pdp, partition: &Partition, now: u64) -> Result<Arc<AccessSet>, AccessSetError> {
    let principal = partition.principal(&user(&[0], &[], 1)).unwrap();
    let action = ActionId::parse("crews:list").unwrap();
    let scopes = Scopes::none();
    let context = Facts { now: UnixNanos::from_seconds(now), ..facts(&scopes) };
    let types = &["Account", "Crew"];
    let question = AccessQuestion { principal: &principal, action: &action, context, types };
    pdp.access_set(None, partition, &question)
}

#[test]
fn a_set_is_written_with_few_entries_and_as_json() {
    let pdp = load([POLICIES[0], POLICIES[13]].into_iter());
    let mut records = large(40, 20);
    records.push(record(json!({ "uid": "Account::a1",
        "attributes": { "name": "", "open": false } })));
    let partition = Partition::build(&schema(), records.iter()).unwrap();
    let set = ask(&pdp, &partition, 1).unwrap();
    assert_eq!(
        serde_json::to_value(&*set).unwrap(),
        json!({ "types": ["Account", "Crew"], "within": ["Account::a0"],
                "without": ["Crew::c19", "Crew::c39"] })
    );
}

#[test]
fn a_set_that_cannot_be_written_with_few_entries_is_refused() {
    let pdp = load([POLICIES[0], POLICIES[13]].into_iter());
    for (crews, entries) in [(255 * 2, Ok(256)), (256 * 2, Err(AccessSetError::TooManyEntries))] {
        let partition = Partition::build(&schema(), large(crews, 2).iter()).unwrap();
        let set = ask(&pdp, &partition, 1);
        assert_eq!(set.map(|set| set.within().len() + set.without().len()), entries);
    }
}

#[test]
fn a_set_is_remembered_while_it_depends_on_nothing_that_changes_by_itself() {
    let clock = "@reason(\"No.\") forbid (principal, action, resource is Crew) \
                 when { context.now > datetime(\"2020-01-01\") };";
    let peer = "@reason(\"No.\") forbid (principal, action, resource is Crew) \
                when { context.network.source.isLoopback() };";
    let records = large(3, 100);
    let partition = Partition::build(&schema(), records.iter()).unwrap();
    let plain = load([POLICIES[0]].into_iter());
    let first = ask(&plain, &partition, 1_000).unwrap();
    assert!(Arc::ptr_eq(&first, &ask(&plain, &partition, 1_004).unwrap()));
    assert!(!Arc::ptr_eq(&first, &ask(&plain, &partition, 1_005).unwrap()), "not for ever");
    assert!(!Arc::ptr_eq(&first, &ask(&plain, &partition, 999).unwrap()), "nor backwards");
    for text in [clock, peer] {
        let pdp = load([POLICIES[0], text].into_iter());
        let first = ask(&pdp, &partition, 1_000).unwrap();
        assert!(!Arc::ptr_eq(&first, &ask(&pdp, &partition, 1_000).unwrap()), "{text}");
    }
    let pdp = load([POLICIES[0], clock].into_iter());
    assert_eq!(ask(&pdp, &partition, 1_000).unwrap().without(), []);
    assert_eq!(ask(&pdp, &partition, 1_600_000_000).unwrap().without().len(), 3);
}

#[test]
fn what_does_not_belong_together_has_no_set() {
    let pdp = load([POLICIES[0]].into_iter());
    let partition = Partition::build(&schema(), large(3, 100).iter()).unwrap();
    let other = Partition::build(&schema(), large(3, 100).iter()).unwrap();
    let principal = other.principal(&user(&[0], &[], 1)).unwrap();
    let scopes = Scopes::none();
    for (action, error) in [
        ("crews:list", AccessSetError::InvalidRequest),
        ("crews:fly", AccessSetError::UnknownAction),
    ] {
        let (action, context) = (ActionId::parse(action).unwrap(), facts(&scopes));
        let question =
            AccessQuestion { principal: &principal, action: &action, context, types: &["Crew"] };
        assert_eq!(pdp.access_set(None, &partition, &question), Err(error));
    }
}

#[test]
fn what_is_not_wanted_may_stand_for_what_is() {
    let pdp = load([POLICIES[0]].into_iter());
    let records = large(300, 301);
    let partition = Partition::build(&schema(), records.iter()).unwrap();
    let principal = partition.principal(&user(&[0], &[], 1)).unwrap();
    let (action, scopes) = (ActionId::parse("crews:view").unwrap(), Scopes::none());
    let (context, types) = (facts(&scopes), &["Crew"]);
    let question = AccessQuestion { principal: &principal, action: &action, context, types };
    let set = pdp.access_set(None, &partition, &question).unwrap();
    let account = EntityUid::parse("Account::a0").unwrap();
    assert_eq!((set.types(), set.within()), (&[String::from("Crew")][..], &[account.clone()][..]));
    assert!(!set.contains(&partition, &account), "it stands for others only");
}
