//! `also`, `body_ids` and `unchecked`: the ids a request names beside its resource.
//!
//! Every one is asked about, or compared by the service, or stands here with the reason why not: an id that
//! nobody looks at is an error of the settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::openapi::{IdProperty, names_objects};
use super::resource::{ResourceTable, SingleResource};
use super::section::Section;
use crate::model::{ActionId, EntityUid};
use crate::routing::{
    AlsoRule, BodyIds, NamedIds, Occurs, ResourceRule, RouteSettings, parameters,
};

/// A further question about a request: on what, and what for. Where the id is found is said as in `resource`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "route.also")]
#[expect(clippy::struct_excessive_bools, reason = "keys of a file, each with a meaning of its own")]
pub(super) struct AlsoFile {
    /// The Cedar action asked for; the route's unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    /// Lets the query key or request field be absent; then nothing is asked.
    optional: bool,
    /// The query key holds several ids: repeated, or with commas between them. Each is asked about; a
    /// request names at most 64 objects.
    list: bool,
    /// The Cedar type, as `Team`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Its id is this parameter of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Its id is this key of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    /// Its id is this request field.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// Its id is at this place of the JSON body, which is then read before the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<String>,
    /// Always this entity.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<String>,
    /// The root of the principal's organisation.
    organisation: bool,
    /// The node of the organisation the principal works in.
    active: bool,
}

/// Ids in a property of the body: the service compares them with the nodes on which the action is allowed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "route.body_ids")]
pub(super) struct BodyIdsFile {
    /// The Cedar type of what it names; in an overlay, as `[ids]` says unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// The Cedar action that must be allowed on it; the route's unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
}

/// The three together, as written.
#[derive(Clone, Debug, Default)]
pub(super) struct NamedFile {
    pub(super) also: Vec<AlsoFile>,
    pub(super) body_ids: BTreeMap<String, BodyIdsFile>,
    pub(super) unchecked: BTreeMap<String, String>,
}

/// What an API document and its overlay say about the ids of an operation.
#[derive(Debug)]
pub(super) struct Described<'a> {
    /// The query keys of the document.
    pub(super) query: &'a [String],
    /// The request fields and cookies of the document.
    pub(super) fields: &'a [String],
    /// The properties of its body that hold ids.
    pub(super) body: &'a [IdProperty],
    /// The Cedar type each property of a body names.
    pub(super) kinds: &'a BTreeMap<String, String>,
    /// What no operation is asked about, with the reason: never parameters of the path.
    pub(super) unchecked: &'a BTreeMap<String, String>,
}

impl NamedFile {
    /// The rules, for a route that asks for `action`.
    pub(super) fn settings(
        &self,
        section: &mut Section<'_>,
        action: &ActionId,
        described: Option<&Described<'_>>,
    ) -> NamedIds {
        let mut named = NamedIds { unchecked: self.unchecked.clone(), ..NamedIds::default() };
        for (index, also) in self.also.iter().enumerate() {
            named.also.extend(also.rule(&mut section.item("also", index), action));
        }
        let kinds = described.map(|described| described.kinds);
        for (property, file) in &self.body_ids {
            let known = kinds.and_then(|kinds| kinds.get(property));
            let rule = file.rule(property, known, action);
            named.body.extend(section.keep("body_ids", rule));
        }
        named
    }
}

impl AlsoFile {
    fn rule(&self, section: &mut Section<'_>, usual: &ActionId) -> Option<AlsoRule> {
        let action = self.action.as_deref().map_or_else(|| Ok(usual.clone()), ActionId::parse);
        let action = section.keep("action", action);
        let table = ResourceTable::of(SingleResource {
            kind: self.kind.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            header: self.header.clone(),
            json: self.json.clone(),
            fixed: self.fixed.clone(),
            organisation: self.organisation,
            active: self.active,
        });
        let occurs = match (self.optional, self.list) {
            (false, false) => Occurs::Once,
            (true, false) => Occurs::AtMostOnce,
            (false, true) => Occurs::List,
            (true, true) => Occurs::OptionalList,
        };
        let resource = table.rule().map_err(|(message, help)| {
            section.wrong_here(message, help);
        });
        Some(AlsoRule { action: action?, resource: resource.ok()?, occurs })
    }
}

impl BodyIdsFile {
    fn rule(
        &self,
        property: &str,
        known: Option<&String>,
        usual: &ActionId,
    ) -> Result<BodyIds, String> {
        let Some(kind) = self.kind.as_ref().or(known) else {
            return Err(format!("`{property}`: the entity type `kind` is missing"));
        };
        if EntityUid::new(kind, "x").is_err() {
            return Err(format!("`{property}`: `{kind}` is no entity type"));
        }
        let action = self.action.as_deref().map_or_else(|| Ok(usual.clone()), ActionId::parse);
        let action = action.map_err(|error| format!("`{property}`: {error}"))?;
        Ok(BodyIds { property: property.to_owned(), kind: kind.clone(), action })
    }
}

/// Notes every id of the route that nothing is said about, and what is said about none.
pub(super) fn check(
    section: &mut Section<'_>,
    route: &mut RouteSettings,
    described: Option<&Described<'_>>,
) {
    // A path that is no template is told by the route table.
    let path = parameters(&route.path).unwrap_or_default();
    let query = described.map(|described| described.query).unwrap_or_default();
    let fields = described.map(|described| described.fields).unwrap_or_default();
    let body = described.map(|described| described.body).unwrap_or_default();
    let known = |name: &str| {
        path.iter().any(|parameter| **parameter == *name)
            || query.iter().chain(fields).any(|key| key == name)
            || body.iter().any(|property| property.name == name)
    };
    for (name, reason) in &route.named.unchecked {
        if !known(name) {
            section.wrong("unchecked", format!("`{name}` is no parameter of this route"));
        }
        if reason.trim().is_empty() {
            section.wrong("unchecked", format!("`{name}`: the reason is missing"));
        }
    }
    let own = route.named.unchecked.clone();
    let common = described.into_iter().flat_map(|described| described.unchecked);
    for (name, reason) in common.filter(|(name, _)| known(name)) {
        let reason = || reason.clone();
        route.named.unchecked.entry(name.clone()).or_insert_with(reason);
    }
    // A rule that names no parameter of the path is told by the route table: then this is a spelling mistake.
    let misspelt = route.rules().any(|rule| {
        matches!(rule, ResourceRule::Path { parameter, .. } if !path.iter().any(|p| **p == **parameter))
    });
    let path = if misspelt { Vec::new() } else { path };
    let mut open = Vec::new();
    for name in path.iter().filter(|name| !reads_path(route, name)) {
        open.push((name.to_string(), format!("the path parameter `{name}` is not asked about")));
    }
    let in_path = open.len();
    for key in query.iter().filter(|key| names_objects(key) && !reads_query(route, key)) {
        open.push((key.clone(), format!("the query parameter `{key}` is not asked about")));
    }
    for field in fields.iter().filter(|field| names_objects(field) && !reads_field(route, field)) {
        open.push((field.clone(), format!("the request field `{field}` is not asked about")));
    }
    for property in body.iter().filter(|property| !reads_body(route, property)) {
        let IdProperty { name, .. } = property;
        let kind = described.and_then(|described| described.kinds.get(name));
        let message = match kind {
            Some(kind) => format!("nobody compares the `{kind}` that `{name}` of the body names"),
            None => format!("nothing says what `{name}` of the body names"),
        };
        open.push((name.clone(), message));
    }
    let unchecked = &route.named.unchecked;
    for (at, (name, message)) in open.iter().enumerate() {
        // What holds for every operation never silences a parameter of the path.
        let reasons = if at < in_path { &own } else { unchecked };
        if reasons.contains_key(name) {
            continue;
        }
        let help = format!(
            "ask about it in `resource`, `also` or `body_ids`, or say why not: `unchecked = {{ {name} = \
             \"…\" }}`"
        );
        section.wrong_with_help("also", message, Some(help));
    }
    if described.is_some() {
        check_body_ids(section, &route.named.body, body);
    }
    // What is read after all is not unchecked.
    route.named.unchecked.retain(|name, _| open.iter().any(|(left, _)| left == name));
}

/// What is said about a property is about one of the document's.
fn check_body_ids(section: &mut Section<'_>, said: &[BodyIds], body: &[IdProperty]) {
    for ids in said {
        if !body.iter().any(|property| property.name == ids.property) {
            let message = format!("the document's body has no property `{}`", ids.property);
            section.wrong("body_ids", message);
        }
    }
}

fn reads_path(route: &RouteSettings, name: &str) -> bool {
    let reads = |rule: &ResourceRule| matches!(rule, ResourceRule::Path { parameter, .. } if parameter == name);
    route.rules().any(reads)
}

fn reads_query(route: &RouteSettings, name: &str) -> bool {
    let reads =
        |rule: &ResourceRule| matches!(rule, ResourceRule::Query { key, .. } if key == name);
    route.rules().any(reads)
}

fn reads_field(route: &RouteSettings, name: &str) -> bool {
    let reads = |rule: &ResourceRule| matches!(rule, ResourceRule::Header { name: field, .. } if field.as_str().eq_ignore_ascii_case(name));
    route.rules().any(reads)
}

fn reads_body(route: &RouteSettings, property: &IdProperty) -> bool {
    let reads = |rule: &ResourceRule| matches!(rule, ResourceRule::JsonBody { pointer, .. } if *pointer == property.pointer);
    route.rules().any(reads) || route.named.body.iter().any(|ids| ids.property == property.name)
}
