//! Settles how people are provisioned, and what their groups are given.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode};

use super::{ProvisioningBody, all_roles, found, item};
use crate::admin::body::{JSON, parsed, wants_media_type, whole};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change, takes_match, wants_match};
use crate::admin::change_member::keeps_somebody;
use crate::admin::guard::{Guarded, Questions, Shared};
use crate::admin::member::{MEMBER, about_roles, role_errors};
use crate::admin::operation::{MANAGE, REPLACE_PROVISIONING};
use crate::admin::problem::{FieldError, Problem};
use crate::audit::EventAction;
use crate::model::{ActionId, RoleAssignment};
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite, PROVISIONING, Provisioning};

/// Largest body: all groups with all their roles.
const BODY_BYTES_MAX: usize = 512 * 1024;

/// Settle how people are provisioned
///
/// You must be allowed to give every role that any group is given or was given. In force for everybody at once.
#[utoipa::path(
    put, path = "/v1/organisations/{organisation}/provisioning", operation_id = "replaceProvisioning", tag = "Provisioning",
    params(("organisation" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what was shown, or `*`; wanted once there are settings."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = ProvisioningBody),
    responses((status = 200, body = ProvisioningBody, description = "The settings as they are now."),
        (status = 428, body = crate::admin::problem::ProblemBody, content_type = "application/problem+json", description = "There are settings, and `If-Match` is missing.")),
)]
pub(in crate::admin) async fn replace_provisioning(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        wants_media_type(&parts.headers, &[JSON])?;
        let body = whole(body, BODY_BYTES_MAX).await?;
        let after = parsed::<ProvisioningBody>(&body)?.settings(door.desk().now())?;
        let objects = door.desk().objects();
        let before: Option<Provisioning> =
            objects.find(entered.tenant(), Kind::Provisioning, PROVISIONING).await?;
        let questions = about(entered, manage, (before.as_ref(), Some(&after)))?;
        Ok((questions, (Settled { before, after }, body)))
    };
    let act = async |guarded: &Guarded<'_>, (settled, body): (Settled, Bytes)| {
        change(guarded, &body, &settled).await
    };
    door.asked(&REPLACE_PROVISIONING, (&parts, Some(&organisation)), ask, act).await
}

/// The questions about settings before and after: about the organisation, and about each role that they give.
pub(super) fn about(
    entered: &Entered,
    manage: &ActionId,
    (before, after): (Option<&Provisioning>, Option<&Provisioning>),
) -> Result<Questions, Problem> {
    let root = entered.root().ok_or_else(Problem::not_done)?;
    let mut questions: Questions = vec![(manage.clone(), root.clone())];
    let roles: Vec<RoleAssignment> = before.into_iter().chain(after).flat_map(all_roles).collect();
    if !roles.is_empty() {
        let members = ActionId::parse(MANAGE).map_err(|_| Problem::not_done())?;
        questions.extend(about_roles(entered, &members, &roles));
    }
    questions.sort_unstable();
    questions.dedup();
    Ok(questions)
}

struct Settled {
    before: Option<Provisioning>,
    after: Provisioning,
}

#[async_trait]
impl Change for Settled {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let found = found(guarded).await?;
        match &found {
            Some(found) => wants_match(guarded.headers, &ProvisioningBody::shown(found))?,
            None => takes_match(guarded.headers, &serde_json::Value::Null)?,
        }
        if found != self.before {
            // What was decided was a change of something else.
            return Err(Problem::overtaken());
        }
        let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
        let kept: Vec<RoleAssignment> = found.iter().flat_map(all_roles).collect();
        let wrong =
            |roles: &[RoleAssignment]| role_errors(ground.partition(), MEMBER, roles, &kept);
        let mut errors = wrong(&self.after.roles);
        for (number, group) in self.after.groups.iter().enumerate() {
            let told = wrong(&group.roles).into_iter();
            errors.extend(told.map(|error| error.below(&format!("groups[{number}]"))));
        }
        if organisation.connection(&self.after.connection).is_none() {
            errors.push(FieldError::new("connection", "there is no such connection"));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(&errors));
        }
        let shown = ProvisioningBody::shown(&self.after);
        let answer = Answer::item(StatusCode::OK, shown.clone());
        let old = found.as_ref().map(ProvisioningBody::shown);
        if old.as_ref() == Some(&shown) {
            return Ok(Plan::nothing(answer));
        }
        keeps_an_administrator(guarded, ground, Some(&self.after)).await?;
        let event = EventDraft {
            action: if found.is_some() { EventAction::Updated } else { EventAction::Created },
            item: item(),
            parent: Some(organisation.root().clone()),
            before: old,
            after: Some(shown),
        };
        let write = ObjectWrite::put(Kind::Provisioning, PROVISIONING, &self.after)?;
        Ok(Plan::one(write, event, answer))
    }
}

/// Refuses settings after which nobody could sign in to undo them.
pub(super) async fn keeps_an_administrator(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    after: Option<&Provisioning>,
) -> Result<(), Problem> {
    let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
    let before = ground.members().await.map_err(|_| Problem::not_done())?;
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let provisioned = objects.provisioned(tenant, after).await?;
    let now = before.with_provisioned(organisation, provisioned);
    keeps_somebody(ground, &before, (organisation, &now))
}
