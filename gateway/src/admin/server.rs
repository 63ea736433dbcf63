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
use axum::routing::{get, post, put};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::begin::begin;
use super::feeder::Feeder;
use super::guard::{Door, finished};
use super::problem::Problem;
use super::progress::{cancel, progress};
use super::push::push;
use super::resume::resume;
use crate::model::{ActionId, IdError, Scopes};
use crate::pipeline::Pipeline;
use crate::store::UploadMode;

/// The id of a request, in its answer and in the decision log.
pub(super) const REQUEST_ID: &str = "hubgate-request-id";

/// The action policies decide pushes by.
const PUSH_ACTION: &str = "directory:push";

/// The API scope a key needs for it, as policies are told.
const PUSH_SCOPE: &str = "directory:write";

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

/// The peer of a connection, for its requests.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

impl Administration {
    /// Assembles it.
    ///
    /// # Errors
    /// [`IdError`] never in practice: the name of its action is one.
    pub fn new(pipeline: Arc<Pipeline>, feeder: Feeder) -> Result<Self, IdError> {
        let push_scopes = Scopes::new([PUSH_SCOPE]).unwrap_or_else(|_| Scopes::none());
        let door = Door { pipeline, feeder, push: ActionId::parse(PUSH_ACTION)?, push_scopes };
        let router = Router::new()
            .route(
                "/v1/organisations/{organisation}/resources",
                put(put_resources).delete(delete_resources),
            )
            .route("/v1/organisations/{organisation}/resource-uploads", post(begin_upload))
            .route(
                "/v1/organisations/{organisation}/resource-uploads/{upload}",
                get(show_upload).patch(resume_upload).delete(cancel_upload),
            )
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

type Shared = State<Arc<Door>>;

async fn put_resources(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let modes = [("merge", UploadMode::Merge), ("replace", UploadMode::Replace)];
    pushed(&door, &organisation, mode(query.as_deref(), &modes), request).await
}

async fn delete_resources(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let modes = [("delete", UploadMode::Delete)];
    pushed(&door, &organisation, mode(query.as_deref(), &modes), request).await
}

async fn pushed(
    door: &Door,
    organisation: &str,
    mode: Result<UploadMode, Problem>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let peer = peer(&parts);
    door.guarded((&parts, peer), organisation, async |guarded| push(guarded, mode?, body).await)
        .await
}

async fn begin_upload(
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
    let peer = peer(&parts);
    door.guarded((&parts, peer), &organisation, async |guarded| begin(guarded, mode?).await).await
}

async fn show_upload(
    State(door): Shared,
    Path((organisation, upload)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let peer = peer(&parts);
    door.guarded((&parts, peer), &organisation, async |guarded| progress(guarded, &upload).await)
        .await
}

async fn resume_upload(
    State(door): Shared,
    Path((organisation, upload)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let peer = peer(&parts);
    door.guarded((&parts, peer), &organisation, async |guarded| {
        resume(guarded, &upload, body).await
    })
    .await
}

async fn cancel_upload(
    State(door): Shared,
    Path((organisation, upload)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let peer = peer(&parts);
    door.guarded((&parts, peer), &organisation, async |guarded| cancel(guarded, &upload).await)
        .await
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

/// The peer the connection was accepted from; every connection is given one.
fn peer(parts: &Parts) -> SocketAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |peer| peer.0)
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
