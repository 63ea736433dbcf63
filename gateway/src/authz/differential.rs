//! Compares the index with Cedar's plain evaluation of the whole set, by the public interface: same
//! decision, same determining policies, same errors, on random policies, trees and questions.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request, Schema};
use proptest::prelude::{TestCaseError, any, prop_assert_eq};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::tests::{SCHEMA, facts, record};
use super::{Decision, Partition, Pdp, PolicySchema, Question};
use crate::model::{ActionId, EntityRecord, EntityUid, PolicySource};

fn pick<'a>(choices: &[&'a str], byte: u8) -> &'a str {
    choices[usize::from(byte) % choices.len()]
}

/// One policy out of six random bytes; not every combination passes the gate.
fn policy(number: usize, bytes: [u8; 6]) -> String {
    let [effect, principal, action, resource, word, condition] = bytes;
    let effect = if effect % 3 == 0 { "@reason(\"No.\") forbid" } else { "permit" };
    let principal = pick(
        &[
            "principal",
            "principal is User",
            "principal is ApiClient",
            "principal is Anonymous",
            "principal == User::\"u0\"",
            "principal in Group::\"g0\"",
            "principal is User in Group::\"g1\"",
            "principal == ApiClient::\"k0\"",
        ],
        principal,
    );
    let action = pick(
        &[
            "action",
            "action == Action::\"items:view\"",
            "action in Action::\"read\"",
            "action in [Action::\"items:move\", Action::\"nodes:view\"]",
        ],
        action,
    );
    let resource = pick(
        &[
            "resource",
            "resource is Item",
            "resource is Node",
            "resource == Item::\"i1\"",
            "resource in Node::\"n0\"",
            "resource is Item in Node::\"n1\"",
            "resource in Item::\"i0\"",
        ],
        resource,
    );
    let word = if word % 4 == 0 { "unless" } else { "when" };
    let condition = pick(
        &[
            "resource in principal.roles.admin",
            "resource in principal.roles.viewer && principal.rank > 0",
            "resource.size + 1 > 3",
            "resource.owner.limit * 2 > 4",
            "resource.owner in Node::\"n1\"",
            "resource has link && resource.link.size > 2",
            "resource.owner in principal.roles.admin",
            "principal is User && principal.rank - 1 == 0",
            "action in [Action::\"read\"]",
            "action == Action::\"items:move\" || resource.limit > 3",
            "context.authentication.method == \"session\"",
            "context.authentication.connection == \"sso\" && context.operation.scopes.contains(\"items:read\")",
            "context.network.source.isInRange(ip(\"192.0.2.0/24\")) && context.now > datetime(\"2020-01-01\")",
            "principal in Group::\"g0\"",
            "resource.limit + resource.limit > 0",
            "if resource has link then resource.link.size * 2 > 0 else false",
            "false",
        ],
        condition,
    );
    format!(
        "@id(\"p{number}\") {effect} ({principal}, {action}, {resource}) {word} {{ {condition} }};"
    )
}

fn reference(kind: &str, id: impl std::fmt::Display) -> Value {
    json!({ "__entity": { "type": kind, "id": id.to_string() } })
}

/// Sizes near the edges, so that sums and products overflow now and then.
fn number(byte: u8) -> i64 {
    match byte % 5 {
        0 => i64::MAX,
        1 => i64::MIN,
        other => i64::from(other),
    }
}

/// A forest of nodes and items: parents always have lower numbers.
fn world(nodes: &[[u8; 2]], items: &[[u8; 5]]) -> Vec<EntityRecord> {
    let mut records: Vec<Value> =
        vec![json!({ "uid": "Group::g0" }), json!({ "uid": "Group::g1" })];
    for (n, [parent, limit]) in nodes.iter().enumerate() {
        let parent = usize::from(*parent) % (n + 1);
        let parents = if parent == n { json!([]) } else { json!([format!("Node::n{parent}")]) };
        records.push(json!({ "uid": format!("Node::n{n}"), "parents": parents,
            "attributes": { "limit": number(*limit) } }));
    }
    for (n, [node, item, owner, size, link]) in items.iter().enumerate() {
        let mut parents = vec![format!("Node::n{}", usize::from(*node) % nodes.len())];
        let above = usize::from(*item) % (n + 1);
        if above < n {
            parents.push(format!("Item::i{above}"));
        }
        let owner = format!("n{}", usize::from(*owner) % nodes.len());
        let mut attributes = json!({ "owner": reference("Node", owner), "size": number(*size) });
        let target = usize::from(*link) % (2 * items.len());
        if target < items.len() {
            attributes["link"] = reference("Item", format!("i{target}"));
        }
        records.push(
            json!({ "uid": format!("Item::i{n}"), "parents": parents, "attributes": attributes }),
        );
    }
    records.into_iter().map(record).collect()
}

fn principals(bytes: &[[u8; 4]], nodes: usize) -> Vec<EntityRecord> {
    let mut people = vec![record(json!({ "uid": "Anonymous::anonymous" }))];
    for (n, [admin, viewer, rank, group]) in bytes.iter().enumerate() {
        let on = |byte: &u8| reference("Node", format!("n{}", usize::from(*byte) % nodes));
        let roles = json!({ "admin": [on(admin)], "viewer": [on(viewer), on(rank)] });
        let parents = match group % 3 {
            0 => json!([]),
            1 => json!(["Group::g0"]),
            _ => json!(["Group::g0", "Group::g1"]),
        };
        people.push(record(json!({ "uid": format!("User::u{n}"), "parents": parents,
            "attributes": { "roles": roles.clone(), "rank": number(*rank) } })));
        people.push(record(
            json!({ "uid": format!("ApiClient::k{n}"), "attributes": { "roles": roles } }),
        ));
    }
    people
}

/// What Cedar says, and what we make of it.
#[derive(Debug, PartialEq)]
struct Answer {
    allowed: bool,
    code: &'static str,
    determining: BTreeSet<String>,
    erring: BTreeSet<String>,
}

impl Answer {
    fn of(decision: &Decision) -> Self {
        let ids = |ids: &[Arc<str>]| ids.iter().map(ToString::to_string).collect();
        Self {
            allowed: decision.allowed(),
            code: decision.reason_code(),
            determining: ids(decision.determining()),
            erring: ids(decision.erring()),
        }
    }

    /// Cedar refuses to build the request.
    fn invalid() -> Self {
        let none = BTreeSet::new();
        Self { allowed: false, code: "invalid_request", determining: none.clone(), erring: none }
    }
}

struct Plain {
    schema: Schema,
    policies: PolicySet,
    world: Vec<EntityRecord>,
    context: Value,
}

impl Plain {
    fn cedar_json(record: &EntityRecord) -> Value {
        let uid = |uid: &EntityUid| json!({ "type": uid.kind(), "id": uid.id() });
        let parents: Vec<_> = record.parents.iter().map(uid).collect();
        json!({ "uid": uid(&record.uid), "attrs": record.attributes, "parents": parents })
    }

    /// The whole organisation and who asks; Cedar works out the ancestors by itself.
    fn entities(&self, principal: &EntityRecord) -> Entities {
        let all = self.world.iter().chain([principal]).map(Self::cedar_json).collect();
        Entities::from_json_value(Value::Array(all), Some(&self.schema)).unwrap()
    }

    /// The whole set on the whole organisation.
    fn answer(
        &self,
        entities: &Entities,
        principal: &EntityRecord,
        action: &str,
        resource: &EntityUid,
    ) -> Option<Answer> {
        let uid = |kind: &str, id: &str| {
            cedar_policy::EntityUid::from_json(json!({ "type": kind, "id": id })).unwrap()
        };
        let action = uid("Action", action);
        let context =
            Context::from_json_value(self.context.clone(), Some((&self.schema, &action))).ok()?;
        let request = Request::new(
            uid(principal.uid.kind(), principal.uid.id()),
            action,
            uid(resource.kind(), resource.id()),
            context,
            Some(&self.schema),
        )
        .ok()?;
        let response = Authorizer::new().is_authorized(&request, &self.policies, entities);
        let name = |id: &cedar_policy::PolicyId| {
            self.policies.policy(id).unwrap().annotation("id").unwrap().to_owned()
        };
        let forbids = |id: &cedar_policy::PolicyId| {
            self.policies.policy(id).unwrap().effect() == cedar_policy::Effect::Forbid
        };
        let mut determining: BTreeSet<_> = response.diagnostics().reason().map(name).collect();
        let failed: Vec<_> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
                error.policy_id().clone()
            })
            .collect();
        let allowed = response.decision() == cedar_policy::Decision::Allow;
        let forbid_failed = failed.iter().any(forbids);
        let code = match (allowed, determining.is_empty(), forbid_failed) {
            (false, false, _) => "forbidden",
            (_, _, true) => "policy_error",
            (true, _, _) => "permitted",
            (false, true, false) => "no_permit",
        };
        if code == "policy_error" {
            determining.clear();
        }
        let erring = failed.iter().map(name).collect();
        Some(Answer { allowed: code == "permitted", code, determining, erring })
    }
}

/// Random policies, nodes, items and people.
type World = (Vec<[u8; 6]>, Vec<[u8; 2]>, Vec<[u8; 5]>, Vec<[u8; 4]>);

/// How many questions ended how.
type Counts = RefCell<BTreeMap<&'static str, usize>>;

/// The comparison is worth something only when what is generated reaches every outcome, so that is
/// asserted too.
#[test]
fn the_index_answers_like_the_whole_set() {
    let strategy = (
        proptest::collection::vec(any::<[u8; 6]>(), 1..24),
        proptest::collection::vec(any::<[u8; 2]>(), 1..6),
        proptest::collection::vec(any::<[u8; 5]>(), 1..6),
        proptest::collection::vec(any::<[u8; 4]>(), 1..3),
    );
    let config = Config { cases: 160, failure_persistence: None, ..Config::default() };
    let counts = Counts::default();
    TestRunner::new(config).run(&strategy, |world| compare(&world, &counts)).unwrap();
    let counts = counts.into_inner();
    assert!(counts.values().sum::<usize>() > 2000, "{counts:?}");
    for code in ["permitted", "no_permit", "forbidden", "policy_error", "invalid_request", "erring"]
    {
        assert!(counts.get(code).is_some_and(|count| *count > 50), "{code}: {counts:?}");
    }
}

fn compare((policies, nodes, items, people): &World, counts: &Counts) -> Result<(), TestCaseError> {
    let schema = Arc::new(PolicySchema::parse("schema", SCHEMA).unwrap());
    let texts = policies.iter().enumerate().map(|(n, bytes)| policy(n, *bytes));
    let accepted: Vec<String> = texts.filter(|text| passes_the_gate(&schema, text)).collect();
    let text = accepted.join("\n");
    let source = PolicySource { name: "random".to_owned(), text: text.clone() };
    let pdp = Pdp::load(Arc::clone(&schema), &[source], &BTreeMap::new()).unwrap();
    let world = world(nodes, items);
    let partition = Partition::build(&schema, world.iter()).unwrap();
    let plain = Plain {
        schema: Schema::from_cedarschema_str(SCHEMA).unwrap().0,
        policies: text.parse().unwrap(),
        world: world.clone(),
        context: json!({
            "authentication": { "method": "session", "connection": "sso" },
            "operation": { "scopes": ["items:read"] },
            "network": { "source": { "__extn": { "fn": "ip", "arg": "192.0.2.1" } } },
            "now": { "__extn": { "fn": "datetime", "arg": "2026-01-01" } },
        }),
    };
    for person in principals(people, nodes.len()) {
        let principal = partition.principal(&person).unwrap();
        let entities = plain.entities(&person);
        for resource in world.iter().map(|record| &record.uid) {
            for name in ["items:view", "items:move", "nodes:view"] {
                let action = ActionId::parse(name).unwrap();
                let context = facts();
                let question =
                    Question { principal: &principal, action: &action, resource, context };
                let wanted = plain.answer(&entities, &person, name, resource);
                let wanted = wanted.unwrap_or_else(Answer::invalid);
                // The second answer is the remembered one, where the facts allow it.
                for _ in 0..2 {
                    let found = Answer::of(&pdp.decide(None, &partition, &question));
                    let told = format!("{} {name} {resource}\n{text}", person.uid);
                    prop_assert_eq!(&found, &wanted, "{}", told);
                    *counts.borrow_mut().entry(found.code).or_default() += 1;
                    if !found.erring.is_empty() {
                        *counts.borrow_mut().entry("erring").or_default() += 1;
                    }
                }
            }
        }
    }
    Ok(())
}

fn passes_the_gate(schema: &Arc<PolicySchema>, text: &str) -> bool {
    let source = PolicySource { name: "random".to_owned(), text: text.to_owned() };
    Pdp::load(Arc::clone(schema), &[source], &BTreeMap::new()).is_ok()
}
