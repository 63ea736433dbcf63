//! Lists the routes in force.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::LIST_ROUTES;
use crate::admin::paging::Query;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::routing::Route;

/// A page of routes.
#[derive(Debug, Serialize, ToSchema)]
struct RoutesBody {
    /// The routes, by id.
    items: Vec<RouteBody>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A route.
#[derive(Debug, Serialize, ToSchema)]
struct RouteBody {
    /// Its id.
    id: String,
    /// The host it is on.
    host: String,
    /// Its methods.
    methods: Vec<String>,
    /// Its path.
    path: String,
    /// The action it is decided by.
    action: String,
    /// The service behind it.
    service: String,
    /// The API scopes of which a key needs one.
    scopes: Vec<String>,
}

impl RouteBody {
    fn of(route: &Route) -> Self {
        Self {
            id: route.id().to_string(),
            host: route.host().to_owned(),
            methods: route.methods().iter().map(ToString::to_string).collect(),
            path: route.template().to_owned(),
            action: route.action().to_string(),
            service: route.service().to_string(),
            scopes: route.scopes().names().map(str::to_owned).collect(),
        }
    }
}

/// List routes
#[utoipa::path(
    get, path = "/v1/platform/routes", operation_id = "listRoutes", tag = "Platform",
    params(("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("service" = Option<String>, Query, description = "Those of this service."),
        ("action" = Option<String>, Query, description = "Those decided by this action.")),
    responses((status = 200, body = RoutesBody, description = "A page of routes.")),
)]
pub(in crate::admin) async fn list_routes(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let query = Query::read(query.as_deref(), &["limit", "cursor", "service", "action"])?;
        let (limit, after) = (query.limit()?, query.value("cursor"));
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        let wanted = |route: &&std::sync::Arc<Route>| {
            after.is_none_or(|after| route.id().as_str() > after)
                && is(query.value("service"), route.service().as_str())
                && is(query.value("action"), route.action().as_str())
        };
        let mut routes: Vec<_> = ground.snapshot().routes().routes().filter(wanted).collect();
        routes.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        let more = routes.len() > limit;
        routes.truncate(limit);
        let next = routes.last().filter(|_| more).map(|route| route.id().to_string());
        let items = routes.into_iter().map(|route| RouteBody::of(route)).collect();
        Ok(json_response(StatusCode::OK, &json!(RoutesBody { items, next })))
    };
    door.guarded(&LIST_ROUTES, &parts, None, act).await
}
