//! The trivial backend: one small JSON answer to everything, as cheap as it can be.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The size of a small document.
const BODY: &[u8] =
    b"{\"id\":\"team-fleet\",\"operator\":\"nordvolt\",\"name\":\"Fleet\",\"members\":6}";

/// The field in which the gateway names its decision to the upstream.
const REQUEST_ID_FIELD: &str = "hubgate-request-id";

/// The ids of the requests a backend saw, in order. A request without one is an empty text.
pub(crate) type SeenIds = Arc<Mutex<Vec<String>>>;

/// Serves until the process is ended.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    accept(TcpListener::bind(listen).await?, None).await;
    Ok(ExitCode::SUCCESS)
}

/// Serves on `listener` for ever; notes the id of every request in `seen`.
pub(crate) async fn accept(listener: TcpListener, seen: Option<SeenIds>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let seen = seen.clone();
        let service = service_fn(move |request| answer(request, seen.clone()));
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving);
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Option<SeenIds>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(seen) = seen {
        let id = request.headers().get(REQUEST_ID_FIELD).and_then(|id| id.to_str().ok());
        // A health check is the gateway's own request, not a client's.
        if request.uri().path() != "/healthz" {
            let id = String::from(id.unwrap_or_default());
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        }
    }
    let _ = request.into_body().collect().await;
    let mut answer = Response::new(Full::new(Bytes::from_static(BODY)));
    let json = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(answer)
}
