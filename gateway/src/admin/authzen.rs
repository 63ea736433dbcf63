//! Questions and answers as the `AuthZEN` Authorization API 1.0 writes them.

use std::net::IpAddr;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{JSON, parsed, whole};
use super::guard::Guarded;
use super::problem::Problem;
use crate::model::{ActionId, ConnectionId, EntityUid, Scopes};
use crate::pipeline::{Evaluation, Ground};

/// Most questions of one request. Each takes some tens of microseconds and a line of the log.
pub(super) const QUESTIONS_MAX: usize = 100;

/// Largest body: a hundred questions of two kilobytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Most scopes of a question: more than any operation accepts, and few enough for a record.
const SCOPES_MAX: usize = 32;

/// `X-Request-ID` (section 10.1.4): the asker's own, sent back.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest such id.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Whom a question is about, or what it is about.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct EntityBody {
    /// The type, as the schema of the policies calls it: `User`, `Team`.
    #[serde(rename = "type")]
    #[schema(example = "User")]
    kind: String,
    /// The id.
    #[schema(example = "ada")]
    id: String,
}

/// What somebody would do.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct ActionBody {
    /// The action, as the schema of the policies calls it.
    #[schema(example = "teams:update")]
    name: String,
}

/// How they would do it.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(super) struct ContextBody {
    #[serde(default)]
    authentication: Option<AuthenticationBody>,
    #[serde(default)]
    network: Option<NetworkBody>,
    #[serde(default)]
    operation: Option<OperationBody>,
}

/// How the subject signed in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct AuthenticationBody {
    /// The connection to the identity provider; policies that ask for single sign-on deny without.
    #[serde(default)]
    connection: Option<String>,
}

/// Where the subject's request came from.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct NetworkBody {
    /// An address; the asking service's own, unless given.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    source: Option<IpAddr>,
}

/// The operation the subject asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct OperationBody {
    /// The API scopes of which an API client needs one; none, unless given.
    #[serde(default)]
    scopes: Vec<String>,
}

/// One question. Within `evaluations`, what is left out is taken from the top.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(super) struct EvaluationBody {
    #[serde(default)]
    subject: Option<EntityBody>,
    #[serde(default)]
    action: Option<ActionBody>,
    #[serde(default)]
    resource: Option<EntityBody>,
    #[serde(default)]
    context: Option<ContextBody>,
}

/// Several questions.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct EvaluationsBody {
    #[serde(flatten)]
    pub(super) defaults: EvaluationBody,
    /// The questions, 100 at most.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(super) evaluations: Vec<EvaluationBody>,
    #[serde(default)]
    pub(super) options: OptionsBody,
}

/// How several questions are answered.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub(super) struct OptionsBody {
    #[serde(default)]
    pub(super) evaluations_semantic: Semantic,
}

/// Where the answers end.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Semantic {
    /// With the last question.
    #[default]
    ExecuteAll,
    /// With the first that is denied.
    DenyOnFirstDeny,
    /// With the first that is allowed.
    PermitOnFirstPermit,
}

/// The answer to one question.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AnswerBody {
    /// Whether the policies allow it.
    pub(super) decision: bool,
    context: AnswerContext,
}

/// Why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AnswerContext {
    /// The decision in the log, for `hubgate policy explain --decision`.
    id: String,
    /// Why, for programs: `permitted`, `no_permit`, `forbidden`, `unknown_resource`, `no_principal`, …
    code: &'static str,
    /// Why not, for people, where a policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The answers to several questions, in their order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AnswersBody {
    pub(super) evaluations: Vec<AnswerBody>,
}

/// What questions are answered with: one that stands alone as it would be by itself.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what is answered to one question or to several")]
pub(super) enum EvaluatedBody {
    Several(AnswersBody),
    One(AnswerBody),
}

/// Which question is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The only one.
    Whole,
    /// The one at this place.
    Of(usize),
}

impl Part {
    fn wrong(self, key: &str, what: &str) -> Problem {
        Problem::bad(match self {
            Self::Whole => format!("`{key}` {what}"),
            Self::Of(place) => format!("`evaluations[{place}].{key}` {what}"),
        })
    }
}

/// A question as the decision point takes it.
pub(super) struct Question {
    subject: EntityUid,
    action: ActionId,
    resource: EntityUid,
    connection: Option<ConnectionId>,
    scopes: Scopes,
    source: Option<IpAddr>,
}

impl EvaluationBody {
    /// The question, with what it leaves out from `defaults`.
    ///
    /// # Errors
    /// The [`Problem`] of one that cannot be read.
    pub(super) fn readable(&self, defaults: &Self, part: Part) -> Result<Question, Problem> {
        let entity = |key: &str, body: Option<&EntityBody>| {
            let body = body.ok_or_else(|| part.wrong(key, "is missing"))?;
            EntityUid::new(&body.kind, &body.id)
                .map_err(|error| part.wrong(key, &format!("names nothing: {error}")))
        };
        let action = self.action.as_ref().or(defaults.action.as_ref());
        let action = action.ok_or_else(|| part.wrong("action", "is missing"))?;
        let action = ActionId::parse(&action.name)
            .map_err(|error| part.wrong("action.name", &format!("is no action: {error}")))?;
        let context = self.context.as_ref().or(defaults.context.as_ref());
        let authentication = context.and_then(|context| context.authentication.as_ref());
        let connection = authentication.and_then(|given| given.connection.as_deref());
        let connection = connection.map(ConnectionId::parse).transpose().map_err(|error| {
            part.wrong("context.authentication.connection", &format!("is none: {error}"))
        })?;
        let operation = context.and_then(|context| context.operation.as_ref());
        let scopes = operation.map_or(&[][..], |given| &given.scopes);
        let wrong = |what: &str| part.wrong("context.operation.scopes", what);
        if scopes.len() > SCOPES_MAX {
            return Err(wrong(&format!("are more than {SCOPES_MAX}")));
        }
        let scopes = Scopes::new(scopes.iter().map(String::as_str))
            .map_err(|error| wrong(&error.to_string()))?;
        let network = context.and_then(|context| context.network.as_ref());
        Ok(Question {
            subject: entity("subject", self.subject.as_ref().or(defaults.subject.as_ref()))?,
            resource: entity("resource", self.resource.as_ref().or(defaults.resource.as_ref()))?,
            source: network.and_then(|given| given.source),
            action,
            connection,
            scopes,
        })
    }
}

/// What the questions are answered by.
pub(super) async fn ground<'a>(guarded: &'a Guarded<'_>) -> Result<Ground<'a>, Problem> {
    guarded.admitted.ground().await.ok_or_else(Problem::revoked)
}

/// Decides one question.
pub(super) async fn decided(
    ground: &Ground<'_>,
    question: &Question,
    path: &str,
) -> Result<AnswerBody, Problem> {
    let asked = Evaluation {
        subject: &question.subject,
        action: &question.action,
        resource: &question.resource,
        connection: question.connection.as_ref(),
        scopes: &question.scopes,
        source: question.source,
        path,
    };
    let answer = ground.evaluate(&asked).await.map_err(|_| Problem::undecided())?;
    let (id, code, reason) = (answer.id.to_string(), answer.code, answer.reason);
    Ok(AnswerBody { decision: answer.allowed, context: AnswerContext { id, code, reason } })
}

/// Reads the body of a request.
pub(super) async fn read<T: DeserializeOwned>(
    guarded: &Guarded<'_>,
    body: Body,
) -> Result<T, Problem> {
    guarded.wants_media_type(JSON)?;
    parsed(&whole(guarded.counted(body), BODY_BYTES_MAX).await?)
}

/// The asker's own id of a request.
pub(super) struct AskedId(Option<HeaderValue>);

/// The one a request has, unless it is overlong.
pub(super) fn asked_id(headers: &HeaderMap) -> AskedId {
    let id = headers.get(REQUEST_ID).filter(|id| id.len() <= REQUEST_ID_BYTES_MAX);
    AskedId(id.cloned())
}

impl AskedId {
    /// The answer, with it.
    pub(super) fn echoed(self, mut response: Response) -> Response {
        if let Some(id) = self.0 {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}
