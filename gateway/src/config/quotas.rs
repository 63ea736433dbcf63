//! `[[quota]]`: how much one credential may ask in each block of time.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section::Section;
use crate::limits::{Plan, Quota};
use crate::model::{KeyId, TenantId};

/// How much one credential may ask in each block of time. Services, routes and policies (`@quota`) name it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "quota")]
pub(super) struct QuotaFile {
    /// Its name, as answers tell it.
    name: String,
    /// Requests of one credential in each block; of one address, where nobody known asks.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    requests: u32,
    /// Seconds in a block. Blocks begin at multiples of it since 1970.
    #[schemars(range(min = 1, max = 86_400))]
    window_seconds: u32,
    /// Whether it bounds misuse and is no allowance: answers that were let in tell no numbers.
    #[serde(default)]
    fair_use: bool,
    /// Requests of each credential of these organisations, instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    organisations: BTreeMap<String, u32>,
    /// Requests of these API clients, by id, instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    clients: BTreeMap<String, u32>,
}

impl QuotaFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<Plan> {
        let name = section.keep("name", name(&self.name))?;
        let numbers = NonZeroU32::new(self.requests).zip(NonZeroU32::new(self.window_seconds));
        let (requests, window) = numbers?;
        let mut organisations = BTreeMap::new();
        for (id, requests) in &self.organisations {
            let id = section.keep("organisations", TenantId::parse(id));
            organisations.extend(id.zip(number(section, "organisations", *requests)));
        }
        let mut clients = BTreeMap::new();
        for (id, requests) in &self.clients {
            let id = section.keep("clients", KeyId::parse(id));
            clients.extend(id.zip(number(section, "clients", *requests)));
        }
        let quota = Quota { name, requests, window, fair_use: self.fair_use };
        Some(Plan { quota, organisations, clients })
    }
}

fn number(section: &mut Section<'_>, key: &str, requests: u32) -> Option<NonZeroU32> {
    let number = NonZeroU32::new(requests);
    if number.is_none() {
        section.wrong(key, "a quota lets at least one request in");
    }
    number
}

/// It stands in a structured field as a string (RFC 9651 §3.3.3), and in a key of the store.
fn name(text: &str) -> Result<Arc<str>, String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.is_empty() && text.len() <= 32 && text.bytes().all(allowed) {
        return Ok(Arc::from(text));
    }
    Err(format!("`{text}` is no name of a quota: 1 to 32 of a-z, 0-9 and `-`"))
}
