//! Approves a change of the base policies, and puts it in force.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;
use serde::Deserialize;
use utoipa::ToSchema;

use super::close::{checked, ended};
use super::{
    PolicyChangeBody, after, basis, content_hash, field_errors, found, hand, loaded, marks,
};
use crate::admin::body::sent;
use crate::admin::change::{Change, Plan, change};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::{
    APPROVE_POLICY_CHANGE, MANAGE, PROPOSE_POLICY_CHANGE, SHOW_POLICY_CHANGE,
};
use crate::admin::platform::may_add;
use crate::admin::problem::{Problem, ProblemBody};
use crate::authz::Pdp;
use crate::directory::Members;
use crate::model::{ActionId, MemberId};
use crate::pipeline::Ground;
use crate::store::{
    ChangeState, Kind, ObjectWrite, PolicyChange, StoredMember, StoredPolicy, StoredUser,
};

/// Largest body.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// What is approved: exactly what was shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct ApprovalBody {
    /// `hash` of the change.
    hash: String,
    /// `basis` of its effect.
    basis: String,
    /// For people.
    #[serde(default)]
    remark: Option<String>,
}

/// Approve a change of policies
///
/// Somebody who is signed in, and is not one of the people behind the proposal. It is in force with this answer, and
/// from the next request on.
#[utoipa::path(
    post, path = "/v1/platform/policy-changes/{change}/approve", operation_id = "approvePolicyChange", tag = "Policies",
    params(("change" = String, Path, description = "The change's id."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = ApprovalBody),
    responses((status = 200, body = PolicyChangeBody, description = "It is approved, and in force."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It is not open any more, it is not what was shown, who approves it is behind the proposal, or nobody would be left to change policies.")),
)]
pub(in crate::admin) async fn approve_policy_change(
    State(door): Shared,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, ApprovalBody { hash, basis, remark }) =
            sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let remark = remark.as_deref().map(checked).transpose()?;
        change(guarded, &body, &Approval { id, hash, basis, remark }).await
    };
    door.guarded(&APPROVE_POLICY_CHANGE, &parts, None, act).await
}

struct Approval {
    id: String,
    hash: String,
    basis: String,
    remark: Option<String>,
}

#[async_trait]
impl Change for Approval {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let before = found(guarded, &self.id).await?;
        let (hand, remark) = (hand(guarded, ground).await, self.remark.clone());
        let mut plan = ended(before.clone(), hand, (ChangeState::Approved, remark))?;
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        // PD-22: people, not accounts.
        let person = guarded.admitted.person().ok_or_else(Problem::wants_a_person)?;
        let theirs = marks(&members, std::slice::from_ref(person));
        if before.people.is_empty() || theirs.iter().any(|mark| before.people.contains(mark)) {
            return Err(Problem::same_person());
        }
        unchanged_since(guarded, &before, (&members, person)).await?;
        if self.hash != content_hash(&before) || self.basis != basis(ground.snapshot().pdp()) {
            return Err(Problem::not_as_shown());
        }
        may_add(guarded).await?;
        let policies = after(guarded, &before).await?;
        let policies = policies.map_err(|errors| Problem::invalid(&errors))?;
        let pdp = loaded(ground, &before, &policies).await?;
        let pdp = pdp.map_err(|faults| Problem::invalid(&field_errors(&faults, &before)))?;
        locks_nobody_out(ground, &pdp, &members)?;
        let tenant = guarded.admitted.tenant();
        if guarded.desk.objects().keep_platform_with(tenant).await? != *tenant {
            return Err(Problem::overtaken());
        }
        plan.objects.extend(writes(&before, &policies)?);
        Ok(plan)
    }
}

/// Refuses an approval by somebody whose membership was made or changed since the proposal, and of a proposal whose people
/// are not all members any more: rights are not granted and used in one go (PD-22), and who is gone may be back as another.
async fn unchanged_since(
    guarded: &Guarded<'_>,
    change: &PolicyChange,
    (members, person): (&Members, &MemberId),
) -> Result<(), Problem> {
    let proposers = change.people.iter().filter_map(|mark| mark.strip_prefix("member:"));
    let known = |id: &str| MemberId::parse(id).is_ok_and(|id| members.member(&id).is_some());
    if !proposers.into_iter().all(known) {
        let detail = "whoever proposed it is no member any more: propose it anew";
        return Err(Problem::not_now(detail));
    }
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let member: Option<StoredMember> = objects.find(tenant, Kind::Member, person.as_str()).await?;
    let user: Option<StoredUser> = objects.find(tenant, Kind::ScimUser, person.as_str()).await?;
    let changed = member.map(|it| it.changed).into_iter().chain(user.map(|it| it.changed));
    if changed.into_iter().any(|at| at >= change.proposed.at) {
        let detail = "your membership was changed since it was proposed: somebody else has to approve it, or it is \
                      proposed anew";
        return Err(Problem::not_now(detail));
    }
    Ok(())
}

/// People looked at to find two: where more may do it, a hundred are not all one.
const PEOPLE_ASKED_MAX: usize = 100;

/// Refuses policies under which policies could not be changed again: it takes somebody who may propose, somebody else
/// who may approve, and somebody who may say who they are.
fn locks_nobody_out(ground: &Ground<'_>, pdp: &Pdp, members: &Members) -> Result<(), Problem> {
    let read = |action: &str| ActionId::parse(action).map_err(|_| Problem::not_done());
    let people = |action: &ActionId| -> Vec<Vec<String>> {
        let who = ground.people_who_may(pdp, members, action).take(PEOPLE_ASKED_MAX);
        who.map(|id| marks(members, std::slice::from_ref(id))).collect()
    };
    let propose = people(&read(PROPOSE_POLICY_CHANGE.action)?);
    let approve = people(&read(APPROVE_POLICY_CHANGE.action)?);
    let other = |one: &[String], other: &[String]| other.iter().all(|mark| !one.contains(mark));
    let two = approve.iter().any(|one| propose.iter().any(|it| other(one, it)));
    let mut somebody = true;
    for action in [SHOW_POLICY_CHANGE.action, MANAGE] {
        let action = read(action)?;
        somebody &= ground.people_who_may(pdp, members, &action).next().is_some();
    }
    if two && somebody { Ok(()) } else { Err(Problem::locks_out()) }
}

fn writes(
    change: &PolicyChange,
    policies: &BTreeMap<String, StoredPolicy>,
) -> Result<Vec<ObjectWrite>, Problem> {
    let names = change.policies.keys();
    let write = |name: &String| match policies.get(name) {
        Some(policy) => ObjectWrite::put(Kind::Policy, name, policy),
        None => Ok(ObjectWrite::gone(Kind::Policy, name)),
    };
    let writes: Result<Vec<ObjectWrite>, _> = names.map(write).collect();
    Ok(writes?)
}
