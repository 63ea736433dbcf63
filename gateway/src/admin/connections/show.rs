//! Shows one connection.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::{ConnectionBody, connection_id, stored};
use crate::admin::change::item_response;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SHOW_CONNECTION;
use crate::admin::problem::Problem;

/// Show a connection
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/connections/{connection}", operation_id = "showConnection", tag = "Connections",
    params(("organisation" = String, Path), ("connection" = String, Path, description = "The connection's id.")),
    responses((status = 200, body = ConnectionBody, description = "The connection; `ETag` names what is shown.")),
)]
pub(in crate::admin) async fn show_connection(
    State(door): Shared,
    Path((organisation, connection)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let id = connection_id(&connection)?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let found = ground.organisation().and_then(|it| it.connection(&id));
        let found = found.ok_or_else(Problem::not_found)?;
        let stored = stored(guarded, &id).await?;
        Ok(item_response(StatusCode::OK, &ConnectionBody::shown(&ground, found, stored.as_ref())))
    };
    door.guarded(&SHOW_CONNECTION, &parts, Some(&organisation), act).await
}
