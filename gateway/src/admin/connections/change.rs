//! Changes a connection: what it is called, its client, whether people can sign in by it.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{
    BODY_BYTES_MAX, ConnectionBody, ConnectionWritten, connection_id, is_free, item, members_by,
    stored, works,
};
use crate::admin::body::{JSON, MERGE_PATCH, merge, parsed, wants_media_type, whole};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change, wants_match};
use crate::admin::change_member::keeps_somebody;
use crate::admin::diff::with_secret;
use crate::admin::end_sessions::end_where;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::CHANGE_CONNECTION;
use crate::admin::problem::{FieldError, Problem};
use crate::audit::EventAction;
use crate::model::{Connection, ConnectionId, Secret, Source, TenantId};
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, SessionNote, StoredConnection};

/// Change a connection
///
/// A merge patch (RFC 7396): what is left out stays. It is tried out before it is enabled, and when an enabled one is
/// given another issuer, client or secret. A disabled one ends every session by it.
#[utoipa::path(
    patch, path = "/v1/organisations/{organisation}/connections/{connection}", operation_id = "changeConnection", tag = "Connections",
    params(("organisation" = String, Path), ("connection" = String, Path, description = "The connection's id."),
        ("If-Match" = String, Header, description = "The `ETag` of what was shown, or `*`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = super::ConnectionPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ConnectionBody, description = "The connection as it is now.")),
)]
pub(in crate::admin) async fn change_connection(
    State(door): Shared,
    Path((organisation, connection)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        wants_media_type(&parts.headers, &[MERGE_PATCH, JSON])?;
        let body = whole(body, BODY_BYTES_MAX).await?;
        let id = connection_id(&connection)?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let before = found(guarded, &ground, &id).await?;
        let (moved, secret) = moved(guarded, before, parsed(&body)?)?;
        // Before anything is sent anywhere.
        moved.fits(guarded, &ground).await?;
        if moved.must_work() {
            works(guarded, &ground, (&moved.after, &secret)).await?;
        }
        change(guarded, &body, &moved).await
    };
    door.guarded(&CHANGE_CONNECTION, &parts, Some(&organisation), act).await
}

/// The connection as it is kept; one of the files is changed there.
pub(super) async fn found(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    id: &ConnectionId,
) -> Result<StoredConnection, Problem> {
    if let Some(stored) = stored(guarded, id).await? {
        return Ok(stored);
    }
    let in_files = ground.organisation().is_some_and(|it| it.connection(id).is_some());
    Err(if in_files { Problem::owned_by(Source::File) } else { Problem::not_found() })
}

/// A connection before and after.
struct Moved {
    before: StoredConnection,
    after: StoredConnection,
    other_secret: bool,
}

impl Moved {
    /// Whether it may be changed so, as far as that can be told without asking the provider.
    async fn fits(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<(), Problem> {
        let Self { before, after, .. } = self;
        let found = stored(guarded, &before.id).await?.ok_or_else(Problem::not_found)?;
        wants_match(guarded.headers, &shown(ground, guarded.admitted.tenant(), &found))?;
        if found != *before {
            return Err(Problem::overtaken());
        }
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        let by = members_by(&members, &before.id);
        if before.issuer != after.issuer && !by.is_empty() {
            let reason = format!(
                "members sign in by it ({}): another provider is another connection",
                by.join(", ")
            );
            return Err(Problem::invalid(&[FieldError::new("issuer", reason)]));
        }
        is_free(ground, after)
    }

    /// Whether people would sign in by something that was not tried yet.
    fn must_work(&self) -> bool {
        let Self { before, after, other_secret } = self;
        let other = before.issuer != after.issuer || before.client_id != after.client_id;
        after.enabled && (!before.enabled || other || *other_secret)
    }
}

fn moved(
    guarded: &Guarded<'_>,
    before: StoredConnection,
    patch: Value,
) -> Result<(Moved, Secret<String>), Problem> {
    if !patch.is_object() {
        return Err(Problem::bad("a merge patch of a connection is an object"));
    }
    let mut written = json!(ConnectionWritten::of(&before));
    merge(&mut written, patch);
    let written: ConnectionWritten = serde_json::from_value(written)
        .map_err(|error| Problem::bad(format!("the body is not as described: {error}")))?;
    written.check()?;
    let tenant = guarded.admitted.tenant();
    let (ring, entropy) = guarded.desk.sealing();
    let now = guarded.desk.now();
    let mut after = StoredConnection {
        display_name: written.display_name,
        issuer: written.issuer,
        client_id: written.client_id,
        scopes: written.scopes,
        enabled: written.enabled,
        ..before.clone()
    };
    let other_secret = written.client_secret.is_some();
    if after.issuer != before.issuer && !other_secret {
        // The secret of one provider is not for another one's ears.
        let reason = "another issuer has another client: give its secret";
        return Err(Problem::invalid(&[FieldError::new("client_secret", reason)]));
    }
    let secret = match written.client_secret {
        // One that is not tried out needs no secret, and may have one that cannot be read any more.
        None if !after.enabled => Secret::new(String::new()),
        None => before.opened(ring, tenant)?.client_secret,
        Some(secret) => {
            let secret = Secret::new(secret);
            let place = (tenant, &before.id);
            after.sealed_secret = StoredConnection::seal_secret(ring, place, &secret, entropy)?;
            after.secret_changed = now;
            secret
        }
    };
    if after != before {
        after.changed = now;
    }
    Ok((Moved { before, after, other_secret }, secret))
}

#[async_trait]
impl Change for Moved {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let Self { before, after, other_secret } = self;
        let tenant = guarded.admitted.tenant();
        let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
        self.fits(guarded, ground).await?;
        let shown = |stored| shown(ground, tenant, stored);
        let (old, new) = (shown(before), shown(after));
        let answer = Answer::item(StatusCode::OK, new.clone());
        if after == before {
            return Ok(Plan::nothing(answer));
        }
        let ends = before.enabled && !after.enabled;
        if ends {
            let members = ground.members().await.map_err(|_| Problem::not_done())?;
            let changed = Some(after.without_secret(tenant));
            let changed = organisation.with_connection(&before.id, changed);
            keeps_somebody(ground, &members, (&changed, &members))?;
        }
        let (old, new) = if *other_secret {
            (with_secret(old, "(the secret before)"), with_secret(new, "(another secret)"))
        } else {
            (old, new)
        };
        let event = EventDraft {
            action: EventAction::Updated,
            item: item(after),
            parent: Some(organisation.root().clone()),
            before: Some(old),
            after: Some(new),
        };
        let write = ObjectWrite::put(Kind::Connection, after.id.as_str(), after)?;
        let mut plan = Plan::one(write, event, answer);
        if ends {
            // For good: enabled again, people sign in again.
            let by = |note: &SessionNote| note.person.connection == before.id;
            end_where(guarded, ground, &by, &mut plan).await?;
        }
        Ok(plan)
    }
}

/// A connection as it would be shown with the domains that lead to it now.
fn shown(ground: &Ground<'_>, tenant: &TenantId, stored: &StoredConnection) -> Value {
    let in_force = ground.organisation().and_then(|it| it.connection(&stored.id));
    let email_domains = in_force.map(|it| it.email_domains.clone()).unwrap_or_default();
    let connection = Connection { email_domains, ..stored.without_secret(tenant) };
    ConnectionBody::shown(ground, &connection, Some(stored))
}
