//! What this door answers when it does not do as asked: RFC 9457 problems. The one table of its status codes.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::feeder::FeedError;
use crate::model::{DecisionId, Dependency, Malformed, Refusal, Source};
use crate::pipeline::{Refused, Unasked};
use crate::scim::ScimError;
use crate::store::Upload;

/// What was not done, and why (RFC 9457). Some have further members.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what `Problem::response` writes")]
pub(super) struct ProblemBody {
    /// The kind, as a URI.
    #[schema(rename = "type", example = "urn:hubgate:problem:denied")]
    kind: String,
    /// The kind, for people.
    title: String,
    /// The status code.
    status: u16,
    /// What can be done about it.
    detail: String,
    /// The kind, for programs.
    #[schema(example = "denied")]
    code: String,
    /// The request, by its id in the decision log.
    instance: String,
    /// Why the policies do not allow it, where they say.
    reason: Option<String>,
    /// What is wrong with what was sent, field by field.
    errors: Option<Vec<FieldError>>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// The field, as `roles[2].on`.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl FieldError {
    pub(super) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// What is wrong with a text of one line, which has `least` to `most` bytes without the white space around it.
    pub(super) fn of_line(field: &str, text: &str, (least, most): (usize, usize)) -> Option<Self> {
        let fits = (least..=most).contains(&text.trim().len());
        let fits = fits && !text.chars().any(char::is_control);
        (!fits).then(|| Self::new(field, format!("{least} to {most} bytes on one line")))
    }

    /// What is wrong.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// The same mistake, in what stands at `place`.
    pub(super) fn below(self, place: &str) -> Self {
        Self { field: format!("{place}.{}", self.field), ..self }
    }
}

/// A problem before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    extra: Box<Extra>,
}

/// What only some problems have.
#[derive(Clone, Debug, Default)]
struct Extra {
    more: Map<String, Value>,
    fields: Vec<(header::HeaderName, HeaderValue)>,
    scim_type: Option<&'static str>,
}

/// What a problem says, for clients that read it in another form.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) detail: String,
    pub(super) scim_type: Option<&'static str>,
}

/// `type`: ours, but for the ones the resumable-upload draft registers.
const OURS: &str = "urn:hubgate:problem:";
const MISMATCHING_OFFSET: &str =
    "https://iana.org/assignments/http-problem-types#mismatching-upload-offset";
const COMPLETED_UPLOAD: &str = "https://iana.org/assignments/http-problem-types#completed-upload";

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        (kind, title): (&'static str, &'static str),
        detail: impl Into<String>,
    ) -> Self {
        Self { status, kind, title, detail: detail.into(), extra: Box::default() }
    }

    /// The request cannot be read.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ("malformed-request", "The request cannot be read"),
            detail,
        )
    }

    /// There is nothing here.
    pub(super) fn not_found() -> Self {
        let detail = "there is nothing at this path";
        Self::new(StatusCode::NOT_FOUND, ("not-found", "Not found"), detail)
    }

    /// The path has other methods.
    pub(super) fn method_not_allowed() -> Self {
        let told = ("method-not-allowed", "This path does not have that method");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, told, "the reference lists the methods it has")
    }

    /// The media type is another.
    pub(super) fn media_type(wanted: &str) -> Self {
        let told = ("unsupported-media-type", "The body has another media type");
        let detail = format!("send it as `{wanted}`");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, told, detail)
    }

    /// The body is larger than it may be.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let told = ("content-too-large", "The body is too large");
        let detail = format!("send at most {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, told, detail)
    }

    /// The body does not come.
    pub(super) fn too_slow() -> Self {
        let told = ("body-too-slow", "The body did not come in time");
        Self::new(StatusCode::REQUEST_TIMEOUT, told, "send it at once; nothing was done")
    }

    /// The credential has done what it may for now.
    pub(super) fn too_many() -> Self {
        let told = ("too-many-requests", "Too many requests");
        let problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, told, "wait as long as Retry-After says");
        problem.field(header::RETRY_AFTER, "1")
    }

    /// The credential is not what it was when the request began.
    pub(super) fn revoked() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            ("denied", "The policies do not allow this"),
            "the key was revoked, or may not do this any more",
        )
    }

    /// A key would give what it does not have.
    pub(super) fn gives_too_much(scope: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            ("denied", "The policies do not allow this"),
            format!("an API client gives no scope it does not have: `{scope}`"),
        )
    }

    /// What was sent can be read, and cannot be done: each field with what is wrong.
    pub(super) fn invalid(errors: &[FieldError]) -> Self {
        let told = ("invalid", "What was sent cannot be taken");
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            told,
            "correct the fields in `errors` and send it again; nothing was changed",
        );
        problem.with("errors", json!(errors))
    }

    /// It is there already.
    pub(super) fn exists(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ("exists", "It is there already"), detail)
    }

    /// Another source owns it.
    pub(super) fn owned_by(source: Source) -> Self {
        let told = ("owned-by-another-source", "It is changed where it comes from");
        let detail = match source {
            Source::File => "it stands in the organisation's files: change it there",
            Source::Scim => "the identity provider keeps it by SCIM: change it there",
            Source::Hub => "the hub keeps it: change it there",
            Source::Api => "it is changed with the administration API",
        };
        Self::new(StatusCode::CONFLICT, told, detail).with("source", source.name().into())
    }

    /// It was revoked, for good.
    pub(super) fn revoked_client() -> Self {
        let told = ("revoked-client", "The API client was revoked");
        Self::new(StatusCode::CONFLICT, told, "it never comes back: make another one")
    }

    /// A key for an emergency ends when it was to end.
    pub(super) fn of_an_emergency() -> Self {
        Self::not_now("a break-glass key stays what it is until it ends: disable it, or remove it")
    }

    /// A connection that cannot be enabled.
    pub(super) fn fails(field: Option<&str>, reason: &str) -> Self {
        let told = ("connection-fails", "Nobody could sign in by this connection");
        let detail = format!("{reason}; nothing was changed");
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, told, detail);
        let errors: Vec<_> =
            field.map(|field| FieldError::new(field, reason)).into_iter().collect();
        problem.with("errors", json!(errors))
    }

    /// Something else needs it.
    pub(super) fn in_use(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ("in-use", "It is still needed"), detail)
    }

    /// A domain that is not proved.
    pub(super) fn unproved(detail: impl Into<String>) -> Self {
        let told = ("unproved-domain", "The domain is not verified");
        Self::new(StatusCode::CONFLICT, told, detail)
    }

    /// Nobody would be left who could undo it.
    pub(super) fn last_administrator() -> Self {
        let told = ("last-administrator", "Nobody would be left to administer the organisation");
        let detail = "give somebody else who can sign in the right to administer it first";
        Self::new(StatusCode::CONFLICT, told, detail)
    }

    /// Nobody would be left who could change policies.
    pub(super) fn locks_out() -> Self {
        let told = ("locks-out", "Nobody would be left to change policies");
        let detail = "under these policies it would take two people who may propose and approve changes, and somebody \
                      who may administer access; nothing was changed";
        Self::new(StatusCode::CONFLICT, told, detail)
    }

    /// Whoever approves is one of the people behind the proposal.
    pub(super) fn same_person() -> Self {
        let told = ("same-person", "Somebody else has to approve it");
        let detail = "whoever stands behind a proposal does not approve it, by whatever account";
        Self::new(StatusCode::CONFLICT, told, detail)
    }

    /// A machine asks for what a person has to do.
    pub(super) fn wants_a_person() -> Self {
        let told = ("person-needed", "A person has to do this");
        let detail = "sign in on the administration's host, and send it with that session";
        Self::new(StatusCode::CONFLICT, told, detail)
    }

    /// An API key of which nobody knows who was shown its secret.
    pub(super) fn nobody_behind() -> Self {
        let told = ("person-needed", "Nobody knows who stands behind this API key");
        let detail = "a proposal needs a person: send it with a session, or with an API client that somebody made who \
                      was signed in";
        Self::new(StatusCode::CONFLICT, told, detail)
    }

    /// Something else was shown.
    pub(super) fn not_as_shown() -> Self {
        let told = ("not-as-shown", "It is not what was shown");
        let detail = "other policies came into force, or the hash is another's: look at the change again, then approve \
                      what you see";
        Self::new(StatusCode::CONFLICT, told, detail)
    }

    /// The state it is in does not allow it.
    pub(super) fn not_now(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ("not-now", "The state it is in does not allow it"), detail)
    }

    /// The change does not say what it changes.
    pub(super) fn match_required() -> Self {
        let told = ("precondition-required", "The change must say what it changes");
        let detail =
            "send `If-Match` with the `ETag` of what was shown, or `*` to change whatever is there";
        Self::new(StatusCode::PRECONDITION_REQUIRED, told, detail)
    }

    /// It was changed meanwhile.
    pub(super) fn other_version(current: &str) -> Self {
        let told = ("precondition-failed", "It was changed meanwhile");
        let detail = "read it again, and send the change with its `ETag`";
        Self::new(StatusCode::PRECONDITION_FAILED, told, detail).with("current", current.into())
    }

    /// The key stands for another request.
    pub(super) fn key_used() -> Self {
        let told = ("idempotency-key-used", "The key stands for another request");
        let detail = "send another `Idempotency-Key` with another request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, told, detail)
    }

    /// Other processes were quicker each time.
    pub(super) fn overtaken() -> Self {
        Self::unavailable("others change this organisation right now; nothing was done, try again")
    }

    /// It is more than is kept in one piece.
    pub(super) fn more_than_kept() -> Self {
        let told = ("too-large", "It is more than can be kept");
        let detail = "nothing was done: send less, or in several requests";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, told, detail)
    }

    /// Nothing was done.
    pub(super) fn not_done() -> Self {
        Self::unavailable("nothing was done; try again after Retry-After")
    }

    /// It may have been done.
    pub(super) fn unknown_end() -> Self {
        Self::unavailable(
            "it is not known whether it was done, or it is not in force yet; look, then try again",
        )
    }

    /// A question that has no answer.
    pub(super) fn undecided() -> Self {
        Self::unavailable("it could not be decided: refuse, and ask again after Retry-After")
    }

    /// An upload that was refused, with its errors.
    pub(super) fn refused(upload: &Upload) -> Self {
        let told = ("upload-refused", "The upload holds something that cannot be taken");
        let detail = "the batch with these errors was refused whole; the batches before it stay; \
                      correct the errors and send everything again";
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, told, detail);
        problem.with("errors", json!(upload.errors)).with("upload", super::progress::shown(upload))
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.extra.more.insert(key.to_owned(), value);
        self
    }

    fn field(mut self, name: header::HeaderName, value: &'static str) -> Self {
        self.extra.fields.push((name, HeaderValue::from_static(value)));
        self
    }

    /// The answer, for the request with this id.
    pub(super) fn response(self, id: DecisionId) -> Response {
        let kind = if self.kind.starts_with("https:") {
            self.kind.to_owned()
        } else {
            format!("{OURS}{}", self.kind)
        };
        let Extra { more: mut body, fields, scim_type } = *self.extra;
        let told = Told { status: self.status, detail: self.detail.clone(), scim_type };
        body.insert("type".into(), kind.into());
        body.insert("title".into(), self.title.into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.into());
        body.insert("code".into(), code(self.kind).into());
        body.insert("instance".into(), format!("urn:uuid:{id}").into());
        // The line's end is for people with `curl`: JSON does not mind.
        let mut response = Response::new(Body::from(Value::Object(body).to_string() + "\n"));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(told);
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        for (name, value) in fields {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<ScimError> for Problem {
    fn from(error: ScimError) -> Self {
        let ScimError { status, scim_type, detail } = error;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let told = ("scim", "The provider's request was not done");
        let mut problem = Self::new(status, told, detail);
        problem.extra.scim_type = scim_type;
        problem
    }
}

impl Unasked for Problem {
    fn refusal(&self) -> Refusal {
        match self.status {
            StatusCode::FORBIDDEN => {
                Refusal::Denied { reason: Some(self.detail.clone()), hidden: false }
            }
            StatusCode::NOT_FOUND => Refusal::OtherTenant,
            StatusCode::SERVICE_UNAVAILABLE => Refusal::Unavailable(Dependency::Store),
            _ => Refusal::Malformed(Malformed::Body),
        }
    }
}

/// The kind as programs compare it: its last word, as refusals spell theirs.
fn code(kind: &str) -> String {
    kind.rsplit('#').next().unwrap_or(kind).replace('-', "_")
}

impl From<&Refused> for Problem {
    fn from(refused: &Refused) -> Self {
        let refusal = &refused.refusal;
        let told = |status, kind, title, detail: &str| Self::new(status, (kind, title), detail);
        match refusal {
            Refusal::CredentialMissing => told(
                StatusCode::UNAUTHORIZED,
                "credential-missing",
                "A credential is needed",
                "send an API key as `Authorization: Bearer hg_…`",
            )
            // RFC 6750 §3.1: no error code when no credential came.
            .field(header::WWW_AUTHENTICATE, "Bearer"),
            Refusal::CredentialInvalid => told(
                StatusCode::UNAUTHORIZED,
                "credential-invalid",
                "The credential is not valid",
                "it is unknown, expired or revoked",
            )
            .field(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
            Refusal::AddressNotAllowed => told(
                StatusCode::FORBIDDEN,
                "address-not-allowed",
                "The API key may not be used from this address",
                "use it from one of its networks, or ask who made it to add yours",
            ),
            // Whether there is such an organisation is not for others to know.
            Refusal::OtherTenant => Self::not_found(),
            Refusal::Denied { reason, .. } => {
                let detail = "ask an administrator of your organisation, and quote the instance";
                let problem =
                    told(StatusCode::FORBIDDEN, "denied", "The policies do not allow this", detail);
                match reason {
                    Some(reason) => problem.with("reason", reason.as_str().into()),
                    None => problem,
                }
            }
            Refusal::TooManyRequests { .. } => Self::too_many(),
            Refusal::Malformed(_) => {
                Self::bad("send one credential, in the Authorization field only")
            }
            // Whatever else it is, it did not let the request in.
            _ => Self::unavailable("nothing was done; try again after Retry-After"),
        }
    }
}

impl Problem {
    fn unavailable(detail: &str) -> Self {
        let told = ("unavailable", "The gateway cannot do this right now");
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, told, detail);
        problem.field(header::RETRY_AFTER, "1")
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Busy => Self::new(
                StatusCode::CONFLICT,
                ("upload-under-way", "Another upload is under way"),
                "an organisation has one upload at a time; finish it, cancel it, or wait until it \
                 has been idle for 15 minutes",
            ),
            FeedError::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                ("not-found", "Not found"),
                "there is no such upload; only the latest of an organisation is remembered",
            ),
            FeedError::Ended(upload) => Self::new(
                StatusCode::CONFLICT,
                (COMPLETED_UPLOAD, "The upload has ended"),
                "begin a new one",
            )
            .with("upload", super::progress::shown(&upload)),
            FeedError::Offset { expected, given } => Self::new(
                StatusCode::CONFLICT,
                (MISMATCHING_OFFSET, "The upload goes on elsewhere"),
                "go on at `expected-offset`",
            )
            .with("expected-offset", expected.into())
            .with("provided-offset", given.into()),
            FeedError::Revoked => Self::new(
                StatusCode::FORBIDDEN,
                ("denied", "The policies do not allow this"),
                "the key was revoked, or may not do this any more; what was taken before stays",
            ),
            FeedError::Broken => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                ("body-broken-off", "The body broke off"),
                "what was taken before stays",
            ),
            FeedError::Lost => Self::new(
                StatusCode::CONFLICT,
                ("upload-lost", "Another upload has taken this one's place"),
                "ask how far it came, or begin a new one",
            ),
            FeedError::Store(_)
            | FeedError::Overlay(_)
            | FeedError::Entropy(_)
            | FeedError::Panicked => {
                tracing::error!(%error, "an upload did not go on");
                Self::unavailable("it is not known how far it came; ask, and go on from there")
            }
        }
    }
}
