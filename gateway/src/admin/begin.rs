//! `POST /v1/organisations/{organisation}/resource-uploads`: begins an upload that can be resumed.
//!
//! After draft-ietf-httpbis-resumable-upload, but for one thing: nothing is taken with this request, so that the
//! answer with the upload's address is never lost behind a long body.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::guard::Guarded;
use super::problem::Problem;
use super::progress::{fields, shown};
use super::server::json_response;
use crate::store::UploadMode;

/// Begins an upload.
pub(super) async fn begin(guarded: &Guarded<'_>, mode: UploadMode) -> Result<Response, Problem> {
    let tenant = guarded.admitted.tenant();
    let upload = guarded.feeder.begin(&guarded.admitted, mode).await?;
    let mut response = json_response(StatusCode::CREATED, &shown(&upload));
    fields(response.headers_mut(), &upload);
    let location = format!("/v1/organisations/{tenant}/resource-uploads/{}", upload.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
