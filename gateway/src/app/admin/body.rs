//! The body of a request: put together from options, or a file as it is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::AdminError;
use super::api::BodySpec;
use super::shape::{Kind, Shape};

/// What is sent.
pub(super) enum Content {
    Nothing,
    Bytes(Vec<u8>),
    /// Sent as it is read; its length, if it is known.
    Stream(Box<dyn Read + Send>, Option<u64>),
}

/// What was given of the members.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Members by their own option: name and values.
    pub(super) members: Vec<(String, Vec<String>)>,
    /// `--set`.
    pub(super) set: Vec<String>,
}

impl Given {
    /// The JSON body, or nothing where nothing was given and nothing is needed.
    pub(super) fn assembled(&self, spec: &BodySpec) -> Result<Option<Value>, AdminError> {
        if self.members.is_empty() && self.set.is_empty() && !spec.required {
            return Ok(None);
        }
        let unknown = Shape::default();
        let shape = spec.shape.as_ref().unwrap_or(&unknown);
        let mut body = Map::new();
        for (name, values) in &self.members {
            let shape = shape.member(name).unwrap_or(&unknown);
            let wrong = |told| AdminError::Usage(format!("`{name}`: {told}"));
            body.insert(name.clone(), all_typed(values, shape).map_err(wrong)?);
        }
        for text in &self.set {
            set(text, shape, &mut body)?;
        }
        let missing: Vec<String> = spec
            .members
            .iter()
            .filter(|it| it.required && !body.contains_key(&it.name))
            .map(|it| format!("--{}", it.option))
            .collect();
        let advice = "or `--body FILE` with all of it; `--help` tells what is what";
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(AdminError::Usage(format!("the body needs {missing}, {advice}")));
        }
        if body.is_empty() {
            return Err(AdminError::Usage(format!(
                "a body is needed: its members as options, {advice}"
            )));
        }
        Ok(Some(Value::Object(body)))
    }
}

/// The content of a file; `-` is the standard input.
pub(super) fn file(path: &str) -> Result<Content, AdminError> {
    if path == "-" {
        return Ok(Content::Stream(Box::new(std::io::stdin()), None));
    }
    let unreadable = |source| AdminError::File { path: path.to_owned(), source };
    let file = File::open(Path::new(path)).map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?;
    if kind.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    let length = kind.is_file().then_some(kind.len());
    Ok(Content::Stream(Box::new(file), length))
}

/// One value as its shape reads it.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn typed(text: &str, shape: &Shape) -> Result<Value, String> {
    if shape.nullable && text == "null" {
        return Ok(Value::Null);
    }
    if !shape.choices.is_empty() && !shape.choices.iter().any(|choice| choice == text) {
        return Err(format!("`{text}` is none of {}", shape.choices.join(", ")));
    }
    let json = || serde_json::from_str::<Value>(text);
    let no_json = |error| format!("it is not JSON: {error}");
    match &shape.kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(format!("`{text}` is neither true nor false")),
        },
        Kind::Integer => match json() {
            Ok(value) if value.is_i64() || value.is_u64() => Ok(value),
            _ => Err(format!("`{text}` is no integer")),
        },
        Kind::Number => match json() {
            Ok(value) if value.is_number() => Ok(value),
            _ => Err(format!("`{text}` is no number")),
        },
        Kind::Array(_) => match json().map_err(no_json)? {
            value if value.is_array() => Ok(value),
            _ => Err("it is no JSON list: `[…]`".to_owned()),
        },
        Kind::Object(_) => match json().map_err(no_json)? {
            value if value.is_object() => Ok(value),
            _ => Err("it is no JSON object: `{…}`".to_owned()),
        },
        Kind::Any => Ok(json().unwrap_or_else(|_| Value::String(text.to_owned()))),
    }
}

/// The values of an option: a list of them, where it is one and they are its items.
fn all_typed(values: &[String], shape: &Shape) -> Result<Value, String> {
    match (shape.items().filter(|items| items.is_scalar()), values) {
        (Some(items), _) => values.iter().map(|text| typed(text, items)).collect(),
        (None, [text]) => typed(text, shape),
        (None, _) => Err("it was given more than once".to_owned()),
    }
}

/// Puts `key=value` in its place: dots in the key lead into members.
fn set(text: &str, shape: &Shape, body: &mut Map<String, Value>) -> Result<(), AdminError> {
    let usage = |told: String| AdminError::Usage(format!("`--set {text}`: {told}"));
    let Some((key, value)) = text.split_once('=') else {
        return Err(usage("write `key=value`".to_owned()));
    };
    let unknown = Shape::default();
    let mut shape = shape;
    let mut object = body;
    let mut steps = key.split('.').peekable();
    while let Some(step) = steps.next() {
        if step.is_empty() {
            return Err(usage("a name in the key is empty".to_owned()));
        }
        if shape.member(step).is_none() && !shape.properties().is_empty() {
            let known: Vec<&str> = shape.properties().iter().map(|it| it.name.as_str()).collect();
            return Err(usage(format!("there is no `{step}`: {}", known.join(", "))));
        }
        shape = shape.member(step).unwrap_or(&unknown);
        if steps.peek().is_none() {
            return put(object, step, value, shape).map_err(usage);
        }
        let inner = object.entry(step).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(inner) = inner else {
            return Err(usage(format!("`{step}` is no object")));
        };
        object = inner;
    }
    Ok(())
}

fn put(
    object: &mut Map<String, Value>,
    name: &str,
    text: &str,
    shape: &Shape,
) -> Result<(), String> {
    let one = shape.items().filter(|items| items.is_scalar() && !text.starts_with('['));
    let Some(items) = one else {
        object.insert(name.to_owned(), typed(text, shape)?);
        return Ok(());
    };
    let item = typed(text, items)?;
    match object.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
        Value::Array(list) => list.push(item),
        other => *other = Value::Array(vec![item]),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::api::Api;
    use super::*;

    fn spec() -> BodySpec {
        let document = json!({"paths": {"/keys": {"post": {
            "operationId": "createKey",
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
                "type": "object",
                "required": ["name", "enabled"],
                "properties": {
                    "name": {"type": "string"},
                    "enabled": {"type": "boolean"},
                    "days": {"type": ["integer", "null"]},
                    "scopes": {"type": "array", "items": {"type": "string"}},
                    "roles": {"type": "array", "items": {"type": "object"}},
                    "mode": {"type": "string", "enum": ["merge", "replace"]},
                    "network": {"type": "object", "properties": {
                        "source": {"type": "string"}, "ports": {"type": "array", "items": {"type": "integer"}}}},
                },
            }}}},
        }}}});
        Api::read(&document).operations.remove(0).body.unwrap()
    }

    fn assembled(members: &[(&str, &[&str])], set: &[&str]) -> Result<Value, String> {
        let owned = |values: &[&str]| values.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let members = members.iter().map(|(name, values)| ((*name).to_owned(), owned(values)));
        let given = Given { members: members.collect(), set: owned(set) };
        given.assembled(&spec()).map(Option::unwrap).map_err(|error| error.to_string())
    }

    const NEEDED: [(&str, &[&str]); 2] = [("name", &["7"]), ("enabled", &["true"])];

    #[test]
    fn members_have_the_type_the_document_gives_them() {
        let mut members = NEEDED.to_vec();
        members.extend([
            ("days", &["90"][..]),
            ("scopes", &["teams:read", "teams:write"]),
            ("roles", &[r#"[{"role":"admin"}]"#]),
        ]);
        assert_eq!(
            assembled(&members, &[]),
            Ok(json!({"name": "7", "enabled": true, "days": 90,
                      "scopes": ["teams:read", "teams:write"], "roles": [{"role": "admin"}]}))
        );
    }

    #[test]
    fn set_reaches_into_members_and_lengthens_lists() {
        let set = ["network.source=192.0.2.7", "network.ports=1", "network.ports=2", "days=null"];
        assert_eq!(
            assembled(&NEEDED, &set),
            Ok(json!({"name": "7", "enabled": true, "days": null,
                      "network": {"source": "192.0.2.7", "ports": [1, 2]}}))
        );
        assert!(assembled(&[], &["name=a=b", "enabled=false"]).unwrap()["name"] == "a=b");
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (members, set, told) in [
            (&[][..], &[][..], "--name, --enabled"),
            (&NEEDED[..1], &[], "the body needs --enabled, or `--body FILE`"),
            (&[("enabled", &["yes"][..])], &[], "`yes` is neither true nor false"),
            (&[("days", &["x"][..])], &[], "`x` is no integer"),
            (&[("roles", &["{}"][..])], &[], "no JSON list"),
            (&[("mode", &["swap"][..])], &[], "none of merge, replace"),
            (&NEEDED, &["colour=red"], "there is no `colour`: name, enabled"),
            (&NEEDED, &["name"], "write `key=value`"),
            (&NEEDED, &["name.first=x"], "`name` is no object"),
            (&NEEDED, &["network..x=x"], "is empty"),
        ] {
            let error = assembled(members, set).unwrap_err();
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
