//! Turns what this door answers into what SCIM clients read: their media type, their errors.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::SCIM;
use crate::admin::guard::{Shared, finished};
use crate::admin::problem::{Problem, Told};
use crate::scim::ScimError;

/// The answer to a SCIM client.
pub(in crate::admin) async fn as_scim(mut response: Response) -> Response {
    if let Some(Told { status, detail, scim_type }) = response.extensions_mut().remove::<Told>() {
        let error = ScimError { status: status.as_u16(), scim_type, detail };
        *response.body_mut() = Body::from(error.body().to_string() + "\n");
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if response.status() != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM));
    }
    response
}

/// What is not supported, and what is nowhere.
pub(in crate::admin) async fn no_such_place(axum::extract::State(door): Shared) -> Response {
    let id = door.new_id();
    finished(Problem::not_found().response(id), id)
}
