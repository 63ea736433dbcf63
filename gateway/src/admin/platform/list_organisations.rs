//! Lists all organisations.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{OrganisationBody, profile};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::LIST_ORGANISATIONS;
use crate::admin::paging::Query;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::model::TenantId;

/// A page of organisations.
#[derive(Debug, Serialize, ToSchema)]
struct OrganisationsBody {
    /// The organisations, by id.
    #[schema(value_type = Vec<OrganisationBody>)]
    items: Vec<Value>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List organisations
#[utoipa::path(
    get, path = "/v1/platform/organisations", operation_id = "listOrganisations", tag = "Platform",
    params(("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("status" = Option<String>, Query, description = "`active` or `suspended`.")),
    responses((status = 200, body = OrganisationsBody, description = "A page of organisations.")),
)]
pub(in crate::admin) async fn list_organisations(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let query = Query::read(query.as_deref(), &["limit", "cursor", "status"])?;
        Ok(json_response(StatusCode::OK, &json!(page(guarded, &query).await?)))
    };
    door.guarded(&LIST_ORGANISATIONS, &parts, None, act).await
}

async fn page(guarded: &Guarded<'_>, query: &Query) -> Result<OrganisationsBody, Problem> {
    let suspended = query.one_of("status", &[("active", false), ("suspended", true)])?;
    let after = query.value("cursor").map(TenantId::parse).transpose();
    let after = after.map_err(|_| Problem::bad("`cursor` is `next` of the page before"))?;
    let limit = query.limit()?;
    let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
    let mut items = Vec::new();
    let mut last = None;
    for organisation in ground.snapshot().directory().organisations() {
        let is_later = after.as_ref().is_none_or(|after| organisation.id() > after);
        if !is_later || suspended.is_some_and(|wanted| organisation.suspended() != wanted) {
            continue;
        }
        if items.len() == limit {
            return Ok(OrganisationsBody { items, next: last });
        }
        last = Some(organisation.id().to_string());
        let profile = profile(guarded, organisation.id()).await?;
        items.push(OrganisationBody::shown(organisation, profile.as_ref()));
    }
    Ok(OrganisationsBody { items, next: None })
}
