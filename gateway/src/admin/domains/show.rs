//! Shows one e-mail domain, with the record that proves it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::{DomainBody, found};
use crate::admin::change::item_response;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SHOW_DOMAIN;

/// Show an e-mail domain
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/domains/{domain}", operation_id = "showDomain", tag = "Domains",
    params(("organisation" = String, Path), ("domain" = String, Path, description = "The domain.")),
    responses((status = 200, body = DomainBody, description = "The domain; `ETag` names what is shown.")),
)]
pub(in crate::admin) async fn show_domain(
    State(door): Shared,
    Path((organisation, domain)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let found = found(guarded, &domain).await?;
        Ok(item_response(StatusCode::OK, &DomainBody::shown(&found)))
    };
    door.guarded(&SHOW_DOMAIN, &parts, Some(&organisation), act).await
}
