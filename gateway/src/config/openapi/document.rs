//! The operations of a document.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use http::Method;

use super::ids::{self, IdProperty};
use super::yaml::{self, Content, Node};
use crate::config::problem::Problem;

/// What a document says about routing.
#[derive(Debug)]
pub(in crate::config) struct Api {
    /// The path of its first server, without a slash at the end; `None` when it is not fixed.
    pub(in crate::config) server_path: Option<String>,
    /// Its operations, in the file's order.
    pub(in crate::config) operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug)]
pub(in crate::config) struct Operation {
    /// `operationId`.
    pub(in crate::config) id: String,
    /// The method.
    pub(in crate::config) method: Method,
    /// The path template, as written: without the server's path.
    pub(in crate::config) path: String,
    /// What it is in a few words; empty when the document does not say.
    pub(in crate::config) summary: String,
    /// Whether a request body is described.
    pub(in crate::config) has_body: bool,
    /// The names of its query parameters.
    pub(in crate::config) query: Vec<String>,
    /// The names of its parameters in request fields and cookies.
    pub(in crate::config) fields: Vec<String>,
    /// The properties of its request body that hold ids.
    pub(in crate::config) body_ids: Vec<IdProperty>,
    /// What a client needs: one of these. Empty: nothing.
    pub(in crate::config) requirements: Vec<Requirement>,
    /// Where it stands.
    pub(in crate::config) place: Place,
}

/// One security requirement: every scope of it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Requirement(pub(in crate::config) Vec<String>);

/// A place in a document, with the key to name it by.
#[derive(Clone, Debug)]
pub(in crate::config) struct Place {
    key: String,
    span: Range<usize>,
}

impl Place {
    /// A problem at this place of the document `file`, which reads `text`.
    pub(in crate::config) fn problem(
        &self,
        file: &Path,
        text: &Arc<str>,
        message: impl Into<String>,
    ) -> Problem {
        Problem::new(file, self.key.clone(), message).at(text, self.span.clone())
    }
}

/// Methods of a path item that can be routed. `trace` cannot: no client should send it (RFC 9110 §9.3.8).
const METHODS: [(&str, Method); 7] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
];

/// Reads the document `text`, which stands in `file`.
///
/// # Errors
/// Every problem found.
pub(in crate::config) fn read(file: &Path, text: &Arc<str>) -> Result<Api, Vec<Problem>> {
    let root = yaml::read(text)
        .map_err(|wrong| vec![Problem::new(file, "", wrong.message).at(text, wrong.span)])?;
    let mut reader = Reader { file, text, root: &root, problems: Vec::new() };
    let api = reader.api();
    if reader.problems.is_empty() { Ok(api) } else { Err(reader.problems) }
}

struct Reader<'d> {
    file: &'d Path,
    text: &'d Arc<str>,
    root: &'d Node,
    problems: Vec<Problem>,
}

impl<'d> Reader<'d> {
    fn api(&mut self) -> Api {
        let root = self.root;
        self.check_version();
        let common = root.get("security").map(|node| self.requirements("security", node));
        let mut operations = Vec::new();
        match root.get("paths") {
            None => self.wrong("paths", root, "required, but missing"),
            Some(paths) => {
                for (path, item) in paths.entries() {
                    self.path_item(&path.name, item, common.as_deref(), &mut operations);
                }
            }
        }
        self.check_ids(&operations);
        Api { server_path: server_path(root), operations }
    }

    /// OpenAPI 3.x §4.1: what is read here is the same in 3.0, 3.1 and 3.2.
    fn check_version(&mut self) {
        let root = self.root;
        match root.get("openapi") {
            Some(node) if node.text().is_some_and(|text| text.starts_with("3.")) => {}
            Some(node) => self.wrong("openapi", node, "only OpenAPI 3 is read"),
            None => {
                self.wrong("openapi", root, "required, but missing: this is no OpenAPI document");
            }
        }
    }

    fn path_item(
        &mut self,
        path: &str,
        item: &'d Node,
        common: Option<&[Requirement]>,
        operations: &mut Vec<Operation>,
    ) {
        let key = format!("paths.{path}");
        if let Some(reference) = item.get("$ref") {
            self.wrong(&key, reference, "`$ref` is followed for parameters only");
            return;
        }
        let shared = self.parameters(&key, item, "path");
        let shared_query = self.parameters(&key, item, "query");
        let shared_fields = self.fields(&key, item);
        for (name, node) in item.entries() {
            let Some((_, method)) = METHODS.iter().find(|(known, _)| *known == name.name) else {
                if name.name == "trace" {
                    self.wrong(&key, node, "`trace` cannot be served");
                }
                continue;
            };
            let key = format!("{key}.{}", name.name);
            let mut declared = self.parameters(&key, node, "path");
            let mut query = self.parameters(&key, node, "query");
            query.extend(shared_query.iter().cloned());
            let mut fields = self.fields(&key, node);
            fields.extend(shared_fields.iter().cloned());
            declared.extend(shared.iter().cloned());
            self.check_parameters(&key, path, &declared, node);
            let requirements = match node.get("security") {
                Some(security) => self.requirements(&key, security),
                None => common.unwrap_or_default().to_vec(),
            };
            let Some(id) = node.get("operationId").and_then(Node::text) else {
                self.wrong(
                    &key,
                    node,
                    "`operationId` is missing: the overlay maps operations by it",
                );
                continue;
            };
            let body_ids = self.body_ids(&key, node);
            operations.push(Operation {
                id: id.to_owned(),
                method: method.clone(),
                path: path.to_owned(),
                summary: node.get("summary").and_then(Node::text).unwrap_or_default().to_owned(),
                has_body: node.get("requestBody").is_some(),
                query: query.into_iter().map(|(name, _)| name).collect(),
                fields,
                body_ids,
                requirements,
                place: Place { key: format!("{key}.operationId"), span: name.span.clone() },
            });
        }
    }

    /// The names of the parameters in `place` that `node` declares, with their places.
    fn parameters(
        &mut self,
        key: &str,
        node: &'d Node,
        place: &str,
    ) -> Vec<(String, Range<usize>)> {
        let items = node.get("parameters").map(Node::items).unwrap_or_default();
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            let Some(parameter) = self.follow(key, item) else { continue };
            let text = |name| parameter.get(name).and_then(Node::text);
            match (text("name"), text("in")) {
                (Some(name), Some(within)) if within == place => {
                    names.push((name.to_owned(), item.span.clone()));
                }
                (Some(_), Some("path" | "query" | "header" | "cookie")) => {}
                // Told once, with the first place that is asked for.
                (Some(_), Some(within)) if place == "path" => {
                    let message = format!("a parameter `in: {within}` is not understood");
                    self.wrong(key, item, message);
                }
                (Some(_), Some(_)) => {}
                _ => self.wrong(key, item, "a parameter needs `name` and `in`"),
            }
        }
        names
    }

    /// The names of the request fields and cookies that `node` declares.
    fn fields(&mut self, key: &str, node: &'d Node) -> Vec<String> {
        let mut fields = self.parameters(key, node, "header");
        fields.extend(self.parameters(key, node, "cookie"));
        fields.into_iter().map(|(name, _)| name).collect()
    }

    fn body_ids(&mut self, key: &str, node: &'d Node) -> Vec<IdProperty> {
        let Some(body) = node.get("requestBody") else { return Vec::new() };
        match ids::of_body(self.root, body) {
            Ok(found) => found,
            Err(astray) => {
                let message = format!("`{}` {}", astray.reference, astray.what);
                let problem = Problem::new(self.file, key, message).at(self.text, astray.span);
                self.problems.push(problem);
                Vec::new()
            }
        }
    }

    /// The parameter itself, or the one its `$ref` leads to.
    fn follow(&mut self, key: &str, node: &'d Node) -> Option<&'d Node> {
        let Some(reference) = node.get("$ref") else { return Some(node) };
        let text = reference.text().unwrap_or_default();
        // One step is enough: a parameter that is again a `$ref` is in no published document.
        let found = self.root.referenced(text).filter(|node| node.get("$ref").is_none());
        if found.is_none() {
            self.wrong(key, reference, format!("`{text}` leads to no parameter of this document"));
        }
        found
    }

    /// OpenAPI §4.8.8: the names in the template and the declared path parameters are the same.
    fn check_parameters(
        &mut self,
        key: &str,
        path: &str,
        declared: &[(String, Range<usize>)],
        node: &Node,
    ) {
        let in_template: Vec<&str> = path
            .split('{')
            .skip(1)
            .map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name))
            .collect();
        for (name, span) in declared {
            if !in_template.contains(&name.as_str()) {
                let message = format!("the path has no parameter `{name}`");
                let problem = Problem::new(self.file, key, message).at(self.text, span.clone());
                self.problems.push(problem);
            }
        }
        for name in in_template {
            if !declared.iter().any(|(known, _)| known == name) {
                self.wrong(key, node, format!("the path parameter `{name}` is not declared"));
            }
        }
    }

    /// A list of requirements: one of them must be met. One without scopes is met by any credential, and
    /// then the others say nothing more. What is not written as OpenAPI has it is never taken for one of those.
    fn requirements(&mut self, key: &str, node: &'d Node) -> Vec<Requirement> {
        let schemes = self.root.get("components").and_then(|all| all.get("securitySchemes"));
        let mut alternatives = Vec::new();
        if !matches!(node.content, Content::Sequence(_)) {
            self.wrong(key, node, "the security requirements are a list; `[]` for none");
        }
        for item in node.items() {
            if !matches!(item.content, Content::Mapping(_)) {
                self.wrong(
                    key,
                    item,
                    "a security requirement names schemes, as `{scheme: [scope]}`",
                );
            }
            let mut scopes = Vec::new();
            for (scheme, needed) in item.entries() {
                if schemes.and_then(|schemes| schemes.get(&scheme.name)).is_none() {
                    let message = format!("there is no security scheme `{}`", scheme.name);
                    self.wrong(key, needed, message);
                }
                for scope in needed.items() {
                    match scope.text() {
                        Some(scope) => scopes.push(scope.to_owned()),
                        // Left out, it would open the operation to whoever has none.
                        None => self.wrong(key, scope, "a scope is written as text"),
                    }
                }
                if !matches!(needed.content, Content::Sequence(_)) {
                    self.wrong(key, needed, "the scopes of a scheme are a list; `[]` for none");
                }
            }
            alternatives.push(Requirement(scopes));
        }
        if alternatives.iter().any(|Requirement(scopes)| scopes.is_empty()) {
            alternatives.clear();
        }
        alternatives
    }

    fn check_ids(&mut self, operations: &[Operation]) {
        let mut seen = BTreeMap::new();
        for operation in operations {
            if let Some(other) = seen.insert(operation.id.as_str(), &operation.path) {
                let message = format!("`{}` is the operation of `{other}` already", operation.id);
                self.problems.push(operation.place.problem(self.file, self.text, message));
            }
        }
    }

    fn wrong(&mut self, key: &str, node: &Node, message: impl Into<String>) {
        let problem = Problem::new(self.file, key, message).at(self.text, heading(self.text, node));
        self.problems.push(problem);
    }
}

/// A mapping is shown by its first line.
fn heading(text: &str, node: &Node) -> Range<usize> {
    let rest = text.get(node.span.start..).unwrap_or_default();
    let line = rest.find('\n').unwrap_or(rest.len());
    node.span.start..node.span.start + line
}

/// OpenAPI §4.8.5: paths are appended to the server's URL; without servers it is `/`. A URL with variables
/// has no fixed path.
fn server_path(root: &Node) -> Option<String> {
    let Some(first) = root.get("servers").and_then(|servers| servers.items().first()) else {
        return Some(String::new());
    };
    let url = first.get("url").and_then(Node::text)?;
    if url.contains('{') {
        return None;
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default(),
        None => url,
    };
    Some(path.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
