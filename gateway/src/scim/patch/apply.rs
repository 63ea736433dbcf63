//! Changes an attribute with one value, or a part of it.

use serde_json::{Map, Value, map::Entry};

use super::super::attribute::{Attribute, Form, Mutability};
use super::super::document::read;
use super::super::error::ScimError;
use super::super::kind::{ENTERPRISE_SCHEMA, Home, Place};
use super::{Change, Verb, list};

/// Changes an attribute, or a part of an attribute with one value.
pub(super) fn at_place(
    resource: &mut Map<String, Value>,
    place: Place,
    change: Change<'_>,
) -> Result<(), ScimError> {
    let attribute = place.attribute;
    // `schemas` follows from what is there.
    if attribute.name == "schemas" {
        return Ok(());
    }
    may_change(attribute, &place)?;
    // RFC 7644 §3.5.2.2: to remove a required attribute fails with mutability.
    if change.verb == Verb::Remove && attribute.required {
        return Err(ScimError::mutability(format!("`{}` is required", attribute.name)));
    }
    let container = container(resource, place.home)?;
    match place.part {
        Some(part) => at_part(container, attribute, part, change),
        None if attribute.multi_valued => list::at_list(container, attribute, change),
        None => at_single(container, attribute, change),
    }
}

/// Refuses what only the server changes.
pub(super) fn may_change(attribute: &Attribute, place: &Place) -> Result<(), ScimError> {
    // RFC 7644 §3.5.2: to change what is read-only fails with mutability.
    if attribute.mutability == Mutability::ReadOnly {
        return Err(ScimError::mutability(format!("`{}` is read-only", place.name())));
    }
    Ok(())
}

/// The object an attribute is in. An extension is made if there is none: an empty one is dropped at the end.
pub(super) fn container(
    resource: &mut Map<String, Value>,
    home: Home,
) -> Result<&mut Map<String, Value>, ScimError> {
    match home {
        Home::Core => Ok(resource),
        Home::Extension => object(resource, ENTERPRISE_SCHEMA),
    }
}

/// The object under a key, made if there is none.
fn object<'a>(
    container: &'a mut Map<String, Value>,
    key: &str,
) -> Result<&'a mut Map<String, Value>, ScimError> {
    let value = container.entry(key).or_insert_with(|| Map::new().into());
    // INVARIANT: what was read has objects where the schema has them.
    value.as_object_mut().ok_or_else(|| ScimError::invalid_value(format!("`{key}` is an object")))
}

fn at_single(
    container: &mut Map<String, Value>,
    attribute: &'static Attribute,
    change: Change<'_>,
) -> Result<(), ScimError> {
    if change.verb == Verb::Remove {
        container.remove(attribute.name);
        return Ok(());
    }
    let value = unwrapped(attribute, change.wanted()?);
    match read::given(attribute, value)? {
        Some(Value::Object(parts)) => merge(container, attribute, parts),
        Some(value) => {
            container.insert(attribute.name.to_owned(), value);
        }
        // Entra ID sends the empty text for no manager.
        None if change.verb == Verb::Replace && (value.is_null() || value == "") => {
            container.remove(attribute.name);
        }
        None => {}
    }
    if change.verb == Verb::Replace {
        forget_nulls(container, attribute, value);
    }
    Ok(())
}

/// Sets the parts that are given. RFC 7644 §3.5.2.3: those that are not stay as they are.
fn merge(container: &mut Map<String, Value>, attribute: &Attribute, parts: Map<String, Value>) {
    match container.entry(attribute.name) {
        Entry::Occupied(mut held) => match held.get_mut() {
            // Another manager has another name: nothing of the former one may stay.
            Value::Object(held) if is_same(held, &parts) => held.extend(parts),
            held => *held = parts.into(),
        },
        Entry::Vacant(free) => {
            free.insert(parts.into());
        }
    }
}

fn is_same(held: &Map<String, Value>, given: &Map<String, Value>) -> bool {
    given.get("value").is_none_or(|value| held.get("value") == Some(value))
}

/// Removes the parts that are given as null.
fn forget_nulls(container: &mut Map<String, Value>, attribute: &Attribute, given: &Value) {
    let held = container.get_mut(attribute.name).and_then(Value::as_object_mut);
    let (Some(held), Some(given)) = (held, given.as_object()) else { return };
    for (name, _) in given.iter().filter(|(_, value)| value.is_null()) {
        if let Some(part) = attribute.part(name) {
            held.remove(part.name);
        }
    }
}

fn at_part(
    container: &mut Map<String, Value>,
    attribute: &'static Attribute,
    part: &'static Attribute,
    change: Change<'_>,
) -> Result<(), ScimError> {
    set_part(object(container, attribute.name)?, attribute, part, change)
}

/// Sets or removes one part of a value.
pub(super) fn set_part(
    held: &mut Map<String, Value>,
    attribute: &'static Attribute,
    part: &'static Attribute,
    change: Change<'_>,
) -> Result<(), ScimError> {
    if change.verb == Verb::Remove {
        held.remove(part.name);
        return Ok(());
    }
    match read::part(attribute, part, unwrapped(part, change.wanted()?))? {
        Some(value) => {
            held.insert(part.name.to_owned(), value);
        }
        None if change.verb == Verb::Replace => {
            held.remove(part.name);
        }
        None => {}
    }
    Ok(())
}

/// The value itself, where it came as a list of one, or as an object with a `value`: Entra ID does both.
fn unwrapped<'a>(attribute: &Attribute, value: &'a Value) -> &'a Value {
    let value = match value.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => value,
    };
    if matches!(attribute.form, Form::Complex(_)) {
        return value;
    }
    value.as_object().and_then(|parts| read::keyed(parts, "value")).unwrap_or(value)
}
