//! Makes an API client, and shows its secret once.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode};

use super::api_client::{
    ApiClientBody, ApiClientWritten, IssuedApiClientBody, about_giving, check, item, parent,
};
use super::body::sent;
use super::change::{Answer, Change, EventDraft, Plan, change};
use super::create_member::BODY_BYTES_MAX;
use super::desk::Held;
use super::guard::{Guarded, Questions, Shared};
use super::operation::CREATE_API_CLIENT;
use super::problem::{FieldError, Problem, ProblemBody};
use crate::audit::EventAction;
use crate::authn::{ApiKey, NewApiKey};
use crate::model::{ActionId, KeyId, UnixNanos};
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite};

/// Make an API client
///
/// Its key is shown in this answer and never again, not even to the same request sent again.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/api-clients", operation_id = "createApiClient", tag = "API clients",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = ApiClientWritten),
    responses((status = 201, body = IssuedApiClientBody, description = "The client with its key; `Location` is where."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body did not come in time."),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not JSON."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "The client cannot be taken; `errors` says which fields.")),
)]
pub(super) async fn create_api_client(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        let (body, written): (_, ApiClientWritten) =
            sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let wish = written.wish(entered.tenant(), door.desk().now())?;
        if entered.is_bootstrap() {
            stands_alone(&written, &wish, door.desk().now())?;
        }
        let questions: Questions = about_giving(entered, manage, (&wish.roles, &wish.scopes))?;
        Ok((questions, (wish, written.disabled, body)))
    };
    let act = async |guarded: &Guarded<'_>, (wish, disabled, body): (NewApiKey, bool, Bytes)| {
        change(guarded, &body, &Creation { wish, disabled }).await
    };
    door.asked(&CREATE_API_CLIENT, (&parts, Some(&organisation)), ask, act).await
}

struct Creation {
    wish: NewApiKey,
    disabled: bool,
}

#[async_trait]
impl Change for Creation {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        check(ground, &self.wish.roles, &[])?;
        let (desk, now) = (guarded.desk, guarded.desk.now());
        let (pepper, entropy) = desk.issuing();
        let issued = self.wish.clone().issue(pepper, entropy, now);
        let mut issued = issued.map_err(|_| Problem::not_done())?;
        issued.key.disabled = self.disabled;
        issued.key.people = guarded.admitted.people();
        let key = &issued.key;
        if !desk.keys().claim(key).await? {
            // Sixty random bits met twice: the client tries again.
            return Err(Problem::overtaken());
        }
        let shown = ApiClientBody::shown(key, now);
        let mut answer = Answer::item(StatusCode::CREATED, shown.clone());
        let tenant = guarded.admitted.tenant();
        answer.location = Some(format!("/v1/organisations/{tenant}/api-clients/{}", key.id));
        let write = ObjectWrite::put(Kind::ApiKey, key.id.as_str(), key)?.beside().over(None);
        let event = EventDraft {
            action: EventAction::Created,
            item: item(key),
            parent: parent(key),
            before: None,
            after: Some(shown),
        };
        answer.once = Some(("token", issued.token));
        let held = Held::Key(key.id.clone());
        let mut plan = Plan::one(write, event, answer).forgetting(held);
        if let Some(id) = guarded.admitted.bootstrap() {
            replaced(guarded, id, &mut plan).await?;
        }
        Ok(plan)
    }
}

/// Shortest life of what takes the place of the bootstrap key: time to make the next one.
const REPLACEMENT_MIN: Duration = Duration::from_hours(24);

/// Refuses a replacement of the bootstrap key that could not make others: nobody would be left to.
fn stands_alone(
    written: &ApiClientWritten,
    wish: &NewApiKey,
    now: UnixNanos,
) -> Result<(), Problem> {
    let mut errors = Vec::new();
    if written.disabled {
        errors.push(FieldError::new("disabled", "it takes the place of the bootstrap key"));
    }
    if !CREATE_API_CLIENT.scopes.iter().any(|scope| wish.scopes.iter().any(|it| it == scope)) {
        let reason =
            format!("it needs `{}` to make others", CREATE_API_CLIENT.scopes.join("` or `"));
        errors.push(FieldError::new("scopes", reason));
    }
    if wish.expires.is_some_and(|end| end < now.plus(REPLACEMENT_MIN)) {
        errors.push(FieldError::new("expires", "it lives for a day at least"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&errors)) }
}

/// Ends the bootstrap key whose place was taken.
async fn replaced(guarded: &Guarded<'_>, id: &KeyId, plan: &mut Plan) -> Result<(), Problem> {
    let (desk, now) = (guarded.desk, guarded.desk.now());
    let kept = desk.keys().kept(guarded.admitted.tenant(), id).await?;
    let (before, version) = kept.ok_or_else(Problem::revoked)?;
    if !before.bootstrap || !before.in_force(now) {
        return Err(Problem::revoked());
    }
    ends((before, version), now, plan)
}

/// Revokes a key, besides what is planned.
pub(super) fn ends(
    (before, version): (ApiKey, u64),
    now: UnixNanos,
    plan: &mut Plan,
) -> Result<(), Problem> {
    let after = ApiKey { revoked: Some(now), ..before.clone() };
    let write = ObjectWrite::put(Kind::ApiKey, before.id.as_str(), &after)?;
    plan.objects.push(write.beside().over(Some(version)));
    plan.forget.push(Held::Key(before.id.clone()));
    plan.events.push(EventDraft {
        action: EventAction::Updated,
        item: item(&before),
        parent: parent(&before),
        before: Some(ApiClientBody::shown(&before, now)),
        after: Some(ApiClientBody::shown(&after, now)),
    });
    Ok(())
}
