//! Compares a document with the JSON Schema made from the settings types, and tells every difference.
//!
//! Deserialisation stops at its first error; a person with five typos wants to hear of five. The schema
//! comes from the same types that are deserialised afterwards, so the two cannot disagree about keys.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, KeyPath};
use super::problem::Problem;
use super::suggest;

/// Checks the value at `path` against `schema`; `root` holds the definitions that `$ref` names.
pub(super) fn check(
    document: &Document<'_>,
    root: &Value,
    schema: &Value,
    path: &KeyPath,
) -> Vec<Problem> {
    let Some(value) = document.value(path) else {
        return Vec::new();
    };
    let mut walk = Walk { document, root, problems: Vec::new() };
    walk.value(value, schema, path);
    walk.problems
}

/// Follows `$ref` (and `allOf` around one) to the definition.
pub(super) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut at = schema;
    // Bounded: definitions made from types are no deeper than this.
    for _ in 0..8 {
        let reference = at.get("$ref").and_then(Value::as_str);
        let target = reference
            .and_then(|name| name.strip_prefix('#'))
            .and_then(|pointer| root.pointer(pointer))
            .or_else(|| at.get("allOf").and_then(|all| all.get(0)));
        match target {
            Some(target) => at = target,
            None => break,
        }
    }
    at
}

struct Walk<'d> {
    document: &'d Document<'d>,
    root: &'d Value,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &Value, path: &KeyPath) {
        let root = self.root;
        let Some(schema) = choose(root, schema, value.get_ref()) else {
            let expected = expected(root, resolve(root, schema));
            let message = format!("expected {expected}, found {}", found(value.get_ref()));
            return self.wrong(path, value.span(), message, None);
        };
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, schema, path),
            DeValue::Array(items) => self.array(items, schema, path),
            DeValue::Integer(_) => self.integer(value, schema, path),
            DeValue::String(text) => self.string(text, value.span(), schema, path),
            _ => {}
        }
    }

    fn table(&mut self, table: &DeTable<'_>, schema: &Value, path: &KeyPath) {
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        for (key, value) in table {
            let name: &str = key.get_ref();
            let here = path.key(name);
            if let Some(schema) = known.get(name) {
                self.value(value, schema, &here);
            } else {
                match schema.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        let names: Vec<&str> = known.keys().map(String::as_str).collect();
                        let help = suggest::advice(name, &names);
                        self.wrong(&here, key.span(), "unknown key".to_owned(), help);
                    }
                    // A table of things by name.
                    Some(schema @ Value::Object(_)) => self.value(value, schema, &path.name(name)),
                    _ => {}
                }
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if table.get(name).is_none() {
                let here = path.key(name);
                self.problems.push(self.document.problem(&here, "required, but missing"));
            }
        }
    }

    fn array(&mut self, items: &[Spanned<DeValue<'_>>], schema: &Value, path: &KeyPath) {
        if items.is_empty() && schema.get("minItems").and_then(Value::as_u64) > Some(0) {
            let problem = self.document.problem(path, "must not be empty");
            self.problems.push(problem);
        }
        let Some(schema) = schema.get("items") else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.value(item, schema, &path.index(index));
        }
    }

    fn integer(&mut self, value: &Spanned<DeValue<'_>>, schema: &Value, path: &KeyPath) {
        let DeValue::Integer(integer) = value.get_ref() else {
            return;
        };
        let read = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let fits = read.is_some_and(|number| {
            least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most)
        });
        if !fits {
            let range = range(least, most);
            self.wrong(path, value.span(), format!("`{integer}` is out of range: {range}"), None);
        }
    }

    fn string(&mut self, text: &str, span: Range<usize>, schema: &Value, path: &KeyPath) {
        let known = choices(self.root, schema);
        if known.is_empty() || known.contains(&text) {
            return;
        }
        let message = format!("`{}` is not known here", shorten(text));
        let help = suggest::advice(text, &known);
        self.wrong(path, span, message, help);
    }

    fn wrong(&mut self, path: &KeyPath, span: Range<usize>, message: String, help: Option<String>) {
        let problem = self.document.problem_at(path, span, message);
        self.problems.push(match help {
            Some(help) => problem.with_help(help),
            None => problem,
        });
    }
}

/// The part of `schema` that speaks of values of this TOML type. `None` when no part does.
fn choose<'s>(root: &'s Value, schema: &'s Value, value: &DeValue<'_>) -> Option<&'s Value> {
    let schema = resolve(root, schema);
    if let Some(parts) = alternatives(schema) {
        // The words of an enumeration stand together: the whole list is the alternative.
        if value.is_str() && !choices(root, schema).is_empty() {
            return Some(schema);
        }
        return parts.iter().find_map(|part| choose(root, part, value));
    }
    let name = json_type(value);
    let fits = match schema.get("type") {
        None => true,
        Some(Value::Array(names)) => names.iter().any(|known| known == name),
        Some(known) => known == name,
    };
    fits.then_some(schema)
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
}

/// The words an enumeration allows; empty when `schema` is none.
pub(super) fn choices<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s str> {
    let schema = resolve(root, schema);
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return vec![word];
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).collect();
    }
    alternatives(schema).into_iter().flatten().flat_map(|part| choices(root, part)).collect()
}

fn json_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) | DeValue::Datetime(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{}\"", shorten(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => format!("{flag}"),
        other => format!("a {}", other.type_str()),
    }
}

/// A type in words.
pub(super) fn expected(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(parts) = alternatives(schema) {
        let mut words: Vec<String> = parts.iter().map(|part| expected(root, part)).collect();
        words.retain(|word| word != "nothing");
        words.dedup();
        return words.join(" or ");
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => names.first().and_then(Value::as_str).unwrap_or("value"),
        _ => "string",
    };
    match name {
        "object" => "a table",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "null" => "nothing",
        _ => "a string",
    }
    .to_owned()
}

/// "1 to 60", "at least 1".
pub(super) fn range(least: Option<i64>, most: Option<i64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "a 64-bit whole number".to_owned(),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}
