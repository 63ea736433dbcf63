//! Reads a whole resource: which schema it has, which attributes are kept, and which must not be missing.

use serde_json::{Map, Value};

use super::super::attribute::{Attribute, Mutability, find};
use super::super::error::ScimError;
use super::super::kind::{ENTERPRISE_SCHEMA, Kind};
use super::value::says_nothing;

pub(crate) use super::value::{given, is_primary, one, part, values_max};

/// Reads a resource of this kind.
///
/// # Errors
/// As [`super::Document::read`].
pub(crate) fn resource(kind: Kind, body: &Value) -> Result<Map<String, Value>, ScimError> {
    let Some(body) = body.as_object() else {
        return Err(ScimError::invalid_syntax("the body is an object"));
    };
    says_schema(body, kind.schema())?;
    let mut read = Map::new();
    attributes(body, |name| kind.attribute(name), &mut read)?;
    let mut schemas = vec![kind.schema()];
    if let Some((urn, known)) = kind.extension()
        && let Some(extension) = extension(body, urn, known)?
    {
        read.insert(urn.to_owned(), extension);
        schemas.push(urn);
    }
    for required in kind.attributes().iter().filter(|attribute| attribute.required) {
        if says_nothing(read.get(required.name)) {
            return Err(ScimError::invalid_value(format!("`{}` is required", required.name)));
        }
    }
    // RFC 7643 §3: `schemas` names the schemas of what is there.
    read.insert("schemas".into(), schemas.into());
    Ok(read)
}

/// Checks that a message is of this schema.
///
/// # Errors
/// 400 `invalidSyntax` if it is of others.
pub(crate) fn says_schema(body: &Map<String, Value>, schema: &str) -> Result<(), ScimError> {
    let given = keyed(body, "schemas").and_then(Value::as_array).into_iter().flatten();
    if given.filter_map(Value::as_str).any(|given| given.eq_ignore_ascii_case(schema)) {
        return Ok(());
    }
    // RFC 7643 §3: `schemas` is REQUIRED, and holds the schema of the resource.
    Err(ScimError::invalid_syntax(format!("`schemas` names `{schema}`")))
}

/// What a message says of `key`, spelt in any case.
pub(crate) fn keyed<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    body.get(key).or_else(|| {
        let mut pairs = body.iter();
        pairs.find(|(given, _)| given.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    })
}

fn extension(
    body: &Map<String, Value>,
    urn: &str,
    known: &'static [Attribute],
) -> Result<Option<Value>, ScimError> {
    let Some(value) = keyed(body, urn).filter(|value| !value.is_null()) else { return Ok(None) };
    let Some(value) = value.as_object() else {
        return Err(ScimError::invalid_value(format!("`{ENTERPRISE_SCHEMA}` is an object")));
    };
    let mut read = Map::new();
    attributes(value, |name| find(known, name), &mut read)?;
    Ok((!read.is_empty()).then_some(Value::Object(read)))
}

/// Reads the attributes that are known and that clients may give.
fn attributes(
    body: &Map<String, Value>,
    known: impl Fn(&str) -> Option<&'static Attribute>,
    read: &mut Map<String, Value>,
) -> Result<(), ScimError> {
    for (name, value) in body {
        let Some(attribute) = known(name) else { continue };
        // RFC 7644 §3.3: what is read-only is ignored in a body.
        if attribute.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = given(attribute, value)?
            && read.insert(attribute.name.to_owned(), value).is_some()
        {
            let detail = format!("`{}` is given twice", attribute.name);
            return Err(ScimError::invalid_syntax(detail));
        }
    }
    Ok(())
}
