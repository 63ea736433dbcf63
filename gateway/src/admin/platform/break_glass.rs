//! Break-glass: in an emergency somebody of the platform gets into an organisation, for an hour at most, loudly.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::found;
use crate::admin::api_client::{ApiClientBody, ApiClientWritten, IssuedApiClientBody, item};
use crate::admin::body::sent;
use crate::admin::change::{Answer, Change, EventDraft, Plan, change_of};
use crate::admin::desk::Held;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::member::{RoleBody, role_errors};
use crate::admin::operation::{BREAK_GLASS, OF_THE_HUB, OPERATIONS};
use crate::admin::problem::{FieldError, Problem, ProblemBody};
use crate::audit::EventAction;
use crate::authn::NewApiKey;
use crate::model::TenantId;
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite};

/// The longest time it can be asked for (PD-21).
const MINUTES_MAX: u64 = 60;

/// Longest reason, in bytes: with what is told beside it, it fits the record (512).
const REASON_BYTES_MAX: usize = 300;

/// Longest ticket, in bytes.
const TICKET_BYTES_MAX: usize = 40;

/// Largest body.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// What somebody needs, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct BreakGlassBody {
    /// Why it cannot wait: 10 to 300 bytes. It is in the log and in the organisation's audit events.
    #[schema(
        example = "charging stopped for the whole account, their administrators cannot be reached"
    )]
    reason: String,
    /// Where it is followed up.
    #[schema(example = "INC-4711")]
    ticket: String,
    /// For how long, 1 to 60 minutes.
    #[schema(example = 30)]
    minutes: u64,
    /// What the key reaches.
    roles: Vec<RoleBody>,
    /// What it may be used for: scopes of the hub's operations. None of the gateway's own can be asked for, so neither
    /// policies nor the log are in reach.
    #[serde(default)]
    scopes: Vec<String>,
}

/// Break the glass
///
/// Makes an API key of the organisation that ends by itself. It is on record in the decision log before it is made, and
/// the organisation's administrators see it among their audit events and API clients.
#[utoipa::path(
    post, path = "/v1/platform/organisations/{organisation}/break-glass", operation_id = "breakGlass", tag = "Platform",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = BreakGlassBody),
    responses((status = 201, body = IssuedApiClientBody, description = "The key; it is shown this once."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It is the platform's own organisation.")),
)]
pub(in crate::admin) async fn break_glass(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, asked): (_, BreakGlassBody) = sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let (tenant, _) = found(&ground, &organisation)?;
        if tenant == *guarded.admitted.tenant() {
            let detail =
                "the platform's own organisation has administrators to ask, and no glass to break";
            return Err(Problem::not_now(detail));
        }
        let wish = asked.wish(&tenant, guarded)?;
        let partition = ground.partition_of(&tenant).await.map_err(|_| Problem::not_done())?;
        let errors = role_errors(&partition, "ApiClient", &wish.roles, &[]);
        if !errors.is_empty() {
            return Err(Problem::invalid(&errors));
        }
        let told = asked.told(&wish);
        let emergency = Emergency { wish, told, noted: AtomicBool::new(false) };
        change_of(guarded, &tenant, &body, &emergency).await
    };
    door.guarded(&BREAK_GLASS, &parts, None, act).await
}

impl BreakGlassBody {
    /// What the record says. Who asked for it, for which organisation and by which decision is beside it.
    fn told(&self, wish: &NewApiKey) -> String {
        let Self { reason, ticket, minutes, .. } = self;
        let (roles, scopes) = (wish.roles.len(), wish.scopes.len());
        let (ticket, reason) = (ticket.trim(), reason.trim());
        format!("{ticket}, {minutes} minutes, {roles} roles, {scopes} scopes: {reason}")
    }

    fn wish(&self, tenant: &TenantId, guarded: &Guarded<'_>) -> Result<NewApiKey, Problem> {
        let mut errors = Vec::new();
        errors.extend(FieldError::of_line("reason", &self.reason, (10, REASON_BYTES_MAX)));
        errors.extend(FieldError::of_line("ticket", &self.ticket, (1, TICKET_BYTES_MAX)));
        if !(1..=MINUTES_MAX).contains(&self.minutes) {
            errors.push(FieldError::new("minutes", format!("1 to {MINUTES_MAX}")));
        }
        if self.roles.is_empty() {
            errors.push(FieldError::new("roles", "say what it reaches"));
        }
        let of_the_gateway = |scope: &&String| {
            let own = OPERATIONS.iter().filter(|it| it.action != OF_THE_HUB);
            own.flat_map(|it| it.scopes).any(|own| own == scope)
        };
        if let Some(scope) = self.scopes.iter().find(of_the_gateway) {
            let reason = format!("`{scope}` is the gateway's own");
            errors.push(FieldError::new("scopes", reason));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(&errors));
        }
        let now = guarded.desk.now();
        let ticket = self.ticket.trim();
        let written = ApiClientWritten {
            name: format!("break-glass {ticket}"),
            roles: self.roles.clone(),
            scopes: self.scopes.clone(),
            expires: None,
            networks: Vec::new(),
            disabled: false,
        };
        let end = now.plus(Duration::from_secs(self.minutes * 60));
        Ok(NewApiKey { expires: Some(end), ..written.wish(tenant, now)? })
    }
}

struct Emergency {
    wish: NewApiKey,
    told: String,
    /// It is on record: planning it again does not wake anybody again.
    noted: AtomicBool,
}

#[async_trait]
impl Change for Emergency {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let (_, organisation) = found(ground, self.wish.tenant.as_str())?;
        let (desk, now) = (guarded.desk, guarded.desk.now());
        let (pepper, entropy) = desk.issuing();
        let issued = self.wish.clone().issue(pepper, entropy, now);
        let mut issued = issued.map_err(|_| Problem::not_done())?;
        issued.key.emergency = true;
        issued.key.people = guarded.admitted.people();
        let key = &issued.key;
        if !desk.keys().claim(key).await? {
            return Err(Problem::overtaken());
        }
        if !self.noted.load(Ordering::Relaxed) {
            // Loud, and on the disk, before anything can be done with it.
            let noted = guarded.admitted.note_break_glass(&self.wish.tenant, &self.told).await;
            noted.map_err(|_| Problem::not_done())?;
            self.noted.store(true, Ordering::Relaxed);
        }
        let shown = ApiClientBody::shown(key, now);
        let mut told = shown.clone();
        if let Some(told) = told.as_object_mut() {
            told.insert("break_glass".to_owned(), self.told.clone().into());
        }
        let mut answer = Answer::item(StatusCode::CREATED, shown);
        answer.once = Some(("token", issued.token));
        let write = ObjectWrite::put(Kind::ApiKey, key.id.as_str(), key)?.beside().over(None);
        let event = EventDraft {
            action: EventAction::Created,
            item: item(key),
            parent: Some(organisation.root().clone()),
            before: None,
            after: Some(told),
        };
        Ok(Plan::one(write, event, answer).forgetting(Held::Key(key.id.clone())))
    }
}
