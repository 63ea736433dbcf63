//! Removes a connection that nobody signs in by.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::change::found;
use super::{ConnectionBody, connection_id, item, members_by};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change, takes_match};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::REMOVE_CONNECTION;
use crate::admin::problem::{Problem, ProblemBody};
use crate::audit::EventAction;
use crate::model::{Connection, ConnectionId};
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, StoredDomain};

/// Remove a connection
///
/// One that no member signs in by and no domain leads to: under its name another provider could say who they are.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/connections/{connection}", operation_id = "removeConnection", tag = "Connections",
    params(("organisation" = String, Path), ("connection" = String, Path, description = "The connection's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what was shown.")),
    responses((status = 204, description = "It is gone."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It stands in the files, or somebody needs it.")),
)]
pub(in crate::admin) async fn remove_connection(
    State(door): Shared,
    Path((organisation, connection)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let removal = Removal(connection_id(&connection)?);
        change(guarded, &[], &removal).await
    };
    door.guarded(&REMOVE_CONNECTION, &parts, Some(&organisation), act).await
}

struct Removal(ConnectionId);

#[async_trait]
impl Change for Removal {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let (id, tenant) = (&self.0, guarded.admitted.tenant());
        let stored = found(guarded, ground, id).await?;
        let organisation = ground.organisation().ok_or_else(Problem::not_done)?;
        // One whose secret cannot be read is not in force, and can go all the same.
        let connection = organisation.connection(id).map(|it| Connection::clone(it));
        let connection = connection.unwrap_or_else(|| stored.without_secret(tenant));
        let shown = ConnectionBody::shown(ground, &connection, Some(&stored));
        takes_match(guarded.headers, &shown)?;
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        let by = members_by(&members, id);
        if !by.is_empty() {
            let detail = format!("members sign in by it ({}); disable it instead", by.join(", "));
            return Err(Problem::in_use(detail));
        }
        let objects = guarded.desk.objects();
        let (domains, _) = objects.all::<StoredDomain>(tenant, Kind::Domain).await?;
        if let Some(domain) = domains.iter().find(|it| it.connection.as_ref() == Some(id)) {
            return Err(Problem::in_use(format!("the domain {} leads to it", domain.name)));
        }
        let provisioning = crate::admin::provisioning::found(guarded).await?;
        if provisioning.is_some_and(|settings| settings.connection == *id) {
            return Err(Problem::in_use("provisioned people sign in by it"));
        }
        let event = EventDraft {
            action: EventAction::Deleted,
            item: item(&stored),
            parent: Some(organisation.root().clone()),
            before: Some(shown),
            after: None,
        };
        Ok(Plan::one(ObjectWrite::gone(Kind::Connection, id.as_str()), event, Answer::empty()))
    }
}
