//! JSON bodies, read for one value: strictly, because the backend reads them again with another parser.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::model::Malformed;

/// Largest body a resource rule reads: it is held in memory whole before the decision.
pub(super) const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Whether `text` is a JSON pointer (RFC 6901 §3) to something inside the document.
pub(super) fn is_pointer(text: &str) -> bool {
    let escapes_well =
        text.split('~').skip(1).all(|after| after.starts_with('0') || after.starts_with('1'));
    text.starts_with('/') && escapes_well
}

/// Reads the string or whole number at `pointer`.
///
/// # Errors
/// [`Malformed::Body`] when the body is no JSON, names a member twice anywhere, or has no string or
/// whole number there; [`Malformed::Repeated`] when a member on the way exists in two letter cases.
pub(super) fn read(body: &[u8], pointer: &str) -> Result<String, Malformed> {
    let Unique(document) = serde_json::from_slice(body).map_err(|_| Malformed::Body)?;
    let mut value = &document;
    for token in pointer.split('/').skip(1) {
        // RFC 6901 §4: `~1` first, then `~0`.
        let token = token.replace("~1", "/").replace("~0", "~");
        value = step(value, &token)?;
    }
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
        _ => Err(Malformed::Body),
    }
}

fn step<'a>(value: &'a Value, token: &str) -> Result<&'a Value, Malformed> {
    match value {
        Value::Object(members) => {
            // Some parsers match names in any case and take the last (Go's encoding/json).
            let folded = fold(token);
            if members.keys().filter(|name| fold(name) == folded).count() > 1 {
                return Err(Malformed::Repeated);
            }
            members.get(token).ok_or(Malformed::Body)
        }
        Value::Array(items) => {
            // RFC 6901 §4: no leading zero, no sign.
            let index: usize = token.parse().map_err(|_| Malformed::Body)?;
            items.get(index).filter(|_| index.to_string() == token).ok_or(Malformed::Body)
        }
        _ => Err(Malformed::Body),
    }
}

/// A name as parsers that ignore case compare it.
pub(super) fn fold(name: &str) -> String {
    // Upper case first, so that long s and Kelvin sign fold like s and k.
    name.to_uppercase().to_lowercase()
}

/// A JSON value in which no object names a member twice (RFC 8259 §4 leaves open which one counts).
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, Unique>()? {
            if read.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strings_and_whole_numbers() {
        for (body, pointer, value) in [
            (r#"{"team":"t-1"}"#, "/team", "t-1"),
            (r#"{"a":{"b":[{"id":7}]}}"#, "/a/b/0/id", "7"),
            (r#"{"a/b":{"m~n":"x"}}"#, "/a~1b/m~0n", "x"),
            (r#"{"":"empty name"}"#, "/", "empty name"),
            (r#"{"id":-3}"#, "/id", "-3"),
            ("\"x\" ", "", "x"),
        ] {
            assert_eq!(read(body.as_bytes(), pointer).as_deref(), Ok(value), "{body}");
        }
    }

    #[test]
    fn rejects_bodies_two_parsers_could_read_differently() {
        for body in [
            "",
            "{",
            "team=t-1",
            r#"{"team":"a","team":"b"}"#,
            r#"{"team":"a","x":{"y":1,"y":1}}"#,
            r#"{"team":"a","te\u0061m":"b"}"#,
            r#"{"team":"a"}{"team":"b"}"#,
            r#"{"team":"a"} x"#,
            r#"{"team":null}"#,
            r#"{"team":["a"]}"#,
            r#"{"team":{"id":"a"}}"#,
            r#"{"team":1.0}"#,
            r#"{"team":1e3}"#,
            r#"{"team":true}"#,
            r#"{"other":"a"}"#,
            r#"["team"]"#,
            "\u{feff}{\"team\":\"a\"}",
            r"{'team':'a'}",
            r#"{"team":"a",}"#,
            r#"{"team":"\ud800"}"#,
        ] {
            assert_eq!(read(body.as_bytes(), "/team"), Err(Malformed::Body), "{body}");
        }
        for body in
            [r#"{"team":"a","TEAM":"b"}"#, "{\"tokens\":\"a\",\"to\u{212a}en\u{17f}\":\"b\"}"]
        {
            let pointer = if body.contains("token") { "/tokens" } else { "/team" };
            assert_eq!(read(body.as_bytes(), pointer), Err(Malformed::Repeated), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(read(deep.as_bytes(), "/team"), Err(Malformed::Body));
        for pointer in ["/a/00", "/a/-", "/a/+0", "/a/1"] {
            assert_eq!(read(br#"{"a":["x"]}"#, pointer), Err(Malformed::Body), "{pointer}");
        }
    }

    #[test]
    fn knows_a_pointer() {
        for pointer in ["/", "/a", "/a/0", "/~0/~1", "/a//b"] {
            assert!(is_pointer(pointer), "{pointer}");
        }
        for pointer in ["", "a", "$.a", "/~", "/~2", "/a~"] {
            assert!(!is_pointer(pointer), "{pointer}");
        }
    }
}
