//! Connections to identity providers as the administration API shows and takes them.
//!
//! A client secret is written and never read: an answer says when it was last changed. Whoever may change a connection
//! decides who signs in as whom, so all of it is decided on the main account.

pub(super) mod change;
pub(super) mod create;
pub(super) mod list;
pub(super) mod remove;
pub(super) mod show;
pub(super) mod try_out;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::event::timestamp;
use super::guard::Guarded;
use super::problem::{FieldError, Problem};
use crate::audit::Item;
use crate::directory::Members;
use crate::model::{Connection, ConnectionId, Secret};
use crate::oidc::{Step, StepEnd};
use crate::pipeline::{Ground, callback_path};
use crate::store::{Kind, StoredConnection};

/// Largest body: all fields at their longest have a quarter of it.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Most connections the administration API keeps of an organisation: one a company in it, with room.
const CONNECTIONS_MAX: usize = 32;

/// Longest name shown to people, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// Longest issuer: those seen in the field have up to 120 characters.
const ISSUER_BYTES_MAX: usize = 512;

/// Longest client id and secret.
const CLIENT_BYTES_MAX: usize = 1_024;

/// Most scopes, and the longest one.
const SCOPES_MAX: (usize, usize) = (16, 128);

/// What can be written of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionWritten {
    /// Shown on the sign-in page.
    #[schema(example = "Nordvolt staff")]
    pub(super) display_name: String,
    /// The provider's issuer, letter for letter as its metadata says it.
    #[schema(example = "https://login.example.com/tenant")]
    pub(super) issuer: String,
    /// The client id the provider gave.
    pub(super) client_id: String,
    /// The client secret the provider gave. It is never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub(super) client_secret: Option<String>,
    /// Scopes asked for besides `openid`.
    #[serde(default)]
    #[schema(example = json!(["profile", "email"]))]
    pub(super) scopes: Vec<String>,
    /// Whether people can sign in by it. It is tried out before it is enabled.
    #[serde(default)]
    pub(super) enabled: bool,
}

/// What changes of a connection: what is left out stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what a merge patch of `ConnectionWritten` may say")]
pub(super) struct ConnectionPatch {
    /// Shown on the sign-in page.
    display_name: Option<String>,
    /// The provider's issuer; it stays, once members sign in by it.
    issuer: Option<String>,
    /// The client id the provider gave.
    client_id: Option<String>,
    /// Another client secret.
    #[schema(write_only)]
    client_secret: Option<String>,
    /// Scopes asked for besides `openid`; the list is replaced whole.
    scopes: Option<Vec<String>>,
    /// Whether people can sign in by it.
    enabled: Option<bool>,
}

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionBody {
    /// Its name in callbacks and identities.
    #[schema(example = "entra")]
    id: String,
    /// Shown on the sign-in page.
    display_name: String,
    /// The provider's issuer.
    issuer: String,
    /// The client id the provider gave.
    client_id: String,
    /// When the client secret was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_changed: Option<String>,
    /// Scopes asked for besides `openid`.
    scopes: Vec<String>,
    /// Whether people can sign in by it.
    enabled: bool,
    /// The verified e-mail domains whose people are sent there.
    email_domains: Vec<String>,
    /// What the provider must be told to send people back to: one for each host they come by.
    redirect_uris: Vec<String>,
    /// Where it is changed: `file` or `api`.
    source: &'static str,
}

/// A step of trying a connection out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepBody {
    /// What was tried: `metadata`, `issuer`, `endpoints`, `keys`, `algorithms`, `client`.
    #[schema(example = "client")]
    step: &'static str,
    /// `passed`, `failed` or `unknown`.
    result: &'static str,
    /// What was found.
    detail: String,
    /// The field that is wrong, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "client_secret")]
    field: Option<&'static str>,
}

impl ConnectionBody {
    /// A connection in force, as JSON; `stored` is what the administration API keeps of it.
    pub(super) fn shown(
        ground: &Ground<'_>,
        connection: &Connection,
        stored: Option<&StoredConnection>,
    ) -> Value {
        let path = callback_path(&connection.key);
        let hosts = ground.sign_in_hosts();
        serde_json::json!(Self {
            id: connection.key.id.to_string(),
            display_name: connection.display_name.clone(),
            issuer: connection.issuer.clone(),
            client_id: connection.client_id.clone(),
            client_secret_changed: stored.map(|stored| timestamp(stored.secret_changed)),
            scopes: connection.scopes.clone(),
            enabled: connection.enabled,
            email_domains: connection.email_domains.clone(),
            redirect_uris: hosts.iter().map(|host| format!("https://{host}{path}")).collect(),
            source: if stored.is_some() { "api" } else { "file" },
        })
    }
}

impl StepBody {
    pub(super) fn of(step: &Step) -> Self {
        let result = match step.end {
            StepEnd::Passed => "passed",
            StepEnd::Failed => "failed",
            StepEnd::Unknown => "unknown",
        };
        Self { step: step.name, result, detail: step.detail.clone(), field: step.field }
    }
}

impl ConnectionWritten {
    /// What a connection would be written as; nothing is told of its secret.
    pub(super) fn of(stored: &StoredConnection) -> Self {
        Self {
            display_name: stored.display_name.clone(),
            issuer: stored.issuer.clone(),
            client_id: stored.client_id.clone(),
            client_secret: None,
            scopes: stored.scopes.clone(),
            enabled: stored.enabled,
        }
    }

    /// Refuses what cannot be a connection, as far as that can be told from it alone.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, reason: &str| errors.push(FieldError::new(field, reason));
        let is_shown = |text: &str| !text.chars().any(char::is_control);
        if !(1..=NAME_BYTES_MAX).contains(&self.display_name.len()) || !is_shown(&self.display_name)
        {
            wrong("display_name", "1 to 100 bytes of text");
        }
        // OpenID Connect Discovery 1.0 §3.
        let is_issuer = self.issuer.starts_with("https://")
            && self.issuer.len() <= ISSUER_BYTES_MAX
            && self.issuer.bytes().all(|byte| byte.is_ascii_graphic())
            && !self.issuer.contains(['?', '#']);
        if !is_issuer {
            wrong("issuer", "an issuer is an `https` address without query or fragment");
        }
        let fits = |text: &str| {
            (1..=CLIENT_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
        };
        if !fits(&self.client_id) {
            wrong("client_id", "1 to 1,024 visible characters");
        }
        if self.client_secret.as_deref().is_some_and(|secret| !fits(secret)) {
            wrong("client_secret", "1 to 1,024 visible characters");
        }
        // RFC 6749 §3.3.
        let is_scope = |scope: &String| {
            (1..=SCOPES_MAX.1).contains(&scope.len())
                && scope
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
        };
        if self.scopes.len() > SCOPES_MAX.0 || !self.scopes.iter().all(is_scope) {
            wrong("scopes", "at most 16 scopes without spaces and quotes");
        }
        if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&errors)) }
    }
}

/// What is kept of a connection of the path; nothing for one that stands in the files.
pub(super) async fn stored(
    guarded: &Guarded<'_>,
    id: &ConnectionId,
) -> Result<Option<StoredConnection>, Problem> {
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    Ok(objects.find(tenant, Kind::Connection, id.as_str()).await?)
}

/// The id in a path. One that can be none is nobody's.
pub(super) fn connection_id(text: &str) -> Result<ConnectionId, Problem> {
    ConnectionId::parse(text).map_err(|_| Problem::not_found())
}

/// Refuses a client that another organisation has registered with the same provider: what it says of its people would
/// count here as well (MT-04).
pub(super) fn is_free(ground: &Ground<'_>, stored: &StoredConnection) -> Result<(), Problem> {
    if ground.registered_elsewhere(&stored.issuer, &stored.client_id) {
        let reason = "another organisation signs its people in by this client";
        return Err(Problem::invalid(&[FieldError::new("client_id", reason)]));
    }
    Ok(())
}

/// Tries a connection out before it is enabled.
pub(super) async fn works(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    (stored, secret): (&StoredConnection, &Secret<String>),
) -> Result<(), Problem> {
    let connection = stored.without_secret(guarded.admitted.tenant());
    let connection = Connection { client_secret: secret.clone(), ..connection };
    let steps = tried(guarded, ground, &connection).await;
    let failed = steps.iter().find(|step| step.end == StepEnd::Failed);
    let Some(failed) = failed else { return Ok(()) };
    let told: Vec<_> = steps.iter().map(StepBody::of).collect();
    Err(Problem::fails(failed.field, &failed.detail).with("steps", serde_json::json!(told)))
}

/// Tries a connection out, whatever comes of it.
pub(super) async fn tried(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    connection: &Connection,
) -> Vec<Step> {
    let host = ground.sign_in_hosts().into_iter().next().unwrap_or_default();
    let redirect_uri = format!("https://{host}{}", callback_path(&connection.key));
    guarded.desk.relying_party().diagnose(connection, &redirect_uri).await
}

/// The members who sign in by a connection, at most as many as a message names.
pub(super) fn members_by(members: &Members, id: &ConnectionId) -> Vec<String> {
    const NAMED_MAX: usize = 5;
    let by = members.iter().filter(|it| it.identities.iter().any(|it| it.connection == *id));
    by.take(NAMED_MAX).map(|member| member.id.to_string()).collect()
}

/// A connection, as events tell of it.
pub(super) fn item(stored: &StoredConnection) -> Item {
    Item {
        kind: "connection".to_owned(),
        id: stored.id.to_string(),
        name: stored.display_name.clone(),
    }
}
