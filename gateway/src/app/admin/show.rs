//! Answers, for people and for programs.

use std::io::Write;

use http::{HeaderMap, Response, header};
use serde_json::{Map, Value};

use super::AdminError;
use super::api::{Operation, is_json};
use super::flat::{Cell, Flat, List, Row, cell, rows};
use super::screen::{Screen, harmless};
use super::shape::Shape;
use super::table::{write_list, write_row};
use crate::app::cli::CommandError;

/// Fields that are part of what an answer says: what to send back, and where to go on.
const FIELDS: [&str; 4] = ["etag", "location", "upload-offset", "upload-complete"];

/// The member that says where a list goes on.
pub(super) const NEXT: &str = "next";

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) fields: HeaderMap,
    pub(super) bytes: Vec<u8>,
    /// Of JSON.
    pub(super) value: Option<Value>,
}

impl Answer {
    pub(super) fn of(answer: Response<Vec<u8>>) -> Result<Self, AdminError> {
        let (parts, bytes) = answer.into_parts();
        let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let is_json = media_type.is_some_and(is_json) && !bytes.is_empty();
        let value = is_json.then(|| serde_json::from_slice(&bytes)).transpose();
        let value = value.map_err(AdminError::Unreadable)?;
        Ok(Self { fields: parts.headers, bytes, value })
    }

    /// Where the list goes on.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.value.as_ref()?.get(NEXT)?.as_str().filter(|cursor| !cursor.is_empty())
    }

    /// Takes another page's items to its own.
    pub(super) fn lengthen(&mut self, page: Self) -> Result<(), AdminError> {
        let list = |value: Option<Value>| match value {
            Some(Value::Object(object)) => {
                object.into_iter().find_map(|(name, value)| match value {
                    Value::Array(items) => Some((name, items)),
                    _ => None,
                })
            }
            _ => None,
        };
        let (name, more) = list(page.value).ok_or(AdminError::Pages)?;
        let own = self.value.as_mut().and_then(|value| value.get_mut(&name));
        own.and_then(Value::as_array_mut).ok_or(AdminError::Pages)?.extend(more);
        Ok(())
    }

    /// There is nothing after it.
    pub(super) fn complete(&mut self) -> Result<(), AdminError> {
        if let Some(object) = self.value.as_mut().and_then(Value::as_object_mut) {
            object.insert(NEXT.to_owned(), Value::Null);
        }
        self.bytes = serde_json::to_vec(&self.value).map_err(AdminError::Unreadable)?;
        self.bytes.push(b'\n');
        Ok(())
    }

    /// Writes it for people.
    pub(super) fn write(
        &self,
        operation: &Operation,
        status: u16,
        screen: Screen,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let shape = operation.answer(status);
        match &self.value {
            Some(value) => Ok(write_value(value, shape, (self.told(), screen), out)?),
            None if self.bytes.is_empty() => {
                writeln!(out, "Done.")?;
                Ok(write_row(&self.told(), screen, out)?)
            }
            None if screen.width.is_some() => {
                Ok(out.write_all(harmless(&String::from_utf8_lossy(&self.bytes)).as_bytes())?)
            }
            None => Ok(out.write_all(&self.bytes)?),
        }
    }

    /// What the fields say.
    fn told(&self) -> Row {
        let field = |name: &&str| {
            let text = self.fields.get(*name)?.to_str().ok()?;
            Some((name.to_string(), Cell { text: harmless(text), is_number: false }))
        };
        FIELDS.iter().filter_map(field).collect()
    }
}

fn write_value(
    value: &Value,
    shape: Option<&Shape>,
    (fields, screen): (Row, Screen),
    out: &mut dyn Write,
) -> std::io::Result<()> {
    if let Some(list) = rows(value, shape) {
        write_items(&list, screen, out)?;
        return write_row(&fields, screen, out);
    }
    match value {
        Value::Object(object) => write_object(object, shape, (fields, screen), out),
        Value::Array(items) => {
            for item in items {
                writeln!(out, "{}", cell(item).text)?;
            }
            write_row(&fields, screen, out)
        }
        other => {
            writeln!(out, "{}", cell(other).text)?;
            write_row(&fields, screen, out)
        }
    }
}

/// Names and values, then each list of objects below its name. A list that is all there is needs no name.
fn write_object(
    object: &Map<String, Value>,
    shape: Option<&Shape>,
    (fields, screen): (Row, Screen),
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let mut flat = Flat::of(object, shape);
    // Told on the standard error, with the option it goes to.
    flat.row.retain(|(name, _)| name != NEXT || flat.lists.is_empty());
    flat.row.extend(fields);
    if flat.row.is_empty()
        && let [list] = flat.lists.as_slice()
    {
        return write_items(list, screen, out);
    }
    write_row(&flat.row, screen, out)?;
    for list in &flat.lists {
        writeln!(out, "\n{}", screen.strong(&format!("{}:", list.name)))?;
        write_items(list, screen, out)?;
    }
    Ok(())
}

fn write_items(list: &List, screen: Screen, out: &mut dyn Write) -> std::io::Result<()> {
    if list.rows.is_empty() { writeln!(out, "None.") } else { write_list(list, screen, out) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(value: &Value, etag: &str) -> String {
        let answer = Response::builder().header("etag", etag);
        let answer = answer.header("content-type", "application/json");
        let answer = Answer::of(answer.body(value.to_string().into_bytes()).unwrap()).unwrap();
        let mut out = Vec::new();
        let fields = if etag.is_empty() { Row::new() } else { answer.told() };
        write_value(value, None, (fields, Screen::default()), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_is_a_table_and_an_object_is_lines() {
        let keys = json!({"items": [{"id": "k1", "name": "a"}], "next": "c2"});
        assert_eq!(shown(&keys, ""), "ID  NAME\nk1  a\n");
        assert_eq!(shown(&json!([]), ""), "");
        assert_eq!(shown(&json!({"id": "k1", "a": {"b": [1, 2]}}), ""), "id   k1\na.b  1, 2\n");
        assert_eq!(shown(&json!({"id": "k1"}), "\"7\""), "id    k1\netag  \"7\"\n");
        let both = json!({"id": "u1", "errors": [{"line": 1}]});
        assert_eq!(shown(&both, ""), "id  u1\n\nerrors:\nLINE\n   1\n");
    }

    #[test]
    fn pages_become_one() {
        let page = |items: Value, next: Value| Answer {
            fields: HeaderMap::new(),
            bytes: Vec::new(),
            value: Some(json!({"items": items, "next": next})),
        };
        let mut all = page(json!([{"id": 1}]), json!("c2"));
        assert_eq!(all.cursor(), Some("c2"));
        all.lengthen(page(json!([{"id": 2}]), Value::Null)).unwrap();
        all.complete().unwrap();
        assert_eq!(all.cursor(), None);
        let text = String::from_utf8(all.bytes).unwrap();
        assert_eq!(text, "{\"items\":[{\"id\":1},{\"id\":2}],\"next\":null}\n");
    }
}
