//! `GET` and `HEAD /v1/organisations/{organisation}/resource-uploads/{upload}`: how far an upload is.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::guard::Guarded;
use super::problem::Problem;
use super::server::json_response;
use crate::store::{Upload, UploadState};

/// The field that tells where an upload goes on: draft-ietf-httpbis-resumable-upload, an sf-integer.
pub(super) const UPLOAD_OFFSET: &str = "upload-offset";
/// The field that tells whether an upload is complete: an sf-boolean, `?1` or `?0`.
pub(super) const UPLOAD_COMPLETE: &str = "upload-complete";

/// Tells how far an upload is.
pub(super) async fn progress(guarded: &Guarded<'_>, id: &str) -> Result<Response, Problem> {
    let upload = guarded.feeder.upload(guarded.admitted.tenant(), id).await?;
    let mut response = json_response(StatusCode::OK, &shown(&upload));
    fields(response.headers_mut(), &upload);
    Ok(response)
}

/// Gives an upload up.
pub(super) async fn cancel(guarded: &Guarded<'_>, id: &str) -> Result<Response, Problem> {
    let upload = guarded.feeder.cancel(guarded.admitted.tenant(), id).await?;
    Ok(json_response(StatusCode::OK, &shown(&upload)))
}

/// The upload's two fields.
pub(super) fn fields(headers: &mut HeaderMap, upload: &Upload) {
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(upload.bytes));
    let complete = if upload.state == UploadState::Open { "?0" } else { "?1" };
    headers.insert(UPLOAD_COMPLETE, HeaderValue::from_static(complete));
}

/// An upload as its client sees it.
pub(super) fn shown(upload: &Upload) -> Value {
    json!({
        "id": upload.id,
        "mode": upload.mode,
        "state": upload.state,
        "bytes": upload.bytes,
        "lines": upload.lines,
        "applied": upload.applied,
        "unchanged": upload.unchanged,
        "deleted": upload.deleted,
        "failed": upload.failed,
        "errors": upload.errors,
    })
}
