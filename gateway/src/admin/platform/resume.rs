//! Lets a suspended organisation in again.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::found;
use super::suspend::Standing;
use crate::admin::change::change_of;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::RESUME_ORGANISATION;
use crate::admin::problem::Problem;

/// Resume an organisation
///
/// Takes the platform's suspension back. One that stands in the organisation's files stays.
#[utoipa::path(
    post, path = "/v1/platform/organisations/{organisation}/resume", operation_id = "resumeOrganisation", tag = "Platform",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    responses((status = 200, body = super::OrganisationBody, description = "The organisation as it is now.")),
)]
pub(in crate::admin) async fn resume_organisation(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let (tenant, _) = found(&ground, &organisation)?;
        let standing = Standing { tenant, suspended: None };
        change_of(guarded, &standing.tenant, &[], &standing).await
    };
    door.guarded(&RESUME_ORGANISATION, &parts, None, act).await
}
