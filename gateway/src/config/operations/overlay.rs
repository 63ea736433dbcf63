//! The overlay of an OpenAPI document: what policies are asked about each operation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scopes::ScopeRules;
use crate::config::named_ids::{AlsoFile, BodyIdsFile};
use crate::config::resource::ResourceFile;
use crate::config::route::{AnswerFile, BodyName, LogName, StreamName};
use crate::config::service::DeniedName;

/// The overlay of an OpenAPI document.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "the overlay of an OpenAPI document")]
pub(super) struct OverlayFile {
    /// How the document's scopes include each other.
    #[serde(default)]
    pub(super) scopes: ScopeRules,
    /// The Cedar type that a property of a request body names: `teamId = "Team"`, `teamIds = "Team"`.
    #[serde(default)]
    pub(super) ids: BTreeMap<String, String>,
    /// Parameters and properties that no operation is asked about, each with the reason, as `countryId`.
    #[serde(default)]
    pub(super) unchecked: BTreeMap<String, String>,
    /// What holds for an operation that does not say otherwise.
    #[serde(default)]
    pub(super) defaults: DefaultsFile,
    /// The operations, each by its `operationId`.
    pub(super) operations: BTreeMap<String, OperationFile>,
}

/// What holds for an operation that does not say otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "defaults")]
pub(super) struct DefaultsFile {
    /// How durable decision records are; `crash-safe` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<LogName>,
    /// How a denial looks; as the service says unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) denied: Option<DeniedName>,
    /// Largest request body; `[listen] body_bytes_max` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_099_511_627_776_i64))]
    pub(super) body_bytes_max: Option<u64>,
}

/// What policies are asked about an operation. Every key means what it means for a `[[route]]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "operation")]
pub(super) struct OperationFile {
    /// The Cedar action asked for.
    pub(super) action: String,
    /// The resource asked about.
    pub(super) resource: ResourceFile,
    /// What else the request names, and is asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) also: Vec<AlsoFile>,
    /// Properties of the body that hold ids, which the service compares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) body_ids: BTreeMap<String, BodyIdsFile>,
    /// Parameters of path and query, and properties of the body, that are asked about nowhere, each with the
    /// reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) unchecked: BTreeMap<String, String>,
    /// The scopes of which a client needs one, instead of what the document says. The rules of `[scopes]`
    /// apply to them too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Vec<String>>,
    /// How a denial looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) denied: Option<DeniedName>,
    /// How durable the decision record is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<LogName>,
    /// Lets the answer be a long stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<StreamName>,
    /// Whether a request body is taken. Absent: as the document describes one, and for `POST`, `PUT` and
    /// `PATCH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<BodyName>,
    /// Largest request body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_099_511_627_776_i64))]
    pub(super) body_bytes_max: Option<u64>,
    /// The quota that requests of one credential count against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quota: Option<String>,
    /// Lets the gateway answer, instead of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<AnswerFile>,
}
