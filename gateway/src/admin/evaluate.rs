//! `POST /access/v1/evaluation`: one question to the decision point (`AuthZEN` Authorization API 1.0, section 6).

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};

use super::authzen::{AnswerBody, EvaluationBody, Part, asked_id, decided, ground, read};
use super::guard::{Guarded, Shared};
use super::operation::EVALUATE;
use super::problem::{Problem, ProblemBody};
use super::server::json_response;

/// Ask whether somebody may do something
///
/// The answer is what a request of theirs would get, under the same policies, and is in the decision log like one.
/// Only what the directory says counts: `properties` are not read. Of `context`, the members `authentication.connection`,
/// `network.source` and `operation.scopes` are read, which policies see under the same names.
#[utoipa::path(
    post, path = "/access/v1/evaluation", operation_id = "evaluate", tag = "Decisions",
    request_body = EvaluationBody,
    responses((status = 200, body = AnswerBody, description = "Decided. Without an answer, refuse."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The question cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body did not come in time."),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not JSON.")),
)]
pub(super) async fn evaluate(State(door): Shared, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let id = asked_id(&parts.headers);
    let response =
        door.guarded(&EVALUATE, &parts, None, async |guarded| answered(guarded, body).await).await;
    id.echoed(response)
}

async fn answered(guarded: &Guarded<'_>, body: Body) -> Result<Response, Problem> {
    let asked: EvaluationBody = read(guarded, body).await?;
    one(guarded, &asked).await
}

/// Answers a question that stands alone.
pub(super) async fn one(
    guarded: &Guarded<'_>,
    asked: &EvaluationBody,
) -> Result<Response, Problem> {
    let question = asked.readable(&EvaluationBody::default(), Part::Whole)?;
    let answer = decided(&ground(guarded).await?, &question, guarded.path).await?;
    Ok(json_response(StatusCode::OK, &serde_json::json!(answer)))
}
