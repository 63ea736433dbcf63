//! Lists the base policies in force, as they are written.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::LIST_POLICIES;
use crate::admin::paging::Query;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;

/// A page of policies.
#[derive(Debug, Serialize, ToSchema)]
struct PoliciesBody {
    /// The policies, by id.
    items: Vec<PolicyBody>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyBody {
    /// Its id, which records name.
    #[schema(example = "role-admin")]
    id: String,
    /// `permit` or `forbid`.
    effect: &'static str,
    /// The file it stands in.
    file: String,
    /// The line it begins on.
    line: usize,
    /// As it is written.
    text: String,
}

/// List policies
///
/// The base policies, which hold for every organisation.
#[utoipa::path(
    get, path = "/v1/platform/policies", operation_id = "listPolicies", tag = "Platform",
    params(("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("search" = Option<String>, Query, description = "Those whose text has this in it.")),
    responses((status = 200, body = PoliciesBody, description = "A page of policies.")),
)]
pub(in crate::admin) async fn list_policies(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let query = Query::read(query.as_deref(), &["limit", "cursor", "search"])?;
        let (limit, after) = (query.limit()?, query.value("cursor"));
        let search = query.value("search");
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let mut policies: Vec<_> = ground.snapshot().pdp().written().collect();
        policies.retain(|policy| {
            after.is_none_or(|after| policy.id > after)
                && search.is_none_or(|part| policy.text.contains(part))
        });
        policies.sort_unstable_by_key(|policy| policy.id);
        let more = policies.len() > limit;
        policies.truncate(limit);
        let next = policies.last().filter(|_| more).map(|policy| policy.id.to_owned());
        let shown = |policy: &crate::authz::Written<'_>| PolicyBody {
            id: policy.id.to_owned(),
            effect: if policy.permits { "permit" } else { "forbid" },
            file: policy.file.to_owned(),
            line: policy.line,
            text: policy.text.to_owned(),
        };
        let items = policies.iter().map(shown).collect();
        Ok(json_response(StatusCode::OK, &json!(PoliciesBody { items, next })))
    };
    door.guarded(&LIST_POLICIES, &parts, None, act).await
}
