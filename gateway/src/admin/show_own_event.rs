//! Shows one audit event of the asker's own organisation, where clients of the Partner API look for it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::event::EventBody;
use super::guard::Shared;
use super::operation::SHOW_OWN_EVENT;
use super::show_event::shown;

/// Show an audit event of your organisation
#[utoipa::path(
    get, path = "/auditlog/events/{event}", operation_id = "showOwnEvent", tag = "Audit events",
    params(("event" = String, Path, description = "The event's id.")),
    responses((status = 200, body = EventBody, description = "The event.")),
)]
pub(super) async fn show_own_event(
    State(door): Shared,
    Path(event): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    shown(&door, &SHOW_OWN_EVENT, (&parts, None), &event).await
}
