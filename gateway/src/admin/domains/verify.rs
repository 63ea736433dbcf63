//! Looks for the proof that an e-mail domain is the organisation's own.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};

use super::{DomainBody, found, item, record};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::VERIFY_DOMAIN;
use crate::admin::problem::{Problem, ProblemBody};
use crate::admin::txt::TxtError;
use crate::audit::EventAction;
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, StoredDomain};

/// Verify an e-mail domain
///
/// Asks the DNS for the record. Once it was found, the domain leads its people to its connection.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/domains/{domain}/verify", operation_id = "verifyDomain", tag = "Domains",
    params(("organisation" = String, Path), ("domain" = String, Path, description = "The domain."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    responses((status = 200, body = DomainBody, description = "The domain is verified."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "The record is not there, says something else, or the domain leads to another organisation.")),
)]
pub(in crate::admin) async fn verify_domain(
    State(door): Shared,
    Path((organisation, domain)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let stored = found(guarded, &domain).await?;
        if stored.verified.is_none() {
            is_proved(guarded, &stored).await?;
        }
        change(guarded, &[], &Verification(stored)).await
    };
    door.guarded(&VERIFY_DOMAIN, &parts, Some(&organisation), act).await
}

async fn is_proved(guarded: &Guarded<'_>, stored: &StoredDomain) -> Result<(), Problem> {
    const SHOWN_CHARS: usize = 100;
    let (name, value) = record(stored);
    let unproved = |detail: String| {
        let wanted = serde_json::json!({ "name": name, "type": "TXT", "value": value });
        Problem::unproved(detail).with("record", wanted)
    };
    match guarded.desk.dns().texts(&name).await {
        Ok(texts) if texts.iter().any(|text| text.trim() == value) => Ok(()),
        Ok(texts) => {
            let said: String =
                texts.first().into_iter().flat_map(|it| it.chars()).take(SHOWN_CHARS).collect();
            Err(unproved(format!("the record `{name}` says something else: `{said}`")))
        }
        Err(TxtError::Nothing) => Err(unproved(format!(
            "there is no TXT record `{name}` yet; a new one may take some minutes to be seen"
        ))),
        Err(TxtError::Failed(cause)) => {
            tracing::warn!(%name, %cause, "a domain was not verified");
            Err(unproved(format!("the DNS gave no answer for `{name}`; try again")))
        }
    }
}

struct Verification(StoredDomain);

#[async_trait]
impl Change for Verification {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let before = found(guarded, &self.0.name).await?;
        let old = DomainBody::shown(&before);
        if before.verified.is_some() {
            return Ok(Plan::nothing(Answer::item(StatusCode::OK, old)));
        }
        if before.token != self.0.token {
            // It was removed and named again: another proof is wanted.
            return Err(Problem::overtaken());
        }
        if ground.domain_leads_elsewhere(&before.name) {
            let detail = "the domain leads to another organisation: ask the platform's support";
            return Err(Problem::unproved(detail));
        }
        let after = StoredDomain { verified: Some(guarded.desk.now()), ..before };
        let new = DomainBody::shown(&after);
        let event = EventDraft {
            action: EventAction::Updated,
            item: item(&after),
            parent: ground.organisation().map(|it| it.root().clone()),
            before: Some(old),
            after: Some(new.clone()),
        };
        let write = ObjectWrite::put(Kind::Domain, &after.name, &after)?;
        Ok(Plan::one(write, event, Answer::item(StatusCode::OK, new)))
    }
}
