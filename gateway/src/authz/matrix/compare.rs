//! Reads a matrix back from the form it was kept in, and finds the cells that are otherwise now.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::Matrix;

/// The forms in which a matrix can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewFormat {
    /// Markdown.
    Markdown,
    /// CSV.
    Csv,
    /// JSON.
    Json,
}

/// A cell that is otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellChange {
    /// The action.
    pub action: String,
    /// What it is done to.
    pub resource: String,
    /// Who asks.
    pub column: String,
    /// What the reviewed matrix says; `None` where it has no such cell.
    pub before: Option<String>,
    /// What the policies say; `None` where there is no such cell any more.
    pub after: Option<String>,
}

/// `charges:start on ChargePoint: Support agent: - → yes`.
impl fmt::Display for CellChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "nothing".to_owned());
        let (before, after) = (said(&self.before), said(&self.after));
        let Self { action, resource, column, .. } = self;
        write!(f, "{action} on {resource}: {column}: {before} → {after}")
    }
}

/// A text that is no matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no matrix that `hubgate policy matrix` made: {0}")]
pub struct MatrixError(String);

/// What each cell says, by action, resource and column.
type Cells = BTreeMap<(String, String, String), String>;

/// The cells in which `matrix` says something else than `reviewed`, in order of their actions. A matrix
/// that is reviewed must be the same to the byte; this says how it is not.
///
/// # Errors
/// [`MatrixError`] when `reviewed` cannot be read.
pub fn changes(
    matrix: &Matrix,
    reviewed: &str,
    format: ReviewFormat,
) -> Result<Vec<CellChange>, MatrixError> {
    Ok(differing(&read(reviewed, format)?, &cells(matrix)))
}

/// The cells in which `after` says something else than `before`, in order of their actions.
pub fn between(before: &Matrix, after: &Matrix) -> Vec<CellChange> {
    differing(&cells(before), &cells(after))
}

fn differing(before: &Cells, after: &Cells) -> Vec<CellChange> {
    let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| CellChange {
            action: key.0.clone(),
            resource: key.1.clone(),
            column: key.2.clone(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .collect()
}

fn cells(matrix: &Matrix) -> Cells {
    let mut cells = Cells::new();
    for row in &matrix.rows {
        for (column, cell) in matrix.columns.iter().zip(&row.cells) {
            let key = (row.action.clone(), row.resource.clone(), column.name.clone());
            cells.insert(key, matrix.said(cell));
        }
    }
    cells
}

fn read(text: &str, format: ReviewFormat) -> Result<Cells, MatrixError> {
    let cells = match format {
        ReviewFormat::Markdown => markdown(text),
        ReviewFormat::Csv => csv(text)?,
        ReviewFormat::Json => json(text)?,
    };
    if cells.is_empty() { Err(MatrixError("it has no cells".to_owned())) } else { Ok(cells) }
}

/// Adds the cells of one line below its heading.
fn add(cells: &mut Cells, action: &str, names: &[String], fields: &[String]) {
    let Some(resource) = fields.get(1) else { return };
    for (name, said) in names.iter().zip(fields).skip(2) {
        cells.insert((action.to_owned(), resource.clone(), name.clone()), said.clone());
    }
}

fn markdown(text: &str) -> Cells {
    let mut cells = Cells::new();
    let (mut area, mut names) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.trim().clone_into(&mut area);
            names.clear();
            continue;
        }
        let Some(inner) = line.trim().strip_prefix('|').and_then(|l| l.strip_suffix('|')) else {
            continue;
        };
        if area.is_empty() || inner.starts_with("---") {
            continue;
        }
        let fields: Vec<String> = split_cells(inner);
        if names.is_empty() {
            names = fields;
        } else if let Some(verb) = fields.first() {
            add(&mut cells, &format!("{area}:{verb}"), &names, &fields);
        }
    }
    cells
}

/// The cells of a line of Markdown; `\|` is a bar inside one.
fn split_cells(line: &str) -> Vec<String> {
    const BAR: &str = "\u{0}";
    let cells = line.replace("\\|", BAR);
    cells.split('|').map(|cell| cell.trim().replace(BAR, "|")).collect()
}

fn csv(text: &str) -> Result<Cells, MatrixError> {
    let mut cells = Cells::new();
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let fields = csv_fields(line)?;
        if names.is_empty() {
            names = fields;
        } else if let Some(action) = fields.first() {
            add(&mut cells, action, &names, &fields);
        }
    }
    Ok(cells)
}

/// The fields of one line; no title of ours holds a line end.
fn csv_fields(line: &str) -> Result<Vec<String>, MatrixError> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quoted) {
            ('"', true) if characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => fields.push(std::mem::take(&mut field)),
            (other, _) => field.push(other),
        }
    }
    if quoted {
        return Err(MatrixError("a quote is not closed".to_owned()));
    }
    fields.push(field);
    Ok(fields)
}

fn json(text: &str) -> Result<Cells, MatrixError> {
    let whole: Value =
        serde_json::from_str(text).map_err(|error| MatrixError(error.to_string()))?;
    let list = |value: &Value, key: &str| -> Vec<Value> {
        value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let word = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let names: Vec<String> = list(&whole, "columns").iter().map(|c| word(c, "name")).collect();
    let mut cells = Cells::new();
    for row in list(&whole, "rows") {
        for (name, cell) in names.iter().zip(list(&row, "cells")) {
            let key = (word(&row, "action"), word(&row, "resource"), name.clone());
            cells.insert(key, said(&cell));
        }
    }
    Ok(cells)
}

fn said(cell: &Value) -> String {
    for word in ["unless", "if"] {
        if let Some(variants) = cell.get(word).and_then(Value::as_array) {
            let names: Vec<&str> = variants.iter().filter_map(Value::as_str).collect();
            return format!("{word} {}", names.join(", "));
        }
    }
    let allowed = cell.get("allowed").and_then(Value::as_bool).unwrap_or_default();
    if allowed { "yes" } else { "-" }.to_owned()
}
