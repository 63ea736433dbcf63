//! Names an e-mail domain, and says which record proves it.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{DOMAINS_MAX, DomainBody, domain_name, item, leads_to};
use crate::admin::body::sent;
use crate::admin::change::{Answer, Change, EventDraft, Plan, change};
use crate::admin::connections::BODY_BYTES_MAX;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::CREATE_DOMAIN;
use crate::admin::problem::{FieldError, Problem};
use crate::audit::EventAction;
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, StoredDomain};

/// A domain that is named.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct NewDomainBody {
    /// The domain.
    #[schema(example = "nordvolt.example")]
    name: String,
    /// The connection its people shall sign in by.
    #[serde(default)]
    #[schema(example = "entra")]
    connection: Option<String>,
}

/// Name an e-mail domain
///
/// The answer says which TXT record to write; once it is there, verify the domain.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/domains", operation_id = "createDomain", tag = "Domains",
    params(("organisation" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = NewDomainBody),
    responses((status = 201, body = DomainBody, description = "The domain; `Location` is where.")),
)]
pub(in crate::admin) async fn create_domain(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, NewDomainBody { name, connection }) =
            sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let name = domain_name(&name)
            .map_err(|reason| Problem::invalid(&[FieldError::new("name", reason)]))?;
        let token = guarded.desk.token()?;
        change(guarded, &body, &Creation { name, connection, token }).await
    };
    door.guarded(&CREATE_DOMAIN, &parts, Some(&organisation), act).await
}

struct Creation {
    name: String,
    connection: Option<String>,
    token: String,
}

#[async_trait]
impl Change for Creation {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
        let (domains, _) = objects.all::<StoredDomain>(tenant, Kind::Domain).await?;
        if domains.iter().any(|it| it.name == self.name) {
            return Err(Problem::exists("the domain was named before"));
        }
        if domains.len() >= DOMAINS_MAX {
            let detail = format!("an organisation has at most {DOMAINS_MAX} domains");
            return Err(Problem::exists(detail));
        }
        let stored = StoredDomain {
            name: self.name.clone(),
            token: self.token.clone(),
            connection: leads_to(ground, self.connection.as_deref())?,
            verified: None,
            created: guarded.desk.now(),
        };
        let shown = DomainBody::shown(&stored);
        let mut answer = Answer::item(StatusCode::CREATED, shown.clone());
        answer.location = Some(format!("/v1/organisations/{tenant}/domains/{}", stored.name));
        let event = EventDraft {
            action: EventAction::Created,
            item: item(&stored),
            parent: ground.organisation().map(|it| it.root().clone()),
            before: None,
            after: Some(shown),
        };
        let write = ObjectWrite::put(Kind::Domain, &stored.name, &stored)?;
        Ok(Plan::one(write, event, answer))
    }
}
