//! Shows one audit event.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::request::Parts;
use http::{Request, StatusCode};

use super::event::EventBody;
use super::guard::{Door, Guarded, Questions, Shared};
use super::list_events::may_see;
use super::member::may_at;
use super::operation::{Operation, SHOW_EVENT};
use super::problem::Problem;
use super::server::json_response;
use crate::audit::AuditEvent;
use crate::model::ActionId;
use crate::pipeline::Entered;

/// Show an audit event
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/auditlog/events/{event}", operation_id = "showEvent", tag = "Audit events",
    params(("organisation" = String, Path), ("event" = String, Path, description = "The event's id.")),
    responses((status = 200, body = EventBody, description = "The event.")),
)]
pub(super) async fn show_event(
    State(door): Shared,
    Path((organisation, event)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    shown(&door, &SHOW_EVENT, (&parts, Some(&organisation)), &event).await
}

/// An event of an organisation, or of the asker's own where none is named.
pub(super) async fn shown(
    door: &Door,
    operation: &'static Operation,
    asked_for: (&Parts, Option<&str>),
    event: &str,
) -> Response {
    let ask =
        async |entered: &Entered, view: &ActionId| Ok((anywhere(entered, view), view.clone()));
    let act = async |guarded: &Guarded<'_>, view: ActionId| {
        let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
        let known = AuditEvent::is_id(event);
        let found = if known { objects.event(tenant, event).await? } else { None };
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        // One that may not be seen is none.
        let found = found.filter(|event| may_see(&ground, &view, event));
        let event = found.ok_or_else(Problem::not_found)?;
        Ok(json_response(StatusCode::OK, &serde_json::json!(EventBody::of(event))))
    };
    door.asked(operation, asked_for, ask, act).await
}

/// The question for the first node where `view` is allowed; for the root, where there is none.
pub(super) fn anywhere(entered: &Entered, view: &ActionId) -> Questions {
    let Some(root) = entered.root() else { return Questions::new() };
    // Roles inherit down: who may see nothing at their own nodes may see nothing anywhere.
    let mut nodes = std::iter::once(root).chain(entered.own_nodes());
    let at = nodes.find(|node| may_at(entered, view, node)).unwrap_or(root);
    vec![(view.clone(), at.clone())]
}
