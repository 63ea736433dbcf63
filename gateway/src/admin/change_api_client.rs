//! Changes an API client: name, what it reaches, what it may be used for, whether it may.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::api_client::{
    ApiClientBody, ApiClientPatch, ApiClientWritten, about, about_giving, check, item, parent,
};
use super::body::{JSON, MERGE_PATCH, merge, parsed, wants_media_type, whole};
use super::change::{Answer, Change, EventDraft, Plan, change, wants_match};
use super::create_member::BODY_BYTES_MAX;
use super::desk::Held;
use super::guard::{Guarded, Questions, Shared};
use super::operation::CHANGE_API_CLIENT;
use super::problem::{Problem, ProblemBody};
use super::show_api_client::found;
use crate::audit::EventAction;
use crate::authn::ApiKey;
use crate::model::{ActionId, UnixNanos};
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite};

/// Change an API client
///
/// A merge patch (RFC 7396): what is left out stays, `null` takes away, a list is replaced whole. In force at once, with
/// the same secret.
#[utoipa::path(
    patch, path = "/v1/organisations/{organisation}/api-clients/{client}", operation_id = "changeApiClient", tag = "API clients",
    params(("organisation" = String, Path), ("client" = String, Path, description = "The client's id."),
        ("If-Match" = String, Header, description = "The `ETag` of what was shown, or `*`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = ApiClientPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ApiClientBody, description = "The client as it is now."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body did not come in time."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It was revoked."),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile."),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not a merge patch."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "The client cannot be taken; `errors` says which fields."),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`If-Match` is missing.")),
)]
pub(super) async fn change_api_client(
    State(door): Shared,
    Path((organisation, client)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        wants_media_type(&parts.headers, &[MERGE_PATCH, JSON])?;
        let body = whole(body, BODY_BYTES_MAX).await?;
        let found = found(&door, entered, &client).await?;
        asked(entered, manage, (found, body), door.desk().now())
    };
    let act = async |guarded: &Guarded<'_>, (moved, body): (Option<Moved>, Bytes)| {
        let moved = moved.ok_or_else(Problem::not_found)?;
        change(guarded, &body, &moved).await
    };
    door.asked(&CHANGE_API_CLIENT, (&parts, Some(&organisation)), ask, act).await
}

/// A key before and after, and the version it had before.
struct Moved {
    before: ApiKey,
    version: u64,
    after: ApiKey,
}

fn asked(
    entered: &Entered,
    manage: &ActionId,
    (found, body): (Option<(ApiKey, u64)>, Bytes),
    now: UnixNanos,
) -> Result<(Questions, (Option<Moved>, Bytes)), Problem> {
    let patch: Value = parsed(&body)?;
    if !patch.is_object() {
        return Err(Problem::bad("a merge patch of an API client is an object"));
    }
    // What is wrong with the patch is told alike, or it would tell what is there.
    let nobody = || ApiClientWritten { name: "nobody".to_owned(), ..ApiClientWritten::default() };
    let mut written =
        json!(found.as_ref().map_or_else(nobody, |(key, _)| ApiClientWritten::of(key)));
    merge(&mut written, patch.clone());
    let written: ApiClientWritten = serde_json::from_value(written)
        .map_err(|error| Problem::bad(format!("the body is not as described: {error}")))?;
    // A key that is over stays as it was; only a new end must lie ahead.
    let at = if patch.get("expires").is_some() { now } else { UnixNanos::default() };
    let mut wish = written.wish(entered.tenant(), at)?;
    let Some((before, version)) = found else {
        return Ok((about(entered, manage, &[]), (None, body)));
    };
    if patch.get("expires").is_none() {
        // It is shown in milliseconds, and stays what it is.
        wish.expires = before.expires;
    }
    let mut questions = about(entered, manage, &before.roles);
    // What stays was given before; but a key that is let in again, for longer, or from
    // elsewhere, is given all it has.
    let longer = wish.expires.is_none_or(|end| before.expires.is_some_and(|was| end > was));
    let wider = !before.networks.is_empty() && !within(&wish.networks, &before.networks);
    let again =
        (before.disabled && !written.disabled) || (before.expires.is_some() && longer) || wider;
    let mut roles = wish.roles.clone();
    let mut scopes = wish.scopes.clone();
    if !again {
        roles.retain(|role| !before.roles.contains(role));
        scopes.retain(|scope| !before.scopes.contains(scope));
    }
    if again || !roles.is_empty() || !scopes.is_empty() {
        questions.extend(about_giving(entered, manage, (&roles, &scopes))?);
    }
    questions.sort_unstable();
    questions.dedup();
    let after = ApiKey {
        name: wish.name,
        roles: wish.roles,
        scopes: wish.scopes,
        expires: wish.expires,
        networks: wish.networks,
        disabled: written.disabled,
        ..before.clone()
    };
    Ok((questions, (Some(Moved { before, version, after }), body)))
}

/// Whether everything in `networks` lies in `others`; no networks are all there are.
fn within(networks: &[IpNet], others: &[IpNet]) -> bool {
    let lies = |network: &IpNet| others.iter().any(|other| other.contains(network));
    !networks.is_empty() && networks.iter().all(lies)
}

#[async_trait]
impl Change for Moved {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let Self { before, version, after } = self;
        let (desk, now) = (guarded.desk, guarded.desk.now());
        let kept = desk.keys().kept(guarded.admitted.tenant(), &before.id).await?;
        let (found, at) = kept.ok_or_else(Problem::not_found)?;
        wants_match(guarded.headers, &ApiClientBody::shown(&found, now))?;
        if at != *version {
            // What was decided was a change of something else.
            return Err(Problem::overtaken());
        }
        if before.revoked.is_some() {
            return Err(Problem::revoked_client());
        }
        let only_disabled = ApiKey { disabled: true, ..before.clone() };
        if before.emergency
            && ApiClientBody::shown(after, now) != ApiClientBody::shown(&only_disabled, now)
        {
            return Err(Problem::of_an_emergency());
        }
        check(ground, &after.roles, &before.roles)?;
        let (old, new) = (ApiClientBody::shown(before, now), ApiClientBody::shown(after, now));
        let answer = Answer::item(StatusCode::OK, new.clone());
        if old == new {
            return Ok(Plan::nothing(answer));
        }
        let after = ApiKey { changed: Some(now), ..after.clone() };
        let write = ObjectWrite::put(Kind::ApiKey, after.id.as_str(), &after)?;
        let event = EventDraft {
            action: EventAction::Updated,
            item: item(&after),
            parent: parent(&after).or_else(|| parent(before)),
            before: Some(old),
            after: Some(new),
        };
        let held = Held::Key(before.id.clone());
        Ok(Plan::one(write.beside().over(Some(*version)), event, answer).forgetting(held))
    }
}
