//! Shows what is in force on this node.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SHOW_SNAPSHOT;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;

/// The snapshot that requests are decided under here and now.
#[derive(Debug, Serialize, ToSchema)]
struct SnapshotBody {
    /// Its name, as records have it: two nodes that show the same decide the same.
    snapshot: String,
    /// The snapshot the settings came with: files were last taken over then.
    settings: String,
    /// The node, as records name it.
    node: String,
    /// The build.
    build: String,
    /// How many organisations there are.
    organisations: usize,
    /// How many of them are in memory.
    organisations_in_memory: usize,
    /// How many policies are in force, those of organisations included.
    policies: usize,
    /// How many routes there are.
    routes: usize,
    /// Refusals and outcomes that could not be recorded since the start; not 0 means that the log has gaps.
    record_failures: u64,
}

/// Show what is in force
#[utoipa::path(
    get, path = "/v1/platform/snapshot", operation_id = "showSnapshot", tag = "Platform",
    responses((status = 200, body = SnapshotBody, description = "What is in force on this node.")),
)]
pub(in crate::admin) async fn show_snapshot(
    State(door): Shared,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let (snapshot, pipeline) = (ground.snapshot(), door.pipeline());
        let identity = pipeline.identity();
        let body = SnapshotBody {
            snapshot: snapshot.id().to_string(),
            settings: snapshot.settings().to_string(),
            node: identity.node.clone(),
            build: identity.build.clone(),
            organisations: snapshot.directory().organisations().count(),
            organisations_in_memory: snapshot.organisations_in_use(),
            policies: snapshot.pdp().policy_count(),
            routes: snapshot.routes().routes().count(),
            record_failures: pipeline.record_failures(),
        };
        Ok(json_response(StatusCode::OK, &json!(body)))
    };
    door.guarded(&SHOW_SNAPSHOT, &parts, None, act).await
}
