//! What a change changed, as people are shown it: field by field, secrets by name only.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::audit::FieldChange;

/// Longest value an event tells of whole, in bytes of JSON: an event stays a few kilobytes.
const VALUE_BYTES_MAX: usize = 2_048;

/// The fields that differ, sorted by name. What is not an object has no fields.
pub(super) fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldChange> {
    let none = Map::new();
    let before = before.and_then(Value::as_object).unwrap_or(&none);
    let after = after.and_then(Value::as_object).unwrap_or(&none);
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let told = |value: Option<&Value>| value.filter(|value| !value.is_null()).map(shown);
    differ
        .map(|name| FieldChange {
            field: name.clone(),
            before: told(before.get(name)),
            after: told(after.get(name)),
        })
        .collect()
}

/// A value, or how large it is.
fn shown(value: &Value) -> Value {
    let bytes = value.to_string().len();
    if bytes <= VALUE_BYTES_MAX {
        return value.clone();
    }
    Value::String(format!("({bytes} bytes)"))
}

/// What is shown, with a word that stands for the secret: so that an event tells that it changed.
pub(super) fn with_secret(mut shown: Value, word: &str) -> Value {
    if let Some(members) = shown.as_object_mut() {
        members.insert("secret".to_owned(), word.into());
    }
    shown
}

/// SHA-256 of an item, in hex.
pub(super) fn digest(value: &Value) -> String {
    hex(&Sha256::digest(value.to_string()))
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The strong entity tag of an item (RFC 9110 §8.8.3): it names what was shown, so that a change says what it changes.
pub(super) fn etag(value: &Value) -> String {
    let digest = digest(value);
    format!("\"{}\"", digest.get(..32).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_what_differs_and_nothing_else() {
        let before = json!({"name": "Ada", "email": "a@x", "same": [1]});
        let after = json!({"name": "Ada L", "email": null, "same": [1], "new": true});
        let told = changes(Some(&before), Some(&after));
        let names: Vec<_> = told.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(names, ["email", "name", "new"]);
        assert_eq!((&told[0].before, &told[0].after), (&Some(json!("a@x")), &None));
        assert_eq!((&told[1].before, &told[1].after), (&Some(json!("Ada")), &Some(json!("Ada L"))));
        assert_eq!((&told[2].before, &told[2].after), (&None, &Some(json!(true))));
        assert_eq!(changes(None, Some(&before)).len(), 3);
    }

    #[test]
    fn a_large_value_is_told_by_its_size() {
        let told = changes(None, Some(&json!({"text": "x".repeat(3_000)})));
        assert_eq!(told[0].after, Some(json!("(3002 bytes)")));
    }

    #[test]
    fn a_tag_changes_with_what_is_shown() {
        let one = etag(&json!({"a": 1}));
        assert_eq!((one.len(), one.starts_with('"')), (34, true));
        assert_ne!(one, etag(&json!({"a": 2})));
    }
}
