//! Lists the API clients somebody may see.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::api_client::{self, ApiClientBody, about};
use super::guard::{Guarded, Shared};
use super::operation::LIST_API_CLIENTS;
use super::paging::Query;
use super::problem::{Problem, ProblemBody};
use super::server::json_response;
use super::show_event::anywhere;
use crate::authn::{ApiKey, ApiKeys as _};
use crate::model::{ActionId, KeyId};
use crate::pipeline::{Entered, Ground};

/// A page of API clients.
#[derive(Debug, Serialize, ToSchema)]
struct ApiClientsBody {
    /// The clients, by id.
    #[schema(value_type = Vec<ApiClientBody>)]
    items: Vec<Value>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List API clients
///
/// Those that reach only nodes where you may see them.
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/api-clients", operation_id = "listApiClients", tag = "API clients",
    params(("organisation" = String, Path),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("status" = Option<String>, Query, description = "`active`, `disabled`, `expired` or `revoked`."),
        ("scope" = Option<String>, Query, description = "Those with this scope.")),
    responses((status = 200, body = ApiClientsBody, description = "A page of API clients."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The query cannot be read.")),
)]
pub(super) async fn list_api_clients(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask =
        async |entered: &Entered, view: &ActionId| Ok((anywhere(entered, view), view.clone()));
    let act = async |guarded: &Guarded<'_>, view: ActionId| {
        let query = Query::read(query.as_deref(), &["limit", "cursor", "status", "scope"])?;
        let page = page(guarded, &view, &query).await?;
        Ok(json_response(StatusCode::OK, &json!(page)))
    };
    door.asked(&LIST_API_CLIENTS, (&parts, Some(&organisation)), ask, act).await
}

async fn page(
    guarded: &Guarded<'_>,
    view: &ActionId,
    query: &Query,
) -> Result<ApiClientsBody, Problem> {
    let words = ["active", "disabled", "expired", "revoked"].map(|word| (word, word));
    let status = query.one_of("status", &words)?;
    let after = query.value("cursor").map(KeyId::parse).transpose();
    let after = after.map_err(|_| Problem::bad("`cursor` is `next` of the page before"))?;
    let (limit, scope) = (query.limit()?, query.value("scope"));
    let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
    let keys = guarded.desk.keys().list(guarded.admitted.tenant()).await;
    let keys = keys.map_err(|_| Problem::not_done())?;
    let now = guarded.desk.now();
    let mut found: Vec<&ApiKey> = Vec::new();
    let mut next = None;
    for key in keys.iter().filter(|key| after.as_ref().is_none_or(|after| key.id > *after)) {
        let fits = status.is_none_or(|status| api_client::status(key, now) == status)
            && scope.is_none_or(|scope| key.scopes.iter().any(|it| it == scope));
        if !fits || !may_see(&ground, view, key) {
            continue;
        }
        if found.len() == limit {
            next = found.last().map(|last| last.id.to_string());
            break;
        }
        found.push(key);
    }
    let ids = found.iter().map(|key| &key.id);
    let uses = guarded.desk.keys().uses(guarded.admitted.tenant(), ids).await?;
    let shown =
        |key: &&ApiKey| ApiClientBody::used(ApiClientBody::shown(key, now), uses.get(&key.id));
    Ok(ApiClientsBody { items: found.iter().map(shown).collect(), next })
}

/// Whether who asks may see a key: on every node it reaches; on the main account where that cannot be asked.
fn may_see(ground: &Ground<'_>, view: &ActionId, key: &ApiKey) -> bool {
    let partition = ground.partition();
    let known = |node: &crate::model::EntityUid| {
        partition.contains(node) && partition.schema().action_accepts(view, node.kind())
    };
    let root = ground.organisation().is_some_and(|it| ground.may(view, it.root()));
    let mut nodes = key.roles.iter().map(|role| &role.on);
    root || (!key.roles.is_empty() && nodes.all(|node| known(node) && ground.may(view, node)))
}

/// The questions about seeing a key that was found, or about the whole account.
pub(super) fn about_seeing(
    entered: &Entered,
    view: &ActionId,
    key: Option<&ApiKey>,
) -> super::guard::Questions {
    let roles = key.map(|key| &key.roles[..]).unwrap_or_default();
    about(entered, view, roles)
}
