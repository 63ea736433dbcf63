//! Groups by SCIM (RFC 7644 §3).

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use serde_json::Value;

use super::group::{GroupChange, GroupWrite, found, people, shown};
use super::{Asked, GROUP_NAME, all_groups, body_of, named};
use crate::admin::change::change;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::{
    CREATE_SCIM_GROUP, DELETE_SCIM_GROUP, LIST_SCIM_GROUPS, PATCH_SCIM_GROUP, REPLACE_SCIM_GROUP,
    SHOW_SCIM_GROUP,
};
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::scim::{self, Document, list_response};
use crate::store::StoredGroup;

/// List groups
#[utoipa::path(
    get, path = "/scim/v2/Groups", operation_id = "listScimGroups", tag = "SCIM",
    params(("filter" = Option<String>, Query, description = "As `displayName eq \"Admins\"` (RFC 7644 §3.4.2.2)."),
        ("startIndex" = Option<i64>, Query, description = "The first one, counted from 1."),
        ("count" = Option<i64>, Query, description = "How many, at most 200; 100 unless given."),
        ("attributes" = Option<String>, Query, description = "What is answered of each."),
        ("excludedAttributes" = Option<String>, Query, description = "What is not answered.")),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "A page of groups.")),
)]
pub(in crate::admin) async fn list_groups(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let asked = Asked::read(query.as_deref())?;
        Ok(json_response(StatusCode::OK, &page(guarded, &asked).await?))
    };
    door.guarded(&LIST_SCIM_GROUPS, &parts, None, act).await
}

async fn page(guarded: &Guarded<'_>, asked: &Asked) -> Result<Value, Problem> {
    // Who is in a group is read where it is asked for: some have thousands.
    let by_members =
        asked.filter.as_ref().is_some_and(|(_, text)| text.to_lowercase().contains("members"));
    let wants_members = asked.projection.wants(scim::Kind::Group, "members");
    let groups = match asked.equality() {
        Some(("displayName", name)) => {
            let id = named(guarded, GROUP_NAME, &name.to_lowercase()).await?;
            one(guarded, id).await?
        }
        Some(("id", id)) => one(guarded, Some(id.to_owned())).await?,
        _ => all_groups(guarded).await?.into_values().collect(),
    };
    let (mut total, mut items) = (0_usize, Vec::new());
    for group in groups {
        let known = if by_members { Some(people(guarded, &group.id).await?) } else { None };
        if !asked.takes(&shown(&group, known.as_ref(), &scim::Projection::Whole)?) {
            continue;
        }
        total += 1;
        if total > asked.page.offset() && items.len() < asked.page.count {
            let members = match known {
                None if wants_members => Some(people(guarded, &group.id).await?),
                known => known,
            };
            items.push(shown(&group, members.as_ref(), &asked.projection)?);
        }
    }
    Ok(list_response(items, total, asked.page.start_index))
}

/// The group of this id, if there is one.
async fn one(guarded: &Guarded<'_>, id: Option<String>) -> Result<Vec<StoredGroup>, Problem> {
    let Some(id) = id else { return Ok(Vec::new()) };
    // Whichever is found may be gone by now.
    Ok(found(guarded, &id).await.into_iter().collect())
}

/// Show a group
#[utoipa::path(
    get, path = "/scim/v2/Groups/{group}", operation_id = "showScimGroup", tag = "SCIM",
    params(("group" = String, Path, description = "The group's id."),
        ("attributes" = Option<String>, Query, description = "What is answered of it."),
        ("excludedAttributes" = Option<String>, Query, description = "What is not answered.")),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The group.")),
)]
pub(in crate::admin) async fn show_group(
    State(door): Shared,
    Path(group): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let asked = Asked::read(query.as_deref())?;
        let found = found(guarded, &group).await?;
        let wants_members = asked.projection.wants(scim::Kind::Group, "members");
        let members = if wants_members { Some(people(guarded, &group).await?) } else { None };
        let whole = shown(&found, members.as_ref(), &scim::Projection::Whole)?;
        let tag = whole.pointer("/meta/version").and_then(Value::as_str);
        let tag = tag.and_then(|tag| HeaderValue::from_str(tag).ok());
        let told = asked.projection.apply(scim::Kind::Group, whole);
        let mut response = json_response(StatusCode::OK, &told);
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    };
    door.guarded(&SHOW_SCIM_GROUP, &parts, None, act).await
}

/// Create a group
#[utoipa::path(
    post, path = "/scim/v2/Groups", operation_id = "createScimGroup", tag = "SCIM",
    request_body(content = Object, content_type = "application/scim+json"),
    responses((status = 201, body = Object, content_type = "application/scim+json", description = "The group."),
        (status = 409, body = Object, content_type = "application/scim+json", description = "There is such a group, or provisioning is not settled.")),
)]
pub(in crate::admin) async fn create_group(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let Asked { projection, .. } = Asked::read(query.as_deref())?;
        let (value, body) = body_of(guarded, body).await?;
        let document = Document::read(scim::Kind::Group, &value)?;
        let id = guarded.desk.new_member_id()?;
        let write = GroupWrite { change: GroupChange::Create { id, document }, projection };
        change(guarded, &body, &write).await
    };
    door.guarded(&CREATE_SCIM_GROUP, &parts, None, act).await
}

/// Replace a group
///
/// Who is in it is replaced as well.
#[utoipa::path(
    put, path = "/scim/v2/Groups/{group}", operation_id = "replaceScimGroup", tag = "SCIM",
    params(("group" = String, Path, description = "The group's id."),
        ("If-Match" = Option<String>, Header, description = "The version that was shown.")),
    request_body(content = Object, content_type = "application/scim+json"),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The group as it is now.")),
)]
pub(in crate::admin) async fn replace_group(
    State(door): Shared,
    Path(group): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let Asked { projection, .. } = Asked::read(query.as_deref())?;
        let (value, body) = body_of(guarded, body).await?;
        let document = Document::read(scim::Kind::Group, &value)?;
        let replace = GroupChange::Replace { id: group, document };
        change(guarded, &body, &GroupWrite { change: replace, projection }).await
    };
    door.guarded(&REPLACE_SCIM_GROUP, &parts, None, act).await
}

/// Change a group
///
/// Who joins or leaves is given or loses the group's roles with the next request.
#[utoipa::path(
    patch, path = "/scim/v2/Groups/{group}", operation_id = "patchScimGroup", tag = "SCIM",
    params(("group" = String, Path, description = "The group's id."),
        ("If-Match" = Option<String>, Header, description = "The version that was shown.")),
    request_body(content = Object, content_type = "application/scim+json"),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The group as it is now.")),
)]
pub(in crate::admin) async fn patch_group(
    State(door): Shared,
    Path(group): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let Asked { projection, .. } = Asked::read(query.as_deref())?;
        let (value, body) = body_of(guarded, body).await?;
        let patch = GroupChange::Patch { id: group, body: value };
        change(guarded, &body, &GroupWrite { change: patch, projection }).await
    };
    door.guarded(&PATCH_SCIM_GROUP, &parts, None, act).await
}

/// Delete a group
///
/// What it gave its members is theirs no more. The id is never given again.
#[utoipa::path(
    delete, path = "/scim/v2/Groups/{group}", operation_id = "deleteScimGroup", tag = "SCIM",
    params(("group" = String, Path, description = "The group's id."),
        ("If-Match" = Option<String>, Header, description = "The version that was shown.")),
    responses((status = 204, description = "The group is gone.")),
)]
pub(in crate::admin) async fn delete_group(
    State(door): Shared,
    Path(group): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let delete = GroupChange::Delete { id: group };
        let projection = scim::Projection::Whole;
        change(guarded, &[], &GroupWrite { change: delete, projection }).await
    };
    door.guarded(&DELETE_SCIM_GROUP, &parts, None, act).await
}
