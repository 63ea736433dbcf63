//! Makes the first credential of an organisation that was created.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::found;
use crate::admin::api_client::{ApiClientBody, IssuedApiClientBody, item};
use crate::admin::body::sent;
use crate::admin::change::{Answer, Change, EventDraft, Plan, change_of};
use crate::admin::create_api_client::ends;
use crate::admin::desk::Held;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::member::role_errors;
use crate::admin::operation::{ISSUE_BOOTSTRAP_KEY, administration_scopes};
use crate::admin::problem::{FieldError, Problem, ProblemBody};
use crate::audit::EventAction;
use crate::authn::{ApiKeys as _, NewApiKey};
use crate::model::{RoleAssignment, Source, TenantId};
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite};

/// How long somebody has to replace it.
const LIFETIME: Duration = Duration::from_hours(24);

/// Largest body.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// What the key's replacement is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct BootstrapKeyBody {
    /// Its role on the organisation's main account: one by which API clients administer it.
    #[schema(example = "client")]
    role: String,
}

/// Make an organisation's first key
///
/// It is good for nothing but making the API client that takes its place, and ends after a day. Only while nobody has come
/// in: from then on the organisation administers itself. One that was made before and not used ends.
#[utoipa::path(
    post, path = "/v1/platform/organisations/{organisation}/bootstrap-key", operation_id = "issueBootstrapKey", tag = "Platform",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = BootstrapKeyBody),
    responses((status = 201, body = IssuedApiClientBody, description = "The key; it is shown this once."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It stands in files, or somebody administers it.")),
)]
pub(in crate::admin) async fn issue_bootstrap_key(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, BootstrapKeyBody { role }) = sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let (tenant, organisation) = found(&ground, &organisation)?;
        if organisation.created().is_none() {
            return Err(Problem::owned_by(Source::File));
        }
        let role = RoleAssignment { role, on: organisation.root().clone() };
        let partition = ground.partition_of(&tenant).await.map_err(|_| Problem::not_done())?;
        let errors = role_errors(&partition, "ApiClient", std::slice::from_ref(&role), &[]);
        if let Some(error) = errors.first() {
            return Err(Problem::invalid(&[FieldError::new("role", error.reason())]));
        }
        change_of(guarded, &tenant.clone(), &body, &First { tenant, role }).await
    };
    door.guarded(&ISSUE_BOOTSTRAP_KEY, &parts, None, act).await
}

struct First {
    tenant: TenantId,
    role: RoleAssignment,
}

#[async_trait]
impl Change for First {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let Self { tenant, role } = self;
        found(ground, tenant.as_str())?;
        let (desk, now) = (guarded.desk, guarded.desk.now());
        let keys = desk.keys().list(tenant).await.map_err(|_| Problem::not_done())?;
        let (people, _) = desk.objects().members(tenant).await?;
        // Otherwise it would be a way into an organisation that nobody there hears of.
        if keys.iter().any(|key| !key.bootstrap) || !people.into_members().is_empty() {
            let detail = "somebody administers it already: ask them, or break the glass";
            return Err(Problem::not_now(detail));
        }
        let wish = NewApiKey {
            tenant: tenant.clone(),
            name: String::from("bootstrap"),
            roles: vec![role.clone()],
            scopes: administration_scopes(false).into_iter().map(str::to_owned).collect(),
            expires: Some(now.plus(LIFETIME)),
            networks: Vec::new(),
        };
        let (pepper, entropy) = desk.issuing();
        let mut issued = wish.issue(pepper, entropy, now).map_err(|_| Problem::not_done())?;
        issued.key.bootstrap = true;
        issued.key.people = guarded.admitted.people();
        let key = &issued.key;
        if !desk.keys().claim(key).await? {
            return Err(Problem::overtaken());
        }
        let shown = ApiClientBody::shown(key, now);
        let mut answer = Answer::item(StatusCode::CREATED, shown.clone());
        answer.once = Some(("token", issued.token));
        let write = ObjectWrite::put(Kind::ApiKey, key.id.as_str(), key)?.beside().over(None);
        let event = EventDraft {
            action: EventAction::Created,
            item: item(key),
            parent: Some(role.on.clone()),
            before: None,
            after: Some(shown),
        };
        let mut plan = Plan::one(write, event, answer).forgetting(Held::Key(key.id.clone()));
        for before in keys.iter().filter(|key| key.in_force(now)) {
            let kept = desk.keys().kept(tenant, &before.id).await?;
            ends(kept.ok_or_else(Problem::overtaken)?, now, &mut plan)?;
        }
        Ok(plan)
    }
}
