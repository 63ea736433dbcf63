//! Lists the nodes somebody may see.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::NodeBody;
use crate::admin::guard::{Guarded, Questions, Shared};
use crate::admin::member::may_at;
use crate::admin::operation::LIST_NODES;
use crate::admin::paging::Query;
use crate::admin::problem::{Problem, ProblemBody};
use crate::admin::server::json_response;
use crate::authz::Partition;
use crate::model::{ActionId, EntityUid};
use crate::pipeline::Entered;

/// A page of nodes.
#[derive(Debug, Serialize, ToSchema)]
struct NodesBody {
    /// The nodes, by name.
    #[schema(value_type = Vec<NodeBody>)]
    items: Vec<Value>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

const KEYS: &[&str] = &["limit", "cursor", "type", "below", "search"];

/// List nodes
///
/// Operators, sub-accounts, teams: what roles are given on, where you may see who has access.
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/nodes", operation_id = "listNodes", tag = "Nodes",
    params(("organisation" = String, Path),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("type" = Option<String>, Query, description = "Those of this type, as `Team`."),
        ("below" = Option<String>, Query, description = "This node, as `Operator::o1`, and those below it."),
        ("search" = Option<String>, Query, description = "Those with this in their id.")),
    responses((status = 200, body = NodesBody, description = "A page of nodes. It may be shorter than asked for, and have a next one."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The query cannot be read.")),
)]
pub(in crate::admin) async fn list_nodes(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask = async |entered: &Entered, view: &ActionId| asked(entered, view, query.as_deref());
    let act = async |guarded: &Guarded<'_>, wanted: Wanted| {
        Ok(json_response(StatusCode::OK, &json!(wanted.page(guarded).await?)))
    };
    door.asked(&LIST_NODES, (&parts, Some(&organisation)), ask, act).await
}

/// Which nodes are wanted, and below which they are looked for.
#[derive(Clone, Debug)]
struct Wanted {
    view: ActionId,
    below: Vec<EntityUid>,
    kinds: Vec<String>,
    search: Option<String>,
    after: Option<EntityUid>,
    limit: usize,
}

/// Asked about the node that is named, or the first from which something is seen.
fn asked(
    entered: &Entered,
    view: &ActionId,
    query: Option<&str>,
) -> Result<(Questions, Wanted), Problem> {
    let query = Query::read(query, KEYS)?;
    let node = |key: &str| {
        let uid = query.value(key).map(EntityUid::parse).transpose();
        uid.map_err(|error| Problem::bad(format!("`{key}`: {error}")))
    };
    let (named, after) = (node("below")?, node("cursor")?);
    let limit = query.limit()?;
    let root = entered.root().ok_or_else(Problem::not_done)?;
    let partition = entered.partition();
    let takes = |kind: &str| partition.schema().action_accepts(view, kind);
    let mut kinds: Vec<String> = partition.schema().kinds().map(str::to_owned).collect();
    kinds.retain(|kind| takes(kind) && query.value("type").is_none_or(|wanted| wanted == kind));
    if let Some(wanted) = query.value("type").filter(|_| kinds.is_empty()) {
        return Err(Problem::bad(format!("`type`: no roles are given on a `{wanted}`")));
    }
    let below: Vec<EntityUid> = match named {
        Some(named) => vec![named],
        None if may_at(entered, view, root) => vec![root.clone()],
        None => entered.own_nodes().filter(|node| may_at(entered, view, node)).cloned().collect(),
    };
    // What is not there is told to who may see the whole organisation.
    let at = below.first().filter(|node| takes(node.kind()) && partition.contains(node));
    let at = at.unwrap_or(root).clone();
    let search = query.value("search").map(str::to_lowercase);
    let wanted = Wanted { view: view.clone(), below, kinds, search, after, limit };
    Ok((vec![(view.clone(), at)], wanted))
}

impl Wanted {
    async fn page(self, guarded: &Guarded<'_>) -> Result<NodesBody, Problem> {
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let partition = ground.partition_of(guarded.admitted.tenant()).await;
        let partition = partition.map_err(|_| Problem::not_done())?;
        let (view, limit) = (self.view.clone(), self.limit);
        // Of a million nodes it takes a second.
        let found = tokio::task::spawn_blocking(move || self.found(&partition)).await;
        let mut found = found.map_err(|_| Problem::not_done())?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(ToString::to_string);
        // A list shows nothing that would not be shown by itself.
        found.retain(|node| ground.may(&view, node));
        let sources = guarded.feeder.sources(guarded.admitted.tenant(), &found).await?;
        let created = ground.organisation().is_some_and(|it| it.created().is_some());
        let shown = |node: &EntityUid| {
            let source = super::source_of(node, &sources, created);
            Some(NodeBody::shown(ground.partition().record(node)?, source))
        };
        Ok(NodesBody { items: found.iter().filter_map(shown).collect(), next })
    }

    /// The names that are wanted, in order; one more than the limit where there are more.
    fn found(&self, partition: &Partition) -> Vec<EntityUid> {
        let takes = |node: &&EntityUid| {
            self.after.as_ref().is_none_or(|after| *node > after)
                && self.search.as_ref().is_none_or(|it| node.id().to_lowercase().contains(it))
                && partition.stands_under(node, self.below.iter())
        };
        let nodes = self.kinds.iter().flat_map(|kind| partition.of_kind(kind));
        let mut found: Vec<&EntityUid> = nodes.filter(takes).collect();
        if found.len() > self.limit {
            found.select_nth_unstable(self.limit);
            found.truncate(self.limit + 1);
        }
        found.sort_unstable();
        found.into_iter().cloned().collect()
    }
}
