//! What an explanation must tell, and that the changes it names are changes that help.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::authz::PolicySchema;
use crate::model::{AuthMethod, PolicySource, Scopes, UnixNanos};

const SCHEMA: &str = r#"
type Context = {
  authentication: { method: String, connection: String },
  network: { source: ipaddr },
  operation: { scopes: Set<String> },
  now: datetime,
};
entity Node in [Node];
entity Crew in [Node] { frozen: Bool, plan: String, seats: Long };
entity Item in [Crew] { crew: Crew, plan: String, link?: Item };
entity User { roles: { chief: Set<Node>, hand: Set<Crew> } };
entity ApiClient { roles: { chief: Set<Node> }, scopes: Set<String> };
entity Anonymous;
action "items:view", "items:move" appliesTo
  { principal: [User, ApiClient, Anonymous], resource: [Item], context: Context };
"#;

const POLICIES: &str = r#"@id("chief")
permit (principal, action, resource)
when { principal is User && resource in principal.roles.chief };

@id("hand") @quota("hands")
permit (principal is User, action == Action::"items:view", resource is Item)
when { resource has link && resource.link.plan == "large" || resource in principal.roles.hand };

@id("machines")
permit (principal is ApiClient, action, resource)
when { resource in principal.roles.chief };

@id("scopes") @reason("No scope.")
forbid (principal is ApiClient, action, resource)
unless { principal.scopes.containsAny(["items:all"]) || principal.scopes.containsAny(["items:view"]) };

@id("frozen") @reason("The crew is frozen.") @log("strict")
forbid (principal, action == Action::"items:move", resource is Item)
when { resource.crew.frozen };

@id("plan") @reason("Not on this plan.")
forbid (principal, action == Action::"items:move", resource is Item)
when { resource.crew.plan == "small" && resource.crew.seats > 4 };
"#;

#[derive(Debug)]
struct Hub(HashMap<EntityUid, EntityRecord>);

impl Records for Hub {
    fn record(&self, uid: &EntityUid) -> Option<EntityRecord> {
        self.0.get(uid).cloned()
    }
}

fn entity(text: &str) -> Value {
    let uid = EntityUid::parse(text).unwrap();
    json!({ "__entity": { "type": uid.kind(), "id": uid.id() } })
}

fn record(value: Value) -> EntityRecord {
    serde_json::from_value(value).unwrap()
}

fn hub(frozen: bool, plan: &str) -> Hub {
    let records = [
        json!({ "uid": "Node::top" }),
        json!({ "uid": "Node::sub", "parents": ["Node::top"] }),
        json!({ "uid": "Node::other" }),
        json!({ "uid": "Crew::c", "parents": ["Node::sub"],
            "attributes": { "frozen": frozen, "plan": plan, "seats": 5 } }),
        json!({ "uid": "Item::i", "parents": ["Crew::c"],
            "attributes": { "crew": entity("Crew::c"), "plan": "large" } }),
    ];
    Hub(records.into_iter().map(record).map(|record| (record.uid.clone(), record)).collect())
}

fn user(chief: &[&str]) -> EntityRecord {
    let chief: Vec<Value> = chief.iter().map(|node| entity(node)).collect();
    record(json!({ "uid": "User::u", "attributes": { "roles": { "chief": chief, "hand": [] } } }))
}

fn machine(chief: &[&str], scopes: &[&str]) -> EntityRecord {
    let chief: Vec<Value> = chief.iter().map(|node| entity(node)).collect();
    record(json!({ "uid": "ApiClient::k",
        "attributes": { "roles": { "chief": chief }, "scopes": scopes } }))
}

fn explain(hub: &Hub, who: &EntityRecord, action: &str) -> Explanation {
    let schema = Arc::new(PolicySchema::parse("schema", SCHEMA).unwrap());
    let source = PolicySource { name: "policies/test.cedar".into(), text: POLICIES.into() };
    let pdp = Pdp::load(schema, &[source], &BTreeMap::new()).unwrap();
    let scopes = Scopes::none();
    let context = Facts {
        method: AuthMethod::Session,
        connection: None,
        scopes: &scopes,
        source: "192.0.2.1".parse().unwrap(),
        now: UnixNanos::from_seconds(1_767_225_600),
    };
    let (action, resource) =
        (ActionId::parse(action).unwrap(), EntityUid::parse("Item::i").unwrap());
    let (tenant, resource) = (None, &resource);
    let inquiry =
        Inquiry { tenant, principal: who, action: &action, resource, context, records: hub };
    pdp.explain(&inquiry).unwrap()
}

fn account<'e>(explanation: &'e Explanation, id: &str) -> &'e PolicyAccount {
    explanation.policies.iter().find(|policy| &*policy.id == id).unwrap()
}

fn parts(account: &PolicyAccount) -> Vec<(&str, Truth)> {
    account.conditions.iter().map(|part| (part.text.as_str(), part.outcome)).collect()
}

fn saw(part: &Part) -> Vec<String> {
    part.saw.iter().map(|seen| format!("{} = {}", seen.what, seen.value)).collect()
}

fn remedies(explanation: &Explanation) -> Vec<Value> {
    explanation.remedies.iter().map(|r| serde_json::to_value(&r.changes).unwrap()).collect()
}

fn role(role: &str, on: &str) -> Value {
    json!({ "change": "role", "role": role, "on": on })
}

#[test]
fn an_allowed_request_names_the_policies_that_decided_with_file_and_line() {
    let told = explain(&hub(false, "large"), &user(&["Node::top"]), "items:view");
    assert!(told.allowed && told.remedies.is_empty());
    let chief = account(&told, "chief");
    assert!(chief.decides);
    assert_eq!(chief.to_string(), "permit `chief` (policies/test.cedar:1)");
    let hand = account(&told, "hand");
    assert!(!hand.decides);
    assert_eq!((hand.line, hand.quota.as_deref()), (5, Some("hands")));
    assert_eq!(told.policies.len(), 2, "policies whose scope does not match are not considered");
}

#[test]
fn each_part_of_a_condition_tells_whether_it_holds_and_what_it_saw() {
    let told = explain(&hub(false, "large"), &user(&["Node::other"]), "items:view");
    assert_eq!((told.allowed, told.code), (false, "no_permit"));
    let chief = account(&told, "chief");
    assert_eq!(
        parts(chief),
        [("principal is User", Truth::True), ("resource in principal.roles.chief", Truth::False)]
    );
    assert_eq!(
        saw(&chief.conditions[1]),
        [
            "resource = Item::i, below Crew::c, Node::sub, Node::top",
            "principal.roles.chief = {Node::other}"
        ]
    );
    let any_of = &account(&told, "hand").conditions[0].any_of;
    let texts: Vec<_> = any_of.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "resource has link && resource.link.plan == \"large\"",
            "resource in principal.roles.hand"
        ]
    );
    assert_eq!(saw(&any_of[1])[1], "principal.roles.hand = {}");
}

#[test]
fn an_unless_is_told_as_what_must_not_hold() {
    let told = explain(&hub(false, "large"), &machine(&["Node::sub"], &[]), "items:view");
    assert_eq!((told.code, told.reason.as_deref()), ("forbidden", Some("No scope.")));
    let scopes = account(&told, "scopes");
    assert!(scopes.decides);
    assert_eq!(
        parts(scopes),
        [
            ("!principal.scopes.containsAny([\"items:all\"])", Truth::True),
            ("!principal.scopes.containsAny([\"items:view\"])", Truth::True),
        ]
    );
    assert_eq!(saw(&scopes.conditions[0]), ["principal.scopes = {}"]);
}

#[test]
fn the_smallest_change_is_on_the_nearest_node_and_opens_least() {
    let told = explain(&hub(false, "large"), &user(&["Node::other"]), "items:view");
    assert_eq!(
        remedies(&told),
        [json!([role("hand", "Crew::c")]), json!([role("chief", "Node::sub")])]
    );
    let opens: Vec<_> = told.remedies.iter().map(|remedy| remedy.opens).collect();
    assert_eq!(opens, [0, 1], "a chief could move the item, too");
}

#[test]
fn a_scope_or_an_attribute_may_be_what_is_missing() {
    let told = explain(&hub(false, "large"), &machine(&["Node::sub"], &["x"]), "items:view");
    let scope = |scope: &str| json!([{ "change": "scope", "scope": scope }]);
    assert_eq!(remedies(&told), [scope("items:all"), scope("items:view")]);

    let told = explain(&hub(true, "large"), &user(&["Node::sub"]), "items:move");
    assert!(account(&told, "frozen").log_strict);
    let thaw = json!({ "change": "attribute", "of": "Crew::c", "attribute": "frozen",
        "from": true, "to": false });
    assert_eq!(remedies(&told), [json!([thaw])]);

    let told = explain(&hub(false, "small"), &user(&["Node::sub"]), "items:move");
    let plan = json!({ "change": "attribute", "of": "Crew::c", "attribute": "plan",
        "from": "small", "to": null });
    let seats = json!({ "change": "attribute", "of": "Crew::c", "attribute": "seats",
        "from": 5, "to": 4 });
    assert_eq!(remedies(&told), [json!([seats]), json!([plan])]);
}

#[test]
fn two_changes_are_told_where_one_is_not_enough() {
    let told = explain(&hub(true, "large"), &user(&[]), "items:move");
    let thaw = json!({ "change": "attribute", "of": "Crew::c", "attribute": "frozen",
        "from": true, "to": false });
    assert_eq!(remedies(&told), [json!([role("chief", "Node::sub"), thaw])]);
}

#[test]
fn what_no_change_allows_has_no_remedy() {
    let nobody = record(json!({ "uid": "Anonymous::anonymous" }));
    let told = explain(&hub(false, "large"), &nobody, "items:view");
    assert_eq!((told.code, remedies(&told).len()), ("no_permit", 0));
    assert_eq!(
        parts(account(&told, "chief")),
        [
            ("principal is User", Truth::False),
            ("resource in principal.roles.chief", Truth::NotReached)
        ]
    );
    let empty = Hub(HashMap::new());
    let told = explain(&empty, &user(&[]), "items:view");
    assert_eq!((told.code, told.policies.len(), told.remedies.len()), ("unknown_resource", 0, 0));
}
