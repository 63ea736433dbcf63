//! Looks into the decision log of this node.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SEARCH_DECISIONS;
use crate::admin::paging::Query;
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::journal::{Filter, Tail};
use crate::model::UnixNanos;

/// How far back is looked where nothing is said: a day's log is read in seconds.
const BACK_SECONDS: u64 = 24 * 60 * 60;

/// The keys of a search.
const KEYS: &[&str] =
    &["limit", "organisation", "principal", "effect", "reason", "decision", "kind", "since"];

/// Lines of the decision log.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionsBody {
    /// The latest lines that match, the latest first, as the log has them (`schemas/decision-record.json`).
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
}

/// Search decisions
///
/// The latest lines that match, of this node's log; `hubgate log verify` says whether it is whole.
#[utoipa::path(
    get, path = "/v1/platform/decisions", operation_id = "searchDecisions", tag = "Platform",
    params(("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("organisation" = Option<String>, Query, description = "Those of this organisation."),
        ("principal" = Option<String>, Query, description = "Those of this principal, as `User::ada`."),
        ("effect" = Option<String>, Query, description = "`allow`, `deny`, `error` or `refuse`."),
        ("reason" = Option<String>, Query, description = "Those with this reason code."),
        ("decision" = Option<String>, Query, description = "The decision of this id and its outcome; its beginning or its end will do."),
        ("kind" = Option<String>, Query, description = "`decision`, `outcome`, `event` or `journal`."),
        ("since" = Option<String>, Query, description = "Nothing older (RFC 3339); a day back unless given.")),
    responses((status = 200, body = DecisionsBody, description = "The lines.")),
)]
pub(in crate::admin) async fn search_decisions(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let query = Query::read(query.as_deref(), KEYS)?;
        let (filter, limit) = (filter(&query, guarded.desk.now())?, query.limit()?);
        let tail = Tail::new(guarded.desk.log_directory(), filter, limit);
        // One at a time: whoever searches must not keep the disk from who writes.
        let turn = guarded.desk.searching().await;
        let read = move || {
            let _one = turn;
            tail.lines()
        };
        let read = tokio::task::spawn_blocking(read).await;
        let lines = read.map_err(|_| Problem::not_done())?.map_err(|error| {
            tracing::error!(%error, "the log could not be searched");
            Problem::not_done()
        })?;
        let lines = lines.iter().rev();
        let items = lines.filter_map(|line| serde_json::from_str(line.json()).ok()).collect();
        Ok(json_response(StatusCode::OK, &json!(DecisionsBody { items })))
    };
    door.guarded(&SEARCH_DECISIONS, &parts, None, act).await
}

fn filter(query: &Query, now: UnixNanos) -> Result<Filter, Problem> {
    let since = match query.value("since") {
        None => UnixNanos::from_seconds(now.seconds().saturating_sub(BACK_SECONDS)),
        Some(text) => {
            let at: Timestamp = text
                .parse()
                .map_err(|_| Problem::bad("`since` is a time as `2026-11-22T10:15:30Z`"))?;
            UnixNanos::from_seconds(u64::try_from(at.as_second()).unwrap_or_default())
        }
    };
    let words = |words: &[&'static str]| -> Vec<(&'static str, &'static str)> {
        words.iter().map(|word| (*word, *word)).collect()
    };
    let effect = query.one_of("effect", &words(&["allow", "deny", "error", "refuse"]))?;
    let kind = query.one_of("kind", &words(&["decision", "outcome", "event", "journal"]))?;
    let text = |key: &str| query.value(key).map(str::to_owned);
    Ok(Filter {
        tenant: text("organisation"),
        principal: text("principal"),
        effect: effect.map(str::to_owned),
        reason: text("reason"),
        decision: text("decision"),
        kind: kind.map(str::to_owned),
        since: Some(since),
    })
}
