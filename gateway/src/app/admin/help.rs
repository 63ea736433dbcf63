//! What `--help` says of a command, as the document says it.

use std::fmt::Write as _;

use super::api::{BodySpec, Operation, Parameter, Place, is_json};
use super::screen::{Screen, wrapped};
use super::shape::{Kind, Property, Shape};

/// Where clap begins the text below an argument.
const INDENT: usize = 10;

/// How far members of members are told.
const DEPTH_MAX: usize = 3;

/// Below the list of commands.
pub(super) fn below_commands() -> String {
    let text = "The commands are the operations of this version's administration API; \
                `hubgate admin COMMAND --help` tells what one does. Exit codes: 0 done, 1 refused, 2 not reached \
                or failed there, 64 wrong usage.";
    wrapped(text, Screen::help_width())
}

/// Of `--set`.
pub(super) fn set() -> String {
    let text = "A member of the body, also within another: `context.network.source=192.0.2.7`. Repeatable.";
    wrapped(text, Screen::help_width().saturating_sub(INDENT))
}

/// Between summary and usage: what it does, and what is sent.
pub(super) fn before(operation: &Operation) -> String {
    let width = Screen::help_width();
    let mut text = String::new();
    if let Some(description) = &operation.description {
        text.push_str(&wrapped(description, width));
        text.push_str("\n\n");
    }
    let _ = write!(text, "{} {}", operation.method, operation.path);
    if let Some(action) = &operation.action {
        let _ = write!(text, "\nDecided as {action}");
        if !operation.scopes.is_empty() {
            let _ = write!(text, "; a key needs the scope {}", operation.scopes.join(" or "));
        }
    }
    text
}

/// Below an argument.
pub(super) fn of(parameter: &Parameter) -> String {
    let mut text = match (&parameter.description, parameter.place) {
        (Some(description), _) => description.clone(),
        (None, Place::Path) => format!("`{{{}}}` in the path.", parameter.name),
        (None, _) => String::new(),
    };
    if parameter.place == Place::Body && parameter.required {
        sentence(&mut text, "Required.");
    }
    if parameter.shape.is_scalar() || parameter.shape.items().is_some_and(Shape::is_scalar) {
        let of = parameter.shape.items().unwrap_or(&parameter.shape);
        if !of.choices.is_empty() {
            sentence(&mut text, &format!("One of: {}.", of.choices.join(", ")));
        }
    }
    if parameter.shape.items().is_some_and(Shape::is_scalar) {
        sentence(&mut text, "Repeatable.");
    }
    let mut text = wrapped(&text, Screen::help_width().saturating_sub(INDENT));
    members(&parameter.shape, 0, &mut text);
    text
}

/// Of `--body`.
pub(super) fn file(body: &BodySpec) -> String {
    let mut text = body.description.clone().unwrap_or_default();
    let how = match (is_json(&body.media_type), body.members.is_empty()) {
        (true, false) => "The whole body instead, as it is",
        _ => "Sent as it is",
    };
    sentence(&mut text, &format!("{how}: {}. `-` is the standard input.", body.media_type));
    let mut text = wrapped(&text, Screen::help_width().saturating_sub(INDENT));
    if let (Some(shape), true) = (&body.shape, body.members.is_empty()) {
        members(shape, 0, &mut text);
    }
    text
}

fn sentence(text: &mut String, more: &str) {
    let ends = text.is_empty() || text.ends_with(['.', '!', '?', ':']);
    text.push_str(match (text.is_empty(), ends) {
        (true, _) => "",
        (false, true) => " ",
        (false, false) => ". ",
    });
    text.push_str(more);
}

/// The members of an object, or of a list's objects, one below the other.
fn members(shape: &Shape, depth: usize, text: &mut String) {
    if let Kind::Array(items) = &shape.kind {
        return members(items, depth, text);
    }
    if depth >= DEPTH_MAX {
        return;
    }
    for property in shape.properties() {
        let indent = 2 + 2 * depth;
        let width = Screen::help_width().saturating_sub(INDENT + indent + 2);
        let told = wrapped(&member(property), width);
        for (at, line) in told.lines().enumerate() {
            let indent = if at == 0 { indent } else { indent + 2 };
            let _ = write!(text, "\n{:indent$}{line}", "");
        }
        members(&property.shape, depth + 1, text);
    }
}

fn member(Property { name, required, shape }: &Property) -> String {
    let needed = if *required { ", required" } else { "" };
    let mut told = format!("{name} ({}{needed})", shape.told());
    if let Some(description) = &shape.description {
        let _ = write!(told, ": {description}");
    }
    if !shape.choices.is_empty() {
        sentence(&mut told, &format!("One of: {}.", shape.choices.join(", ")));
    }
    told
}
