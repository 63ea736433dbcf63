//! Removes a member.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::change::{Answer, Change, EventDraft, Plan, change, takes_match};
use super::change_member::keeps_an_administrator;
use super::create_member::{item, parent};
use super::guard::{Guarded, Questions, Shared};
use super::member::{MemberBody, about_roles};
use super::operation::REMOVE_MEMBER;
use super::problem::{Problem, ProblemBody};
use crate::audit::EventAction;
use crate::directory::Member;
use crate::model::{ActionId, MemberId, Source};
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite, StoredMember};

/// Remove a member
///
/// In force with the next request of theirs. You must be allowed to give every role they have.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/members/{member}", operation_id = "removeMember", tag = "Members",
    params(("organisation" = String, Path), ("member" = String, Path, description = "The member's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what was shown.")),
    responses((status = 204, description = "They are no member any more."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "Another source owns the member, or nobody would be left to administer the organisation."),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile.")),
)]
pub(super) async fn remove_member(
    State(door): Shared,
    Path((organisation, member)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| asked(entered, manage, &member).await;
    let act = async |guarded: &Guarded<'_>, member: Option<Member>| {
        let member = member.ok_or_else(Problem::not_found)?;
        change(guarded, &[], &Removal(member)).await
    };
    door.asked(&REMOVE_MEMBER, (&parts, Some(&organisation)), ask, act).await
}

async fn asked(
    entered: &Entered,
    manage: &ActionId,
    id: &str,
) -> Result<(Questions, Option<Member>), Problem> {
    let members = entered.members().await.map_err(|_| Problem::not_done())?;
    let found = MemberId::parse(id).ok().and_then(|id| members.member(&id)).cloned();
    let roles = found.as_ref().map(|member| &member.roles[..]).unwrap_or_default();
    Ok((about_roles(entered, manage, roles), found))
}

/// Removes what the administration API kept under the id of another source's member: once that one is gone, it would
/// be in force again.
async fn hidden(guarded: &Guarded<'_>, found: &Member) -> Result<Plan, Problem> {
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let stored: Option<StoredMember> =
        objects.find(tenant, Kind::Member, found.id.as_str()).await?;
    let stored = stored.ok_or_else(|| Problem::owned_by(found.source))?;
    let event = EventDraft {
        action: EventAction::Deleted,
        item: item(&stored.member),
        parent: parent(&stored.member),
        before: Some(MemberBody::shown(&stored.member)),
        after: None,
    };
    let write = ObjectWrite::gone(Kind::Member, found.id.as_str());
    Ok(Plan::one(write, event, Answer::empty()))
}

struct Removal(Member);

#[async_trait]
impl Change for Removal {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let member = &self.0;
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        let found = members.member(&member.id).ok_or_else(Problem::not_found)?;
        let shown = MemberBody::shown(found);
        takes_match(guarded.headers, &shown)?;
        if found != member {
            return Err(Problem::overtaken());
        }
        if found.source != Source::Api {
            return hidden(guarded, found).await;
        }
        keeps_an_administrator(ground, &members, (found, None))?;
        let event = EventDraft {
            action: EventAction::Deleted,
            item: item(found),
            parent: parent(found),
            before: Some(shown),
            after: None,
        };
        let write = ObjectWrite::gone(Kind::Member, found.id.as_str());
        Ok(Plan::one(write, event, Answer::empty()))
    }
}
