//! Mistakes in conditions: a part left out, or its opposite.

use serde_json::{Value, json};

use super::{Change, Mutation, expression_text, set};

/// An operand somewhere in a condition.
struct Operand {
    /// Its place in the policy, a JSON pointer.
    place: String,
    /// The place of the `&&` or `||` it is an operand of, and of the other operand.
    within: Option<(String, String)>,
}

pub(super) fn changes(json: &Value) -> Vec<Change> {
    let clauses = json.get("conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut changes = Vec::new();
    for (number, clause) in clauses.iter().enumerate() {
        changes.push(without_clause(json, number, clause));
        let body = format!("/conditions/{number}/body");
        let mut operands = Vec::new();
        collect(json, body, None, &mut operands);
        for operand in &operands {
            changes.extend(dropped(json, operand));
            changes.extend(negated(json, operand));
        }
    }
    if clauses.len() > 1 {
        let mut bare = json.clone();
        set(&mut bare, "/conditions", json!([]));
        changes.push((Mutation::DropCondition, "without any condition".to_owned(), bare));
    }
    changes
}

fn without_clause(json: &Value, number: usize, clause: &Value) -> Change {
    let mut shorter = json.clone();
    if let Some(clauses) = shorter.get_mut("conditions").and_then(Value::as_array_mut) {
        clauses.remove(number);
    }
    let kind = clause.get("kind").and_then(Value::as_str).unwrap_or_default();
    let body = clause.get("body").map(expression_text).unwrap_or_default();
    (Mutation::DropCondition, format!("without `{kind} {{ {body} }}`"), shorter)
}

/// The operands at and below `place` that are not themselves `&&` or `||`.
fn collect(
    json: &Value,
    place: String,
    within: Option<(String, String)>,
    operands: &mut Vec<Operand>,
) {
    let Some(found) = json.pointer(&place) else { return };
    for operator in ["&&", "||"] {
        if found.get(operator).is_some() {
            let (left, right) =
                (format!("{place}/{operator}/left"), format!("{place}/{operator}/right"));
            collect(json, left.clone(), Some((place.clone(), right.clone())), operands);
            collect(json, right, Some((place, left)), operands);
            return;
        }
    }
    // `!(a && b)`: its parts can be mistaken too.
    let negated = format!("{place}/!/arg");
    let inner = json.pointer(&negated);
    if inner.is_some_and(|inner| inner.get("&&").is_some() || inner.get("||").is_some()) {
        collect(json, negated, None, operands);
    }
    operands.push(Operand { place, within });
}

fn dropped(json: &Value, operand: &Operand) -> Option<Change> {
    let (whole, other) = operand.within.as_ref()?;
    let text = expression_text(json.pointer(&operand.place)?);
    let kept = json.pointer(other)?.clone();
    let mut changed = json.clone();
    set(&mut changed, whole, kept);
    Some((Mutation::DropCondition, format!("without `{text}`"), changed))
}

fn negated(json: &Value, operand: &Operand) -> Option<Change> {
    let operation = json.pointer(&operand.place)?;
    let text = expression_text(operation);
    // The opposite of `!a` is `a`.
    let opposite = match operation.pointer("/!/arg") {
        Some(inner) => inner.clone(),
        None => json!({ "!": { "arg": operation } }),
    };
    let mut changed = json.clone();
    set(&mut changed, &operand.place, opposite);
    Some((Mutation::NegateCondition, format!("the opposite of `{text}`"), changed))
}
