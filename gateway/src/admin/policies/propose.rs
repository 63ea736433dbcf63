//! Proposes a change of the base policies.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::json;

use super::{
    BODY_BYTES_MAX, PolicyChangeBody, PolicyChangeWritten, after, field_errors, hand, loaded, marks,
};
use crate::admin::body::sent;
use crate::admin::change::{Answer, Change, EventDraft, Plan, change};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::PROPOSE_POLICY_CHANGE;
use crate::admin::platform::may_add;
use crate::admin::problem::{Problem, ProblemBody};
use crate::audit::{EventAction, Item};
use crate::pipeline::Ground;
use crate::store::{ChangeState, Kind, ObjectWrite, PolicyChange};

/// Most changes that wait for approval: a queue that people read.
const OPEN_MAX: usize = 50;

/// Propose a change of policies
///
/// Nothing comes of it before another person approves it. A change that could not be put in force is not taken.
#[utoipa::path(
    post, path = "/v1/platform/policy-changes", operation_id = "proposePolicyChange", tag = "Policies",
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = PolicyChangeWritten),
    responses((status = 201, body = PolicyChangeBody, description = "It waits for approval; `Location` is where."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "Nobody knows who stands behind the API key, or too many changes wait.")),
)]
pub(in crate::admin) async fn propose_policy_change(
    State(door): Shared,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, written): (_, PolicyChangeWritten) =
            sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let proposal = Proposal(proposed(guarded, &ground, written).await?);
        change(guarded, &body, &proposal).await
    };
    door.guarded(&PROPOSE_POLICY_CHANGE, &parts, None, act).await
}

/// The change, if it could be put in force now.
async fn proposed(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    written: PolicyChangeWritten,
) -> Result<PolicyChange, Problem> {
    let people = guarded.admitted.people();
    let members = ground.members().await.map_err(|_| Problem::not_done())?;
    // Who is gone may be back under another name, and nothing would tell.
    if people.is_empty() || people.iter().any(|id| members.member(id).is_none()) {
        return Err(Problem::nobody_behind());
    }
    let id = guarded.desk.event_id(guarded.desk.now())?;
    let proposed = hand(guarded, ground).await;
    let change = written.change(proposed, (id, marks(&members, &people)))?;
    may_add(guarded).await?;
    let policies = after(guarded, &change).await?;
    let policies = policies.map_err(|errors| Problem::invalid(&errors))?;
    match loaded(ground, &change, &policies).await? {
        Ok(_) => Ok(change),
        Err(faults) => Err(Problem::invalid(&field_errors(&faults, &change))),
    }
}

struct Proposal(PolicyChange);

#[async_trait]
impl Change for Proposal {
    async fn plan(&self, guarded: &Guarded<'_>, _: &Ground<'_>) -> Result<Plan, Problem> {
        let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
        let (all, _) = objects.all::<PolicyChange>(tenant, Kind::PolicyChange).await?;
        if all.iter().filter(|it| it.state == ChangeState::Open).count() >= OPEN_MAX {
            let detail = format!("{OPEN_MAX} changes wait for approval: close some first");
            return Err(Problem::not_now(detail));
        }
        let shown = json!(PolicyChangeBody::of(&self.0));
        let mut answer = Answer::item(StatusCode::CREATED, shown.clone());
        answer.location = Some(format!("/v1/platform/policy-changes/{}", self.0.id));
        let event = EventDraft {
            action: EventAction::Created,
            item: item(&self.0),
            parent: None,
            before: None,
            after: Some(shown),
        };
        let write = ObjectWrite::put(Kind::PolicyChange, &self.0.id, &self.0)?.beside();
        Ok(Plan::one(write, event, answer))
    }
}

/// A change in audit events.
pub(super) fn item(change: &PolicyChange) -> Item {
    Item { kind: String::from("policy-change"), id: change.id.clone(), name: change.title.clone() }
}
