//! The operations of the demo's API documents.
//!
//! Read line by line: the two documents are ours and written in one way. A test counts them, so that a change
//! of that way is noticed here.

use http::{Method, StatusCode};

/// The documents, which the gateway reads too.
const DOCUMENTS: [&str; 2] = [
    include_str!("../../../../schemas/partner-api.openapi.yaml"),
    include_str!("../../../../schemas/hub-portal.openapi.yaml"),
];

/// Every path of both documents begins so.
const PREFIX: &str = "/api/v1";

/// An operation: what it answers with when it succeeds.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// `operationId`.
    pub(super) id: String,
    /// What it does, in a few words.
    pub(super) summary: String,
    /// The status of success.
    pub(super) success: StatusCode,
    method: Method,
    segments: Vec<String>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Operations(Vec<Operation>);

impl Operations {
    pub(super) fn of_the_documents() -> Self {
        Self(DOCUMENTS.iter().flat_map(|text| read(text)).collect())
    }

    /// The operation a request means; a path with fewer parameters is meant before one with more.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<&Operation> {
        let path: Vec<&str> = path.strip_prefix(PREFIX)?.split('/').collect();
        let matching = self.0.iter().filter(|operation| operation.matches(method, &path));
        matching.min_by_key(|operation| operation.parameters())
    }
}

impl Operation {
    fn matches(&self, method: &Method, path: &[&str]) -> bool {
        let same = |(template, segment): (&String, &&str)| {
            template.starts_with('{') && !segment.is_empty() || template == segment
        };
        self.method == *method
            && self.segments.len() == path.len()
            && self.segments.iter().zip(path).all(same)
    }

    fn parameters(&self) -> usize {
        self.segments.iter().filter(|segment| segment.starts_with('{')).count()
    }
}

fn read(document: &str) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut segments: Vec<String> = Vec::new();
    let mut method = None;
    for line in document.lines() {
        let depth = line.len() - line.trim_start().len();
        let text = line.trim();
        let key = text.strip_suffix(':');
        match (depth, key) {
            (2, Some(path)) if path.starts_with('/') => {
                segments = path.split('/').map(String::from).collect();
            }
            (4, Some(name)) => method = name.to_uppercase().parse().ok(),
            _ => {}
        }
        if let (Some(id), Some(method)) = (text.strip_prefix("operationId: "), method.clone()) {
            let segments = segments.clone();
            let (id, summary) = (String::from(id), String::new());
            let success = StatusCode::OK;
            operations.push(Operation { id, summary, success, method, segments });
        }
        let Some(last) = operations.last_mut() else { continue };
        if let (6, Some(summary)) = (depth, text.strip_prefix("summary: ")) {
            last.summary = summary.trim_matches('\'').into();
        }
        let status = text.strip_prefix("'2").and_then(|rest| rest.get(..2));
        if let (8, Some(status)) = (depth, status) {
            last.success = format!("2{status}").parse().unwrap_or(StatusCode::OK);
        }
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_both_documents_is_read() {
        let counts = DOCUMENTS.map(|text| read(text).len());
        assert_eq!(counts, [188, DOCUMENTS[1].matches("operationId: ").count()]);
        let operations = Operations::of_the_documents();
        assert!(operations.0.iter().all(|operation| !operation.summary.is_empty()));
    }

    #[test]
    fn a_literal_path_is_meant_before_a_parameter() {
        let operations = Operations::of_the_documents();
        let found = |method: Method, path| {
            let operation = operations.find(&method, path)?;
            Some((operation.id.as_str(), operation.success.as_u16()))
        };
        let map = found(Method::GET, "/api/v1/charge-points/map");
        assert_eq!(map, Some(("get-charge-point-map", 200)));
        let one = found(Method::DELETE, "/api/v1/charge-points/cp-1");
        assert_eq!(one, Some(("delete-charge-point", 204)));
        assert_eq!(found(Method::POST, "/api/v1/sites"), Some(("post-site", 201)));
        assert_eq!(found(Method::GET, "/api/v1/charge-points/"), None);
    }
}
