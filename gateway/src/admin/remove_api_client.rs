//! Removes an API client.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::api_client::{ApiClientBody, about, item, parent};
use super::change::{Answer, Change, EventDraft, Plan, change, takes_match};
use super::desk::Held;
use super::guard::{Guarded, Shared};
use super::operation::REMOVE_API_CLIENT;
use super::problem::{Problem, ProblemBody};
use super::show_api_client::found;
use crate::audit::EventAction;
use crate::authn::ApiKey;
use crate::model::ActionId;
use crate::pipeline::{Entered, Ground};
use crate::store::{Kind, ObjectWrite};

/// Remove an API client
///
/// In force with its next request. Its id is never given again.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/api-clients/{client}", operation_id = "removeApiClient", tag = "API clients",
    params(("organisation" = String, Path), ("client" = String, Path, description = "The client's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what was shown.")),
    responses((status = 204, description = "It is gone."),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile.")),
)]
pub(super) async fn remove_api_client(
    State(door): Shared,
    Path((organisation, client)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask = async |entered: &Entered, manage: &ActionId| {
        let found = found(&door, entered, &client).await?;
        let roles = found.as_ref().map(|(key, _)| &key.roles[..]).unwrap_or_default();
        Ok((about(entered, manage, roles), found))
    };
    let act = async |guarded: &Guarded<'_>, found: Option<(ApiKey, u64)>| {
        let (key, version) = found.ok_or_else(Problem::not_found)?;
        change(guarded, &[], &Removal { key, version }).await
    };
    door.asked(&REMOVE_API_CLIENT, (&parts, Some(&organisation)), ask, act).await
}

struct Removal {
    key: ApiKey,
    version: u64,
}

#[async_trait]
impl Change for Removal {
    async fn plan(&self, guarded: &Guarded<'_>, _: &Ground<'_>) -> Result<Plan, Problem> {
        let (desk, now) = (guarded.desk, guarded.desk.now());
        let kept = desk.keys().kept(guarded.admitted.tenant(), &self.key.id).await?;
        let (found, at) = kept.ok_or_else(Problem::not_found)?;
        let shown = ApiClientBody::shown(&found, now);
        takes_match(guarded.headers, &shown)?;
        if at != self.version {
            // What was decided was the removal of something else.
            return Err(Problem::overtaken());
        }
        let event = EventDraft {
            action: EventAction::Deleted,
            item: item(&self.key),
            parent: parent(&self.key),
            before: Some(shown),
            after: None,
        };
        // The claim on the id stays: it finds nothing, and nobody else is given it.
        let gone = ObjectWrite::gone(Kind::ApiKey, self.key.id.as_str());
        let gone = gone.beside().over(Some(self.version));
        let held = Held::Key(self.key.id.clone());
        Ok(Plan::one(gone, event, Answer::empty()).forgetting(held))
    }
}
