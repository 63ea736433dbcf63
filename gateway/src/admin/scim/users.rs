//! Users by SCIM (RFC 7644 §3).

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use serde_json::Value;

use super::user::{UserChange, UserWrite, found, shown};
use super::{Asked, USER_EXTERNAL, USER_NAME, all_groups, body_of, named};
use crate::admin::change::change;
use crate::admin::guard::{Guarded, Shared};
use crate::admin::operation::{
    CREATE_SCIM_USER, DELETE_SCIM_USER, LIST_SCIM_USERS, PATCH_SCIM_USER, REPLACE_SCIM_USER,
    SHOW_SCIM_USER,
};
use crate::admin::problem::Problem;
use crate::admin::server::json_response;
use crate::scim::{self, Document, list_response};
use crate::store::{Kind, StoredUser};

/// List users
#[utoipa::path(
    get, path = "/scim/v2/Users", operation_id = "listScimUsers", tag = "SCIM",
    params(("filter" = Option<String>, Query, description = "As `userName eq \"ada@nordvolt.example\"` (RFC 7644 §3.4.2.2)."),
        ("startIndex" = Option<i64>, Query, description = "The first one, counted from 1."),
        ("count" = Option<i64>, Query, description = "How many, at most 200; 100 unless given."),
        ("attributes" = Option<String>, Query, description = "What is answered of each."),
        ("excludedAttributes" = Option<String>, Query, description = "What is not answered.")),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "A page of users.")),
)]
pub(in crate::admin) async fn list_users(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let asked = Asked::read(query.as_deref())?;
        Ok(json_response(StatusCode::OK, &page(guarded, &asked).await?))
    };
    door.guarded(&LIST_SCIM_USERS, &parts, None, act).await
}

async fn page(guarded: &Guarded<'_>, asked: &Asked) -> Result<Value, Problem> {
    let groups = all_groups(guarded).await?;
    let whole = scim::Projection::Whole;
    let (mut total, mut items) = (0_usize, Vec::new());
    let mut take = |user: &StoredUser| {
        if !asked.takes(&shown(user, &groups, &whole)?) {
            return Ok(());
        }
        total += 1;
        if total > asked.page.offset() && items.len() < asked.page.count {
            items.push(shown(user, &groups, &asked.projection)?);
        }
        Ok::<_, Problem>(())
    };
    match asked.equality() {
        Some((attribute, value)) if attribute != "displayName" => {
            let id = match attribute {
                "userName" => named(guarded, USER_NAME, &value.to_lowercase()).await?,
                "externalId" => named(guarded, USER_EXTERNAL, value).await?,
                _ => Some(value.to_owned()),
            };
            // Whoever is found may be gone by now.
            if let Some(id) = id
                && let Ok(user) = found(guarded, &id).await
            {
                take(&user)?;
            }
        }
        _ => {
            let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
            let mut after = None;
            loop {
                let read = objects.page::<StoredUser>(tenant, Kind::ScimUser, after.as_deref());
                let (users, next) = read.await?;
                users.iter().try_for_each(&mut take)?;
                if next.is_none() {
                    break;
                }
                after = next;
            }
        }
    }
    Ok(list_response(items, total, asked.page.start_index))
}

/// Show a user
#[utoipa::path(
    get, path = "/scim/v2/Users/{user}", operation_id = "showScimUser", tag = "SCIM",
    params(("user" = String, Path, description = "The user's id."),
        ("attributes" = Option<String>, Query, description = "What is answered of it."),
        ("excludedAttributes" = Option<String>, Query, description = "What is not answered.")),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The user.")),
)]
pub(in crate::admin) async fn show_user(
    State(door): Shared,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let asked = Asked::read(query.as_deref())?;
        let (found, groups) = (found(guarded, &user).await?, all_groups(guarded).await?);
        let whole = shown(&found, &groups, &scim::Projection::Whole)?;
        let tag = whole.pointer("/meta/version").and_then(Value::as_str);
        let tag = tag.and_then(|tag| HeaderValue::from_str(tag).ok());
        let told = asked.projection.apply(scim::Kind::User, whole);
        let mut response = json_response(StatusCode::OK, &told);
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    };
    door.guarded(&SHOW_SCIM_USER, &parts, None, act).await
}

/// Create a user
#[utoipa::path(
    post, path = "/scim/v2/Users", operation_id = "createScimUser", tag = "SCIM",
    request_body(content = Object, content_type = "application/scim+json"),
    responses((status = 201, body = Object, content_type = "application/scim+json", description = "The user."),
        (status = 409, body = Object, content_type = "application/scim+json", description = "There is such a user, or provisioning is not settled.")),
)]
pub(in crate::admin) async fn create_user(
    State(door): Shared,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let Asked { projection, .. } = Asked::read(query.as_deref())?;
        let (value, body) = body_of(guarded, body).await?;
        let document = Document::read(scim::Kind::User, &value)?;
        let id = guarded.desk.new_member_id()?;
        let write = UserWrite { change: UserChange::Create { id, document }, projection };
        change(guarded, &body, &write).await
    };
    door.guarded(&CREATE_SCIM_USER, &parts, None, act).await
}

/// Replace a user
///
/// Somebody who is not active stays so unless `active` is said.
#[utoipa::path(
    put, path = "/scim/v2/Users/{user}", operation_id = "replaceScimUser", tag = "SCIM",
    params(("user" = String, Path, description = "The user's id."),
        ("If-Match" = Option<String>, Header, description = "The version that was shown.")),
    request_body(content = Object, content_type = "application/scim+json"),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The user as it is now.")),
)]
pub(in crate::admin) async fn replace_user(
    State(door): Shared,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let Asked { projection, .. } = Asked::read(query.as_deref())?;
        let (value, body) = body_of(guarded, body).await?;
        let document = Document::read(scim::Kind::User, &value)?;
        let replace = UserChange::Replace { id: user, document };
        change(guarded, &body, &UserWrite { change: replace, projection }).await
    };
    door.guarded(&REPLACE_SCIM_USER, &parts, None, act).await
}

/// Change a user
///
/// `active` being false ends every session at once.
#[utoipa::path(
    patch, path = "/scim/v2/Users/{user}", operation_id = "patchScimUser", tag = "SCIM",
    params(("user" = String, Path, description = "The user's id."),
        ("If-Match" = Option<String>, Header, description = "The version that was shown.")),
    request_body(content = Object, content_type = "application/scim+json"),
    responses((status = 200, body = Object, content_type = "application/scim+json", description = "The user as it is now.")),
)]
pub(in crate::admin) async fn patch_user(
    State(door): Shared,
    Path(user): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let Asked { projection, .. } = Asked::read(query.as_deref())?;
        let (value, body) = body_of(guarded, body).await?;
        let patch = UserChange::Patch { id: user, body: value };
        change(guarded, &body, &UserWrite { change: patch, projection }).await
    };
    door.guarded(&PATCH_SCIM_USER, &parts, None, act).await
}

/// Delete a user
///
/// A member no more, and every session ends at once. The id is never given again.
#[utoipa::path(
    delete, path = "/scim/v2/Users/{user}", operation_id = "deleteScimUser", tag = "SCIM",
    params(("user" = String, Path, description = "The user's id."),
        ("If-Match" = Option<String>, Header, description = "The version that was shown.")),
    responses((status = 204, description = "The user is gone.")),
)]
pub(in crate::admin) async fn delete_user(
    State(door): Shared,
    Path(user): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let delete = UserChange::Delete { id: user };
        let projection = scim::Projection::Whole;
        change(guarded, &[], &UserWrite { change: delete, projection }).await
    };
    door.guarded(&DELETE_SCIM_USER, &parts, None, act).await
}
