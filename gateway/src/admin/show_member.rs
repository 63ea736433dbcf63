//! Shows one member.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::change::item_response;
use super::guard::{Guarded, Questions, Shared};
use super::member::{MemberBody, seen_at};
use super::operation::SHOW_MEMBER;
use super::problem::Problem;
use crate::directory::Member;
use crate::model::{ActionId, MemberId};
use crate::pipeline::Entered;

/// Show a member
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/members/{member}", operation_id = "showMember", tag = "Members",
    params(("organisation" = String, Path), ("member" = String, Path, description = "The member's id.")),
    responses((status = 200, body = MemberBody, description = "The member; `ETag` names what is shown.")),
)]
pub(super) async fn show_member(
    State(door): Shared,
    Path((organisation, member)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask = async |entered: &Entered, view: &ActionId| asked(entered, view, &member).await;
    let act = async |_: &Guarded<'_>, found: Option<Member>| {
        let found = found.ok_or_else(Problem::not_found)?;
        Ok(item_response(StatusCode::OK, &MemberBody::shown(&found)))
    };
    door.asked(&SHOW_MEMBER, (&parts, Some(&organisation)), ask, act).await
}

/// Whether there is a member is told to who may see all of them; to others one they may not see is none.
async fn asked(
    entered: &Entered,
    view: &ActionId,
    id: &str,
) -> Result<(Questions, Option<Member>), Problem> {
    let members = entered.members().await.map_err(|_| Problem::not_done())?;
    let found = MemberId::parse(id).ok().and_then(|id| members.member(&id)).cloned();
    let at = found.as_ref().and_then(|member| seen_at(entered, view, member));
    let at = at.or_else(|| entered.root().cloned());
    Ok((at.map(|at| (view.clone(), at)).into_iter().collect(), found))
}
