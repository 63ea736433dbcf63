//! `hubgate admin operations`: everything the API can be asked to do.

use std::io::Write;

use serde_json::json;

use super::api::{Api, OF_ORGANISATIONS, Operation};
use super::flat::{Cell, List, Row};
use super::screen::{Screen, cut};
use super::table::write_list;
use crate::app::cli::CommandError;

pub(super) fn list(api: &Api, json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    if json {
        let all: Vec<_> = api.operations.iter().map(as_json).collect();
        let text = serde_json::to_string_pretty(&all).map_err(super::AdminError::Unreadable)?;
        return Ok(writeln!(out, "{text}")?);
    }
    let screen = Screen::of_output();
    let columns: Vec<String> = row_names(screen).map(str::to_owned).collect();
    let rows = api.operations.iter().map(|operation| row(operation, screen)).collect();
    Ok(write_list(&List { name: String::new(), columns, rows }, screen, out)?)
}

/// Narrower terminals have no room for summaries, which `hubgate admin --help` tells as well.
const SUMMARY_FROM: usize = 100;

/// Wider ones have room for the beginnings of paths.
const WHOLE_FROM: usize = 160;

/// The longest path such a terminal shows whole.
const PATH_MAX: usize = 28;

fn row_names(screen: Screen) -> impl Iterator<Item = &'static str> {
    let narrow = screen.width.is_some_and(|width| width < SUMMARY_FROM);
    let all = ["command", "method", "path", "action", "summary"];
    all.into_iter().filter(move |name| !narrow || *name != "summary")
}

fn row(operation: &Operation, screen: Screen) -> Row {
    // Long, and the same in nearly every path.
    let path = match (operation.path.strip_prefix(OF_ORGANISATIONS), screen.width) {
        (Some(rest), Some(width)) if width < WHOLE_FROM => format!("…/{rest}"),
        (None, Some(width)) if width < SUMMARY_FROM => cut(&operation.path, PATH_MAX),
        _ => operation.path.clone(),
    };
    let cells = [
        ("command", operation.command.clone()),
        ("method", operation.method.to_string()),
        ("path", path),
        ("action", operation.action.clone().unwrap_or_else(|| "-".to_owned())),
        ("summary", operation.summary.clone()),
    ];
    let shown = |name: &str| row_names(screen).any(|it| it == name);
    let cells = cells.into_iter().filter(|(name, _)| shown(name));
    cells.map(|(name, text)| (name.to_owned(), Cell { text, is_number: false })).collect()
}

fn as_json(operation: &Operation) -> serde_json::Value {
    json!({
        "command": operation.command,
        "method": operation.method.as_str(),
        "path": operation.path,
        "action": operation.action,
        "scopes": operation.scopes,
        "summary": operation.summary,
    })
}
