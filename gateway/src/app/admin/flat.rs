//! JSON as people read it: members by dotted names, lists in one line, lists of objects apart.

use serde_json::{Map, Value};

use super::screen::harmless;
use super::shape::Shape;

/// A value and how it is laid out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) is_number: bool,
}

/// One object: dotted names and values.
pub(super) type Row = Vec<(String, Cell)>;

/// What an object comes to.
#[derive(Debug, Default)]
pub(super) struct Flat {
    pub(super) row: Row,
    /// Lists of objects: dotted name, columns known before any row, rows.
    pub(super) lists: Vec<List>,
}

/// A list of objects.
#[derive(Debug)]
pub(super) struct List {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// Deeper objects are shown as JSON: nobody reads longer names.
const DEPTH_MAX: usize = 6;

impl Flat {
    /// An object, its lists of objects apart.
    pub(super) fn of(object: &Map<String, Value>, shape: Option<&Shape>) -> Self {
        let mut flat = Self::default();
        flat.take(object, shape, (String::new(), 0));
        flat
    }

    fn take(
        &mut self,
        object: &Map<String, Value>,
        shape: Option<&Shape>,
        (prefix, depth): (String, usize),
    ) {
        for (name, value) in ordered(object, shape) {
            let full = format!("{prefix}{name}");
            let shape = shape.and_then(|shape| shape.member(name));
            if let Some(rows) = objects(value, shape) {
                let items = shape.and_then(Shape::items);
                let rows = rows.map(|object| flattened(object, items)).collect();
                self.lists.push(List { name: full, columns: columns(items), rows });
                continue;
            }
            match value {
                Value::Object(inner) if !inner.is_empty() && depth < DEPTH_MAX => {
                    self.take(inner, shape, (format!("{full}."), depth + 1));
                }
                _ => self.row.push((full, cell(value))),
            }
        }
    }
}

/// An object in one row: what is within it, too.
pub(super) fn flattened(object: &Map<String, Value>, shape: Option<&Shape>) -> Row {
    let mut row = Row::new();
    flatten(object, shape, (String::new(), 0), &mut row);
    row
}

fn flatten(
    object: &Map<String, Value>,
    shape: Option<&Shape>,
    (prefix, depth): (String, usize),
    row: &mut Row,
) {
    for (name, value) in ordered(object, shape) {
        let full = format!("{prefix}{name}");
        let shape = shape.and_then(|shape| shape.member(name));
        // What anything may stand in has no columns.
        let is_free = shape.is_some_and(|shape| shape.properties().is_empty());
        match value {
            Value::Object(inner) if is_free => {
                let text = if inner.is_empty() { "-" } else { "{…}" };
                row.push((full, Cell { text: text.to_owned(), is_number: false }));
            }
            Value::Object(inner) if !inner.is_empty() && depth < DEPTH_MAX => {
                flatten(inner, shape, (format!("{full}."), depth + 1), row);
            }
            _ => row.push((full, cell(value))),
        }
    }
}

/// The names a row of such objects can have, in order.
pub(super) fn columns(shape: Option<&Shape>) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(shape) = shape {
        name_columns(shape, (String::new(), 0), &mut names);
    }
    names
}

fn name_columns(shape: &Shape, (prefix, depth): (String, usize), names: &mut Vec<String>) {
    for property in shape.properties() {
        let full = format!("{prefix}{}", property.name);
        if property.shape.properties().is_empty() || depth >= DEPTH_MAX {
            names.push(full);
        } else {
            name_columns(&property.shape, (format!("{full}."), depth + 1), names);
        }
    }
}

/// The objects of a list; an empty list is one of objects where the document says so.
fn objects<'v>(
    value: &'v Value,
    shape: Option<&Shape>,
) -> Option<impl Iterator<Item = &'v Map<String, Value>> + use<'v>> {
    let list = value.as_array()?;
    let told = || shape.and_then(Shape::items).is_some_and(|it| !it.properties().is_empty());
    let are_objects = if list.is_empty() { told() } else { list.iter().all(Value::is_object) };
    are_objects.then(|| list.iter().filter_map(Value::as_object))
}

/// The rows of a bare list.
pub(super) fn rows(value: &Value, shape: Option<&Shape>) -> Option<List> {
    let items = shape.and_then(Shape::items);
    let rows = objects(value, shape)?.map(|object| flattened(object, items)).collect();
    Some(List { name: String::new(), columns: columns(items), rows })
}

/// As the document orders the members, then the others as they came.
fn ordered<'v>(
    object: &'v Map<String, Value>,
    shape: Option<&Shape>,
) -> Vec<(&'v String, &'v Value)> {
    let place = |name: &str| {
        let properties = shape.map_or(&[][..], Shape::properties);
        properties.iter().position(|property| property.name == name).unwrap_or(usize::MAX)
    };
    let mut members: Vec<_> = object.iter().collect();
    members.sort_by_key(|(name, _)| place(name));
    members
}

/// A value in one place.
pub(super) fn cell(value: &Value) -> Cell {
    Cell { text: harmless(&shown(value)), is_number: value.is_number() }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(in_list).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A value among others: of an object, what can be said in a word each.
fn in_list(value: &Value) -> String {
    let Value::Object(members) = value else { return shown(value) };
    let words = members.values().filter(|it| !it.is_object() && !it.is_array());
    words.map(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(row: &Row) -> Vec<(&str, &str)> {
        row.iter().map(|(name, cell)| (name.as_str(), cell.text.as_str())).collect()
    }

    #[test]
    fn objects_are_dotted_and_lists_are_one_line() {
        let value = json!({
            "id": "k1", "roles": {"admin": ["a", "b"], "none": []}, "note": null, "empty": "",
            "uses": 3, "hostile": "a\u{1b}[2J", "rules": [{"name": "x", "on": {"id": 1}}],
        });
        let flat = Flat::of(value.as_object().unwrap(), None);
        assert_eq!(
            texts(&flat.row),
            [
                ("id", "k1"),
                ("roles.admin", "a, b"),
                ("roles.none", "-"),
                ("note", "-"),
                ("empty", "\"\""),
                ("uses", "3"),
                ("hostile", "a\u{fffd}[2J")
            ]
        );
        assert_eq!(flat.lists.len(), 1);
        assert_eq!(texts(&flat.lists[0].rows[0]), [("name", "x"), ("on.id", "1")]);
    }

    #[test]
    fn members_come_in_the_order_of_the_document() {
        let schema = json!({"type": "object", "required": ["type", "id"], "properties": {
            "id": {"type": "string"}, "at": {"type": "object", "properties": {"x": {}, "y": {}}},
            "type": {"type": "string"}}});
        let shape = Shape::read(&schema, &Value::Null);
        assert_eq!(columns(Some(&shape)), ["type", "id", "at.x", "at.y"]);
        let value = json!({"more": 1, "at": {"y": 2}, "id": "a", "type": "T"});
        let row = flattened(value.as_object().unwrap(), Some(&shape));
        assert_eq!(texts(&row), [("type", "T"), ("id", "a"), ("at.y", "2"), ("more", "1")]);
    }

    #[test]
    fn a_cell_says_of_objects_what_fits_a_line() {
        let schema = json!({"type": "object", "properties": {
            "roles": {"type": "array", "items": {"type": "object"}}, "any": {"type": "object"}}});
        let shape = Shape::read(&schema, &Value::Null);
        let roles = json!([{"role": "admin", "on": "Operator::a"}, {"role": "b", "on": {"x": 1}}]);
        let value = json!({"roles": roles, "any": {"deep": {"er": 1}}});
        let row = flattened(value.as_object().unwrap(), Some(&shape));
        let told: std::collections::BTreeMap<_, _> = texts(&row).into_iter().collect();
        assert_eq!((told["roles"], told["any"]), ("admin Operator::a, b", "{…}"));
    }

    #[test]
    fn an_empty_list_is_one_of_objects_where_the_document_says_so() {
        let shape = json!({"type": "array", "items": {"type": "object", "properties": {"a": {}}}});
        let shape = Shape::read(&shape, &Value::Null);
        assert!(rows(&json!([]), Some(&shape)).is_some());
        assert!(rows(&json!([]), None).is_none());
        assert!(rows(&json!(["a"]), Some(&shape)).is_none());
    }
}
