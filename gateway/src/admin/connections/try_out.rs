//! Tries a connection out and says which field is wrong.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{StepBody, connection_id, tried};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::TEST_CONNECTION;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::oidc::StepEnd;

/// What trying a connection out found.
#[derive(Debug, Serialize, ToSchema)]
struct TrialBody {
    /// Whether it can be enabled.
    works: bool,
    /// What was tried, up to the first failure.
    steps: Vec<StepBody>,
}

/// Test a connection
///
/// Asks the provider for its metadata and keys, and whether it knows the client; nobody signs in.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/connections/{connection}/test", operation_id = "testConnection", tag = "Connections",
    params(("organisation" = String, Path), ("connection" = String, Path, description = "The connection's id.")),
    responses((status = 200, body = TrialBody, description = "What was found.")),
)]
pub(in crate::admin) async fn test_connection(
    State(door): Shared,
    Path((organisation, connection)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let id = connection_id(&connection)?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let found = ground.organisation().and_then(|it| it.connection(&id));
        let steps = tried(guarded, &ground, found.ok_or_else(Problem::not_found)?).await;
        let works = steps.iter().all(|step| step.end != StepEnd::Failed);
        let steps = steps.iter().map(StepBody::of).collect();
        Ok(json_response(StatusCode::OK, &json!(TrialBody { works, steps })))
    };
    door.guarded(&TEST_CONNECTION, &parts, Some(&organisation), act).await
}
