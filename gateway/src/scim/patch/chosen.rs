//! Changes the values of a list that a filter chooses, or a part of each.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::attribute::{Attribute, Mutability};
use super::super::document::read;
use super::super::error::ScimError;
use super::super::filter::Chosen;
use super::apply::{container, may_change, set_part};
use super::list::{put, settle_primary, take, within_limit};
use super::{Change, Verb};

/// Changes the chosen values of a list.
pub(super) fn at_chosen(
    resource: &mut Map<String, Value>,
    chosen: &Chosen,
    change: Change<'_>,
) -> Result<(), ScimError> {
    let attribute = chosen.place.attribute;
    may_change(attribute, &chosen.place)?;
    if let Some(part) = chosen.part {
        may_change_part(attribute, part)?;
    }
    let container = container(resource, chosen.place.home)?;
    let mut held = take(container, attribute);
    if change.verb == Verb::Remove {
        remove(chosen, &mut held);
    } else {
        set(chosen, &mut held, change)?;
        within_limit(attribute, &held)?;
    }
    put(container, attribute, held);
    Ok(())
}

fn may_change_part(attribute: &Attribute, part: &Attribute) -> Result<(), ScimError> {
    // RFC 7643 §7: what is immutable is not changed once it is there.
    if part.mutability == Mutability::ReadWrite {
        return Ok(());
    }
    let detail = format!("`{}.{}` does not change", attribute.name, part.name);
    Err(ScimError::mutability(detail))
}

/// Removes the chosen values, or the part of each. That none is chosen is no error: none is there then.
fn remove(chosen: &Chosen, held: &mut Vec<Value>) {
    let Some(part) = chosen.part else {
        held.retain(|value| !chosen.elements.matches(value));
        return;
    };
    for value in held.iter_mut().filter(|value| chosen.elements.matches(value)) {
        if let Some(parts) = value.as_object_mut() {
            parts.remove(part.name);
        }
    }
}

/// Adds to the chosen values, or replaces them.
fn set(chosen: &Chosen, held: &mut Vec<Value>, change: Change<'_>) -> Result<(), ScimError> {
    let attribute = chosen.place.attribute;
    let matched = held.iter().enumerate().filter(|(_, value)| chosen.elements.matches(value));
    let mut touched: HashSet<usize> = matched.map(|(index, _)| index).collect();
    if touched.is_empty() {
        // To replace what is not there with nothing is done already.
        if change.value == Some(&Value::Null) {
            return Ok(());
        }
        let Some(said) = chosen.elements.equalities().filter(|said| may_make(attribute, said))
        else {
            // RFC 7644 §3.5.2.3: a filter that matches nothing fails with noTarget.
            let detail = format!("no value of `{}` matches the filter", attribute.name);
            return Err(ScimError::no_target(detail));
        };
        touched.insert(held.len());
        held.push(Value::Object(said));
    }
    for (index, value) in held.iter_mut().enumerate() {
        if touched.contains(&index) {
            *value = changed(chosen, value, change)?;
        }
    }
    settle_primary(held, &touched);
    held.retain(|value| !value.is_null());
    Ok(())
}

/// Whether a value may be made of what the filter says: Entra ID means it so for addresses of one type.
fn may_make(attribute: &Attribute, said: &Map<String, Value>) -> bool {
    let typed = said.get("type").is_some_and(Value::is_string);
    let all = said.keys().all(|name| matches!(name.as_str(), "type" | "primary"));
    let kept = attribute.part("type").is_some_and(|part| part.mutability == Mutability::ReadWrite);
    typed && all && kept
}

/// A chosen value as the operation makes it; null, if it is no more.
fn changed(chosen: &Chosen, held: &Value, change: Change<'_>) -> Result<Value, ScimError> {
    let attribute = chosen.place.attribute;
    let mut parts = held.as_object().cloned().unwrap_or_default();
    if let Some(part) = chosen.part {
        set_part(&mut parts, attribute, part, change)?;
        return Ok(parts.into());
    }
    let given = match change.wanted()? {
        Value::Array(values) if values.len() == 1 => values.first().unwrap_or(&Value::Null),
        other => other,
    };
    match given {
        Value::Null if change.verb == Verb::Replace => Ok(Value::Null),
        Value::Null => Ok(held.clone()),
        Value::Object(given) => whole(chosen, &parts, given, change.verb),
        _ => Err(ScimError::invalid_value(format!("a value of `{}` is an object", attribute.name))),
    }
}

/// A chosen value with what is given of it. An add keeps its other parts, a replace only what the filter says.
fn whole(
    chosen: &Chosen,
    held: &Map<String, Value>,
    given: &Map<String, Value>,
    verb: Verb,
) -> Result<Value, ScimError> {
    let attribute = chosen.place.attribute;
    let said = chosen.elements.equalities().unwrap_or_default();
    let mut raw = given.clone();
    for (name, value) in held {
        let immutable =
            attribute.part(name).is_some_and(|part| part.mutability == Mutability::Immutable);
        let stays = verb == Verb::Add || immutable || said.contains_key(name);
        match read::keyed(given, name) {
            None if stays => {
                raw.insert(name.clone(), value.clone());
            }
            Some(other) if immutable && other != value => {
                let detail = format!("`{}.{name}` does not change", attribute.name);
                return Err(ScimError::mutability(detail));
            }
            _ => {}
        }
    }
    Ok(read::one(attribute, &Value::Object(raw))?.unwrap_or(Value::Null))
}
