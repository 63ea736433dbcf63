//! `GET /.well-known/authzen-configuration`: where questions go (`AuthZEN` Authorization API 1.0, section 9).

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::guard::{Shared, finished};
use super::operation::{EVALUATE, EVALUATE_MANY};
use super::problem::{Problem, ProblemBody};
use super::server::json_response;

/// Where questions go.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct MetadataBody {
    /// This decision point.
    policy_decision_point: String,
    /// For one question.
    access_evaluation_endpoint: String,
    /// For several.
    access_evaluations_endpoint: String,
}

/// Where questions go
///
/// Anybody may read it. The addresses have the host the request was sent to.
#[utoipa::path(
    get, path = "/.well-known/authzen-configuration", operation_id = "authzenConfiguration", tag = "Decisions",
    responses((status = 200, body = MetadataBody, description = "The addresses."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request names no host.")),
)]
pub(super) async fn authzen_metadata(State(door): Shared, request: Request<Body>) -> Response {
    let id = door.new_id();
    let authority = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => request
            .headers()
            .get(header::HOST)
            .and_then(|host| http::uri::Authority::try_from(host.as_bytes()).ok()),
    };
    let Some(authority) = authority else {
        return finished(Problem::bad("send a `Host` field").response(id), id);
    };
    // Section 9.1.1 wants `https`: whoever reads this in clear, on the machine itself, changes it back.
    let at = |path: &str| format!("https://{authority}{path}");
    let body = MetadataBody {
        policy_decision_point: at(""),
        access_evaluation_endpoint: at(EVALUATE.path),
        access_evaluations_endpoint: at(EVALUATE_MANY.path),
    };
    finished(json_response(StatusCode::OK, &serde_json::json!(body)), id)
}
