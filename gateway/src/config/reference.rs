//! The reference of `gateway.toml`, written from the settings types: JSON Schema and Markdown.
//!
//! Doc comments of the types are the text, so the reference cannot say another thing than the code.

use std::fmt::Write as _;

use serde_json::Value;

use super::{gateway, shape};

/// The JSON Schema of `gateway.toml`, as `schemas/config.json` holds it: editors complete and check by it.
///
/// # Errors
/// Never in practice: a JSON value is always JSON.
pub fn settings_schema() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&gateway::schema())?;
    text.push('\n');
    Ok(text)
}

/// The reference in Markdown, as `docs/reference/configuration.md` holds it.
pub fn settings_reference() -> String {
    let schema = gateway::schema();
    let mut page = Page { root: &schema, text: INTRODUCTION.to_owned() };
    for (name, section) in properties(&schema) {
        page.section(name, section);
    }
    page.text
}

const INTRODUCTION: &str = "\
# Configuration reference

Everything in `gateway.toml`. This page is generated from the settings types; `schemas/config.json` is the
same as JSON Schema, for editors. `hubgate check` reads a file as the gateway would and tells every error
with file, line and key.

- Relative paths start from the folder of the file.
- A key that is not listed here is an error, not ignored.
- Changes are taken over while the gateway serves, as a whole. A file with an error changes nothing.
  `[listen]` (but for the certificate), `[state]`, `[secrets]`, `[log]` and `[tokens]` need a restart.
";

struct Page<'s> {
    root: &'s Value,
    text: String,
}

impl Page<'_> {
    /// A table with its keys, then the tables within it.
    fn section(&mut self, name: &str, schema: &Value) {
        let resolved = shape::resolve(self.root, schema);
        let (heading, table) = match resolved.get("items") {
            Some(items) => (format!("[[{name}]]"), shape::resolve(self.root, items)),
            None => (format!("[{name}]"), resolved),
        };
        let about = description(table).or_else(|| description(schema)).unwrap_or_default();
        // Writing into a string cannot fail.
        let _ = write!(self.text, "\n## `{heading}`\n\n{about}\n\n");
        self.text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        for (key, schema) in properties(table) {
            self.row(table, key, schema);
        }
        for (key, schema) in properties(table) {
            if let Some(inner) = self.inner_table(schema) {
                self.section(&format!("{name}.{key}"), &inner);
            }
        }
    }

    fn row(&mut self, table: &Value, key: &str, schema: &Value) {
        let required = table.get("required").and_then(Value::as_array);
        let required = required.is_some_and(|names| names.iter().any(|name| name == key));
        let default = match schema.get("default") {
            _ if required => "**required**".to_owned(),
            Some(Value::Null) | None => "—".to_owned(),
            Some(Value::Object(_)) => "see below".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        let meaning = self.meaning(schema);
        let kind = self.kind(schema);
        let _ = writeln!(self.text, "| `{key}` | {kind} | {default} | {meaning} |");
    }

    fn kind(&self, schema: &Value) -> String {
        let resolved = shape::resolve(self.root, schema);
        let words = shape::choices(self.root, schema);
        if !words.is_empty() {
            return words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ");
        }
        let bound = |name: &str| resolved.get(name).and_then(Value::as_i64);
        let kind = shape::expected(self.root, resolved);
        match (bound("minimum"), bound("maximum")) {
            (None, None) => match resolved.get("items") {
                Some(items) => format!("{kind} of: {}", self.kind(items)),
                None => kind,
            },
            (least, most) => format!("{kind}, {}", shape::range(least, most)),
        }
    }

    /// The key's own words, then what each word of an enumeration means.
    fn meaning(&self, schema: &Value) -> String {
        let own = description(schema);
        let about = own.or_else(|| description(shape::resolve(self.root, schema)));
        let mut meaning = about.unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        for word in self.words(schema) {
            let name = word.get("const").and_then(Value::as_str);
            if let (Some(name), Some(about)) = (name, description(word)) {
                let about = about.replace('\n', " ");
                let _ = write!(meaning, "<br>`\"{name}\"`: {about}");
            }
        }
        meaning
    }

    /// The alternatives of an enumeration, through an optional one too.
    fn words<'v>(&'v self, schema: &'v Value) -> Vec<&'v Value> {
        let resolved = shape::resolve(self.root, schema);
        let parts = resolved.get("oneOf").or_else(|| resolved.get("anyOf"));
        let parts = parts.and_then(Value::as_array).into_iter().flatten();
        parts
            .flat_map(|part| match part.get("const") {
                Some(_) => vec![part],
                None => self.words(part),
            })
            .collect()
    }

    /// The table a key holds, where it holds one: itself, optionally, besides a short form, or in a list.
    fn inner_table(&self, schema: &Value) -> Option<Value> {
        let resolved = shape::resolve(self.root, schema);
        let item = resolved.get("items").map(|items| shape::resolve(self.root, items));
        let listed = item.is_some_and(|item| item.get("properties").is_some());
        if listed || resolved.get("properties").is_some() {
            return Some(resolved.clone());
        }
        let parts = resolved.get("anyOf")?.as_array()?;
        parts.iter().find_map(|part| self.inner_table(part))
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
}

fn description(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn project() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
    }

    /// With `HUBGATE_WRITE_GENERATED=1` the files are written anew.
    fn assert_fresh(path: &str, text: &str) {
        let path = project().join(path);
        if std::env::var_os("HUBGATE_WRITE_GENERATED").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let path = path.display();
        assert!(found == text, "{path} is stale: HUBGATE_WRITE_GENERATED=1 cargo test reference");
    }

    #[test]
    fn the_schema_in_the_repository_is_fresh() {
        assert_fresh("schemas/config.json", &settings_schema().unwrap());
    }

    #[test]
    fn the_reference_in_the_repository_is_fresh() {
        assert_fresh("docs/reference/configuration.md", &settings_reference());
    }

    #[test]
    fn every_key_is_explained() {
        fn explained(root: &Value, path: &str, schema: &Value, missing: &mut Vec<String>) {
            for (key, inner) in properties(shape::resolve(root, schema)) {
                let path = format!("{path}.{key}");
                let resolved = shape::resolve(root, inner);
                let inside = resolved.get("items").unwrap_or(resolved);
                let inside = shape::resolve(root, inside);
                if description(inner).or_else(|| description(inside)).is_none() {
                    missing.push(path.clone());
                }
                explained(root, &path, inside, missing);
            }
        }
        let schema = gateway::schema();
        let mut missing = Vec::new();
        explained(&schema, "", &schema, &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }
}
