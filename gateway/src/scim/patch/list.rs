//! Changes the values of a list as a whole: adds some, replaces all, removes all or those that are named.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::attribute::Attribute;
use super::super::document::read;
use super::super::error::ScimError;
use super::{Change, Verb};

/// Changes a list.
pub(super) fn at_list(
    container: &mut Map<String, Value>,
    attribute: &'static Attribute,
    change: Change<'_>,
) -> Result<(), ScimError> {
    if change.verb == Verb::Remove {
        return remove(container, attribute, change.value);
    }
    let given = read_list(attribute, change.wanted()?)?;
    if change.verb == Verb::Replace {
        // RFC 7644 §3.5.2.3: all values of the list are replaced.
        put(container, attribute, given);
        return Ok(());
    }
    let mut held = take(container, attribute);
    let touched = add(attribute, &mut held, given);
    settle_primary(&mut held, &touched);
    within_limit(attribute, &held)?;
    put(container, attribute, held);
    Ok(())
}

/// Takes the values out, to be put back.
pub(super) fn take(container: &mut Map<String, Value>, attribute: &Attribute) -> Vec<Value> {
    match container.remove(attribute.name) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}

/// Puts values in, if there are any.
pub(super) fn put(container: &mut Map<String, Value>, attribute: &Attribute, values: Vec<Value>) {
    if values.is_empty() {
        container.remove(attribute.name);
    } else {
        container.insert(attribute.name.to_owned(), values.into());
    }
}

/// Refuses a list that has grown too long.
pub(super) fn within_limit(attribute: &Attribute, held: &[Value]) -> Result<(), ScimError> {
    let max = read::values_max(attribute);
    if held.len() > max {
        let detail = format!("`{}` has at most {max} values", attribute.name);
        return Err(ScimError::invalid_value(detail));
    }
    Ok(())
}

/// Makes the primary value of those that were changed the only one.
pub(super) fn settle_primary(held: &mut [Value], touched: &HashSet<usize>) {
    // RFC 7644 §3.5.2: to make a value primary SHALL make the others not primary.
    let is_touched =
        |(index, value): (usize, &Value)| touched.contains(&index) && read::is_primary(value);
    if !held.iter().enumerate().any(is_touched) {
        return;
    }
    for (index, value) in held.iter_mut().enumerate() {
        if !touched.contains(&index)
            && let Some(primary) = value.get_mut("primary")
        {
            *primary = false.into();
        }
    }
}

/// Reads one value or a list of them.
fn read_list(attribute: &'static Attribute, value: &Value) -> Result<Vec<Value>, ScimError> {
    let read = if value.is_object() {
        read::given(attribute, &Value::Array(vec![value.clone()]))?
    } else {
        read::given(attribute, value)?
    };
    Ok(match read {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    })
}

/// Adds values, and says which are new or changed. RFC 7644 §3.5.2.1: what is there already is not added again.
fn add(attribute: &Attribute, held: &mut Vec<Value>, given: Vec<Value>) -> HashSet<usize> {
    if attribute.name == "members" {
        add_members(held, given);
        return HashSet::new();
    }
    let mut touched = HashSet::new();
    for value in given {
        let same = held.iter_mut().enumerate().find(|(_, held)| is_same(attribute, held, &value));
        match (same, value) {
            (Some((index, Value::Object(held))), Value::Object(parts)) => {
                held.extend(parts);
                touched.insert(index);
            }
            (_, value) => {
                touched.insert(held.len());
                held.push(value);
            }
        }
    }
    touched
}

/// Adds the members that are not there. Groups are large: ids are looked up, not compared one by one.
fn add_members(held: &mut Vec<Value>, given: Vec<Value>) {
    let ids: HashSet<&str> = held.iter().filter_map(id).collect();
    let is_new = |member: &Value| id(member).is_some_and(|id| !ids.contains(id));
    let new: Vec<Value> = given.into_iter().filter(is_new).collect();
    held.extend(new);
}

fn id(member: &Value) -> Option<&str> {
    member.get("value").and_then(Value::as_str)
}

/// Whether two values are the same one. RFC 7643 §2.4: there is one for each pair of `type` and `value`.
fn is_same(attribute: &Attribute, held: &Value, given: &Value) -> bool {
    if attribute.part("value").is_none() {
        return held == given;
    }
    let key = |value: &Value| (folded(attribute, value, "value"), folded(attribute, value, "type"));
    key(held) == key(given)
}

/// The text of a part, as it is compared.
fn folded(attribute: &Attribute, value: &Value, name: &str) -> Option<String> {
    let text = value.get(name).and_then(Value::as_str)?;
    let exact = attribute.part(name).is_some_and(|part| part.case_exact);
    Some(if exact { text.to_owned() } else { text.to_lowercase() })
}

fn remove(
    container: &mut Map<String, Value>,
    attribute: &'static Attribute,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        container.remove(attribute.name);
        return Ok(());
    };
    // Entra ID names the members to remove in the value. An empty list names none: the others stay.
    let named = read_list(attribute, value)?;
    let values: HashSet<String> =
        named.iter().filter_map(|value| folded(attribute, value, "value")).collect();
    let others: Vec<&Map<String, Value>> = named
        .iter()
        .filter(|value| value.get("value").is_none())
        .filter_map(Value::as_object)
        .collect();
    let is_named = |held: &Value| {
        folded(attribute, held, "value").is_some_and(|value| values.contains(&value))
            || others.iter().any(|parts| says_all(held, parts))
    };
    let mut held = take(container, attribute);
    held.retain(|value| !is_named(value));
    put(container, attribute, held);
    Ok(())
}

fn says_all(held: &Value, parts: &Map<String, Value>) -> bool {
    parts.iter().all(|(name, value)| held.get(name) == Some(value))
}
