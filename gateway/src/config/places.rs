//! `[state]`, `[secrets]`, `[log]` and `[policy]`: the files and folders the gateway works with.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section::Section;

/// Where sessions, sign-ins under way and API keys are kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "state")]
pub(super) struct StateFile {
    /// The SQLite file. Its folder is made at first start.
    file: String,
}

/// Where the gateway's own secrets are kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "secrets")]
pub(super) struct SecretsFile {
    /// Folder with `pepper`, `seal-<id>.key` and `assertion-<unix seconds>.pem`. What is missing is
    /// made at first start, readable by the gateway's user alone. Back it up: without the pepper no
    /// API key works.
    directory: String,
}

/// Where the decision log is written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "log")]
pub(super) struct LogFile {
    /// Folder of the log; made at first start.
    directory: String,
}

/// Where schema, policies and organisations are read from. All are watched.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "policy")]
pub(super) struct PolicyFile {
    /// The Cedar schema.
    schema: String,
    /// Folder of the base policies: every `*.cedar` in it and below.
    policies: String,
    /// Folder of the organisations: one folder each.
    tenants: String,
}

impl Default for StateFile {
    fn default() -> Self {
        Self { file: "state/hubgate.sqlite".to_owned() }
    }
}

impl Default for SecretsFile {
    fn default() -> Self {
        Self { directory: "state/secrets".to_owned() }
    }
}

impl Default for LogFile {
    fn default() -> Self {
        Self { directory: "log".to_owned() }
    }
}

impl Default for PolicyFile {
    fn default() -> Self {
        Self {
            schema: "schemas/hub.cedarschema".to_owned(),
            policies: "policies".to_owned(),
            tenants: "tenants".to_owned(),
        }
    }
}

/// The places the gateway writes to. They need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The SQLite file.
    pub state_file: PathBuf,
    /// The folder of secrets.
    pub secrets_directory: PathBuf,
    /// The folder of the decision log.
    pub log_directory: PathBuf,
}

/// The places policies and organisations come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPlaces {
    /// The Cedar schema.
    pub schema: PathBuf,
    /// The folder of the base policies.
    pub policies: PathBuf,
    /// The folder of the organisations.
    pub tenants: PathBuf,
}

impl StateFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<PathBuf> {
        writable(section, "file", &self.file)
    }
}

impl SecretsFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<PathBuf> {
        writable(section, "directory", &self.directory)
    }
}

impl LogFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<PathBuf> {
        writable(section, "directory", &self.directory)
    }
}

impl PolicyFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<PolicyPlaces> {
        let schema = section.existing_file("schema", &self.schema);
        let policies = section.existing_directory("policies", &self.policies);
        let tenants = section.existing_directory("tenants", &self.tenants);
        Some(PolicyPlaces { schema: schema?, policies: policies?, tenants: tenants? })
    }
}

fn writable(section: &mut Section<'_>, key: &str, path: &str) -> Option<PathBuf> {
    if path.is_empty() {
        section.wrong(key, "must not be empty");
        return None;
    }
    Some(section.resolve(path))
}
