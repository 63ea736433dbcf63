//! The ids in a body, compared with what the assertion says they may be.
//!
//! It is all a service does: it knows what stands below what, and the gateway says below which nodes. Nothing
//! here knows a role or a policy.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The demo organisations' resources, which the gateway reads too.
const RESOURCES: [&str; 2] = [
    include_str!("../../../../tenants/nordvolt/resources.ndjson"),
    include_str!("../../../../tenants/solarpark/resources.ndjson"),
];
/// Deeper than any organisation of the demo; a circle ends here.
const DEPTH_MAX: usize = 16;

/// What stands directly below what.
#[derive(Debug)]
pub(super) struct Tree(HashMap<String, Vec<String>>);

impl Tree {
    pub(super) fn demo() -> Self {
        let lines = RESOURCES.iter().flat_map(|text| text.lines());
        let records = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let parents = records.filter_map(|record| {
            let uid = record.get("uid")?.as_str()?.to_owned();
            Some((uid, texts(record.get("parents")).map(str::to_owned).collect()))
        });
        Self(parents.collect())
    }

    /// The first id of `body` that is not in the set its property is told; the property's name with it.
    pub(super) fn refused(&self, claims: &Map<String, Value>, body: &Value) -> Option<String> {
        let sets = claims.get("body_access").and_then(Value::as_array).into_iter().flatten();
        for set in sets {
            let kind = set.get("kind").and_then(Value::as_str).unwrap_or_default();
            for property in texts(set.get("properties")) {
                let mut ids = Vec::new();
                values(body, property, &mut ids);
                let wrong = ids.into_iter().find(|id| !self.allows(set, kind, id));
                if let Some(wrong) = wrong {
                    return Some(format!("{property} {wrong}"));
                }
            }
        }
        None
    }

    fn allows(&self, set: &Value, kind: &str, id: &Value) -> bool {
        // What is no id names nothing.
        let Some(id) = id.as_str() else { return id.is_null() };
        let node = format!("{kind}::{id}");
        let access = set.get("access").unwrap_or(&Value::Null);
        let named = |list: &str, node: &str| texts(access.get(list)).any(|known| known == node);
        if !named("types", kind) || named("without", &node) || !self.0.contains_key(&node) {
            return false;
        }
        let mut level = vec![node.as_str()];
        for _ in 0..DEPTH_MAX {
            if level.iter().any(|node| named("within", node)) {
                return true;
            }
            let above = level.iter().filter_map(|node| self.0.get(*node)).flatten();
            level = above.map(String::as_str).collect();
        }
        false
    }
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The values of a property, at any depth; of a list, each.
fn values<'v>(body: &'v Value, property: &str, found: &mut Vec<&'v Value>) {
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Array(items) if name == property => found.extend(items),
                    _ if name == property => found.push(value),
                    _ => values(value, property, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, property, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &Value) -> Option<String> {
        let access = json!({
            "types": ["Team"], "within": ["Operator::nordvolt-east"], "without": ["Team::team-quay"],
        });
        let set = json!({ "properties": ["teamId", "teamIds"], "kind": "Team", "access": access });
        let claims = json!({ "body_access": [set] });
        Tree::demo().refused(claims.as_object().unwrap(), body)
    }

    #[test]
    fn an_id_in_the_set_passes_wherever_it_stands() {
        for body in [
            json!({"teamId": "team-harbour"}),
            json!({"list": [{"teamId": "team-harbour"}], "name": "team-airport"}),
            json!({"teamIds": ["team-harbour", "team-cabin"]}),
            json!({"teamId": null}),
            json!({}),
        ] {
            assert_eq!(refused(&body), None, "{body}");
        }
    }

    #[test]
    fn every_other_id_is_refused() {
        for body in [
            json!({"teamId": "team-airport"}),
            json!({"teamId": "team-quay"}),
            json!({"teamId": "team-nowhere"}),
            json!({"teamId": "nordvolt-east"}),
            json!({"teamId": 7}),
            json!({"list": [{"teamId": "team-airport"}]}),
            json!({"teamIds": ["team-harbour", "team-airport"]}),
        ] {
            assert!(refused(&body).is_some(), "{body}");
        }
    }
}
