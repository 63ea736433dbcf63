//! Lists what happened to the asker's own organisation, where clients of the Partner API look for it.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::Request;

use super::guard::Shared;
use super::list_events::{EventsBody, listed};
use super::operation::LIST_OWN_EVENTS;
use super::problem::ProblemBody;

/// List audit events of your organisation
///
/// As `listEvents`, for the organisation of whoever asks.
#[utoipa::path(
    get, path = "/auditlog/events", operation_id = "listOwnEvents", tag = "Audit events",
    params(("operatorId" = Option<String>, Query, description = "Those of this operator account."),
        ("teamId" = Option<String>, Query, description = "Those of this team."),
        ("userId" = Option<String>, Query, description = "What this member did."),
        ("entityType" = Option<String>, Query, description = "What was done to this kind of item, as `member`."),
        ("entityId" = Option<String>, Query, description = "What was done to the item with this id."),
        ("action" = Option<String>, Query, description = "`created`, `updated`, `deleted`, `signed_in`, `signed_out` or `token_reused`."),
        ("search" = Option<String>, Query, description = "Those with this in names, ids or changes."),
        ("fromDate" = Option<String>, Query, description = "From this time on (RFC 3339)."),
        ("toDate" = Option<String>, Query, description = "Before this time (RFC 3339)."),
        ("perPage" = Option<u32>, Query, description = "How many, 1 to 10000; 50 unless given."),
        ("after" = Option<String>, Query, description = "Those that come after this event in the list."),
        ("before" = Option<String>, Query, description = "Those that come before it.")),
    responses((status = 200, body = EventsBody, description = "A page of events."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The query cannot be read.")),
)]
pub(super) async fn list_own_events(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    listed(&door, &LIST_OWN_EVENTS, (&parts, None), query.as_deref()).await
}
