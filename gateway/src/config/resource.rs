//! The `resource` of a route: short form or table, into one rule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::EntityUid;
use crate::routing::ResourceRule;

use super::section::Section;
use super::suggest;

/// Where a route's resource comes from, as written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum ResourceFile {
    /// `Type::source.key`, `organisation` or `active`.
    Short(String),
    /// A table.
    Table(ResourceTable),
}

/// Where a route's resource comes from, written out. Either `organisation`, or `active`, or `fixed`, or
/// `among`, or `kind` with one of `path`, `query`, `header` and `json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "route.resource")]
pub(super) struct ResourceTable {
    /// The Cedar type of the resource, as `Team`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Its id is this parameter of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Its id is this key of the query, which must come exactly once.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    /// Its id is this request field, which must come exactly once.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// Its id is at this place of the JSON body: a JSON Pointer (RFC 6901), as `/team/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<String>,
    /// Always this entity, as `Operator::main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<String>,
    /// The root of the principal's organisation.
    organisation: bool,
    /// The node of the organisation the principal works in.
    active: bool,
    /// All nodes of these Cedar types on which the policies allow the action, as
    /// `["Operator", "Team"]`: for lists. The service is told which (claim `access`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    among: Vec<String>,
}

/// A resource that is one object, as [`ResourceTable`] says it.
#[derive(Debug)]
pub(super) struct SingleResource {
    pub(super) kind: Option<String>,
    pub(super) path: Option<String>,
    pub(super) query: Option<String>,
    pub(super) header: Option<String>,
    pub(super) json: Option<String>,
    pub(super) fixed: Option<String>,
    pub(super) organisation: bool,
    pub(super) active: bool,
}

const SOURCES: [&str; 4] = ["path", "query", "header", "json"];

impl ResourceFile {
    pub(super) fn rule(&self, section: &mut Section<'_>) -> Option<ResourceRule> {
        let read = match self {
            Self::Short(text) => short(text),
            Self::Table(table) => table.rule(),
        };
        match read {
            Ok(rule) => Some(rule),
            Err((message, help)) => {
                section.wrong_with_help("resource", message, help);
                None
            }
        }
    }
}

/// A message and, at times, advice.
pub(super) type Wrong = (String, Option<String>);

fn short(text: &str) -> Result<ResourceRule, Wrong> {
    if text == "organisation" {
        return Ok(ResourceRule::Organisation);
    }
    if text == "active" {
        return Ok(ResourceRule::Active);
    }
    let example = || Some("write `Team::path.team`, or a table".to_owned());
    let wrong = || (format!("`{text}` is no resource rule"), example());
    let (kind, place) = text.split_once('.').ok_or_else(wrong)?;
    let (kind, source) = kind.rsplit_once("::").ok_or_else(wrong)?;
    rule(kind, source, place)
}

fn rule(kind: &str, source: &str, place: &str) -> Result<ResourceRule, Wrong> {
    // Any id will do: the type is what is looked at.
    if EntityUid::new(kind, "x").is_err() {
        return Err((format!("`{kind}` is no entity type"), None));
    }
    if place.is_empty() {
        return Err((format!("`{source}` of what: the key is missing"), None));
    }
    let (kind, place) = (kind.to_owned(), place.to_owned());
    match source {
        "path" => Ok(ResourceRule::Path { kind, parameter: place }),
        "query" => Ok(ResourceRule::Query { kind, key: place }),
        "header" => match http::HeaderName::try_from(place.as_str()) {
            Ok(name) if !place.contains('_') => {
                Ok(ResourceRule::Header { kind, name: name.as_str().to_owned() })
            }
            _ => Err((format!("`{place}` names no request field"), None)),
        },
        "json" if is_pointer(&place) => Ok(ResourceRule::JsonBody { kind, pointer: place }),
        "json" => {
            let help = "it starts with `/`, as `/team/id`".to_owned();
            Err((format!("`{place}` is no JSON Pointer"), Some(help)))
        }
        _ => Err((
            format!("`{source}` is no source of a resource"),
            suggest::advice(source, &SOURCES),
        )),
    }
}

/// RFC 6901 §3: each token after a `/`, `~` only as `~0` or `~1`.
fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    text.starts_with('/') && escapes
}

impl ResourceTable {
    /// The table of one object.
    pub(super) fn of(single: SingleResource) -> Self {
        let SingleResource { kind, path, query, header, json, fixed, organisation, active } =
            single;
        let among = Vec::new();
        Self { kind, path, query, header, json, fixed, organisation, active, among }
    }

    /// The rule it says.
    ///
    /// # Errors
    /// A message and, at times, advice.
    pub(super) fn rule(&self) -> Result<ResourceRule, Wrong> {
        let places = [&self.path, &self.query, &self.header, &self.json];
        let mut given = SOURCES
            .iter()
            .zip(places)
            .filter_map(|(source, place)| place.as_deref().map(|place| (*source, place)));
        let place = given.next();
        let exactly = "either `organisation`, or `active`, or `fixed`, or `among`, or `kind` with \
                       one of `path`, `query`, `header`, `json`";
        let wrong = |message: &str| Err((message.to_owned(), Some(exactly.to_owned())));
        if given.next().is_some() {
            return wrong("the resource is in one place, not in several");
        }
        let nodes = match (self.organisation, self.active, self.among.is_empty()) {
            (false, false, true) => None,
            (true, false, true) => Some(ResourceRule::Organisation),
            (false, true, true) => Some(ResourceRule::Active),
            (false, false, false) => Some(ResourceRule::Among { kinds: self.among.clone() }),
            _ => return wrong("the resource rule says two things"),
        };
        match (nodes.is_some(), &self.fixed, &self.kind, place) {
            (true, None, None, None) => {
                nodes.map_or_else(|| wrong("the resource rule is empty"), Ok)
            }
            (false, Some(uid), None, None) => EntityUid::parse(uid)
                .map(ResourceRule::Fixed)
                .map_err(|error| (error.to_string(), None)),
            (false, None, Some(kind), Some((source, place))) => rule(kind, source, place),
            (false, None, None, Some(_)) => wrong("the entity type `kind` is missing"),
            (false, None, Some(_), None) => wrong("where the id comes from is missing"),
            (false, None, None, None) => wrong("the resource rule is empty"),
            _ => wrong("the resource rule says two things"),
        }
    }
}
