//! Changes a member: roles, name, how they sign in, whether they may.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::body::{JSON, MERGE_PATCH, merge, parsed, wants_media_type, whole};
use super::change::{Answer, Change, EventDraft, Plan, change, wants_match};
use super::create_member::{BODY_BYTES_MAX, item, parent};
use super::guard::{Guarded, Questions, Shared};
use super::member::{MemberBody, MemberWritten, about_change, check};
use super::operation::{CHANGE_MEMBER, MANAGE};
use super::problem::{Problem, ProblemBody};
use crate::audit::EventAction;
use crate::directory::{Member, Members, Organisation};
use crate::model::{ActionId, MemberId, Source};
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite, StoredMember};

/// Change a member
///
/// A merge patch (RFC 7396): what is left out stays, `null` takes away, a list is replaced whole. You must be allowed
/// to give every role that is given or taken; to change anything else, every role the member has.
#[utoipa::path(
    patch, path = "/v1/organisations/{organisation}/members/{member}", operation_id = "changeMember", tag = "Members",
    params(("organisation" = String, Path), ("member" = String, Path, description = "The member's id."),
        ("If-Match" = String, Header, description = "The `ETag` of what was shown, or `*`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = super::member::MemberPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = MemberBody, description = "The member as it is now."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body did not come in time."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "Another source owns the member, or nobody would be left to administer the organisation."),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile."),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not a merge patch."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "The member cannot be taken; `errors` says which fields."),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`If-Match` is missing.")),
)]
pub(super) async fn change_member(
    State(door): Shared,
    Path((organisation, member)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        wants_media_type(&parts.headers, &[MERGE_PATCH, JSON])?;
        asked(entered, manage, (&member, whole(body, BODY_BYTES_MAX).await?)).await
    };
    let act = async |guarded: &Guarded<'_>, (moved, body): (Option<Moved>, Bytes)| {
        let moved = moved.ok_or_else(Problem::not_found)?;
        change(guarded, &body, &moved).await
    };
    door.asked(&CHANGE_MEMBER, (&parts, Some(&organisation)), ask, act).await
}

/// A member before and after.
struct Moved {
    before: Member,
    after: Member,
}

async fn asked(
    entered: &Entered,
    manage: &ActionId,
    (id, body): (&str, Bytes),
) -> Result<(Questions, (Option<Moved>, Bytes)), Problem> {
    let members = entered.members().await.map_err(|_| Problem::not_done())?;
    let patch: Value = parsed(&body)?;
    if !patch.is_object() {
        return Err(Problem::bad("a merge patch of a member is an object"));
    }
    let before = MemberId::parse(id).ok().and_then(|id| members.member(&id)).cloned();
    let Some(before) = before else {
        // What is wrong with the patch is told alike, or it would tell who is there.
        let nobody = MemberId::parse("nobody").map_err(|_| Problem::not_done())?;
        patched(&MemberWritten::nobody(), patch)?.member(nobody, Source::Api)?;
        let root = entered.root().map(|root| (manage.clone(), root.clone()));
        return Ok((root.into_iter().collect(), (None, body)));
    };
    let written = patched(&MemberWritten::of(&before), patch)?;
    let after = written.member(before.id.clone(), before.source)?;
    let questions = about_change(entered, manage, (&before, &after));
    Ok((questions, (Some(Moved { before, after }), body)))
}

fn patched(written: &MemberWritten, patch: Value) -> Result<MemberWritten, Problem> {
    let mut written = json!(written);
    merge(&mut written, patch);
    serde_json::from_value(written)
        .map_err(|error| Problem::bad(format!("the body is not as described: {error}")))
}

#[async_trait]
impl Change for Moved {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let Self { before, after } = self;
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        let shown = (MemberBody::shown(before), MemberBody::shown(after));
        let found = members.member(&before.id).ok_or_else(Problem::not_found)?;
        wants_match(guarded.headers, &MemberBody::shown(found))?;
        if found != before {
            // What was decided was a change of something else.
            return Err(Problem::overtaken());
        }
        if before.source != Source::Api {
            return Err(Problem::owned_by(before.source));
        }
        let answer = Answer::item(StatusCode::OK, shown.1.clone());
        if shown.0 == shown.1 {
            return Ok(Plan::nothing(answer));
        }
        check(ground, &members, (after, Some(before)))?;
        keeps_an_administrator(ground, &members, (before, Some(after)))?;
        let stored = guarded.desk.objects();
        let stored: Option<StoredMember> =
            stored.find(guarded.admitted.tenant(), Kind::Member, before.id.as_str()).await?;
        let stored = stored.ok_or_else(Problem::overtaken)?;
        let stored = StoredMember { member: after.clone(), changed: guarded.desk.now(), ..stored };
        let event = EventDraft {
            action: EventAction::Updated,
            item: item(after),
            parent: parent(after).or_else(|| parent(before)),
            before: Some(shown.0),
            after: Some(shown.1),
        };
        let write = ObjectWrite::put(Kind::Member, before.id.as_str(), &stored)?;
        Ok(Plan::one(write, event, answer))
    }
}

/// Refuses a change of a member after which nobody could undo it; `after` is nothing where the member goes.
pub(super) fn keeps_an_administrator(
    ground: &Ground<'_>,
    members: &Members,
    (before, after): (&Member, Option<&Member>),
) -> Result<(), Problem> {
    let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
    let manage = ActionId::parse(MANAGE).map_err(|_| Problem::not_done())?;
    let root = organisation.root();
    let now = members.but(organisation, &before.id, after);
    let may = |members: &Members| ground.somebody_may((organisation, members), &manage, root);
    // Who has no administrator loses none; but it may be only from here that nobody may.
    let seems = !before.disabled
        && !before.identities.is_empty()
        && before.roles.iter().any(|role| role.on == *root)
        && after.is_none_or(|after| after.disabled || after.roles != before.roles);
    if may(&now) || !(seems || may(members)) {
        return Ok(());
    }
    Err(Problem::last_administrator())
}

/// Refuses a change after which nobody of `members` could sign in to `after` to undo it.
pub(super) fn keeps_somebody(
    ground: &Ground<'_>,
    before: &Members,
    (after, members): (&Organisation, &Members),
) -> Result<(), Problem> {
    let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
    let manage = ActionId::parse(MANAGE).map_err(|_| Problem::not_done())?;
    let may = |organisation: &Organisation, members: &Members| {
        ground.somebody_may((organisation, members), &manage, organisation.root())
    };
    // Who has no administrator loses none.
    if may(after, members) || !may(organisation, before) {
        return Ok(());
    }
    Err(Problem::last_administrator())
}
