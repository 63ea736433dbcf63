//! HTTPS in front of the flow.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Shared, flow};

/// Serves until the task is dropped.
pub(super) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&shared)));
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await) }
    });
    // A client that goes away is no fault of the provider's.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let (silent, status) = {
        let mut state = shared.state();
        *state.calls.entry(path.clone()).or_default() += 1;
        (state.behaviour.silent, state.behaviour.status.get(&path).copied())
    };
    if silent {
        std::future::pending::<()>().await;
    }
    if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
        return departure(shared, status);
    }
    let query = pairs(request.uri().query().unwrap_or_default().as_bytes());
    match path.as_str() {
        "/.well-known/openid-configuration" => json_answer(StatusCode::OK, &flow::metadata(shared)),
        "/jwks" => match flow::key_set(shared) {
            Ok(keys) => json_answer(StatusCode::OK, &keys),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "no keys"),
        },
        "/authorize" => match flow::authorize(shared, &query) {
            flow::Authorized::Back(location) => redirect(&location),
            flow::Authorized::Page(page) => html(page),
            flow::Authorized::Refused(reason) => text(StatusCode::BAD_REQUEST, reason),
        },
        "/token" => token(shared, request).await,
        "/userinfo" => match bearer(&request).and_then(|token| flow::person(shared, &token)) {
            Some(person) => json_answer(StatusCode::OK, &person),
            None => text(StatusCode::UNAUTHORIZED, "no such token"),
        },
        "/end-session" => match flow::end_session(&query) {
            Some(location) => redirect(&location),
            None => html(format!("{}<h1>You are signed out</h1></main>", flow::PAGE_HEAD)),
        },
        _ => text(StatusCode::NOT_FOUND, "nothing here"),
    }
}

async fn token(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let header = request.headers().get(http::header::AUTHORIZATION).cloned();
    let authorization = header.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Ok(body) = Limited::new(request.into_body(), FORM_BYTES_MAX).collect().await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "too large");
    };
    let form = pairs(&body.to_bytes());
    match flow::redeem(shared, authorization.as_deref(), &form) {
        Ok(tokens) => json_answer(StatusCode::OK, &tokens),
        Err(error) => json_answer(StatusCode::BAD_REQUEST, &json!({ "error": error })),
    }
}

const FORM_BYTES_MAX: usize = 64 * 1024;

/// A status a test asked for; a redirect leads to the right metadata, to show that nobody follows it.
fn departure(shared: &Shared, status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = text(status, "as the test wishes");
    if status.is_redirection()
        && let Ok(location) = http::HeaderValue::try_from(format!("{}/jwks", shared.issuer))
    {
        answer.headers_mut().insert(http::header::LOCATION, location);
    }
    answer
}

fn bearer(request: &Request<Incoming>) -> Option<String> {
    let value = request.headers().get(http::header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

fn pairs(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn json_answer(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    build(status, "application/json", value.to_string())
}

fn html(page: String) -> Response<Full<Bytes>> {
    build(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn text(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    build(status, "text/plain", words.to_owned())
}

fn redirect(location: &str) -> Response<Full<Bytes>> {
    let mut answer = build(StatusCode::SEE_OTHER, "text/plain", String::new());
    if let Ok(location) = http::HeaderValue::try_from(location) {
        answer.headers_mut().insert(http::header::LOCATION, location);
    }
    answer
}

fn build(status: StatusCode, media_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(media_type));
    headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    answer
}
