//! Gives an API client another secret, and shows it once.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::api_client::{ApiClientBody, IssuedApiClientBody, about_giving, item, parent};
use super::body::sent;
use super::change::{Answer, Change, EventDraft, Plan, change};
use super::create_member::BODY_BYTES_MAX;
use super::desk::Held;
use super::diff::with_secret;
use super::guard::{Guarded, Shared};
use super::operation::ROTATE_API_CLIENT;
use super::problem::{FieldError, Problem, ProblemBody};
use super::show_api_client::found;
use crate::audit::EventAction;
use crate::authn::ApiKey;
use crate::model::{ActionId, MemberId};
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite};

/// Longest time both secrets count: a week, in which every program can be given the new one.
const OVERLAP_MAX: u64 = 7 * 24 * 3_600;

/// How a secret is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotationBody {
    /// How long the present secret counts beside the new one, in seconds, at most a week; a day unless given.
    #[serde(default = "day")]
    #[schema(example = 86400)]
    overlap_seconds: u64,
}

const fn day() -> u64 {
    24 * 3_600
}

/// Give an API client another secret
///
/// The new key is shown in this answer and never again. Of the secrets before it, only the last counts on.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/api-clients/{client}/rotate", operation_id = "rotateApiClient", tag = "API clients",
    params(("organisation" = String, Path), ("client" = String, Path, description = "The client's id."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = RotationBody),
    responses((status = 200, body = IssuedApiClientBody, description = "The client with its new key."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body did not come in time."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It was revoked."),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not JSON."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "The overlap is too long.")),
)]
pub(super) async fn rotate_api_client(
    State(door): Shared,
    Path((organisation, client)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        let (body, RotationBody { overlap_seconds }) =
            sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        if overlap_seconds > OVERLAP_MAX {
            let reason = format!("at most {OVERLAP_MAX} seconds");
            return Err(Problem::invalid(&[FieldError::new("overlap_seconds", reason)]));
        }
        let found = found(&door, entered, &client).await?;
        let overlap = Duration::from_secs(overlap_seconds);
        // Whoever is shown the secret can do what the key can.
        let key = found.as_ref().map(|(key, _)| key);
        let roles = key.map(|key| &key.roles[..]).unwrap_or_default();
        let scopes = key.map(|key| &key.scopes[..]).unwrap_or_default();
        let questions = about_giving(entered, manage, (roles, scopes))?;
        Ok((questions, (found, overlap, body)))
    };
    let act = async |guarded: &Guarded<'_>, (found, overlap, body): (Found, Duration, Bytes)| {
        let (key, version) = found.ok_or_else(Problem::not_found)?;
        change(guarded, &body, &Rotation { key, version, overlap }).await
    };
    door.asked(&ROTATE_API_CLIENT, (&parts, Some(&organisation)), ask, act).await
}

type Found = Option<(ApiKey, u64)>;

struct Rotation {
    key: ApiKey,
    version: u64,
    overlap: Duration,
}

#[async_trait]
impl Change for Rotation {
    async fn plan(&self, guarded: &Guarded<'_>, _: &Ground<'_>) -> Result<Plan, Problem> {
        let (desk, now) = (guarded.desk, guarded.desk.now());
        let kept = desk.keys().kept(guarded.admitted.tenant(), &self.key.id).await?;
        let (found, at) = kept.ok_or_else(Problem::not_found)?;
        if found.revoked.is_some() {
            return Err(Problem::revoked_client());
        }
        if found.emergency {
            return Err(Problem::of_an_emergency());
        }
        if at != self.version {
            // What was decided was another key's rotation.
            return Err(Problem::overtaken());
        }
        let issued = self.key.rotated(self.overlap, desk.issuing(), now);
        let mut issued = issued.map_err(|_| Problem::not_done())?;
        issued.key.people = both(&self.key.people, &guarded.admitted.people());
        let (old, new) =
            (ApiClientBody::shown(&self.key, now), ApiClientBody::shown(&issued.key, now));
        let mut answer = Answer::item(StatusCode::OK, new.clone());
        let write = ObjectWrite::put(Kind::ApiKey, self.key.id.as_str(), &issued.key)?;
        let event = EventDraft {
            action: EventAction::Updated,
            item: item(&self.key),
            parent: parent(&self.key),
            before: Some(with_secret(old, "(the secret before)")),
            after: Some(with_secret(new, "(another secret)")),
        };
        answer.once = Some(("token", issued.token));
        let held = Held::Key(self.key.id.clone());
        Ok(Plan::one(write.beside().over(Some(self.version)), event, answer).forgetting(held))
    }
}

/// Everybody who knows a secret: nobody knows who that is where it is not known of some.
fn both(before: &[MemberId], now: &[MemberId]) -> Vec<MemberId> {
    if before.is_empty() || now.is_empty() {
        return Vec::new();
    }
    let mut all = [before, now].concat();
    all.sort_unstable();
    all.dedup();
    all
}
