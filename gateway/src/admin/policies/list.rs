//! Lists changes of the base policies.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::PolicyChangeBody;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::LIST_POLICY_CHANGES;
use crate::admin::paging::Query;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::store::{ChangeState, Kind, PolicyChange};

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyChangesBody {
    /// The changes, the latest first, without their effect.
    items: Vec<PolicyChangeBody>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List changes of policies
#[utoipa::path(
    get, path = "/v1/platform/policy-changes", operation_id = "listPolicyChanges", tag = "Policies",
    params(("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("state" = Option<String>, Query, description = "`open`, `approved` or `closed`.")),
    responses((status = 200, body = PolicyChangesBody, description = "A page of changes.")),
)]
pub(in crate::admin) async fn list_policy_changes(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let query = Query::read(query.as_deref(), &["limit", "cursor", "state"])?;
        Ok(json_response(StatusCode::OK, &json!(page(guarded, &query).await?)))
    };
    door.guarded(&LIST_POLICY_CHANGES, &parts, None, act).await
}

async fn page(guarded: &Guarded<'_>, query: &Query) -> Result<PolicyChangesBody, Problem> {
    let states = ChangeState::ALL.map(|state| (state.name(), state));
    let state = query.one_of("state", &states)?;
    let (limit, cursor) = (query.limit()?, query.value("cursor"));
    if cursor.is_some_and(|it| it.is_empty() || !it.bytes().all(|b| b.is_ascii_alphanumeric())) {
        return Err(Problem::bad("`cursor` is `next` of the page before"));
    }
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let (mut items, mut after) = (Vec::new(), cursor.map(str::to_owned));
    let mut last = None;
    loop {
        let kind = Kind::PolicyChange;
        let (page, more) = objects.page::<PolicyChange>(tenant, kind, after.as_deref()).await?;
        for change in page.iter().filter(|it| state.is_none_or(|state| it.state == state)) {
            if items.len() == limit {
                return Ok(PolicyChangesBody { items, next: last });
            }
            last = Some(change.id.clone());
            items.push(PolicyChangeBody { policies: None, ..PolicyChangeBody::of(change) });
        }
        after = more;
        if after.is_none() {
            return Ok(PolicyChangesBody { items, next: None });
        }
    }
}
