//! Removes an e-mail domain.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::{DomainBody, found, item};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change, takes_match};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::REMOVE_DOMAIN;
use crate::admin::problem::Problem;
use crate::audit::EventAction;
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite};

/// Remove an e-mail domain
///
/// Its people are led nowhere any more; who is signed in stays so.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/domains/{domain}", operation_id = "removeDomain", tag = "Domains",
    params(("organisation" = String, Path), ("domain" = String, Path, description = "The domain."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what was shown.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(in crate::admin) async fn remove_domain(
    State(door): Shared,
    Path((organisation, domain)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| change(guarded, &[], &Removal(&domain)).await;
    door.guarded(&REMOVE_DOMAIN, &parts, Some(&organisation), act).await
}

struct Removal<'a>(&'a str);

#[async_trait]
impl Change for Removal<'_> {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let found = found(guarded, self.0).await?;
        let shown = DomainBody::shown(&found);
        takes_match(guarded.headers, &shown)?;
        let event = EventDraft {
            action: EventAction::Deleted,
            item: item(&found),
            parent: ground.organisation().map(|it| it.root().clone()),
            before: Some(shown),
            after: None,
        };
        Ok(Plan::one(ObjectWrite::gone(Kind::Domain, &found.name), event, Answer::empty()))
    }
}
