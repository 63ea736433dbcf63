//! E-mail domains as the administration API shows and takes them.
//!
//! A domain leads people to a connection and grants nothing. It does so once the organisation has shown by a record in
//! the DNS that the domain is its own (MT-08).

pub(super) mod change;
pub(super) mod create;
pub(super) mod list;
pub(super) mod remove;
pub(super) mod show;
pub(super) mod verify;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::event::timestamp;
use super::guard::Guarded;
use super::problem::{FieldError, Problem};
use crate::audit::Item;
use crate::model::ConnectionId;
use crate::pipeline::Ground;
use crate::store::{Kind, StoredDomain};

/// Most domains of an organisation: few companies have more than a dozen.
const DOMAINS_MAX: usize = 100;

/// Longest domain. RFC 1035 §2.3.4 allows 255; names of companies have a tenth of it.
const NAME_BYTES_MAX: usize = 128;

/// The label under which the proof stands. Its own, so that it is in nobody's way and can stay.
const LABEL: &str = "_hubgate-challenge";

/// What the proof begins with.
const PROOF: &str = "hubgate-domain-verification=";

/// An e-mail domain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DomainBody {
    /// The domain.
    #[schema(example = "nordvolt.example")]
    name: String,
    /// `pending`, or `verified`: its people are sent to the connection.
    status: &'static str,
    /// The connection its people sign in by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "entra")]
    connection: Option<String>,
    /// The record that proves it.
    record: RecordBody,
    /// When the proof was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<String>,
}

/// A record of the DNS.
#[derive(Debug, Serialize, ToSchema)]
struct RecordBody {
    /// Its name.
    #[schema(example = "_hubgate-challenge.nordvolt.example")]
    name: String,
    /// Its type, `TXT`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What it says.
    value: String,
}

impl DomainBody {
    /// A domain, as JSON.
    pub(super) fn shown(stored: &StoredDomain) -> Value {
        let (name, value) = record(stored);
        serde_json::json!(Self {
            name: stored.name.clone(),
            status: if stored.verified.is_some() { "verified" } else { "pending" },
            connection: stored.connection.as_ref().map(ToString::to_string),
            record: RecordBody { name, kind: "TXT", value },
            verified: stored.verified.map(timestamp),
        })
    }
}

/// Name and value of the record that proves a domain.
pub(super) fn record(stored: &StoredDomain) -> (String, String) {
    (format!("{LABEL}.{}", stored.name), format!("{PROOF}{}", stored.token))
}

/// A domain as it is kept: lower case, in ASCII. What is no domain of e-mail addresses is told why.
pub(super) fn domain_name(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    if !name.is_ascii() {
        return Err("write it in ASCII, as `xn--…`");
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let fits = name.len() <= NAME_BYTES_MAX
        && name.contains('.')
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(name) } else { Err("a domain is written as `example.com`") }
}

/// The domain of a path as it is kept.
pub(super) async fn found(guarded: &Guarded<'_>, text: &str) -> Result<StoredDomain, Problem> {
    let name = domain_name(text).map_err(|_| Problem::not_found())?;
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let found = objects.find(tenant, Kind::Domain, &name).await?;
    found.ok_or_else(Problem::not_found)
}

/// The connection that a domain shall lead to.
pub(super) fn leads_to(
    ground: &Ground<'_>,
    connection: Option<&str>,
) -> Result<Option<ConnectionId>, Problem> {
    let Some(text) = connection else { return Ok(None) };
    let id = ConnectionId::parse(text).ok();
    let id = id.filter(|id| ground.organisation().is_some_and(|it| it.connection(id).is_some()));
    let missing =
        || Problem::invalid(&[FieldError::new("connection", "there is no such connection")]);
    id.map(Some).ok_or_else(missing)
}

/// A domain, as events tell of it.
pub(super) fn item(stored: &StoredDomain) -> Item {
    Item { kind: "domain".to_owned(), id: stored.name.clone(), name: stored.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_domains_and_nothing_else() {
        assert_eq!(domain_name("Nordvolt.Example").unwrap(), "nordvolt.example");
        assert_eq!(domain_name("xn--bcher-kva.example").unwrap(), "xn--bcher-kva.example");
        let long = format!("{}.example", "a.".repeat(70));
        for wrong in [
            "",
            "example",
            ".example",
            "example.",
            "a..b",
            "-a.example",
            "a-.example",
            "a b.example",
            "a@b.example",
            "10.0.0.1",
            "bücher.example",
            "*.example",
            "_a.example",
            "a.example/",
            &long,
        ] {
            assert!(domain_name(wrong).is_err(), "{wrong}");
        }
    }
}
