//! Creates an organisation.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::written::{BODY_BYTES_MAX, OrganisationWritten, item};
use super::{OrganisationBody, may_add};
use crate::admin::body::sent;
use crate::admin::change::{Answer, Change, EventDraft, Plan, change};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::CREATE_ORGANISATION;
use crate::admin::problem::{FieldError, Problem, ProblemBody};
use crate::audit::EventAction;
use crate::authn::ApiKeys as _;
use crate::directory::Organisation;
use crate::model::{EntityUid, TenantId};
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, StoredOrganisation};

/// Most organisations that are created so: the gateway is measured with as many.
const ORGANISATIONS_MAX: usize = 10_000;

/// An organisation to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct NewOrganisationBody {
    /// Its id: 1 to 64 lower-case letters, digits and `-`. It never changes, and is never given again.
    #[schema(example = "fjordkraft")]
    id: String,
    /// Its name: 1 to 120 bytes.
    #[schema(example = "Fjordkraft")]
    name: String,
    /// Its main account; unless given, of the same type as the platform's, with the organisation's id. It never changes.
    #[schema(example = "Operator::fjordkraft")]
    root: Option<String>,
    /// The host names that are its own, at most 20. Routes serve each of them.
    #[serde(default)]
    hosts: Vec<String>,
    /// The attributes of its main account, as the schema has them.
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
}

/// Create an organisation
///
/// It is served from the next request on, on every node. What belongs to it besides its main account is pushed by the
/// hub or kept by this API; its first administrator comes with a bootstrap key.
#[utoipa::path(
    post, path = "/v1/platform/organisations", operation_id = "createOrganisation", tag = "Platform",
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    request_body(content = NewOrganisationBody),
    responses((status = 201, body = OrganisationBody, description = "It is there; `Location` is where."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "The id is or was another's, or there are too many.")),
)]
pub(in crate::admin) async fn create_organisation(
    State(door): Shared,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let (body, asked): (_, NewOrganisationBody) =
            sent(&parts.headers, body, BODY_BYTES_MAX).await?;
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        change(guarded, &body, &asked.creation(&ground)?).await
    };
    door.guarded(&CREATE_ORGANISATION, &parts, None, act).await
}

impl NewOrganisationBody {
    fn creation(self, ground: &Ground<'_>) -> Result<Creation, Problem> {
        let Self { id, name, root, hosts, attributes } = self;
        let wrong = |field: &str, error: &dyn std::fmt::Display| {
            Problem::invalid(&[FieldError::new(field, error.to_string())])
        };
        let tenant = TenantId::parse(&id).map_err(|error| wrong("id", &error))?;
        let uid = match (root, ground.organisation()) {
            (Some(root), _) => EntityUid::parse(&root),
            (None, Some(platform)) => EntityUid::new(platform.root().kind(), tenant.as_str()),
            (None, None) => return Err(Problem::not_done()),
        };
        let uid = uid.map_err(|error| wrong("root", &error))?;
        if !ground.snapshot().schema().kinds().any(|kind| kind == uid.kind()) {
            return Err(wrong("root", &format!("the schema has no type `{}`", uid.kind())));
        }
        let name = name.trim().to_owned();
        Ok(Creation { tenant, uid, written: OrganisationWritten { name, hosts, attributes } })
    }
}

struct Creation {
    tenant: TenantId,
    uid: EntityUid,
    written: OrganisationWritten,
}

#[async_trait]
impl Change for Creation {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let Self { tenant, uid, written } = self;
        may_add(guarded).await?;
        if ground.snapshot().directory().organisation(tenant).is_some() {
            return Err(Problem::exists(format!("there is an organisation `{tenant}`")));
        }
        let errors = written.errors(ground, (tenant, uid));
        if !errors.is_empty() {
            return Err(Problem::invalid(&errors));
        }
        never_used(guarded, tenant).await?;
        let (desk, platform) = (guarded.desk, guarded.admitted.tenant());
        if desk.objects().organisations().await?.len() >= ORGANISATIONS_MAX {
            let detail = format!("{ORGANISATIONS_MAX} organisations were created already");
            return Err(Problem::not_now(detail));
        }
        if desk.objects().keep_platform_with(platform).await? != *platform {
            return Err(Problem::overtaken());
        }
        let now = desk.now();
        let stored = StoredOrganisation {
            id: tenant.clone(),
            name: written.name.clone(),
            hosts: written.hosts.clone(),
            root: written.root(uid.clone()),
            created: now,
            changed: now,
        };
        let shown = shown(&stored)?;
        let mut answer = Answer::item(StatusCode::CREATED, shown.clone());
        answer.location = Some(format!("/v1/platform/organisations/{tenant}"));
        let event = EventDraft {
            action: EventAction::Created,
            item: item(&stored),
            parent: Some(uid.clone()),
            before: None,
            after: Some(shown),
        };
        let write = ObjectWrite::put(Kind::Organisation, tenant.as_str(), &stored)?;
        Ok(Plan::one(write, event, answer))
    }
}

/// What it is shown as before anything else was said of it.
fn shown(stored: &StoredOrganisation) -> Result<Value, Problem> {
    let built = Organisation::build(stored.clone().data()?);
    let built = built.map_err(|_| Problem::not_done())?;
    Ok(OrganisationBody::shown(&built, None))
}

/// Refuses an id under which something is kept: members and API keys of an organisation that went would be back.
async fn never_used(guarded: &Guarded<'_>, tenant: &TenantId) -> Result<(), Problem> {
    let desk = guarded.desk;
    let keys = desk.keys().list(tenant).await.map_err(|_| Problem::not_done())?;
    let administered = desk.objects().state(tenant).await?.head.revision > 0;
    if administered || !keys.is_empty() || desk.was_pushed(tenant).await? {
        let detail =
            format!("`{tenant}` was another organisation, and what was kept of it is there");
        return Err(Problem::exists(detail));
    }
    Ok(())
}
