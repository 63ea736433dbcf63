//! What is read along the schema is what Cedar reads, value for value.

use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq};
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::*;
use crate::authz::PolicySchema;
use crate::authz::tests::SCHEMA;

const THINGS: &str = r#"
entity Colour enum ["red", "green"];
namespace Hub { entity Place; }
entity Plain in [Node, Plain, Colour] {
  flag: Bool, count?: Long, name: String, of: Node, at?: Hub::Place, hue?: Colour,
  all?: Set<Node>, words?: Set<String>, deep?: { inner: { flag?: Bool, of: Node }, words?: Set<Set<Long>> },
  address?: ipaddr, price?: decimal, since?: datetime, long?: duration,
};
"#;

/// Well and badly written values.
fn values() -> impl Strategy<Value = Json> {
    let entity = |kind: &str, id: &str| json!({ "__entity": { "type": kind, "id": id } });
    let of = entity("Node", "a");
    let call =
        |function: &str, argument: &str| json!({ "__extn": { "fn": function, "arg": argument } });
    let all = vec![
        json!(true),
        json!(false),
        json!(null),
        json!(0),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.0),
        json!(""),
        json!("text"),
        json!("\u{0}\"\\é"),
        json!("192.0.2.1"),
        json!("12.34"),
        json!("2026-01-01"),
        json!("1h"),
        json!([]),
        json!(["a", "b", "a"]),
        json!([["a"], "b"]),
        json!([[1, 2], [2, 1, 1], []]),
        json!({}),
        of.clone(),
        entity("Node", "\u{1}"),
        entity("Hub::Place", "p"),
        entity("Place", "p"),
        entity(" Node", "a"),
        entity("Item", "a"),
        entity("Nowhere", "a"),
        entity("Colour", "red"),
        entity("Colour", "blue"),
        json!({ "type": "Node", "id": "a" }),
        json!({ "type": "Node", "id": "a", "more": 1 }),
        json!({ "__entity": { "type": "Node", "id": "a" }, "more": 1 }),
        json!({ "__entity": { "type": "Node", "id": 1 } }),
        json!({ "__expr": "1" }),
        json!([of, entity("Node", "b")]),
        json!([of, entity("Item", "b")]),
        json!({ "inner": { "of": of } }),
        json!({ "inner": { "of": of, "flag": true }, "words": [[1], [2, 1], []] }),
        json!({ "inner": { "of": of, "flag": 1 } }),
        json!({ "inner": { "flag": true } }),
        json!({ "inner": { "of": of }, "more": 1 }),
        json!({ "inner": of }),
        call("ip", "192.0.2.0/24"),
        call("ip", "nowhere"),
        call("decimal", "1.5"),
        call("datetime", "2026-01-01T00:00:00Z"),
        call("duration", "1d2h"),
        call("unknown", "x"),
        json!({ "fn": "ip", "arg": "192.0.2.1" }),
        json!({ "__extn": { "fn": "ip", "args": ["192.0.2.1"] } }),
        json!({ "__extn": { "fn": "offset", "args": ["2026-01-01", "1h"] } }),
    ];
    proptest::sample::select(all)
}

fn schema() -> Arc<PolicySchema> {
    Arc::new(PolicySchema::parse("schema", &format!("{SCHEMA}{THINGS}")).unwrap())
}

/// What Cedar makes of it.
fn by_cedar(
    schema: &PolicySchema,
    attributes: &Map<String, Json>,
    parent: &str,
) -> Option<cedar_policy_core::ast::Entity> {
    let json = json!({ "uid": { "type": "Plain", "id": "x" }, "attrs": attributes,
        "parents": [{ "type": parent, "id": "red" }] });
    let read = cedar_policy::Entity::from_json_value(json, Some(schema.cedar()));
    Some(read.ok()?.as_ref().clone())
}

#[test]
fn what_is_read_is_what_cedar_reads() {
    const NAMES: [&str; 14] = [
        "flag", "count", "name", "of", "at", "all", "words", "deep", "address", "price", "since",
        "long", "hue", "more",
    ];
    let schema = schema();
    let form = schema.form(schema.kind("Plain").unwrap()).unwrap();
    // Mostly right, so that one wrong value is seen by itself.
    let right = json!({
        "flag": true, "count": 1, "name": "n", "of": { "type": "Node", "id": "a" },
        "at": { "__entity": { "type": "Hub::Place", "id": "p" } }, "all": [{ "type": "Node", "id": "b" }],
        "words": ["b", "a"], "deep": { "inner": { "of": { "type": "Node", "id": "a" } } },
        "address": "192.0.2.1", "price": "1.5", "since": "2026-01-01", "long": "1h",
        "hue": { "type": "Colour", "id": "green" }
    });
    let changes = proptest::collection::vec(
        (proptest::sample::select(NAMES.to_vec()), proptest::option::of(values())),
        0..3,
    );
    let parents = ["Node", "Plain", "Item", "Colour", "Nowhere"];
    let strategy = (changes, 0..parents.len(), any::<u16>());
    let counts = std::cell::Cell::new((0, 0));
    let mut runner = TestRunner::new(Config { cases: 4096, ..Config::default() });
    let ran = runner.run(&strategy, |(changes, parent, kept)| {
        let mut attributes = right.as_object().cloned().unwrap_or_default();
        for (bit, name) in NAMES.iter().enumerate() {
            if !["flag", "name", "of"].contains(name) && kept >> bit & 1 == 0 {
                attributes.remove(*name);
            }
        }
        for (name, value) in changes {
            match value {
                Some(value) => attributes.insert(name.to_owned(), value),
                None => attributes.remove(name),
            };
        }
        let cedar = by_cedar(&schema, &attributes, parents[parent]);
        let read = form.read(&attributes).filter(|_| form.may_stand_below(parents[parent]));
        let (mut fits, mut plain) = counts.get();
        fits += u32::from(cedar.is_some() && parents[parent] != "Colour");
        if let Some(read) = read {
            plain += 1;
            prop_assert!(cedar.is_some(), "only this reads {attributes:?}");
            let cedar = cedar.unwrap();
            prop_assert_eq!(read.len(), cedar.attrs().count());
            for (name, value) in &read {
                prop_assert_eq!(Some(value), cedar.get(name));
            }
        }
        counts.set((fits, plain));
        Ok(())
    });
    ran.unwrap();
    // Nearly all that fits is plainly written.
    let (fits, plain) = counts.get();
    assert!(plain * 10 > fits * 9 && plain > 500, "{plain} of {fits}");
}

#[test]
fn leaves_to_cedar_where_ids_count() {
    let schema = schema();
    assert!(schema.form(schema.kind("Colour").unwrap()).is_none());
    assert!(!schema.form(schema.kind("Plain").unwrap()).unwrap().may_stand_below("Colour"));
}
