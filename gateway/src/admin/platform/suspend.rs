//! Suspends an organisation: nobody of it is let in any more.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{OrganisationBody, found, profile};
use crate::admin::body::sent;
use crate::admin::change::{Answer, Change, EventDraft, Plan, change_of};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::SUSPEND_ORGANISATION;
use crate::admin::problem::{FieldError, Problem, ProblemBody};
use crate::audit::{EventAction, Item};
use crate::model::{TenantId, UnixNanos};
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, PROFILE, Profile};

/// Longest reason, in bytes: a sentence or two for people.
const REASON_BYTES_MAX: usize = 500;

/// Largest body.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// Why an organisation is suspended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct SuspensionBody {
    /// For people: it is in the audit events of the organisation.
    #[schema(example = "unpaid since August, ticket 4711")]
    reason: String,
}

/// Suspend an organisation
///
/// From the next request on nobody of it is let in, people and API clients alike; live streams are cut.
#[utoipa::path(
    post, path = "/v1/platform/organisations/{organisation}/suspend", operation_id = "suspendOrganisation", tag = "Platform",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = SuspensionBody),
    responses((status = 200, body = OrganisationBody, description = "It is suspended."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It is the platform's own organisation.")),
)]
pub(in crate::admin) async fn suspend_organisation(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, SuspensionBody { reason }) = sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        if !(1..=REASON_BYTES_MAX).contains(&reason.trim().len()) {
            let wrong = FieldError::new("reason", format!("1 to {REASON_BYTES_MAX} bytes"));
            return Err(Problem::invalid(&[wrong]));
        }
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let (tenant, _) = found(&ground, &organisation)?;
        let standing = Standing { tenant, suspended: Some(reason) };
        change_of(guarded, &standing.tenant, &body, &standing).await
    };
    door.guarded(&SUSPEND_ORGANISATION, &parts, None, act).await
}

/// How an organisation shall stand with the platform.
pub(super) struct Standing {
    pub(super) tenant: TenantId,
    pub(super) suspended: Option<String>,
}

#[async_trait]
impl Change for Standing {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let Self { tenant, suspended } = self;
        let (_, organisation) = found(ground, tenant.as_str())?;
        if tenant == guarded.admitted.tenant() {
            let detail =
                "the platform's own organisation runs the others: nobody would be left to undo it";
            return Err(Problem::in_use(detail));
        }
        let before = profile(guarded, tenant).await?.unwrap_or_default();
        let after = Profile { suspended: suspended.clone(), changed: guarded.desk.now() };
        if before.suspended == after.suspended {
            let kept = Some(&before).filter(|before| before.changed != UnixNanos::default());
            let shown = OrganisationBody::shown(organisation, kept);
            return Ok(Plan::nothing(Answer::item(StatusCode::OK, shown)));
        }
        let mut shown = OrganisationBody::shown(organisation, Some(&after));
        // What its files say of it stays.
        let by_files = ground.snapshot().suspended_by_files(tenant);
        let status = if suspended.is_some() || by_files { "suspended" } else { "active" };
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("status".to_owned(), status.into());
        }
        let answer = Answer::item(StatusCode::OK, shown);
        let told = |profile: &Profile| json!({ "suspended": profile.suspended });
        let event = EventDraft {
            action: EventAction::Updated,
            item: Item {
                kind: "organisation".to_owned(),
                id: tenant.to_string(),
                name: organisation.name().to_owned(),
            },
            parent: Some(organisation.root().clone()),
            before: Some(told(&before)),
            after: Some(told(&after)),
        };
        let write = ObjectWrite::put(Kind::Profile, PROFILE, &after)?;
        Ok(Plan::one(write, event, answer))
    }
}
