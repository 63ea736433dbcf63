//! Changes an organisation that was created.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::written::{BODY_BYTES_MAX, OrganisationWritten, item, kept};
use super::{OrganisationBody, found, may_add, profile};
use crate::admin::body::{JSON, MERGE_PATCH, merge, parsed, wants_media_type, whole};
use crate::admin::change::{Answer, Change, EventDraft, Plan, change, wants_match};
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::CHANGE_ORGANISATION;
use crate::admin::problem::{Problem, ProblemBody};
use crate::audit::EventAction;
use crate::directory::Organisation;
use crate::model::{Source, TenantId};
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, StoredOrganisation};

/// Change an organisation
///
/// Only one that was created here: what the files say is changed there.
#[utoipa::path(
    patch, path = "/v1/platform/organisations/{organisation}", operation_id = "changeOrganisation", tag = "Platform",
    params(("organisation" = String, Path),
        ("If-Match" = String, Header, description = "The `ETag` of the organisation as it was shown.")),
    request_body(content = OrganisationWritten, content_type = "application/merge-patch+json"),
    responses((status = 200, body = OrganisationBody, description = "As it is now."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It stands in files."),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile."),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`If-Match` is missing.")),
)]
pub(in crate::admin) async fn change_organisation(
    State(door): Shared,
    Path(organisation): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        wants_media_type(&parts.headers, &[MERGE_PATCH, JSON])?;
        let body = whole(body, BODY_BYTES_MAX).await?;
        let patch: Value = parsed(&body)?;
        if !patch.is_object() {
            return Err(Problem::bad("a merge patch of an organisation is an object"));
        }
        let tenant = TenantId::parse(&organisation).map_err(|_| Problem::not_found())?;
        change(guarded, &body, &Patch { tenant, patch }).await
    };
    door.guarded(&CHANGE_ORGANISATION, &parts, None, act).await
}

struct Patch {
    tenant: TenantId,
    patch: Value,
}

#[async_trait]
impl Change for Patch {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let Self { tenant, patch } = self;
        let (_, organisation) = found(ground, tenant.as_str())?;
        let profile = profile(guarded, tenant).await?;
        let shown = OrganisationBody::shown(organisation, profile.as_ref());
        wants_match(guarded.headers, &shown)?;
        if organisation.created().is_none() {
            return Err(Problem::owned_by(Source::File));
        }
        may_add(guarded).await?;
        let before = kept(guarded, tenant).await?.ok_or_else(Problem::overtaken)?;
        let mut written = json!(OrganisationWritten::of(&before));
        merge(&mut written, patch.clone());
        let written: OrganisationWritten = serde_json::from_value(written)
            .map_err(|error| Problem::bad(format!("the body is not as described: {error}")))?;
        let errors = written.errors(ground, (tenant, &before.root.uid));
        if !errors.is_empty() {
            return Err(Problem::invalid(&errors));
        }
        let after = StoredOrganisation {
            name: written.name.trim().to_owned(),
            hosts: written.hosts.clone(),
            root: written.root(before.root.uid.clone()),
            changed: guarded.desk.now(),
            ..before.clone()
        };
        let built = Organisation::build(after.clone().data()?).map_err(|_| Problem::not_done())?;
        // Its connections and its standing are what they were.
        let now = OrganisationBody::shown(&organisation.said(&built), profile.as_ref());
        let answer = Answer::item(StatusCode::OK, now.clone());
        if now == shown {
            return Ok(Plan::nothing(answer));
        }
        let event = EventDraft {
            action: EventAction::Updated,
            item: item(&after),
            parent: Some(after.root.uid.clone()),
            before: Some(shown),
            after: Some(now),
        };
        let write = ObjectWrite::put(Kind::Organisation, tenant.as_str(), &after)?;
        Ok(Plan::one(write, event, answer))
    }
}
