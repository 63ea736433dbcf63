//! Document and overlay together: routes, and what is wrong with either.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::OperationsSettings;
use super::overlay::{OperationFile, OverlayFile};
use super::scopes::ScopeRules;
use crate::config::document::{Document, KeyPath, read_text};
use crate::config::named_ids::{Described, NamedFile};
use crate::config::openapi::{self, Api, Operation, Requirement};
use crate::config::origin::{Entry, Origin};
use crate::config::problem::Problem;
use crate::config::route::{BodyName, OperationRoute, RouteFile, Usual};
use crate::config::section::Section;
use crate::config::{shape, suggest};
use crate::model::EntityUid;
use crate::routing::RouteSettings;

/// Largest document: the largest published ones are 10 MB.
const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One document to be imported for a service.
#[derive(Debug)]
pub(in crate::config) struct Import<'a> {
    /// The files, the host, the prefixes.
    pub(in crate::config) from: &'a OperationsSettings,
    /// The service's name.
    pub(in crate::config) service: &'a str,
    /// What holds for a route that does not say otherwise.
    pub(in crate::config) usual: &'a Usual,
}

/// An operation as a route.
#[derive(Debug)]
pub(in crate::config) struct Imported {
    /// Where the overlay speaks of it.
    pub(in crate::config) origin: Origin,
    /// The route.
    pub(in crate::config) route: RouteSettings,
    /// The scopes as stated, before the rules widened them.
    pub(in crate::config) scopes: Vec<String>,
    /// What the document calls it.
    pub(in crate::config) summary: String,
}

/// An operation no overlay entry speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// The service.
    pub service: String,
    /// `operationId`.
    pub id: String,
    /// The method.
    pub method: http::Method,
    /// The path, prefix included.
    pub path: String,
    /// What the document calls it.
    pub summary: String,
}

impl Import<'_> {
    /// Reads both files. Whatever is wrong goes to `problems`; the rest is routes.
    pub(in crate::config) fn run(&self, problems: &mut Vec<Problem>) -> Vec<Imported> {
        let api = self.document(problems);
        let text = match read_text(&self.from.overlay, DOCUMENT_BYTES_MAX) {
            Ok(text) => text,
            Err(problem) => {
                problems.push(problem);
                return Vec::new();
            }
        };
        let Some((document, file)) = overlay(&self.from.overlay, &text, problems) else {
            return Vec::new();
        };
        let Some((api, api_text)) = api else { return Vec::new() };
        check_rules(&document, &file.scopes, problems);
        check_ids(&document, &file, problems);
        self.check_both(&api, &api_text, (&document, &file), problems);
        let prefix = prefix(self.from, &api);
        let mut imported = Vec::with_capacity(api.operations.len());
        for operation in &api.operations {
            let Some(mapping) = file.operations.get(&operation.id) else { continue };
            let mut overlay = Overlay { document: &document, file: &file, problems };
            imported.extend(self.route(operation, mapping, &prefix, &mut overlay));
        }
        imported
    }

    fn document(&self, problems: &mut Vec<Problem>) -> Option<(Api, Arc<str>)> {
        let file = &self.from.document;
        let read = read_text(file, DOCUMENT_BYTES_MAX).map_err(|problem| vec![problem]);
        let read = read.and_then(|text| {
            let text: Arc<str> = Arc::from(text);
            openapi::read(file, &text).map(|api| (api, text))
        });
        let (api, text) = read.map_err(|found| problems.extend(found)).ok()?;
        if api.server_path.is_none() && self.from.prefix.is_none() {
            let message = "the path of the first server is not fixed";
            let problem = Problem::new(file, "servers", message);
            problems.push(problem.with_help("say `prefix` in `[[service.operations]]`"));
        }
        Some((api, text))
    }

    /// The same operations in both files.
    fn check_both(
        &self,
        api: &Api,
        api_text: &Arc<str>,
        (document, file): (&Document<'_>, &OverlayFile),
        problems: &mut Vec<Problem>,
    ) {
        for operation in &api.operations {
            if !file.operations.contains_key(&operation.id) {
                let message = format!("nothing maps the operation `{}`", operation.id);
                let help = format!("map it in `{}`", self.from.overlay.display());
                let problem = operation.place.problem(&self.from.document, api_text, message);
                problems.push(problem.with_help(help));
            }
        }
        let known: Vec<&str> =
            api.operations.iter().map(|operation| operation.id.as_str()).collect();
        for id in file.operations.keys().filter(|id| !known.contains(&id.as_str())) {
            let path = KeyPath::default().key("operations").name(id);
            let problem = document.problem(&path, "the document has no such operation");
            problems.push(match suggest::nearest_name(id, &known) {
                Some(near) => problem.with_help(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
    }

    fn route(
        &self,
        operation: &Operation,
        mapping: &OperationFile,
        prefix: &str,
        overlay: &mut Overlay<'_>,
    ) -> Option<Imported> {
        let path = KeyPath::default().key("operations").name(&operation.id);
        let document = overlay.document;
        let defaults = &overlay.file.defaults;
        let rules = &overlay.file.scopes;
        let mut section = Section::new(document, path.clone(), overlay.problems);
        let stated = match &mapping.scopes {
            Some(scopes) => scopes.clone(),
            None => section.keep("", one_of(&operation.requirements)).unwrap_or_default(),
        };
        let mut accepted = BTreeSet::new();
        for scope in &stated {
            accepted.extend(section.keep("scopes", rules.accepted(scope)).unwrap_or_default());
        }
        let described = operation.has_body.then_some(BodyName::Allowed);
        let file = RouteFile::of_operation(OperationRoute {
            id: format!("{}{}", self.from.id_prefix, operation.id),
            host: self.from.host.clone(),
            method: &operation.method,
            path: format!("{prefix}{}", operation.path),
            action: mapping.action.clone(),
            resource: mapping.resource.clone(),
            named: NamedFile {
                also: mapping.also.clone(),
                body_ids: mapping.body_ids.clone(),
                unchecked: mapping.unchecked.clone(),
            },
            service: self.service.to_owned(),
            scopes: accepted.into_iter().collect(),
            denied: mapping.denied.or(defaults.denied),
            log: mapping.log.or(defaults.log).unwrap_or_default(),
            stream: mapping.stream,
            body: mapping.body.or(described),
            body_bytes_max: mapping.body_bytes_max,
            quota: mapping.quota.clone(),
            answer: mapping.answer.clone(),
        })?;
        let usual = match defaults.body_bytes_max {
            Some(body_bytes_max) => &Usual { body_bytes_max, ..self.usual.clone() },
            None => self.usual,
        };
        let described = Described {
            query: &operation.query,
            fields: &operation.fields,
            body: &operation.body_ids,
            kinds: &overlay.file.ids,
            unchecked: &overlay.file.unchecked,
        };
        let mut route = file.settings(&mut section, usual, Some(&described))?;
        route.stated_scopes.clone_from(&stated);
        Some(Imported {
            origin: Origin::Operation(Arc::new(Entry::new(document, &path))),
            route,
            scopes: stated,
            summary: operation.summary.clone(),
        })
    }
}

/// Every operation of the document `from` names that its overlay does not map.
pub(in crate::config) fn unmapped(
    service: &str,
    from: &OperationsSettings,
    problems: &mut Vec<Problem>,
) -> Vec<Unmapped> {
    let usual = Usual::default();
    let import = Import { from, service, usual: &usual };
    let text = read_text(&from.overlay, DOCUMENT_BYTES_MAX);
    let text = text.map_err(|problem| problems.push(problem)).unwrap_or_default();
    let mapped: BTreeSet<String> = match Document::parse(&from.overlay, &text) {
        Ok(document) => operation_names(&document),
        Err(found) => {
            problems.extend(found);
            return Vec::new();
        }
    };
    let Some((api, _)) = import.document(problems) else { return Vec::new() };
    let prefix = prefix(from, &api);
    let without = api.operations.into_iter().filter(|operation| !mapped.contains(&operation.id));
    without
        .map(|operation| Unmapped {
            service: service.to_owned(),
            id: operation.id,
            method: operation.method,
            path: format!("{prefix}{}", operation.path),
            summary: operation.summary,
        })
        .collect()
}

/// The operations an overlay names, whatever else is wrong with it.
fn operation_names(document: &Document<'_>) -> BTreeSet<String> {
    let operations = document.value(&KeyPath::default().key("operations"));
    let table = operations.and_then(|value| value.get_ref().as_table());
    table.into_iter().flatten().map(|(key, _)| key.get_ref().to_string()).collect()
}

fn prefix(from: &OperationsSettings, api: &Api) -> String {
    from.prefix.clone().or_else(|| api.server_path.clone()).unwrap_or_default()
}

/// The overlay while routes are made from it.
struct Overlay<'a> {
    document: &'a Document<'a>,
    file: &'a OverlayFile,
    problems: &'a mut Vec<Problem>,
}

fn overlay<'t>(
    path: &Path,
    text: &'t str,
    problems: &mut Vec<Problem>,
) -> Option<(Document<'t>, OverlayFile)> {
    let document = Document::parse(path, text).map_err(|found| problems.extend(found)).ok()?;
    let schema: Value = schemars::schema_for!(OverlayFile).to_value();
    let found = shape::check(&document, &schema, &schema, &KeyPath::default());
    if !found.is_empty() {
        problems.extend(found);
        return None;
    }
    match document.decode(&KeyPath::default())? {
        Ok(file) => Some((document, file)),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn check_rules(document: &Document<'_>, rules: &ScopeRules, problems: &mut Vec<Problem>) {
    let mut section = Section::new(document, KeyPath::default().key("scopes"), problems);
    for (key, message) in rules.mistakes() {
        section.wrong(key, message);
    }
}

/// The tables that hold for every operation.
fn check_ids(document: &Document<'_>, file: &OverlayFile, problems: &mut Vec<Problem>) {
    for (name, kind) in &file.ids {
        if EntityUid::new(kind, "x").is_err() {
            let path = KeyPath::default().key("ids").name(name);
            problems.push(document.problem(&path, format!("`{kind}` is no entity type")));
        }
    }
    for (name, reason) in &file.unchecked {
        if reason.trim().is_empty() {
            let path = KeyPath::default().key("unchecked").name(name);
            problems.push(document.problem(&path, "the reason is missing"));
        }
    }
}

/// The scopes of which one is enough.
///
/// # Errors
/// When the document asks for several at once: the gateway's routes cannot say that.
fn one_of(requirements: &[Requirement]) -> Result<Vec<String>, String> {
    let mut scopes = Vec::with_capacity(requirements.len());
    for Requirement(needed) in requirements {
        match needed.as_slice() {
            [scope] => scopes.push(scope.clone()),
            several => {
                let several = several.join("`, `");
                return Err(format!(
                    "the document asks for all of `{several}`: say `scopes` of which one is enough"
                ));
            }
        }
    }
    Ok(scopes)
}
