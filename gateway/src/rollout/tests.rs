//! A small hub whose policies are changed on paper.

use serde_json::json;

use super::*;
use crate::authz::Probe;

const SCHEMA: &str = r#"
entity Team = { frozen: Bool };
entity User = { roles: { owner: Set<Team> } };
type Context = {
  authentication: { method: String, connection: String },
  network: { source: ipaddr },
  operation: { scopes: Set<String> },
  now: datetime,
};
action "teams:view", "teams:update" appliesTo { principal: User, resource: Team, context: Context };
"#;

const BASE: &str = r#"
@id("owner")
permit (principal is User, action, resource is Team)
when { principal.roles.owner.contains(resource) };
"#;

const FORBID: &str = r#"
@id("frozen-team")
@reason("The team is frozen.")
forbid (principal, action == Action::"teams:update", resource is Team)
when { resource.frozen };
"#;

fn source(name: &str, text: &str) -> PolicySource {
    PolicySource { name: name.to_owned(), text: text.to_owned() }
}

fn present() -> Present {
    let schema = Arc::new(PolicySchema::parse("schema", SCHEMA).unwrap());
    let owner = json!({"owner": [{"__entity": {"type": "Team", "id": "t"}}]});
    let world = json!({
        "entities": [{"uid": "Team::t", "attributes": {"frozen": true}}],
        "principals": [{"uid": "User::u", "attributes": {"roles": owner}}],
        "cases": [
            {"name": "update", "about": ["owner"], "principal": "User::u",
             "action": "teams:update", "resource": "Team::t", "expect": "allow"},
        ],
    });
    let mut cases: CaseFile = serde_json::from_value(world).unwrap();
    cases.name = String::from("policies/tests/world.json");
    let probe: Probe = serde_json::from_value(json!({
        "title": "Who may do what",
        "entity": [{"uid": "Team::t", "attributes": {"frozen": true}}],
        "sample": [{"entity": "Team::t"}],
        "column": [{"title": "Owner", "principal": "User::u", "roles": [{"role": "owner", "on": "Team::t"}]}],
    }))
    .unwrap();
    let base = vec![source("policies/base.cedar", BASE)];
    let book = PolicyBook { base, cases: vec![cases], probe: Some(probe) };
    let own = BTreeMap::new();
    let pdp = Arc::new(book.with(&[], &schema, &own).unwrap());
    Present { schema, pdp, book: Arc::new(book), own }
}

fn freezing() -> Added {
    let case = |name: &str, action: &str, expect: &str| {
        json!({"name": name, "about": ["frozen-team"], "principal": "User::u", "action": action,
               "resource": "Team::t", "expect": expect})
    };
    let cases = json!({"use": ["world.json"], "cases": [
        case("no update", "teams:update", "deny"), case("but a look", "teams:view", "allow")]});
    Added { source: source("added/frozen.cedar", FORBID), cases: Some(cases), is_new: true }
}

#[test]
fn tells_what_comes_out_otherwise() {
    let impact = Scales::default().weigh(&present(), &[freezing()]).unwrap();
    let policy = PolicyDifference {
        id: String::from("frozen-team"),
        before: None,
        after: Some(FORBID.trim().to_owned()),
    };
    assert_eq!(impact.policies, [policy]);
    let cells: Vec<String> = impact.cells.iter().map(ToString::to_string).collect();
    assert_eq!(cells, ["teams:update on Team: Owner: yes → -"]);
    let case = CaseDifference {
        file: String::from("policies/tests/world.json"),
        case: String::from("update"),
        allowed: false,
    };
    assert_eq!(impact.cases, [case]);
    assert_eq!(checked(&present(), &[freezing()]).unwrap().policy_count(), 2);
}

#[test]
fn taking_it_back_is_a_change_too() {
    let mut there = present();
    there.pdp = Arc::new(checked(&there, &[freezing()]).unwrap());
    let mut scales = Scales::default();
    assert!(scales.weigh(&there, &[freezing()]).unwrap() == Impact::default());
    let impact = scales.weigh(&there, &[]).unwrap();
    assert_eq!(impact.policies[0].after, None);
    let cells: Vec<String> = impact.cells.iter().map(ToString::to_string).collect();
    assert_eq!(cells, ["teams:update on Team: Owner: - → yes"]);
    // What is remembered is of these policies, and of no others.
    let impact = scales.weigh(&present(), &[freezing()]).unwrap();
    assert_eq!(impact.cells[0].to_string(), "teams:update on Team: Owner: yes → -");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let told = |added: Added| checked(&present(), &[added]).unwrap_err();
    let broken = Added { source: source("added/x.cedar", "\npermit (nobody);"), ..freezing() };
    let faults = told(broken);
    assert_eq!((faults[0].source.as_str(), faults[0].in_cases), ("added/x.cedar", false));
    assert!(faults[0].message.starts_with("line 2: "), "{faults:?}");

    let twice = Added { source: source("added/x.cedar", BASE), ..freezing() };
    assert!(told(twice)[0].message.contains("already used in policies/base.cedar"));

    let untested = told(Added { cases: None, ..freezing() });
    let messages: Vec<&str> = untested.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "no case about the policy `frozen-team` allows",
            "no case about the policy `frozen-team` denies"
        ]
    );

    let mut wrong = freezing();
    let cases = wrong.cases.as_mut().unwrap();
    cases["cases"][0]["expect"] = json!("allow");
    let faults = told(wrong.clone());
    assert!(faults[0].in_cases && faults[0].message.starts_with("`no update`: expected allow"));
    wrong.cases = Some(json!({"use": ["none.json"]}));
    assert_eq!(told(wrong)[0].message, "uses `none.json`, which is no file of cases");
}
