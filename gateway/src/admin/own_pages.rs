//! The gateway's own paths on the administration's host: people sign in here as they do on every other host.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::BodyExt as _;
use http_body_util::Limited;

use super::guard::{Door, Shared, finished, peer};
use super::problem::Problem;
use super::server::REQUEST_ID;
use crate::model::{DecisionId, Malformed, Refusal};
use crate::pipeline::{Arrival, BodySource, Outcome, Refused, Rendered, Wording};
use crate::routing::{CanonicalRequest, HeadLimits, Protocol, RawHead};

/// Fields of one connection: what `hyper` read of them is not the request's.
const OF_THE_CONNECTION: [header::HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::HOST, header::UPGRADE];

/// Serves everything under `/.hubgate/`.
pub(super) async fn own_pages(State(door): Shared, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let at = door.pipeline().now();
    // Whoever speaks to this host speaks TLS to what stands in front: a session cookie is sent over nothing else.
    let peer = peer(&parts);
    let arrival = Arrival { peer, secure: true, tls_version: None, server_name: None, at };
    let request = match canonical(&parts, &body) {
        Ok(request) => request,
        Err(refusal) => {
            let refused = door.pipeline().refuse_head(&arrival, refusal);
            return refuse(&refused);
        }
    };
    if door.admin_host() != Some(request.host()) {
        return nowhere(&door);
    }
    let outcome = door.pipeline().admit(request.into(), &arrival, &mut Whole(Some(body))).await;
    match outcome {
        Outcome::Answer(reply) => sent(Rendered::of(reply.answer), reply.decision),
        Outcome::Refuse(refused) => refuse(&refused),
        // No route is on this host: nothing is forwarded from here.
        Outcome::Forward(_) => nowhere(&door),
    }
}

fn nowhere(door: &Door) -> Response {
    let id = door.new_id();
    finished(Problem::not_found().response(id), id)
}

/// The request as every other door reads it. `hyper` has parsed the head already, so it is read as the decoded list of
/// fields that HTTP/2 has.
fn canonical(parts: &Parts, body: &Body) -> Result<CanonicalRequest, Refusal> {
    let mut headers: HeaderMap = parts.headers.clone();
    for name in &OF_THE_CONNECTION {
        headers.remove(name);
    }
    let host = host_of(parts).ok_or(Refusal::Malformed(Malformed::Host))?;
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let head = RawHead {
        bytes: None,
        protocol: Protocol::H2,
        method: &parts.method,
        raw_path: target.as_bytes(),
        uri_authority: Some(host),
        headers: &headers,
        server_name: None,
        stream_ended: hyper::body::Body::is_end_stream(body),
    };
    CanonicalRequest::parse(head, &HeadLimits::default())
}

/// The host a request names, where it names one and no other.
pub(super) fn host_of(parts: &Parts) -> Option<&str> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    if second.is_some() {
        return None;
    }
    let line = line.and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    match (line, authority) {
        (Some(line), Some(authority)) if line != authority => None,
        (line, authority) => authority.or(line),
    }
}

fn refuse(refused: &Refused) -> Response {
    sent(Rendered::refused(refused, &Wording::default()), refused.decision)
}

fn sent(mut rendered: Rendered, id: DecisionId) -> Response {
    rendered.complete();
    let Rendered { status, fields, body } = rendered;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let hsts = HeaderValue::from_static("max-age=31536000; includeSubDomains");
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    response
}

/// A body that is read whole.
struct Whole(Option<Body>);

#[async_trait::async_trait]
impl BodySource for Whole {
    async fn read(&mut self, bytes_max: usize) -> Result<Bytes, Refusal> {
        let broken = Refusal::Malformed(Malformed::Body);
        let body = self.0.take().ok_or(broken.clone())?;
        let read = Limited::new(body, bytes_max).collect();
        let read = tokio::time::timeout(super::body::BODY_TIME_MAX, read).await;
        let read = read.map_err(|_| broken.clone())?;
        read.map(http_body_util::Collected::to_bytes).map_err(|error| {
            let too_large = error.is::<http_body_util::LengthLimitError>();
            if too_large { Refusal::BodyTooLarge } else { broken }
        })
    }
}
