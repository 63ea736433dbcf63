//! `[platform]`: who runs the platform itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section::Section;
use crate::model::TenantId;

/// Who runs the platform itself: sees every organisation, suspends one, looks into the decision log.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "platform")]
pub(super) struct PlatformFile {
    /// The organisation whose administrators and API clients do so, by the policies of `policies/admin`. Without
    /// it nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
}

impl PlatformFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<TenantId> {
        let text = self.organisation.as_deref()?;
        match TenantId::parse(text) {
            Ok(tenant) => Some(tenant),
            Err(error) => {
                section.wrong("organisation", error.to_string());
                None
            }
        }
    }
}
