//! `GET` and `HEAD /v1/organisations/{organisation}/resource-uploads/{upload}`: how far an upload is.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::guard::Guarded;
use super::problem::Problem;
use super::server::json_response;
use crate::store::{LineError, Upload, UploadMode, UploadState};

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

/// An upload and its progress.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct UploadBody {
    /// Its id.
    id: String,
    /// `merge`, `replace` or `delete`.
    #[schema(value_type = String)]
    mode: UploadMode,
    /// `open`, `finishing`, `complete`, `refused` or `cancelled`.
    #[schema(value_type = String)]
    state: UploadState,
    /// Bytes taken for good.
    bytes: u64,
    /// Lines taken for good.
    lines: u64,
    /// Objects written because they were new or different.
    applied: u64,
    /// Lines that changed nothing.
    unchanged: u64,
    /// Objects deleted.
    deleted: u64,
    /// Lines and objects found faulty in the batch that was refused.
    failed: u64,
    /// What is wrong with them, the first ones: `line`, `id` and `reason`.
    #[schema(value_type = Vec<serde_json::Value>)]
    errors: Vec<LineError>,
}

/// An upload as its client sees it.
pub(super) fn shown(upload: &Upload) -> Value {
    json!(UploadBody {
        id: upload.id.clone(),
        mode: upload.mode,
        state: upload.state,
        bytes: upload.bytes,
        lines: upload.lines,
        applied: upload.applied,
        unchanged: upload.unchanged,
        deleted: upload.deleted,
        failed: upload.failed,
        errors: upload.errors.clone(),
    })
}
