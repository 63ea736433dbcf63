//! Shows one node.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::NodeBody;
use crate::admin::change::item_response;
use crate::admin::guard::{Guarded, Questions, Shared};
use crate::admin::operation::SHOW_NODE;
use crate::admin::problem::Problem;
use crate::model::{ActionId, EntityUid};
use crate::pipeline::Entered;

/// Show a node
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/nodes/{node}", operation_id = "showNode", tag = "Nodes",
    params(("organisation" = String, Path), ("node" = String, Path, description = "Its name, as `Team::t1`.")),
    responses((status = 200, body = NodeBody, description = "The node; `ETag` names what is shown.")),
)]
pub(in crate::admin) async fn show_node(
    State(door): Shared,
    Path((organisation, node)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask = async |entered: &Entered, view: &ActionId| Ok(asked(entered, view, &node));
    let act = async |guarded: &Guarded<'_>, found: Option<EntityUid>| {
        let found = found.ok_or_else(Problem::not_found)?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let record = ground.partition().record(&found).ok_or_else(Problem::not_found)?;
        let nodes = std::slice::from_ref(&found);
        let sources = guarded.feeder.sources(guarded.admitted.tenant(), nodes).await?;
        let created = ground.organisation().is_some_and(|it| it.created().is_some());
        let source = super::source_of(&found, &sources, created);
        Ok(item_response(StatusCode::OK, &NodeBody::shown(record, source)))
    };
    door.asked(&SHOW_NODE, (&parts, Some(&organisation)), ask, act).await
}

/// Whether there is a node is told to who may see the whole organisation; to others one they may not see is none.
fn asked(entered: &Entered, view: &ActionId, name: &str) -> (Questions, Option<EntityUid>) {
    let partition = entered.partition();
    let found = EntityUid::parse(name).ok().filter(|node| {
        partition.contains(node) && partition.schema().action_accepts(view, node.kind())
    });
    let at = found.clone().or_else(|| entered.root().cloned());
    (at.map(|at| (view.clone(), at)).into_iter().collect(), found)
}
