//! Lists of routes, written.

use std::io::{Result, Write};

use super::Row;
use crate::config::Unmapped;

/// Two lines per route, and one for each further id, under a heading for each host.
pub(super) fn text(rows: &[Row], out: &mut dyn Write) -> Result<()> {
    for group in groups(rows) {
        heading(group, "", out)?;
        for row in group {
            writeln!(out, "{:<8}{}", row.method, row.path)?;
            let mut told = format!("{} on {}", row.action, row.resource);
            for more in [scopes(row), row.operation.clone()] {
                told = format!("{told} · {more}");
            }
            if row.log == "strict" {
                told.push_str(" · strict log");
            }
            writeln!(out, "{:8}{told}", "")?;
            for (what, told) in ["also", "body", "unchecked"].into_iter().zip(named(row)) {
                for told in told {
                    writeln!(out, "{:8}{what} {told}", "")?;
                }
            }
        }
        writeln!(out)?;
    }
    writeln!(out, "{} routes", rows.len())
}

/// A list of objects.
pub(super) fn json(rows: &[Row], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(rows)?)
}

const NAMES: [&str; 13] = [
    "host",
    "service",
    "method",
    "path",
    "operation",
    "action",
    "resource",
    "scopes",
    "log",
    "also",
    "body_ids",
    "unchecked",
    "summary",
];

/// What is said about the other ids of a route: asked, compared by the service, unchecked.
fn named(row: &Row) -> [Vec<String>; 3] {
    let unchecked = row.unchecked.iter().map(|(name, why)| format!("{name}: {why}"));
    [row.also.clone(), row.body_ids.clone(), unchecked.collect()]
}

fn fields(row: &Row) -> [String; 13] {
    let [also, body_ids, unchecked] = named(row).map(|told| told.join("; "));
    [
        row.host.clone(),
        row.service.clone(),
        row.method.clone(),
        row.path.clone(),
        row.operation.clone(),
        row.action.clone(),
        row.resource.clone(),
        scopes(row),
        row.log.to_owned(),
        also,
        body_ids,
        unchecked,
        row.summary.clone(),
    ]
}

/// RFC 4180 §2: every field in quotes, a quote doubled.
pub(super) fn csv(rows: &[Row], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", NAMES.join(","))?;
    for row in rows {
        let fields = fields(row).map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
        writeln!(out, "{}", fields.join(","))?;
    }
    Ok(())
}

/// A table per host, without the columns its heading tells.
pub(super) fn markdown(rows: &[Row], out: &mut dyn Write) -> Result<()> {
    for group in groups(rows) {
        heading(group, "## ", out)?;
        writeln!(out, "\n| {} |", NAMES.iter().skip(2).copied().collect::<Vec<_>>().join(" | "))?;
        writeln!(out, "|{}", "---|".repeat(NAMES.len() - 2))?;
        for row in group {
            let cell = |field: String| field.replace('|', "\\|");
            let cells: Vec<String> = fields(row).into_iter().skip(2).map(cell).collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Lines for an overlay, to be filled in.
pub(super) fn unmapped_text(found: &[Unmapped], out: &mut dyn Write) -> Result<()> {
    for operation in found {
        let Unmapped { id, method, path, summary, .. } = operation;
        writeln!(out, "# {method} {path}  {summary}")?;
        writeln!(out, "{} = {{ action = \"\", resource = \"\" }}", key(id))?;
    }
    Ok(())
}

/// The same for programs.
pub(super) fn unmapped_json(found: &[Unmapped], out: &mut dyn Write) -> Result<()> {
    let objects: Vec<_> = found
        .iter()
        .map(|operation| {
            serde_json::json!({
                "service": operation.service,
                "operation": operation.id,
                "method": operation.method.as_str(),
                "path": operation.path,
                "summary": operation.summary,
            })
        })
        .collect();
    writeln!(out, "{}", serde_json::to_string_pretty(&objects)?)
}

/// A TOML key, in quotes where it must be.
fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { format!("{name:?}") }
}

fn scopes(row: &Row) -> String {
    if row.scopes.is_empty() { "no scope".to_owned() } else { row.scopes.join(" or ") }
}

/// Runs of rows of one host and service.
fn groups(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|one, next| (&one.host, &one.service) == (&next.host, &next.service))
}

fn heading(group: &[Row], mark: &str, out: &mut dyn Write) -> Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    writeln!(out, "{mark}{} to the service `{}`", first.host, first.service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str, path: &str, scopes: &[&str]) -> Row {
        Row {
            host: host.into(),
            service: "hub".into(),
            method: "GET".into(),
            path: path.into(),
            operation: "get-a".into(),
            action: "a:view".into(),
            resource: "A::path.id".into(),
            also: Vec::new(),
            body_ids: Vec::new(),
            unchecked: std::collections::BTreeMap::new(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            accepted: Vec::new(),
            log: "strict",
            summary: "Show \"a\" | b".into(),
        }
    }

    fn written(write: fn(&[Row], &mut dyn Write) -> Result<()>) -> String {
        let rows = [row("one.test", "/a/{id}", &["a:read", "b:read"]), row("two.test", "/a", &[])];
        let mut out = Vec::new();
        write(&rows, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_read_two_lines_per_route() {
        let expected = "one.test to the service `hub`\nGET     /a/{id}\n        \
                        a:view on A::path.id · a:read or b:read · get-a · strict log\n\n";
        let text = written(text);
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("· no scope ·") && text.ends_with("\n2 routes\n"), "{text}");
    }

    #[test]
    fn further_ids_stand_on_lines_of_their_own() {
        let mut one = row("one.test", "/a", &[]);
        one.also = vec!["a:list on Team::query.teamId, if named".into()];
        one.body_ids = vec!["teamId: a:create on Team".into()];
        one.unchecked.insert("countryId".into(), "reference data".into());
        let mut out = Vec::new();
        text(&[one], &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        let lines = "        also a:list on Team::query.teamId, if named\n        \
                     body teamId: a:create on Team\n        unchecked countryId: reference data\n";
        assert!(shown.contains(lines), "{shown}");
    }

    #[test]
    fn fields_are_quoted_as_each_format_needs() {
        assert!(written(csv).contains("\"Show \"\"a\"\" | b\"\n"));
        assert!(written(markdown).contains("| Show \"a\" \\| b |\n"));
        let json: serde_json::Value = serde_json::from_str(&written(json)).unwrap();
        assert_eq!(json[0]["summary"], "Show \"a\" | b");
    }

    #[test]
    fn what_is_unmapped_can_be_pasted_into_an_overlay() {
        let unmapped = |id: &str| Unmapped {
            service: "hub".into(),
            id: id.into(),
            method: http::Method::GET,
            path: "/a".into(),
            summary: "A.".into(),
        };
        let mut out = Vec::new();
        unmapped_text(&[unmapped("get-a"), unmapped("get.b")], &mut out).unwrap();
        let expected = "# GET /a  A.\nget-a = { action = \"\", resource = \"\" }\n\
                        # GET /a  A.\n\"get.b\" = { action = \"\", resource = \"\" }\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
