//! Lists the e-mail domains of an organisation.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::DomainBody;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::LIST_DOMAINS;
use crate::admin::server::json_response;
use crate::store::{Kind, StoredDomain};

/// All domains: there are few.
#[derive(Debug, Serialize, ToSchema)]
struct DomainsBody {
    /// The domains, by name.
    #[schema(value_type = Vec<DomainBody>)]
    items: Vec<Value>,
}

/// List e-mail domains
///
/// Those kept here; domains that stand in the organisation's files are shown with their connection.
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/domains", operation_id = "listDomains", tag = "Domains",
    params(("organisation" = String, Path)),
    responses((status = 200, body = DomainsBody, description = "The domains.")),
)]
pub(in crate::admin) async fn list_domains(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
        let (domains, _) = objects.all::<StoredDomain>(tenant, Kind::Domain).await?;
        let items = domains.iter().map(DomainBody::shown).collect();
        Ok(json_response(StatusCode::OK, &json!(DomainsBody { items })))
    };
    door.guarded(&LIST_DOMAINS, &parts, Some(&organisation), act).await
}
