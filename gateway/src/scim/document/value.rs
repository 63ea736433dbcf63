//! Reads the values of one attribute: their types, their sizes, and their one spelling.

use std::collections::HashSet;
use std::fmt::{Display, Formatter, Result as Written};

use serde_json::{Map, Value};

use super::super::attribute::{Attribute, Form, Mutability, find};
use super::super::error::ScimError;

/// Longest text, in bytes: four times what any directory gives a name.
pub(super) const TEXT_BYTES_MAX: usize = 1_024;

/// Most values of a list, but for members.
pub(super) const VALUES_MAX: usize = 64;

/// Most members of a group: identity providers push groups whole.
pub const MEMBERS_MAX: usize = 10_000;

/// Where a value is, as errors tell it: `emails[0].value`. Written only when there is an error.
#[derive(Clone, Copy, Debug)]
struct At {
    attribute: &'static str,
    index: Option<usize>,
    part: Option<&'static str>,
}

impl Display for At {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Written {
        write!(formatter, "`{}", self.attribute)?;
        if let Some(index) = self.index {
            write!(formatter, "[{index}]")?;
        }
        if let Some(part) = self.part {
            write!(formatter, ".{part}")?;
        }
        write!(formatter, "`")
    }
}

/// Most values of an attribute's list.
pub(crate) fn values_max(attribute: &Attribute) -> usize {
    if attribute.name == "members" { MEMBERS_MAX } else { VALUES_MAX }
}

/// Reads all that is given of an attribute; nothing, if that is nothing.
///
/// # Errors
/// As [`super::Document::read`].
pub(crate) fn given(
    attribute: &'static Attribute,
    value: &Value,
) -> Result<Option<Value>, ScimError> {
    // RFC 7643 §2.5: null and the empty list mean that there is no value.
    if value.is_null() {
        return Ok(None);
    }
    if attribute.multi_valued {
        return list(attribute, value);
    }
    single(attribute, value, At { attribute: attribute.name, index: None, part: None })
}

/// Reads one value of an attribute, be it one of a list.
///
/// # Errors
/// As [`super::Document::read`].
pub(crate) fn one(
    attribute: &'static Attribute,
    value: &Value,
) -> Result<Option<Value>, ScimError> {
    single(attribute, value, At { attribute: attribute.name, index: None, part: None })
}

/// Reads one part of a value of an attribute.
///
/// # Errors
/// As [`super::Document::read`].
pub(crate) fn part(
    attribute: &'static Attribute,
    part: &'static Attribute,
    value: &Value,
) -> Result<Option<Value>, ScimError> {
    single(part, value, At { attribute: attribute.name, index: None, part: Some(part.name) })
}

fn list(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    let mut at = At { attribute: attribute.name, index: None, part: None };
    let Some(values) = value.as_array() else {
        return Err(ScimError::invalid_value(format!("{at} is a list")));
    };
    let max = values_max(attribute);
    if values.len() > max {
        return Err(ScimError::invalid_value(format!("{at} has at most {max} values")));
    }
    let mut taken = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        at.index = Some(index);
        taken.extend(single(attribute, value, at)?);
    }
    // RFC 7643 §2.4: at most one value is the primary one.
    if taken.iter().filter(|value| is_primary(value)).count() > 1 {
        at.index = None;
        return Err(ScimError::invalid_value(format!("{at} has one primary value at most")));
    }
    if attribute.name == "members" {
        once_each(&mut taken);
    }
    Ok((!taken.is_empty()).then_some(Value::Array(taken)))
}

/// Whether a value of a list is its primary one.
pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool) == Some(true)
}

/// Keeps the first member of each id.
fn once_each(members: &mut Vec<Value>) {
    let mut seen: HashSet<String> = HashSet::with_capacity(members.len());
    members.retain(|member| {
        let id = member.get("value").and_then(Value::as_str).unwrap_or_default();
        seen.insert(id.to_owned())
    });
}

fn single(
    attribute: &'static Attribute,
    value: &Value,
    at: At,
) -> Result<Option<Value>, ScimError> {
    if value.is_null() {
        return Ok(None);
    }
    match attribute.form {
        Form::Text | Form::Reference(_) | Form::DateTime => text(value, at).map(Some),
        Form::Boolean => boolean(value, at).map(Some),
        Form::Complex(parts) => object(parts, value, at),
    }
}

fn text(value: &Value, at: At) -> Result<Value, ScimError> {
    let Some(text) = value.as_str() else {
        return Err(ScimError::invalid_value(format!("{at} is a text")));
    };
    if text.len() > TEXT_BYTES_MAX {
        let detail = format!("{at} has at most {TEXT_BYTES_MAX} bytes");
        return Err(ScimError::invalid_value(detail));
    }
    // Addresses have lines. No other control character is part of a name, and some stores refuse them.
    if text.chars().any(|character| character.is_control() && !"\n\r\t".contains(character)) {
        return Err(ScimError::invalid_value(format!("{at} has a control character")));
    }
    Ok(text.into())
}

fn boolean(value: &Value, at: At) -> Result<Value, ScimError> {
    // Entra ID sends `"True"` and `"False"`.
    let read = match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    let refused = || ScimError::invalid_value(format!("{at} is true or false"));
    read.map(Value::Bool).ok_or_else(refused)
}

fn object(
    parts: &'static [Attribute],
    value: &Value,
    mut at: At,
) -> Result<Option<Value>, ScimError> {
    let whole = at;
    let mut read = Map::new();
    match value {
        Value::Object(given) => {
            for (name, value) in given {
                let Some(part) = find(parts, name) else { continue };
                if part.mutability == Mutability::ReadOnly {
                    continue;
                }
                at.part = Some(part.name);
                if let Some(value) = single(part, value, at)?
                    && read.insert(part.name.to_owned(), value).is_some()
                {
                    return Err(ScimError::invalid_syntax(format!("{at} is given twice")));
                }
            }
        }
        // Entra ID sends a manager as the id alone, and an empty one for nobody.
        Value::String(id) if at.index.is_none() && find(parts, "value").is_some() => {
            if !id.is_empty() {
                read.insert("value".into(), text(value, at)?);
            }
        }
        _ => return Err(ScimError::invalid_value(format!("{whole} is an object"))),
    }
    if read.is_empty() {
        return Ok(None);
    }
    has_required(parts, &read, whole)?;
    Ok(Some(Value::Object(read)))
}

fn has_required(
    parts: &'static [Attribute],
    read: &Map<String, Value>,
    mut at: At,
) -> Result<(), ScimError> {
    for part in parts.iter().filter(|part| part.required) {
        if says_nothing(read.get(part.name)) {
            at.part = Some(part.name);
            return Err(ScimError::invalid_value(format!("{at} is required")));
        }
    }
    Ok(())
}

/// Whether a value is missing, or a text of nothing but spaces.
pub(super) fn says_nothing(value: Option<&Value>) -> bool {
    match value {
        None => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}
