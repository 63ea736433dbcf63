//! The matrix as a page: one file with everything in it, for a screen, dark or light, and for paper.

use std::fmt::Write as _;

use super::{Cell, Matrix, Row};

const STYLE: &str = include_str!("page.css");

pub(super) fn render(matrix: &Matrix) -> String {
    let mut page = String::new();
    let title = escape(&matrix.title);
    page += "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    page += "<meta name=\"color-scheme\" content=\"light dark\">\n";
    _ = write!(
        page,
        "<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p>{}</p>\n{}</header>\n<main>\n<table>\n\
         <caption class=\"hidden\">{title}: actions by who asks</caption>\n",
        summary(matrix),
        legend(matrix)
    );
    page += &head(matrix);
    for (area, rows) in matrix.areas() {
        page += &section(matrix, area, rows);
    }
    page += "</table>\n</main>\n";
    page += &notes(matrix);
    page += "</body>\n</html>\n";
    page
}

/// Text for a document: nothing in it is markup.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

pub(super) fn summary(matrix: &Matrix) -> String {
    let mut actions: Vec<&str> = matrix.rows.iter().map(|row| row.action.as_str()).collect();
    actions.dedup();
    let (areas, columns) = (matrix.areas().count(), matrix.columns.len());
    format!(
        "{} actions in {areas} areas, by {columns} kinds of principals. Computed from the policies.",
        actions.len()
    )
}

fn legend(matrix: &Matrix) -> String {
    let mut list = String::from("<ul class=\"legend\">\n");
    for (class, sign, means) in [
        ("yes", "●", "allowed"),
        ("unless", "◐", "allowed, unless a condition holds"),
        ("if", "◌", "denied, unless a condition holds"),
        ("no", "·", "denied"),
    ] {
        _ = writeln!(
            list,
            "<li><span class=\"{class}\" aria-hidden=\"true\">{sign}</span> {means}</li>"
        );
    }
    list += "</ul>\n";
    let mut variants = matrix.used_variants().peekable();
    if variants.peek().is_some() {
        list += "<details open><summary>Conditions</summary>\n<dl>\n";
        for (name, title) in variants {
            let (name, title) = (escape(name), escape(title));
            _ = writeln!(list, "<div><dt>{name}</dt><dd>{title}</dd></div>");
        }
        list += "</dl>\n";
        for sentence in matrix.barred() {
            _ = writeln!(list, "<p>{}</p>", escape(&sentence.replace('`', "")));
        }
        list += "</details>\n";
    }
    list
}

fn head(matrix: &Matrix) -> String {
    let mut head = String::from("<thead>\n<tr class=\"groups\"><td colspan=\"2\"></td>");
    for (group, count) in matrix.groups() {
        _ = write!(head, "<th colspan=\"{count}\" scope=\"colgroup\">{}</th>", escape(group));
    }
    head += "<td></td></tr>\n<tr><th scope=\"col\">Action</th><th scope=\"col\">on</th>";
    for column in &matrix.columns {
        _ = write!(head, "<th scope=\"col\" class=\"who\">{}</th>", escape(&column.title));
    }
    head += "<th scope=\"col\">Conditions</th></tr>\n</thead>\n";
    head
}

fn section(matrix: &Matrix, area: &str, rows: &[Row]) -> String {
    let span = matrix.columns.len() + 3;
    let mut body = format!(
        "<tbody>\n<tr class=\"area\"><th colspan=\"{span}\" scope=\"rowgroup\">{}</th></tr>\n",
        escape(area)
    );
    for row in rows {
        let (verb, resource) = (escape(row.verb()), escape(&row.resource));
        _ = write!(body, "<tr><th scope=\"row\">{verb}</th><td class=\"on\">{resource}</td>");
        let mut conditions: Vec<String> = Vec::new();
        for (cell, column) in row.cells.iter().zip(&matrix.columns) {
            let (class, sign, word) = match cell {
                Cell::Allowed => ("yes", "●", "yes"),
                Cell::Denied => ("no", "·", "no"),
                Cell::Unless(_) => ("unless", "◐", "yes"),
                Cell::If(_) => ("if", "◌", "no"),
            };
            let condition = matrix.condition(cell);
            let said = condition.as_deref().map_or(word.to_owned(), |c| format!("{word}, {c}"));
            if let Some(condition) = condition
                && !conditions.contains(&condition)
            {
                conditions.push(condition);
            }
            let (name, said) = (escape(&column.name), escape(&said));
            _ = write!(
                body,
                "<td class=\"{class}\" title=\"{name}: {said}\"><span aria-hidden=\"true\">{sign}\
                 </span><span class=\"hidden\">{said}</span></td>"
            );
        }
        _ = writeln!(body, "<td class=\"conditions\">{}</td></tr>", escape(&conditions.join("; ")));
    }
    body += "</tbody>\n";
    body
}

fn notes(matrix: &Matrix) -> String {
    let mut notes = String::new();
    for (what, names) in [
        ("Policies that decide nothing here", &matrix.silent),
        ("Variants that change nothing", &matrix.idle),
    ] {
        if !names.is_empty() {
            _ = writeln!(notes, "<p>{what}: {}.</p>", escape(&names.join(", ")));
        }
    }
    if notes.is_empty() { notes } else { format!("<footer>\n{notes}</footer>\n") }
}
