//! Makes somebody a member.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::{JSON, parsed, wants_media_type, whole};
use super::change::{Answer, Change, EventDraft, Plan, change};
use super::guard::{Guarded, Questions, Shared};
use super::member::{IdentityBody, MemberBody, MemberWritten, RoleBody, about_roles, check};
use super::operation::CREATE_MEMBER;
use super::problem::{FieldError, Problem, ProblemBody};
use crate::audit::{EventAction, Item};
use crate::directory::{MEMBERS_MAX, Member};
use crate::model::{ActionId, MemberId, Source};
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite, StoredMember};

/// Largest body: the roles and attributes a member may have.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Somebody who becomes a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMemberBody {
    /// The name policies and records will use: 1 to 63 of `a-z`, `0-9`, `-` and `_`.
    #[schema(example = "ada")]
    id: String,
    /// Shown to people.
    #[schema(example = "Ada Admin")]
    name: String,
    /// Shown to people; it never identifies anybody.
    #[serde(default)]
    #[schema(example = "ada@nordvolt.example")]
    email: Option<String>,
    /// What they may be, and where.
    #[serde(default)]
    roles: Vec<RoleBody>,
    /// How they sign in; nobody without one can.
    #[serde(default)]
    identities: Vec<IdentityBody>,
    /// A disabled member may do nothing.
    #[serde(default)]
    disabled: bool,
    /// Further attributes policies read, in Cedar's entity JSON.
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
}

/// Make somebody a member
///
/// You must be allowed to give every role they get. Without identities they are invited, and cannot sign in yet.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/members", operation_id = "createMember", tag = "Members",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = NewMemberBody),
    responses((status = 201, body = MemberBody, description = "The member; `Location` is where."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body did not come in time."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "There is a member of this id."),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not JSON."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "The member cannot be taken; `errors` says which fields.")),
)]
pub(super) async fn create_member(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        wants_media_type(&parts.headers, &[JSON])?;
        asked(entered, manage, whole(body, BODY_BYTES_MAX).await?)
    };
    let act = async |guarded: &Guarded<'_>, (member, body): (Member, Bytes)| {
        change(guarded, &body, &NewMember(member)).await
    };
    door.asked(&CREATE_MEMBER, (&parts, Some(&organisation)), ask, act).await
}

fn asked(
    entered: &Entered,
    manage: &ActionId,
    body: Bytes,
) -> Result<(Questions, (Member, Bytes)), Problem> {
    let NewMemberBody { id, name, email, roles, identities, disabled, attributes } = parsed(&body)?;
    let written = MemberWritten { name, email, disabled, roles, identities, attributes };
    let id = MemberId::parse(&id)
        .map_err(|error| Problem::invalid(&[FieldError::new("id", error.to_string())]))?;
    let member = written.member(id, Source::Api)?;
    let mut questions = about_roles(entered, manage, &member.roles);
    if !member.attributes.is_empty() {
        questions.extend(entered.root().map(|root| (manage.clone(), root.clone())));
    }
    Ok((questions, (member, body)))
}

struct NewMember(Member);

#[async_trait]
impl Change for NewMember {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let member = &self.0;
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        if members.member(&member.id).is_some() {
            return Err(Problem::exists("there is a member of this id"));
        }
        if members.len() >= MEMBERS_MAX {
            return Err(Problem::exists(format!(
                "an organisation has at most {MEMBERS_MAX} members"
            )));
        }
        check(ground, &members, (member, None))?;
        let now = guarded.desk.now();
        let stored = StoredMember { member: member.clone(), created: now, changed: now };
        let shown = MemberBody::shown(member);
        let mut answer = Answer::item(StatusCode::CREATED, shown.clone());
        let tenant = guarded.admitted.tenant();
        answer.location = Some(format!("/v1/organisations/{tenant}/members/{}", member.id));
        let event = EventDraft {
            action: EventAction::Created,
            item: item(member),
            parent: parent(member),
            before: None,
            after: Some(shown),
        };
        let write = ObjectWrite::put(Kind::Member, member.id.as_str(), &stored)?;
        Ok(Plan::one(write, event, answer))
    }
}

/// A member, as events tell of it.
pub(super) fn item(member: &Member) -> Item {
    Item { kind: "member".to_owned(), id: member.id.to_string(), name: member.name.clone() }
}

/// The node events about a member belong to: where its first role is.
pub(super) fn parent(member: &Member) -> Option<crate::model::EntityUid> {
    member.roles.first().map(|role| role.on.clone())
}
