//! `hubgate routes`: what is served, and what policies are asked about it.

mod render;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use clap::{Args, ValueEnum};

use crate::config::{self, Loaded, nearest_name};
use crate::routing::{AlsoRule, BodyIds, LogClass, ResourceRule, RouteSettings};

use super::cli::CommandError;
use render::{csv, json, markdown, text, unmapped_json, unmapped_text};

/// Which routes to show, and how.
#[derive(Debug, Args)]
pub(super) struct RoutesArguments {
    /// How they are written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Routes of this service only.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Instead: the operations of the API documents that no overlay maps, as lines to fill in.
    #[arg(long)]
    unmapped: bool,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One object per route, in a list.
    Json,
    /// With a line of names; fields are quoted (RFC 4180).
    Csv,
    /// A table per host.
    Markdown,
}

/// Why no routes are shown.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// There is no such service.
    #[error("there is no service `{service}`{}", .near.as_ref().map(|near| format!(": did you mean `{near}`?")).unwrap_or_default())]
    UnknownService {
        /// What was asked for.
        service: String,
        /// A service of nearly that name.
        near: Option<String>,
    },
    /// Unmapped operations are lines for people or objects for programs.
    #[error("unmapped operations are written as `text` or `json`")]
    Format,
}

/// A route as the lists tell it.
#[derive(Debug, serde::Serialize)]
struct Row {
    host: String,
    service: String,
    method: String,
    path: String,
    operation: String,
    action: String,
    resource: String,
    /// What else is asked, as `action on resource`.
    also: Vec<String>,
    /// The properties of the body the service compares, as `property: action on type`.
    body_ids: Vec<String>,
    /// What is asked about nowhere, and why.
    unchecked: BTreeMap<String, String>,
    /// As stated; see `accepted`.
    scopes: Vec<String>,
    /// Every scope that is accepted, as the policies see them.
    accepted: Vec<String>,
    log: &'static str,
    summary: String,
}

impl RoutesArguments {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        if self.unmapped {
            return self.unmapped(file, out);
        }
        let loaded = config::load(file)?;
        let known: Vec<&str> =
            loaded.settings.services.iter().map(|service| service.name.as_str()).collect();
        self.check_service(&known)?;
        let wanted = |route: &&RouteSettings| self.wants(route.service.as_str());
        let routes = loaded.settings.routes.iter().filter(wanted);
        let rows: Vec<Row> = routes.flat_map(|route| rows(&loaded, route)).collect();
        match self.format {
            Format::Text => text(&rows, out)?,
            Format::Json => json(&rows, out)?,
            Format::Csv => csv(&rows, out)?,
            Format::Markdown => markdown(&rows, out)?,
        }
        Ok(())
    }

    fn unmapped(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let mut found = config::unmapped_operations(file)?;
        found.retain(|operation| self.wants(&operation.service));
        match self.format {
            Format::Text => unmapped_text(&found, out)?,
            Format::Json => unmapped_json(&found, out)?,
            Format::Csv | Format::Markdown => return Err(RoutesError::Format.into()),
        }
        Ok(())
    }

    fn wants(&self, service: &str) -> bool {
        self.service.as_ref().is_none_or(|wanted| wanted == service)
    }

    fn check_service(&self, known: &[&str]) -> Result<(), RoutesError> {
        match &self.service {
            Some(service) if !known.contains(&service.as_str()) => {
                let near = nearest_name(service, known).map(str::to_owned);
                Err(RoutesError::UnknownService { service: service.clone(), near })
            }
            _ => Ok(()),
        }
    }
}

/// A row for each method.
fn rows(loaded: &Loaded, route: &RouteSettings) -> Vec<Row> {
    let note = loaded.notes.get(&route.id);
    let row = |method: &http::Method| Row {
        host: route.host.clone(),
        service: route.service.to_string(),
        method: method.to_string(),
        path: route.path.clone(),
        operation: route.id.to_string(),
        action: route.action.to_string(),
        resource: resource(&route.resource),
        also: route.named.also.iter().map(also).collect(),
        body_ids: route.named.body.iter().map(body_ids).collect(),
        unchecked: route.named.unchecked.clone(),
        scopes: note.map(|note| note.scopes.clone()).unwrap_or_default(),
        accepted: route.scopes.names().map(str::to_owned).collect(),
        log: match route.durability {
            LogClass::CrashSafe => "crash-safe",
            LogClass::Strict => "strict",
        },
        summary: note.map(|note| note.summary.clone()).unwrap_or_default(),
    };
    route.methods.iter().map(row).collect()
}

fn also(rule: &AlsoRule) -> String {
    let list = if rule.occurs.is_list() { ", each" } else { "" };
    let optional = if rule.occurs.is_optional() { ", if named" } else { "" };
    format!("{} on {}{list}{optional}", rule.action, resource(&rule.resource))
}

fn body_ids(ids: &BodyIds) -> String {
    format!("{}: {} on {}", ids.property, ids.action, ids.kind)
}

/// A resource rule as it is written in the settings.
fn resource(rule: &ResourceRule) -> String {
    match rule {
        ResourceRule::Fixed(uid) => uid.to_string(),
        ResourceRule::Organisation => "organisation".to_owned(),
        ResourceRule::Active => "active".to_owned(),
        ResourceRule::Among { kinds } => format!("among {}", kinds.join(", ")),
        ResourceRule::Path { kind, parameter } => format!("{kind}::path.{parameter}"),
        ResourceRule::Query { kind, key } => format!("{kind}::query.{key}"),
        ResourceRule::Header { kind, name } => format!("{kind}::header.{name}"),
        ResourceRule::JsonBody { kind, pointer } => format!("{kind}::json.{pointer}"),
    }
}
