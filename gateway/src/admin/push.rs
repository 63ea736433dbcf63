//! `PUT` and `DELETE /v1/organisations/{organisation}/resources`: everything in one request.
//!
//! It cannot be resumed, but it can be sent again: what is the same changes nothing.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;

use super::guard::Guarded;
use super::problem::Problem;
use super::progress::shown;
use super::server::json_response;
use crate::store::{UploadMode, UploadState};

/// The media type of lines of JSON.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// Takes the resources of a body.
pub(super) async fn push(
    guarded: &Guarded<'_>,
    mode: UploadMode,
    body: Body,
) -> Result<Response, Problem> {
    guarded.wants_media_type(NDJSON)?;
    let upload = guarded.feeder.push(&guarded.admitted, mode, guarded.counted(body)).await?;
    match upload.state {
        UploadState::Complete => Ok(json_response(StatusCode::OK, &shown(&upload))),
        _ => Err(Problem::refused(&upload)),
    }
}
