//! Changes where an e-mail domain leads.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{DomainBody, found, item, leads_to};
use crate::admin::body::{JSON, MERGE_PATCH, parsed, wants_media_type, whole};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change, wants_match};
use crate::admin::connections::BODY_BYTES_MAX;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::CHANGE_DOMAIN;
use crate::admin::problem::Problem;
use crate::audit::EventAction;
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, StoredDomain};

/// What changes of a domain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "a merge patch tells `null` from what is left out")]
pub(in crate::admin) struct DomainPatch {
    /// The connection its people sign in by; `null` leads them nowhere.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "entra")]
    connection: Option<Option<String>>,
}

/// Tells `null` from what is left out.
#[expect(clippy::option_option, reason = "a merge patch tells `null` from what is left out")]
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Change an e-mail domain
///
/// A merge patch (RFC 7396) of where it leads.
#[utoipa::path(
    patch, path = "/v1/organisations/{organisation}/domains/{domain}", operation_id = "changeDomain", tag = "Domains",
    params(("organisation" = String, Path), ("domain" = String, Path, description = "The domain."),
        ("If-Match" = String, Header, description = "The `ETag` of what was shown, or `*`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = DomainPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = DomainBody, description = "The domain as it is now.")),
)]
pub(in crate::admin) async fn change_domain(
    State(door): Shared,
    Path((organisation, domain)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        wants_media_type(&parts.headers, &[MERGE_PATCH, JSON])?;
        let body = whole(body, BODY_BYTES_MAX).await?;
        let DomainPatch { connection } = parsed(&body)?;
        change(guarded, &body, &Moved { domain: &domain, connection }).await
    };
    door.guarded(&CHANGE_DOMAIN, &parts, Some(&organisation), act).await
}

#[expect(clippy::option_option, reason = "a merge patch tells `null` from what is left out")]
struct Moved<'a> {
    domain: &'a str,
    connection: Option<Option<String>>,
}

#[async_trait]
impl Change for Moved<'_> {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let before = found(guarded, self.domain).await?;
        let old = DomainBody::shown(&before);
        wants_match(guarded.headers, &old)?;
        let connection = match &self.connection {
            None => before.connection.clone(),
            Some(given) => leads_to(ground, given.as_deref())?,
        };
        let after = StoredDomain { connection, ..before.clone() };
        let leads = after.verified.is_some() && after.connection.is_some();
        if leads && ground.domain_leads_elsewhere(&after.name) {
            let detail = "the domain leads to another organisation: ask the platform's support";
            return Err(Problem::unproved(detail));
        }
        let new = DomainBody::shown(&after);
        let answer = Answer::item(StatusCode::OK, new.clone());
        if old == new {
            return Ok(Plan::nothing(answer));
        }
        let event = EventDraft {
            action: EventAction::Updated,
            item: item(&after),
            parent: ground.organisation().map(|it| it.root().clone()),
            before: Some(old),
            after: Some(new),
        };
        let write = ObjectWrite::put(Kind::Domain, &after.name, &after)?;
        Ok(Plan::one(write, event, answer))
    }
}
