//! `POST /access/v1/evaluations`: several questions at once (`AuthZEN` Authorization API 1.0, section 7).

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::json;

use super::authzen::{
    AnswerBody, AnswersBody, EvaluationsBody, Part, QUESTIONS_MAX, Semantic, asked_id, decided,
    ground, read,
};
use super::evaluate::one;
use super::guard::{Guarded, Shared};
use super::operation::EVALUATE_MANY;
use super::problem::{Problem, ProblemBody};
use super::server::json_response;

/// Ask several such questions
///
/// What a question leaves out is taken from the top. At most 100 are answered, in order, each counted as a request, all under one snapshot of
/// policies and directory. With `deny_on_first_deny` and `permit_on_first_permit` the answers end where the name says.
/// Without `evaluations` it is one question, answered as `evaluate` answers it.
#[utoipa::path(
    post, path = "/access/v1/evaluations", operation_id = "evaluateMany", tag = "Decisions",
    request_body = EvaluationsBody,
    responses((status = 200, body = super::authzen::EvaluatedBody, description = "Decided."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "A question cannot be read; none was decided."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body did not come in time."),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "They are not JSON.")),
)]
pub(super) async fn evaluate_many(State(door): Shared, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let id = asked_id(&parts.headers);
    let response = door
        .guarded(&EVALUATE_MANY, &parts, None, async |guarded| answered(guarded, body).await)
        .await;
    id.echoed(response)
}

async fn answered(guarded: &Guarded<'_>, body: Body) -> Result<Response, Problem> {
    let asked: EvaluationsBody = read(guarded, body).await?;
    if asked.evaluations.is_empty() {
        return one(guarded, &asked.defaults).await;
    }
    if asked.evaluations.len() > QUESTIONS_MAX {
        let detail = format!("ask at most {QUESTIONS_MAX} questions at a time");
        return Err(Problem::bad(detail));
    }
    let read = asked.evaluations.iter().enumerate();
    let questions =
        read.map(|(place, question)| question.readable(&asked.defaults, Part::Of(place)));
    let questions: Vec<_> = questions.collect::<Result<_, _>>()?;
    // The request itself counted for the first.
    let further = questions.len().saturating_sub(1);
    guarded.admitted.charge(further).map_err(|_| Problem::too_many())?;
    let ground = ground(guarded).await?;
    let mut evaluations: Vec<AnswerBody> = Vec::with_capacity(questions.len());
    for question in &questions {
        let answer = decided(&ground, question, guarded.path).await?;
        let last = match asked.options.evaluations_semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !answer.decision,
            Semantic::PermitOnFirstPermit => answer.decision,
        };
        evaluations.push(answer);
        if last {
            break;
        }
    }
    Ok(json_response(StatusCode::OK, &json!(AnswersBody { evaluations })))
}
