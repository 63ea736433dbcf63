//! What the decision point must answer, and what its load gate must refuse.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use serde_json::json;

use super::*;
use crate::model::{
    ActionId, AuthMethod, ConnectionId, EntityRecord, EntityUid, PolicySource, Scopes, TenantId,
    UnixNanos,
};

pub(super) const SCHEMA: &str = r#"
type Context = {
  authentication: { method: String, connection: String },
  network: { source: ipaddr },
  operation: { scopes: Set<String> },
  now: datetime,
};
entity Node in [Node] { limit: Long };
entity Item in [Node, Item] { owner: Node, size: Long, link?: Item };
entity Group;
entity User in [Group] { roles: { admin: Set<Node>, viewer: Set<Node> }, rank: Long };
entity ApiClient { roles: { admin: Set<Node>, viewer: Set<Node> } };
entity Anonymous;
action "read";
action "items:view" in ["read"] appliesTo
  { principal: [User, ApiClient, Anonymous], resource: [Item], context: Context };
action "items:move" appliesTo
  { principal: [User, ApiClient], resource: [Item], context: Context };
action "nodes:view" in ["read"] appliesTo
  { principal: [User], resource: [Node], context: Context };
"#;

pub(super) fn record(value: serde_json::Value) -> EntityRecord {
    serde_json::from_value(value).unwrap()
}

fn entity(kind: &str, id: &str) -> serde_json::Value {
    json!({ "__entity": { "type": kind, "id": id } })
}

fn records() -> Vec<EntityRecord> {
    vec![
        record(json!({ "uid": "Node::top", "attributes": { "limit": 10 } })),
        record(
            json!({ "uid": "Node::sub", "parents": ["Node::top"], "attributes": { "limit": 5 } }),
        ),
        record(json!({ "uid": "Node::side", "attributes": { "limit": i64::MAX } })),
        record(json!({ "uid": "Item::a", "parents": ["Node::sub"],
            "attributes": { "owner": entity("Node", "sub"), "size": 3 } })),
        record(json!({ "uid": "Item::b", "parents": ["Node::side"],
            "attributes": { "owner": entity("Node", "side"), "size": 7, "link": entity("Item", "a") } })),
    ]
}

fn user(id: &str, admin: &[&str], viewer: &[&str]) -> EntityRecord {
    let nodes = |ids: &[&str]| ids.iter().map(|id| entity("Node", id)).collect::<Vec<_>>();
    record(json!({ "uid": format!("User::{id}"), "attributes": {
        "roles": { "admin": nodes(admin), "viewer": nodes(viewer) }, "rank": 1 } }))
}

fn anonymous() -> EntityRecord {
    record(json!({ "uid": "Anonymous::anonymous" }))
}

pub(super) fn source(text: &str) -> PolicySource {
    PolicySource { name: "policies/test.cedar".to_owned(), text: text.to_owned() }
}

pub(super) fn schema() -> Arc<PolicySchema> {
    Arc::new(PolicySchema::parse("schema", SCHEMA).unwrap())
}

pub(super) fn load(text: &str) -> Result<Pdp, Vec<PolicyError>> {
    Pdp::load(schema(), &[source(text)], &BTreeMap::new())
}

pub(super) fn facts() -> Facts<'static> {
    static SCOPES: LazyLock<Scopes> = LazyLock::new(|| Scopes::new(["items:read"]).unwrap());
    static CONNECTION: LazyLock<ConnectionId> =
        LazyLock::new(|| ConnectionId::parse("sso").unwrap());
    Facts {
        connection: Some(&CONNECTION),
        scopes: &SCOPES,
        method: AuthMethod::Session,
        source: "192.0.2.1".parse().unwrap(),
        now: UnixNanos::from_seconds(1_767_225_600),
    }
}

fn decide_with(
    pdp: &Pdp,
    who: &EntityRecord,
    action: &str,
    on: &str,
    context: Facts<'_>,
) -> Decision {
    let partition = Partition::build(pdp.schema(), records().iter()).unwrap();
    let principal = partition.principal(who).unwrap();
    let (action, resource) = (ActionId::parse(action).unwrap(), EntityUid::parse(on).unwrap());
    let question =
        Question { principal: &principal, action: &action, resource: &resource, context };
    pdp.decide(None, &partition, &question)
}

fn decide(pdp: &Pdp, who: &EntityRecord, action: &str, on: &str) -> Decision {
    decide_with(pdp, who, action, on, facts())
}

const ADMIN: &str = "@id(\"admin\") permit (principal, action, resource is Item)
    when { principal is User && resource in principal.roles.admin };";

#[test]
fn a_role_reaches_down_the_tree_and_not_up_or_aside() {
    let pdp = load(ADMIN).unwrap();
    for (node, on, wanted) in [
        ("top", "Item::a", "permitted"),
        ("sub", "Item::a", "permitted"),
        ("side", "Item::a", "no_permit"),
        ("top", "Item::b", "no_permit"),
    ] {
        let decision = decide(&pdp, &user("u", &[node], &[]), "items:view", on);
        assert_eq!(decision.reason_code(), wanted, "{node} {on}");
    }
    let decision = decide(&pdp, &user("u", &["top"], &[]), "items:view", "Item::a");
    assert_eq!(decision.determining().iter().map(|id| &**id).collect::<Vec<_>>(), ["admin"]);
    assert!(decision.into_permit().is_ok());
}

#[test]
fn what_is_unknown_is_denied_with_its_own_code() {
    let pdp = load("@id(\"all\") permit (principal is User, action, resource);").unwrap();
    let who = user("u", &["top"], &[]);
    for (action, on, wanted) in [
        ("items:view", "Item::a", "permitted"),
        ("items:erase", "Item::a", "unknown_action"),
        ("read", "Item::a", "unknown_action"),
        ("items:view", "Item::zz", "unknown_resource"),
        ("items:view", "Strange::a", "unknown_resource"),
        ("items:view", "Node::top", "invalid_request"),
    ] {
        assert_eq!(decide(&pdp, &who, action, on).reason_code(), wanted, "{action} {on}");
    }
    let decision = decide(&pdp, &anonymous(), "items:move", "Item::a");
    assert_eq!(decision.reason_code(), "invalid_request");
    assert_eq!(Decision::without_principal().reason_code(), "no_principal");
    assert!(Decision::without_principal().into_permit().is_err());
}

#[test]
fn an_empty_set_denies() {
    let pdp = Pdp::load(schema(), &[], &BTreeMap::new()).unwrap();
    let decision = decide(&pdp, &user("u", &["top"], &[]), "items:view", "Item::a");
    assert_eq!((decision.allowed(), decision.reason_code()), (false, "no_permit"));
}

#[test]
fn a_forbid_overrides_and_its_reason_is_shown() {
    let pdp = load(&format!(
        "{ADMIN} @id(\"stop\") @reason(\"Too large.\") @log(\"strict\")
         forbid (principal, action == Action::\"items:move\", resource) when {{ resource.size > 2 }};"
    ))
    .unwrap();
    let who = user("u", &["top"], &[]);
    let decision = decide(&pdp, &who, "items:move", "Item::a");
    assert_eq!((decision.reason_code(), decision.reason()), ("forbidden", Some("Too large.")));
    assert!(decision.log_strict());
    let decision = decide(&pdp, &who, "items:view", "Item::a");
    assert_eq!((decision.reason_code(), decision.reason()), ("permitted", None));
    assert!(!decision.log_strict());
}

#[test]
fn an_erring_forbid_denies_and_an_erring_permit_does_not_permit() {
    // The limit of `side` is the largest number there is: one more overflows.
    let bomb = "resource.owner.limit + 1 > 0";
    let forbid = format!(
        "@id(\"guard\") @reason(\"No.\") forbid (principal, action, resource is Item) unless {{ {bomb} }};"
    );
    let pdp = load(&format!("{ADMIN} {forbid}")).unwrap();
    let who = user("u", &["top", "side"], &[]);
    let decision = decide(&pdp, &who, "items:view", "Item::b");
    assert_eq!((decision.reason_code(), decision.reason()), ("policy_error", None));
    assert_eq!(decision.erring().iter().map(|id| &**id).collect::<Vec<_>>(), ["guard"]);
    assert!(decide(&pdp, &who, "items:view", "Item::a").allowed());

    let permit =
        format!("@id(\"wide\") permit (principal, action, resource is Item) when {{ {bomb} }};");
    let decision = decide(&load(&permit).unwrap(), &who, "items:view", "Item::b");
    assert_eq!((decision.reason_code(), decision.erring().len()), ("no_permit", 1));
    let decision =
        decide(&load(&format!("{permit} {ADMIN}")).unwrap(), &who, "items:view", "Item::b");
    assert_eq!((decision.reason_code(), decision.erring().len()), ("permitted", 1));
}

#[test]
fn obligations_come_from_the_deciding_policies_only() {
    let pdp = load(
        "@id(\"viewers\") @quota(\"small\") permit (principal is User, action in Action::\"read\", resource is Item)
           when { resource in principal.roles.viewer };
         @id(\"admins\") @quota(\"large\") @log(\"strict\") permit (principal is User, action, resource is Item)
           when { resource in principal.roles.admin };",
    )
    .unwrap();
    let quota = |admin: &[&str], viewer: &[&str]| {
        let decision = decide(&pdp, &user("u", admin, viewer), "items:view", "Item::a");
        (decision.quota().map(str::to_owned), decision.log_strict())
    };
    assert_eq!(quota(&[], &["top"]), (Some("small".into()), false));
    assert_eq!(quota(&["top"], &[]), (Some("large".into()), true));
    assert_eq!(quota(&["top"], &["top"]), (Some("small".into()), true));
    assert_eq!(quota(&[], &[]), (None, false));
}

#[test]
fn conditions_read_the_facts_of_the_request() {
    let pdp = load(
        "@id(\"inside\") permit (principal, action, resource is Item)
           when { context.network.source.isInRange(ip(\"192.0.2.0/24\")) };
         @id(\"keys\") @reason(\"No keys.\") forbid (principal, action, resource)
           when { context.authentication.method == \"api_key\" };
         @id(\"late\") @reason(\"Too late.\") forbid (principal, action == Action::\"items:move\", resource)
           when { context.now > datetime(\"2026-01-01T12:00:00Z\") };",
    )
    .unwrap();
    let who = user("u", &[], &[]);
    let code = |action: &str, facts: Facts<'_>| {
        decide_with(&pdp, &who, action, "Item::a", facts).reason_code()
    };
    let from = |source: &str| Facts { source: source.parse::<IpAddr>().unwrap(), ..facts() };
    assert_eq!(code("items:view", facts()), "permitted");
    assert_eq!(code("items:view", from("::ffff:192.0.2.9")), "permitted");
    assert_eq!(code("items:view", from("198.51.100.1")), "no_permit");
    assert_eq!(code("items:view", from("2001:db8::1")), "no_permit");
    assert_eq!(code("items:view", Facts { method: AuthMethod::ApiKey, ..facts() }), "forbidden");
    assert_eq!(code("items:move", facts()), "permitted");
    let late = Facts { now: facts().now.plus(std::time::Duration::from_hours(24)), ..facts() };
    assert_eq!(code("items:move", late), "forbidden");
}

#[test]
fn a_repeated_question_is_remembered_for_five_seconds_and_never_for_another() {
    let pdp = load(&format!(
        "{ADMIN} @id(\"net\") @reason(\"No.\") forbid (principal, action, resource)
           when {{ context.network.source.isLoopback() }};
         @id(\"clock\") permit (principal, action, resource is Node)
           when {{ context.now > datetime(\"2000-01-01\") }};"
    ))
    .unwrap();
    let partition = Partition::build(pdp.schema(), records().iter()).unwrap();
    let admin = partition.principal(&user("u", &["top"], &[])).unwrap();
    let demoted = partition.principal(&user("u", &[], &[])).unwrap();
    let ask = |principal: &PreparedPrincipal, action: &str, on: &str, context: Facts<'_>| {
        let (action, resource) = (ActionId::parse(action).unwrap(), EntityUid::parse(on).unwrap());
        let question = Question { principal, action: &action, resource: &resource, context };
        let decision = pdp.decide(None, &partition, &question);
        (decision.allowed(), decision.cached())
    };
    let later = |seconds| Facts {
        now: facts().now.plus(std::time::Duration::from_secs(seconds)),
        ..facts()
    };
    assert_eq!(ask(&admin, "items:view", "Item::a", facts()), (true, false));
    assert_eq!(ask(&admin, "items:view", "Item::a", later(4)), (true, true));
    assert_eq!(ask(&admin, "items:view", "Item::a", later(5)), (true, false));
    assert_eq!(ask(&admin, "items:view", "Item::a", facts()), (true, false), "the clock went back");
    assert_eq!(
        ask(&demoted, "items:view", "Item::a", facts()),
        (false, false),
        "the roles changed"
    );
    let local = Facts { source: "127.0.0.1".parse().unwrap(), ..facts() };
    assert_eq!(ask(&admin, "items:view", "Item::a", local), (false, false), "from elsewhere");
    assert_eq!(ask(&admin, "items:move", "Item::a", facts()), (true, false), "another action");
    assert_eq!(ask(&admin, "items:view", "Item::b", facts()), (false, false), "another resource");
    for _ in 0..2 {
        assert_eq!(
            ask(&admin, "nodes:view", "Node::top", facts()),
            (true, false),
            "reads the time"
        );
    }
}

#[test]
fn a_tenants_policies_count_for_that_tenant_only_and_loosen_no_forbid() {
    let base = "@id(\"guard\") @reason(\"No.\") forbid (principal, action, resource is Item) when { resource.size > 5 };";
    let own = "@id(\"mine\") permit (principal is User, action, resource is Item);";
    let tenant = TenantId::parse("acme").unwrap();
    let tenants = BTreeMap::from([(tenant.clone(), vec![source(own)])]);
    let pdp = Pdp::load(schema(), &[source(base)], &tenants).unwrap();
    assert_eq!(pdp.policy_count(), 2);
    let partition = Partition::build(pdp.schema(), records().iter()).unwrap();
    let principal = partition.principal(&user("u", &[], &[])).unwrap();
    let action = ActionId::parse("items:view").unwrap();
    let ask = |tenant: Option<&TenantId>, on: &str| {
        let resource = EntityUid::parse(on).unwrap();
        let question = Question {
            principal: &principal,
            action: &action,
            resource: &resource,
            context: facts(),
        };
        pdp.decide(tenant, &partition, &question)
    };
    let decision = ask(Some(&tenant), "Item::a");
    assert!(decision.allowed() && &*decision.determining()[0] == "acme/mine");
    assert_eq!(ask(Some(&TenantId::parse("other").unwrap()), "Item::a").reason_code(), "no_permit");
    assert_eq!(ask(None, "Item::a").reason_code(), "no_permit");
    assert_eq!(ask(Some(&tenant), "Item::b").reason_code(), "forbidden");
}

#[test]
fn a_principal_of_another_partition_is_refused() {
    let pdp = load(ADMIN).unwrap();
    let [here, there] = [(); 2].map(|()| Partition::build(pdp.schema(), records().iter()).unwrap());
    let stranger = there.principal(&user("u", &["top"], &[])).unwrap();
    let action = ActionId::parse("items:view").unwrap();
    let resource = EntityUid::parse("Item::a").unwrap();
    let question =
        Question { principal: &stranger, action: &action, resource: &resource, context: facts() };
    assert_eq!(pdp.decide(None, &here, &question).reason_code(), "invalid_request");
    assert!(pdp.decide(None, &there, &question).allowed());
}

#[test]
fn a_remembered_principal_follows_its_roles() {
    let pdp = load(ADMIN).unwrap();
    let partition = Partition::build(pdp.schema(), records().iter()).unwrap();
    let uid = EntityUid::parse("User::u").unwrap();
    let role = |on: &str| crate::model::RoleAssignment {
        role: "admin".into(),
        on: EntityUid::parse(on).unwrap(),
    };
    let nothing = Standing { roles: &[], scopes: &[], attributes: None };
    let roles = [role("Node::top")];
    let admin = Standing { roles: &roles, ..nothing };
    let first = partition.principal_for(&uid, admin, || user("u", &["top"], &[])).unwrap();
    let again = partition.principal_for(&uid, admin, || panic!("is remembered")).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let changed = partition.principal_for(&uid, nothing, || user("u", &[], &[])).unwrap();
    assert!(!Arc::ptr_eq(&first, &changed));
    let own = ["x".to_owned()];
    let client = Standing { scopes: &own, ..nothing };
    let client = partition.principal_for(&uid, client, || user("u", &[], &[])).unwrap();
    assert!(!Arc::ptr_eq(&changed, &client));
    let attributes = serde_json::Map::from_iter([("rank".to_owned(), json!(1))]);
    let ranked = Standing { attributes: Some(&attributes), ..nothing };
    let ranked = partition.principal_for(&uid, ranked, || user("u", &[], &[])).unwrap();
    assert!(!Arc::ptr_eq(&changed, &ranked));
}

#[test]
fn a_schema_must_hold_the_facts_of_a_request() {
    let schema = schema();
    assert_eq!(schema.role_names("User").collect::<Vec<_>>(), ["admin", "viewer"]);
    assert_eq!(schema.role_node("User", "admin"), Some("Node"));
    assert_eq!(schema.role_node("User", "owner"), None);
    assert_eq!(schema.role_names("Anonymous").count(), 0);
    for (from, to, wanted) in [
        ("now: datetime,", "", "the context of action"),
        ("source: ipaddr", "source: String", "the context of action"),
        ("scopes: Set<String>", "scopes: Set<Long>", "the context of action"),
        (", connection: String", "", "the context of action"),
        ("entity Anonymous;", "entity Anonymous", "unexpected"),
        ("entity Group;", "", "Group"),
    ] {
        let error = PolicySchema::parse("hub.cedarschema", &SCHEMA.replace(from, to)).unwrap_err();
        assert!(
            error.to_string().starts_with("hub.cedarschema") && error.to_string().contains(wanted),
            "{error}"
        );
    }
}

#[test]
fn the_schema_says_what_an_action_is_for() {
    let schema = schema();
    let action = |name: &str| ActionId::parse(name).unwrap();
    assert_eq!(schema.actions().collect::<Vec<_>>(), ["items:move", "items:view", "nodes:view"]);
    assert!(schema.knows_action(&action("items:view")) && !schema.knows_action(&action("read")));
    assert!(schema.action_accepts(&action("items:view"), "Item"));
    assert!(!schema.action_accepts(&action("items:view"), "Node"));
    assert!(!schema.action_accepts(&action("items:view"), "Nothing"));
}

#[test]
fn a_partition_refuses_what_does_not_fit_the_schema() {
    let table = [
        (json!({ "uid": "Nothing::x" }), "no type `Nothing`"),
        (json!({ "uid": "Node::top", "attributes": { "limit": 1 } }), "is there twice"),
        (json!({ "uid": "Node::x", "attributes": { "limit": "1" } }), "does not fit the schema"),
        (json!({ "uid": "Node::x" }), "does not fit the schema"),
        (json!({ "uid": "Node::x", "attributes": { "limit": 1, "more": 1 } }), "does not fit"),
        (
            json!({ "uid": "Node::x", "parents": ["Item::a"], "attributes": { "limit": 1 } }),
            "does not fit",
        ),
        (
            json!({ "uid": "Node::x", "parents": ["Node::y"], "attributes": { "limit": 1 } }),
            "parent `Node::y`",
        ),
        (
            json!({ "uid": "Node::x", "parents": ["Node::x"], "attributes": { "limit": 1 } }),
            "cycle",
        ),
        (
            json!({ "uid": "Item::x", "attributes": { "size": 1, "owner": entity("Node", "y") } }),
            "which does not exist",
        ),
    ];
    for (value, wanted) in table {
        let mut records = records();
        records.push(record(value));
        let errors = Partition::build(&schema(), records.iter()).unwrap_err();
        let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|error| error.contains(wanted)), "{wanted}: {shown:?}");
    }
}

#[test]
fn the_digest_follows_schema_and_policies() {
    let plain = load(ADMIN).unwrap().digest();
    assert_eq!(plain, load(ADMIN).unwrap().digest());
    assert_ne!(plain, load(&format!("{ADMIN} ")).unwrap().digest());
    let tenants = BTreeMap::from([(TenantId::parse("a").unwrap(), vec![source(ADMIN)])]);
    assert_ne!(plain, Pdp::load(schema(), &[], &tenants).unwrap().digest());
}
