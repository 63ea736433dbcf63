//! Shows one organisation to the platform.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::{OrganisationBody, found, profile};
use crate::admin::change::item_response;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SHOW_ORGANISATION;
use crate::admin::problem::Problem;

/// Show an organisation
#[utoipa::path(
    get, path = "/v1/platform/organisations/{organisation}", operation_id = "showOrganisation", tag = "Platform",
    params(("organisation" = String, Path)),
    responses((status = 200, body = OrganisationBody, description = "The organisation.")),
)]
pub(in crate::admin) async fn show_organisation(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let (id, found) = found(&ground, &organisation)?;
        let profile = profile(guarded, &id).await?;
        Ok(item_response(StatusCode::OK, &OrganisationBody::shown(found, profile.as_ref())))
    };
    door.guarded(&SHOW_ORGANISATION, &parts, None, act).await
}
