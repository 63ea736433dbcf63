//! What the SCIM server can do, and what its resources look like (RFC 7644 §4).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::Value;

use super::BASE;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::{
    LIST_SCIM_RESOURCE_TYPES, LIST_SCIM_SCHEMAS, Operation, SHOW_SCIM_RESOURCE_TYPE,
    SHOW_SCIM_SCHEMA, SHOW_SERVICE_PROVIDER,
};
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::scim;

/// Show what SCIM can do here
#[utoipa::path(
    get, path = "/scim/v2/ServiceProviderConfig", operation_id = "showServiceProvider", tag = "SCIM",
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The configuration (RFC 7643 §5).")),
)]
pub(in crate::admin) async fn show_service_provider(
    State(door): Shared,
    request: Request<Body>,
) -> Response {
    told(&door, &SHOW_SERVICE_PROVIDER, request, Some(scim::service_provider_config(BASE))).await
}

/// List SCIM resource types
#[utoipa::path(
    get, path = "/scim/v2/ResourceTypes", operation_id = "listScimResourceTypes", tag = "SCIM",
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "Users and groups (RFC 7643 §6).")),
)]
pub(in crate::admin) async fn list_resource_types(
    State(door): Shared,
    request: Request<Body>,
) -> Response {
    told(&door, &LIST_SCIM_RESOURCE_TYPES, request, Some(scim::resource_types(BASE))).await
}

/// Show a SCIM resource type
#[utoipa::path(
    get, path = "/scim/v2/ResourceTypes/{type}", operation_id = "showScimResourceType", tag = "SCIM",
    params(("type" = String, Path, description = "`User` or `Group`.")),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The resource type.")),
)]
pub(in crate::admin) async fn show_resource_type(
    State(door): Shared,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response {
    told(&door, &SHOW_SCIM_RESOURCE_TYPE, request, scim::resource_type(BASE, &name)).await
}

/// List SCIM schemas
#[utoipa::path(
    get, path = "/scim/v2/Schemas", operation_id = "listScimSchemas", tag = "SCIM",
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The schemas (RFC 7643 §7).")),
)]
pub(in crate::admin) async fn list_schemas(
    State(door): Shared,
    request: Request<Body>,
) -> Response {
    told(&door, &LIST_SCIM_SCHEMAS, request, Some(scim::schemas(BASE))).await
}

/// Show a SCIM schema
#[utoipa::path(
    get, path = "/scim/v2/Schemas/{schema}", operation_id = "showScimSchema", tag = "SCIM",
    params(("schema" = String, Path, description = "The schema's URN.")),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The schema.")),
)]
pub(in crate::admin) async fn show_schema(
    State(door): Shared,
    Path(urn): Path<String>,
    request: Request<Body>,
) -> Response {
    told(&door, &SHOW_SCIM_SCHEMA, request, scim::schema(BASE, &urn)).await
}

async fn told(
    door: &crate::admin::guard::Door,
    operation: &'static Operation,
    request: Request<Body>,
    found: Option<Value>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |_: &Guarded<'_>| {
        let found = found.ok_or_else(Problem::not_found)?;
        Ok(json_response(StatusCode::OK, &found))
    };
    door.guarded(operation, &parts, None, act).await
}
