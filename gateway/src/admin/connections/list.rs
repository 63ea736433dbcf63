//! Lists the connections of an organisation.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ConnectionBody, stored};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::LIST_CONNECTIONS;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;

/// All connections: there are few.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectionsBody {
    /// The connections, by id.
    #[schema(value_type = Vec<ConnectionBody>)]
    items: Vec<Value>,
}

/// List connections
///
/// To the identity providers that the organisation's people sign in by, those in its files among them.
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/connections", operation_id = "listConnections", tag = "Connections",
    params(("organisation" = String, Path)),
    responses((status = 200, body = ConnectionsBody, description = "The connections.")),
)]
pub(in crate::admin) async fn list_connections(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
        let mut items = Vec::new();
        for connection in organisation.connections() {
            let stored = stored(guarded, &connection.key.id).await?;
            items.push(ConnectionBody::shown(&ground, connection, stored.as_ref()));
        }
        Ok(json_response(StatusCode::OK, &json!(ConnectionsBody { items })))
    };
    door.guarded(&LIST_CONNECTIONS, &parts, Some(&organisation), act).await
}
