//! Shows how people are provisioned.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::{ProvisioningBody, found};
use crate::admin::change::item_response;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SHOW_PROVISIONING;
use crate::admin::problem::Problem;

/// Show how people are provisioned
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/provisioning", operation_id = "showProvisioning", tag = "Provisioning",
    params(("organisation" = String, Path)),
    responses((status = 200, body = ProvisioningBody, description = "The settings; `ETag` names what is shown. 404 where there are none.")),
)]
pub(in crate::admin) async fn show_provisioning(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let found = found(guarded).await?.ok_or_else(Problem::not_found)?;
        Ok(item_response(StatusCode::OK, &ProvisioningBody::shown(&found)))
    };
    door.guarded(&SHOW_PROVISIONING, &parts, Some(&organisation), act).await
}
