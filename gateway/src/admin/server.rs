//! The paths of the administration API, and how its connections are served.
//!
//! Accepting connections is the listener's work; here each is served until it ends, or until the gateway drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::begin::begin;
use super::desk::Desk;
use super::feeder::Feeder;
use super::guard::{Door, Guarded, Peer, Shared, finished};
use super::operation::{
    BEGIN_UPLOAD, CANCEL_UPLOAD, DELETE_RESOURCES, Operation, PUT_RESOURCES, RESUME_UPLOAD,
    SHOW_UPLOAD,
};
use super::problem::{Problem, ProblemBody};
use super::progress::{UploadBody, cancel, progress};
use super::push::push;
use super::resume::resume;
use super::routes::routes;
use crate::model::IdError;
use crate::pipeline::Pipeline;
use crate::store::UploadMode;

/// The id of a request, in its answer and in the decision log.
pub(super) const REQUEST_ID: &str = "hubgate-request-id";

/// Time for a request's head: as long as the proxy gives one by default.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Largest head: a key, a path and some fields have a tenth of it.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Requests at a time over one HTTP/2 connection. Services need one; a flood gets no further.
const STREAMS_MAX: u32 = 16;

/// The administration API, ready to serve connections.
#[derive(Clone, Debug)]
pub struct Administration {
    router: Router,
}

impl Administration {
    /// Assembles it.
    ///
    /// # Errors
    /// [`IdError`] never in practice: the name of its action is one.
    pub fn new(pipeline: Arc<Pipeline>, feeder: Feeder, desk: Desk) -> Result<Self, IdError> {
        let door = Door::new(pipeline, feeder, desk)?;
        let router = routes()
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .with_state(Arc::new(door));
        Ok(Self { router })
    }

    /// Serves one connection to its end. When `draining` turns true, requests under way are finished and no
    /// further ones taken.
    pub async fn serve<S>(&self, stream: S, peer: SocketAddr, mut draining: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone().layer(axum::Extension(Peer(peer)));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .max_buf_size(HEAD_BYTES_MAX * 4);
        let list_bytes = u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(list_bytes);
        let service = TowerToHyperService::new(router);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = drained(&mut draining) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "an administration connection ended");
        }
    }
}

/// Waits for the drain; for ever, once nobody can tell of it.
async fn drained(draining: &mut watch::Receiver<bool>) {
    if draining.wait_for(|draining| *draining).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Put resources
///
/// In force at once, batch by batch; what is the same changes nothing. With `mode=replace` there is nothing else
/// afterwards, and it is in force as a whole at the end.
#[utoipa::path(
    put, path = "/v1/organisations/{organisation}/resources", operation_id = "putResources", tag = "Resources",
    params(("organisation" = String, Path), ("mode" = Option<String>, Query, description = "`merge` or `replace`")),
    request_body(content = String, content_type = "application/x-ndjson", description = "A resource per line."),
    responses((status = 200, body = UploadBody, description = "Everything is in force."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body broke off."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "Another upload is under way."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not NDJSON."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "A batch was refused, with its errors.")),
)]
pub(super) async fn put_resources(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let modes = [("merge", UploadMode::Merge), ("replace", UploadMode::Replace)];
    let mode = mode(query.as_deref(), &modes);
    pushed((&door, &PUT_RESOURCES), &organisation, mode, request).await
}

/// Delete resources
///
/// Each line names one: `{"uid":"Team::t1"}`. What is not there is passed over.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/resources", operation_id = "deleteResources", tag = "Resources",
    params(("organisation" = String, Path), ("mode" = Option<String>, Query, description = "`delete`")),
    request_body(content = String, content_type = "application/x-ndjson", description = "A name per line."),
    responses((status = 200, body = UploadBody, description = "They are gone."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body broke off."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "Another upload is under way."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not NDJSON."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "A batch was refused, with its errors.")),
)]
pub(super) async fn delete_resources(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let mode = mode(query.as_deref(), &[("delete", UploadMode::Delete)]);
    pushed((&door, &DELETE_RESOURCES), &organisation, mode, request).await
}

async fn pushed(
    (door, operation): (&Door, &'static Operation),
    organisation: &str,
    mode: Result<UploadMode, Problem>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| push(guarded, mode?, body).await;
    door.guarded(operation, &parts, Some(organisation), act).await
}

/// Begin an upload that can be resumed
///
/// After draft-ietf-httpbis-resumable-upload. Nothing is taken with this request.
#[utoipa::path(
    post, path = "/v1/organisations/{organisation}/resource-uploads", operation_id = "beginUpload", tag = "Resources",
    params(("organisation" = String, Path),
        ("mode" = Option<String>, Query, description = "`merge`, `replace` or `delete`")),
    responses((status = 201, body = UploadBody, description = "`Location` is where it goes on."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "Another upload is under way.")),
)]
pub(super) async fn begin_upload(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let all = [
        ("merge", UploadMode::Merge),
        ("replace", UploadMode::Replace),
        ("delete", UploadMode::Delete),
    ];
    let mode = mode(query.as_deref(), &all);
    let act = async |guarded: &Guarded<'_>| begin(guarded, mode?).await;
    door.guarded(&BEGIN_UPLOAD, &parts, Some(&organisation), act).await
}

/// Tell how far an upload is
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/resource-uploads/{upload}", operation_id = "showUpload", tag = "Resources",
    params(("organisation" = String, Path), ("upload" = String, Path)),
    responses((status = 200, body = UploadBody, description = "`Upload-Offset` is where it goes on.")),
)]
pub(super) async fn show_upload(
    State(door): Shared,
    Path((organisation, upload)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| progress(guarded, &upload).await;
    door.guarded(&SHOW_UPLOAD, &parts, Some(&organisation), act).await
}

/// Go on with an upload
///
/// `Upload-Offset` says where the body goes on, `Upload-Complete: ?1` that the upload ends with it. Whole lines are
/// taken, so the offset in the answer may lie behind the body's end: go on from there.
#[utoipa::path(
    patch, path = "/v1/organisations/{organisation}/resource-uploads/{upload}", operation_id = "resumeUpload", tag = "Resources",
    params(("organisation" = String, Path), ("upload" = String, Path),
        ("Upload-Offset" = i64, Header, description = "Where the body goes on, in bytes."),
        ("Upload-Complete" = String, Header, description = "`?1` with the last body, else `?0`.")),
    request_body(content = String, content_type = "application/partial-upload", description = "The next bytes."),
    responses((status = 200, body = UploadBody, description = "They are taken."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The request cannot be read."),
        (status = 408, body = ProblemBody, content_type = "application/problem+json", description = "The body broke off."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "The upload goes on elsewhere, has ended, or another took its place."),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "It is not a part of an upload."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "A batch was refused, with its errors.")),
)]
pub(super) async fn resume_upload(
    State(door): Shared,
    Path((organisation, upload)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| resume(guarded, &upload, body).await;
    door.guarded(&RESUME_UPLOAD, &parts, Some(&organisation), act).await
}

/// Give an upload up
///
/// What it brought into force stays.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/resource-uploads/{upload}", operation_id = "cancelUpload", tag = "Resources",
    params(("organisation" = String, Path), ("upload" = String, Path)),
    responses((status = 200, body = UploadBody, description = "It has ended."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It cannot be given up any more.")),
)]
pub(super) async fn cancel_upload(
    State(door): Shared,
    Path((organisation, upload)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| cancel(guarded, &upload).await;
    door.guarded(&CANCEL_UPLOAD, &parts, Some(&organisation), act).await
}

async fn no_such_path(State(door): Shared) -> Response {
    let id = door.new_id();
    finished(Problem::not_found().response(id), id)
}

async fn no_such_method(State(door): Shared) -> Response {
    let id = door.new_id();
    finished(Problem::method_not_allowed().response(id), id)
}

/// The `mode` of a query, which says nothing else; the first of `modes` without one.
fn mode(query: Option<&str>, modes: &[(&str, UploadMode)]) -> Result<UploadMode, Problem> {
    let wrong = || {
        let names: Vec<_> = modes.iter().map(|(name, _)| format!("`mode={name}`")).collect();
        Problem::bad(format!("the query may only say {}", names.join(" or ")))
    };
    let pairs: Vec<_> = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect();
    let wanted = match pairs.as_slice() {
        [] => modes.first(),
        [(key, value)] if key == "mode" => modes.iter().find(|(name, _)| name == value),
        _ => None,
    };
    wanted.map(|(_, mode)| *mode).ok_or_else(wrong)
}

/// An answer in JSON.
pub(super) fn json_response(status: StatusCode, value: &serde_json::Value) -> Response {
    // The line's end is for people with `curl`: JSON does not mind.
    let mut response = Response::new(Body::from(value.to_string() + "\n"));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
