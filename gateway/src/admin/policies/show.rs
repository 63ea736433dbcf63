//! Shows a change of the base policies, with what it would change now.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::json;

use super::{EffectBody, PolicyChangeBody, after, basis, field_errors, found, weighed};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SHOW_POLICY_CHANGE;
use crate::admin::problem::{FieldError, Problem};
use crate::admin::server::json_response;
use crate::pipeline::Ground;
use crate::store::{ChangeState, PolicyChange};

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

async fn effect(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    change: &PolicyChange,
) -> Result<EffectBody, Problem> {
    let basis = basis(ground.snapshot().pdp());
    let Ok(policies) = after(guarded, change).await else {
        // What it takes away is gone already.
        let reason = "it does not go together with what is in force any more";
        return Ok(EffectBody::of(basis, Err(vec![FieldError::new("policies", reason)])));
    };
    let weighed = weighed(guarded, ground, &policies).await?;
    Ok(EffectBody::of(basis, weighed.as_ref().map_err(|faults| field_errors(faults, change))))
}
