//! Closes a change of the base policies that shall not be made: its proposer takes it back, or somebody refuses it.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::propose::item;
use super::{PolicyChangeBody, TEXT_BYTES_MAX, found, hand};
use crate::admin::body::sent;
use crate::admin::change::{Answer, Change, EventDraft, Plan, change};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::CLOSE_POLICY_CHANGE;
use crate::admin::problem::{FieldError, Problem, ProblemBody};
use crate::audit::EventAction;
use crate::pipeline::Ground;
use crate::store::{ChangeState, Hand, Kind, ObjectWrite, PolicyChange};

/// Largest body.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// Why a change is not made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct ClosingBody {
    /// For people.
    #[schema(example = "The auditors changed their mind.")]
    remark: String,
}

/// Close a change of policies
///
/// It can never be approved after that. A closed change stays to be read.
#[utoipa::path(
    post, path = "/v1/platform/policy-changes/{change}/close", operation_id = "closePolicyChange", tag = "Policies",
    params(("change" = String, Path, description = "The change's id."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = ClosingBody),
    responses((status = 200, body = PolicyChangeBody, description = "It is closed."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It is not open any more.")),
)]
pub(in crate::admin) async fn close_policy_change(
    State(door): Shared,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, ClosingBody { remark }) = sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let remark = checked(&remark)?;
        change(guarded, &body, &Closing { id, remark }).await
    };
    door.guarded(&CLOSE_POLICY_CHANGE, &parts, None, act).await
}

/// A remark people can read.
pub(super) fn checked(remark: &str) -> Result<String, Problem> {
    match FieldError::of_line("remark", remark, (1, TEXT_BYTES_MAX)) {
        Some(error) => Err(Problem::invalid(&[error])),
        None => Ok(remark.trim().to_owned()),
    }
}

struct Closing {
    id: String,
    remark: String,
}

#[async_trait]
impl Change for Closing {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let before = found(guarded, &self.id).await?;
        let hand = hand(guarded, ground).await;
        ended(before, hand, (ChangeState::Closed, Some(self.remark.clone())))
    }
}

/// What an open change comes to when it is over.
pub(super) fn ended(
    before: PolicyChange,
    hand: Hand,
    (state, remark): (ChangeState, Option<String>),
) -> Result<Plan, Problem> {
    if before.state != ChangeState::Open {
        return Err(Problem::not_now(format!("it is {} already", before.state.name())));
    }
    let shown = json!(PolicyChangeBody::of(&before));
    let after = PolicyChange { state, remark, ended: Some(hand), ..before };
    let now = json!(PolicyChangeBody::of(&after));
    let event = EventDraft {
        action: EventAction::Updated,
        item: item(&after),
        parent: None,
        before: Some(shown),
        after: Some(now.clone()),
    };
    let write = ObjectWrite::put(Kind::PolicyChange, &after.id, &after)?.beside();
    Ok(Plan::one(write, event, Answer::item(StatusCode::OK, now)))
}
