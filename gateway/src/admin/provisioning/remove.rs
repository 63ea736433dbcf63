//! Ends provisioning: whoever was provisioned is a member no more.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::replace::{about, keeps_an_administrator};
use super::{ProvisioningBody, found, item};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change, takes_match};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::REMOVE_PROVISIONING;
use crate::admin::problem::Problem;
use crate::audit::EventAction;
use crate::model::ActionId;
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite, PROVISIONING, Provisioning};

/// End provisioning
///
/// Whoever was provisioned is a member no more, from the next request on. Once it is settled again they are as they
/// were.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/provisioning", operation_id = "removeProvisioning", tag = "Provisioning",
    params(("organisation" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what was shown.")),
    responses((status = 204, description = "It has ended.")),
)]
pub(in crate::admin) async fn remove_provisioning(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        let objects = door.desk().objects();
        let before: Option<Provisioning> =
            objects.find(entered.tenant(), Kind::Provisioning, PROVISIONING).await?;
        Ok((about(entered, manage, (before.as_ref(), None))?, before))
    };
    let act = async |guarded: &Guarded<'_>, before: Option<Provisioning>| {
        let before = before.ok_or_else(Problem::not_found)?;
        change(guarded, &[], &Removal(before)).await
    };
    door.asked(&REMOVE_PROVISIONING, (&parts, Some(&organisation)), ask, act).await
}

struct Removal(Provisioning);

#[async_trait]
impl Change for Removal {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let found = found(guarded).await?.ok_or_else(Problem::not_found)?;
        let shown = ProvisioningBody::shown(&found);
        takes_match(guarded.headers, &shown)?;
        if found != self.0 {
            return Err(Problem::overtaken());
        }
        keeps_an_administrator(guarded, ground, None).await?;
        let event = EventDraft {
            action: EventAction::Deleted,
            item: item(),
            parent: ground.organisation().map(|it| it.root().clone()),
            before: Some(shown),
            after: None,
        };
        let gone = ObjectWrite::gone(Kind::Provisioning, PROVISIONING);
        Ok(Plan::one(gone, event, Answer::empty()))
    }
}
