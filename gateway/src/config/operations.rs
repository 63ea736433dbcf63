//! `[[service.operations]]`: the operations of an OpenAPI document as routes of a service.
//!
//! The document says which operations there are; an overlay beside it says what policies are asked about
//! each. Both must name the same operations: one that nothing maps is an error, not an open door or a 404.

mod import;
mod overlay;
mod scopes;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::route::host;
use super::section::Section;

pub use import::Unmapped;
pub(super) use import::{Import, Imported, unmapped};

/// The operations of an OpenAPI document, served as routes of this service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "service.operations")]
pub(super) struct OperationsFile {
    /// The OpenAPI 3 document, YAML or JSON. Of it are read: paths, methods, `operationId`, path
    /// parameters, security scopes, and whether there is a request body.
    document: String,
    /// The TOML file that gives each operation its action and resource: see `docs/operations/openapi.md`.
    overlay: String,
    /// The host the operations are served on, without port.
    host: String,
    /// Put before every path. Absent: the path of the document's first server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Put before every `operationId` to make the route's id, for a document that is served twice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id_prefix: String,
}

/// Where the operations of a service come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationsSettings {
    /// The OpenAPI document.
    pub document: PathBuf,
    /// The overlay.
    pub overlay: PathBuf,
    /// The host, in lower case.
    pub host: String,
    /// Put before every path; `None`: the path of the document's first server.
    pub prefix: Option<String>,
    /// Put before every operation's id.
    pub id_prefix: String,
}

impl OperationsFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<OperationsSettings> {
        let document = section.existing_file("document", &self.document);
        let overlay = section.existing_file("overlay", &self.overlay);
        let host = section.keep("host", host(&self.host));
        let fits = |prefix: &String| {
            prefix.is_empty() || (prefix.starts_with('/') && !prefix.ends_with('/'))
        };
        if let Some(prefix) = self.prefix.as_ref().filter(|prefix| !fits(prefix)) {
            let message = format!("`{prefix}` is no prefix: it begins with `/` and ends without");
            section.wrong("prefix", message);
        }
        Some(OperationsSettings {
            document: document?,
            overlay: overlay?,
            host: host?,
            prefix: self.prefix.clone(),
            id_prefix: self.id_prefix.clone(),
        })
    }
}
