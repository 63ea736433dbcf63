//! Shows one API client.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::api_client::{ApiClientBody, key_id};
use super::change::tagged_response;
use super::diff::etag;
use super::guard::{Door, Guarded, Shared};
use super::list_api_clients::about_seeing;
use super::operation::SHOW_API_CLIENT;
use super::problem::Problem;
use crate::authn::ApiKey;
use crate::model::ActionId;
use crate::pipeline::Entered;

/// Show an API client
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/api-clients/{client}", operation_id = "showApiClient", tag = "API clients",
    params(("organisation" = String, Path), ("client" = String, Path, description = "The client's id.")),
    responses((status = 200, body = ApiClientBody, description = "The client; `ETag` names what is shown.")),
)]
pub(super) async fn show_api_client(
    State(door): Shared,
    Path((organisation, client)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask = async |entered: &Entered, view: &ActionId| {
        let found = found(&door, entered, &client).await?.map(|(key, _)| key);
        Ok((about_seeing(entered, view, found.as_ref()), found))
    };
    let act = async |guarded: &Guarded<'_>, found: Option<ApiKey>| {
        let key = found.ok_or_else(Problem::not_found)?;
        let shown = ApiClientBody::shown(&key, guarded.desk.now());
        let uses = guarded.desk.keys().uses(&key.tenant, std::iter::once(&key.id)).await?;
        let told = ApiClientBody::used(shown.clone(), uses.get(&key.id));
        Ok(tagged_response(StatusCode::OK, &told, &etag(&shown)))
    };
    door.asked(&SHOW_API_CLIENT, (&parts, Some(&organisation)), ask, act).await
}

/// The key of a path as it is kept, with its version.
pub(super) async fn found(
    door: &Door,
    entered: &Entered,
    id: &str,
) -> Result<Option<(ApiKey, u64)>, Problem> {
    let Some(id) = key_id(id) else { return Ok(None) };
    Ok(door.desk().keys().kept(entered.tenant(), &id).await?)
}
