//! Mistakes in scopes: more principals, actions and resources than meant, or an action too few.

use serde_json::{Value, json};

use super::{Change, Mutation, set};

pub(super) fn changes(json: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    for part in ["principal", "resource"] {
        changes.extend(widened(json, part));
    }
    changes.extend(any_action(json));
    changes.extend(fewer_actions(json));
    changes
}

/// `principal` or `resource`: any; of any type; anywhere.
fn widened(json: &Value, part: &str) -> Vec<Change> {
    let Some(scope) = json.get(part).filter(|scope| operator(scope) != "All") else {
        return Vec::new();
    };
    let mut wider = vec![(format!("any {part}"), json!({ "op": "All" }))];
    // `is Team in Operator::"x"`: either half alone.
    if let (Some(kind), Some(place)) = (scope.get("entity_type"), scope.get("in")) {
        wider.push((format!("{part} anywhere"), json!({ "op": "is", "entity_type": kind })));
        let mut anything = place.clone();
        set_operator(&mut anything, "in");
        wider.push((format!("{part} of any type"), anything));
    }
    let change = |(told, scope): (String, Value)| {
        let mut changed = json.clone();
        set(&mut changed, &format!("/{part}"), scope);
        (Mutation::WidenScope, told, changed)
    };
    wider.into_iter().map(change).collect()
}

fn any_action(json: &Value) -> Option<Change> {
    json.get("action").filter(|scope| operator(scope) != "All")?;
    let mut changed = json.clone();
    set(&mut changed, "/action", json!({ "op": "All" }));
    Some((Mutation::WidenScope, "any action".to_owned(), changed))
}

/// Each of the actions and groups of a list left out.
fn fewer_actions(json: &Value) -> Vec<Change> {
    let listed = json.pointer("/action/entities").and_then(Value::as_array);
    let Some(listed) = listed.filter(|listed| listed.len() > 1) else { return Vec::new() };
    let without = |number: usize| {
        let name = listed.get(number).and_then(|action| action.get("id")).and_then(Value::as_str);
        let mut fewer = listed.clone();
        fewer.remove(number);
        let mut changed = json.clone();
        set(&mut changed, "/action/entities", Value::Array(fewer));
        let told = format!("without the action `{}`", name.unwrap_or_default());
        (Mutation::NarrowActions, told, changed)
    };
    (0..listed.len()).map(without).collect()
}

fn operator(scope: &Value) -> &str {
    scope.get("op").and_then(Value::as_str).unwrap_or_default()
}

fn set_operator(scope: &mut Value, operator: &str) {
    if let Some(scope) = scope.as_object_mut() {
        scope.insert("op".to_owned(), json!(operator));
    }
}
