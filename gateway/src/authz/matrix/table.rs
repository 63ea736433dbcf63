//! The matrix for tools and reviews: Markdown, CSV and JSON. `compare` reads them back.

use serde_json::{Value, json};

use super::{Cell, Matrix};

/// What comes before the areas in the reviewed file.
const PREFACE: &str = "\
Computed from the policies on the organisation in `probe.toml`; not written by hand. `hubgate policy matrix
--format markdown` makes it anew, `hubgate check` compares it with the policies.

`yes`: allowed. `-`: denied. `unless x`: allowed, but not when x. `if x`: denied, but not when x. Conditions
are looked at one at a time.
";

pub(super) fn markdown(matrix: &Matrix) -> String {
    let mut lines = vec![format!("# {}", matrix.title), String::new(), PREFACE.to_owned()];
    let variants: Vec<_> = matrix.used_variants().collect();
    if !variants.is_empty() {
        lines.extend(["| condition | means |".to_owned(), "|---|---|".to_owned()]);
        lines.extend(variants.iter().map(|(name, title)| line([*name, *title])));
        lines.push(String::new());
    }
    for sentence in matrix.barred() {
        lines.push(format!("{sentence}\n"));
    }
    if !matrix.silent.is_empty() {
        let silent: Vec<String> = matrix.silent.iter().map(|id| format!("`{id}`")).collect();
        lines.push(format!("Policies that decide nothing here: {}.\n", silent.join(", ")));
    }
    for (area, rows) in matrix.areas() {
        lines.extend([format!("## {area}"), String::new()]);
        let names = matrix.columns.iter().map(|column| column.name.as_str());
        lines.push(line(["action", "on"].into_iter().chain(names)));
        lines.push(format!("|---|---|{}", ":-:|".repeat(matrix.columns.len())));
        for row in rows {
            let said: Vec<String> = row.cells.iter().map(|cell| matrix.said(cell)).collect();
            let cells = said.iter().map(String::as_str);
            lines.push(line([row.verb(), row.resource.as_str()].into_iter().chain(cells)));
        }
        lines.push(String::new());
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

pub(super) fn csv(matrix: &Matrix) -> String {
    let names = matrix.columns.iter().map(|column| column.name.as_str());
    let mut text = record(["action", "resource"].into_iter().chain(names));
    for row in &matrix.rows {
        let said: Vec<String> = row.cells.iter().map(|cell| matrix.said(cell)).collect();
        let cells = said.iter().map(String::as_str);
        text += &record([row.action.as_str(), row.resource.as_str()].into_iter().chain(cells));
    }
    text
}

fn record<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let field = |text: &str| {
        // RFC 4180 §2: fields with commas, quotes or line ends stand in quotes, quotes are doubled.
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let fields: Vec<String> = fields.into_iter().map(field).collect();
    fields.join(",") + "\r\n"
}

pub(super) fn json(matrix: &Matrix) -> String {
    let names = |variants: &[usize]| -> Vec<&str> {
        let found = variants.iter().filter_map(|number| matrix.variants.get(*number));
        found.map(|(name, _)| name.as_str()).collect()
    };
    let cell = |cell: &Cell| match cell {
        Cell::Allowed => json!({ "allowed": true }),
        Cell::Denied => json!({ "allowed": false }),
        Cell::Unless(variants) => json!({ "allowed": true, "unless": names(variants) }),
        Cell::If(variants) => json!({ "allowed": false, "if": names(variants) }),
    };
    let columns: Vec<Value> = matrix
        .columns
        .iter()
        .map(|column| json!({ "name": column.name, "group": column.group, "title": column.title }))
        .collect();
    let rows: Vec<Value> = matrix
        .rows
        .iter()
        .map(|row| {
            let cells: Vec<Value> = row.cells.iter().map(cell).collect();
            json!({ "action": row.action, "resource": row.resource, "cells": cells })
        })
        .collect();
    let variants: Vec<Value> = matrix
        .used_variants()
        .map(|(name, title)| json!({ "name": name, "title": title }))
        .collect();
    let barred: Vec<Value> = matrix
        .barred
        .iter()
        .map(|(number, columns)| json!({ "variants": names(&[*number]), "columns": columns }))
        .collect();
    let whole = json!({
        "title": matrix.title,
        "columns": columns,
        "variants": variants,
        "rows": rows,
        "denied_everything": barred,
        "silent_policies": matrix.silent,
        "idle_variants": matrix.idle,
    });
    format!("{whole:#}\n")
}
