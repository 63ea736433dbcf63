//! Makes a connection to an identity provider.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    BODY_BYTES_MAX, CONNECTIONS_MAX, ConnectionBody, ConnectionWritten, is_free, item, members_by,
    works,
};
use crate::admin::body::{JSON, parsed, wants_media_type, whole};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::CREATE_CONNECTION;
use crate::admin::problem::{FieldError, Problem};
use crate::audit::EventAction;
use crate::model::{ConnectionId, Secret};
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, StoredConnection};

/// A connection that is made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct NewConnectionBody {
    /// Its name in callbacks and identities: 1 to 63 of `a-z`, `0-9`, `-` and `_`.
    #[schema(example = "entra")]
    id: String,
    /// Shown on the sign-in page.
    #[schema(example = "Nordvolt staff")]
    display_name: String,
    /// The provider's issuer, letter for letter as its metadata says it.
    #[schema(example = "https://login.example.com/tenant")]
    issuer: String,
    /// The client id the provider gave.
    client_id: String,
    /// The client secret the provider gave. It is never shown.
    #[schema(write_only)]
    client_secret: String,
    /// Scopes asked for besides `openid`.
    #[serde(default)]
    scopes: Vec<String>,
    /// Whether people can sign in by it at once. It is tried out first.
    #[serde(default)]
    enabled: bool,
}

/// Make a connection
///
/// It starts disabled unless you say otherwise: try it out, then enable it.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/connections", operation_id = "createConnection", tag = "Connections",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = NewConnectionBody),
    responses((status = 201, body = ConnectionBody, description = "The connection; `Location` is where.")),
)]
pub(in crate::admin) async fn create_connection(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        wants_media_type(&parts.headers, &[JSON])?;
        let body = whole(body, BODY_BYTES_MAX).await?;
        let creation = creation(guarded, parsed(&body)?)?;
        if creation.stored.enabled {
            let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
            works(guarded, &ground, (&creation.stored, &creation.secret)).await?;
        }
        change(guarded, &body, &creation).await
    };
    door.guarded(&CREATE_CONNECTION, &parts, Some(&organisation), act).await
}

struct Creation {
    stored: StoredConnection,
    secret: Secret<String>,
}

fn creation(guarded: &Guarded<'_>, new: NewConnectionBody) -> Result<Creation, Problem> {
    let NewConnectionBody { id, display_name, issuer, client_id, client_secret, scopes, enabled } =
        new;
    let id = ConnectionId::parse(&id)
        .map_err(|error| Problem::invalid(&[FieldError::new("id", error.to_string())]))?;
    let client_secret = Some(client_secret);
    let written =
        ConnectionWritten { display_name, issuer, client_id, client_secret, scopes, enabled };
    written.check()?;
    let ConnectionWritten { display_name, issuer, client_id, client_secret, scopes, enabled } =
        written;
    let secret = Secret::new(client_secret.unwrap_or_default());
    let (ring, entropy) = guarded.desk.sealing();
    let place = (guarded.admitted.tenant(), &id);
    let sealed_secret = StoredConnection::seal_secret(ring, place, &secret, entropy)?;
    let now = guarded.desk.now();
    let (created, changed, secret_changed) = (now, now, now);
    let stored = StoredConnection {
        id,
        display_name,
        issuer,
        client_id,
        sealed_secret,
        scopes,
        enabled,
        created,
        changed,
        secret_changed,
    };
    Ok(Creation { stored, secret })
}

#[async_trait]
impl Change for Creation {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let (stored, tenant) = (&self.stored, guarded.admitted.tenant());
        let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
        let kept = super::stored(guarded, &stored.id).await?;
        if kept.is_some() || organisation.connection(&stored.id).is_some() {
            return Err(Problem::exists("there is a connection of this id"));
        }
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        let by = members_by(&members, &stored.id);
        if !by.is_empty() {
            // Left from a connection that is gone: another provider would say who they are.
            let by = by.join(", ");
            let detail = format!("members have identities at a connection of this id ({by})");
            return Err(Problem::in_use(detail));
        }
        if organisation.connections().count() >= CONNECTIONS_MAX {
            let detail = format!("an organisation has at most {CONNECTIONS_MAX} connections");
            return Err(Problem::exists(detail));
        }
        is_free(ground, stored)?;
        let connection = stored.without_secret(tenant);
        let shown = ConnectionBody::shown(ground, &connection, Some(stored));
        let mut answer = Answer::item(StatusCode::CREATED, shown.clone());
        answer.location = Some(format!("/v1/organisations/{tenant}/connections/{}", stored.id));
        let event = EventDraft {
            action: EventAction::Created,
            item: item(stored),
            parent: Some(organisation.root().clone()),
            before: None,
            after: Some(shown),
        };
        let write = ObjectWrite::put(Kind::Connection, stored.id.as_str(), stored)?;
        Ok(Plan::one(write, event, answer))
    }
}
