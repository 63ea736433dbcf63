//! Shows a change of the base policies, with what it would change now.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::json;

use super::{PolicyChangeBody, effect, found};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SHOW_POLICY_CHANGE;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::store::ChangeState;

/// Show a change of policies
///
/// While it is open, with its effect on what is in force now: what an approval is asked for.
#[utoipa::path(
    get, path = "/v1/platform/policy-changes/{change}", operation_id = "showPolicyChange", tag = "Policies",
    params(("change" = String, Path, description = "The change's id.")),
    responses((status = 200, body = PolicyChangeBody, description = "The change.")),
)]
pub(in crate::admin) async fn show_policy_change(
    State(door): Shared,
    Path(change): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let change = found(guarded, &change).await?;
        let mut shown = PolicyChangeBody::of(&change);
        if change.state == ChangeState::Open {
            let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
            shown.effect = Some(effect(guarded, &ground, &change).await?);
        }
        Ok(json_response(StatusCode::OK, &json!(shown)))
    };
    door.guarded(&SHOW_POLICY_CHANGE, &parts, None, act).await
}
