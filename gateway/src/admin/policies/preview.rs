//! Tells what a change of the base policies would change, and keeps nothing of it.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::json;

use super::{BODY_BYTES_MAX, EffectBody, PolicyChangeWritten, effect, hand};
use crate::admin::body::sent;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::PREVIEW_POLICY_CHANGE;
use crate::admin::platform::may_add;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;

/// Preview a change of policies
///
/// What would come out otherwise: policies, cells of the matrix, tested decisions. What could not be put in force is told
/// in `problems`.
#[utoipa::path(
    post, path = "/v1/platform/policy-changes/preview", operation_id = "previewPolicyChange", tag = "Policies",
    request_body(content = PolicyChangeWritten),
    responses((status = 200, body = EffectBody, description = "What it would change.")),
)]
pub(in crate::admin) async fn preview_policy_change(
    State(door): Shared,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (_, written): (_, PolicyChangeWritten) =
            sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let proposed = hand(guarded, &ground).await;
        let change = written.change(proposed, (String::new(), Vec::new()))?;
        may_add(guarded).await?;
        let effect = effect(guarded, &ground, &change).await?;
        Ok(json_response(StatusCode::OK, &json!(effect)))
    };
    door.guarded(&PREVIEW_POLICY_CHANGE, &parts, None, act).await
}
