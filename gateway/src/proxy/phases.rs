//! Pingora's phases. Nothing here decides: `pipeline` does, and these carry out what it says.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorSource, ErrorType};
use tracing::Instrument as _;

use super::body::SessionBody;
use super::door::Door;
use super::exchange::Exchange;
use super::spans::Spans;
use super::watch::{Reused, Watch};
use super::{arrival, live, reply, tunnel, upstream_head, websocket};
use crate::authn::is_gateway_cookie;
use crate::model::{Dependency, Malformed, Refusal};
use crate::pipeline::{Forward, Outcome, Refused, Wording};
use crate::routing::Stream;

/// Two tries: one retry, and only where nothing can have happened.
const ATTEMPTS_MAX: u32 = 2;
/// A refused client that is still sending gets this long to read why (see [`linger`]).
const LINGER: std::time::Duration = std::time::Duration::from_secs(1);
/// A tunnel or event stream may be silent this long; what ends it sooner is the live check.
const STREAM_SILENCE: std::time::Duration = std::time::Duration::from_hours(1);

#[async_trait]
impl ProxyHttp for Door {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(Arc::clone(&self.pipeline), Arc::clone(&self.metrics))
    }

    /// None: no compression, no modules; bodies pass as they are.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> pingora::Result<()> {
        if let Some(watch) = Watch::current() {
            watch.head_complete();
        }
        session.set_read_timeout(Some(self.limits.body_silence));
        session.set_write_timeout(Some(self.limits.write_stall));
        exchange.spans = Spans::begin(&session.req_header().headers);
        let arrival = arrival::of(session, self.pipeline.now());
        exchange.begin(arrival, arrival::canonical(session, &self.limits.head));
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> pingora::Result<bool> {
        let span = exchange.spans.exchange();
        let outcome = self.outcome(session, exchange).instrument(span).await;
        match outcome {
            Outcome::Forward(forward) => {
                let Some(service) = self.service(&forward) else {
                    // A reload took the service away between decision and here: the Allow in the log
                    // gets an outcome that says nothing was sent.
                    exchange.answered(forward.decision());
                    return self.send_refusal(session, exchange, unavailable(&forward)).await;
                };
                if !live::watch(&self.pipeline, &forward) {
                    exchange.answered(forward.decision());
                    return self.send_refusal(session, exchange, unavailable(&forward)).await;
                }
                if forward.route().stream() != Stream::None {
                    session.set_read_timeout(Some(STREAM_SILENCE));
                }
                exchange.forward(forward, service);
                if !exchange.continued && exchange.request().is_some_and(|r| r.expects_continue()) {
                    session.write_continue_response().await?;
                }
                Ok(false)
            }
            Outcome::Answer(answer) => {
                exchange.answered(answer.decision);
                close_after_body(session, exchange);
                let status = reply::answer(session, answer).await?;
                exchange.enforcement.status = Some(status);
                linger(session, exchange).await;
                Ok(true)
            }
            Outcome::Refuse(refused) => self.send_refusal(session, exchange, refused).await,
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Exchange,
    ) -> pingora::Result<Box<HttpPeer>> {
        let Some((forward, service)) = exchange.allowed() else {
            // Unreachable by construction, and shut if it were reached.
            return Err(Error::explain(ErrorType::InternalError, "no permit for this exchange"));
        };
        let stream = forward.route().stream();
        let Some(mut peer) = service.peer(exchange.last_tried, self.pipeline.now()) else {
            return Err(Error::explain(ErrorType::ConnectNoRoute, "no healthy address"));
        };
        if stream == Stream::WebSocket {
            peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::standard();
            tunnel::prepare(&mut peer, service.settings().connect_timeout);
        }
        if stream != Stream::None {
            peer.options.read_timeout = Some(STREAM_SILENCE);
        }
        if forward.request().connection_must_close() {
            peer.options.idle_timeout = Some(std::time::Duration::ZERO);
        }
        exchange.attempt(peer._address.as_inet().copied());
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> pingora::Result<()> {
        let Some((forward, service)) = exchange.allowed() else {
            return Err(Error::explain(ErrorType::InternalError, "no permit for this exchange"));
        };
        // Replaced whole: nothing of the client's head survives but what the writer put in.
        let mut head = upstream_head::write(forward, service, &exchange.arrival)?;
        if let Some(parent) = exchange.spans.traceparent() {
            head.insert_header("traceparent", parent)?;
        }
        head.set_version(upstream_request.version);
        if service.settings().http2 {
            head.remove_header(&header::CONNECTION);
            head.set_send_end_stream(upstream_request.send_end_stream().unwrap_or(true));
        }
        *upstream_request = head;
        exchange.enforcement.first_byte_sent = true;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> pingora::Result<()> {
        let length = body.as_ref().map_or(0, |part| part.len() as u64);
        exchange.enforcement.bytes_in = exchange.enforcement.bytes_in.saturating_add(length);
        let Some((forward, _)) = exchange.allowed() else { return Ok(()) };
        if forward.route().stream() != Stream::WebSocket
            && exchange.enforcement.bytes_in > forward.route().body_bytes_max()
        {
            return Err(Error::explain(ErrorType::HTTPStatus(413), "body too large").into_down());
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> pingora::Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            check_upgrade(session, response, exchange)?;
        } else if response.status.is_informational() {
            // RFC 9110 §15.2: an interim answer; the final one is what is recorded and dressed.
            drop_our_cookies(response);
            return Ok(());
        }
        check_stream(response, exchange)?;
        exchange.enforcement.status = Some(response.status.as_u16());
        drop_our_cookies(response);
        // PX-48: what was decided for one person is not kept for the next, unless the service says so.
        if !response.headers.contains_key(header::CACHE_CONTROL) {
            response.insert_header(header::CACHE_CONTROL, "no-store, private")?;
        }
        response.remove_header("hubgate-assertion");
        if let Some((forward, _)) = exchange.allowed() {
            tell_limits(response, forward)?;
        }
        if let Some(decision) = exchange.decision {
            response.insert_header(upstream_head::REQUEST_ID, decision.to_string())?;
        }
        let must_close = exchange.request().is_some_and(|request| request.connection_must_close());
        // A gateway that stops says so, and a client does not send its next request into a closing door.
        if must_close || session.is_process_shutting_down() {
            session.set_keepalive(None);
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let (Some((_, service)), Some(address)) = (exchange.allowed(), exchange.last_tried) {
            service.failed(address, self.pipeline.now());
        }
        // Nothing was sent: any method may be tried once more.
        error.set_retry(exchange.may_retry(ATTEMPTS_MAX));
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Exchange,
        client_reused: bool,
    ) -> Box<Error> {
        // A kept connection the service closed meanwhile: idempotent methods may be tried once more, as
        // long as the whole body is at hand and no answer has begun.
        let repeatable = session.req_header().method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated()
            && !answer_begun(session);
        if repeatable && exchange.may_retry(ATTEMPTS_MAX) {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        let refusal = refusal_of(error);
        let ended_by = refusal.as_ref().map_or_else(|| client_end(error), Refusal::code);
        exchange.enforcement.ended_by = Some(ended_by);
        tracing::debug!(target: "hubgate::proxy", %error, "exchange failed");
        let mut error_code = 0;
        if let (Some(refusal), false) = (refusal, answer_begun(session)) {
            let refused = Refused {
                refusal,
                decision: exchange.decision.unwrap_or_else(|| self.pipeline.new_decision_id()),
                html: exchange.request().is_some_and(|request| request.wants_html()),
                help: None,
            };
            session.set_keepalive(None);
            let wording = self.wording(exchange);
            error_code = reply::refuse(session, &refused, &wording).await.unwrap_or(0);
            exchange.enforcement.status = Some(error_code).filter(|code| *code > 0);
            linger(session, exchange).await;
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(
        &self,
        session: &mut Session,
        _error: Option<&Error>,
        exchange: &mut Exchange,
    ) {
        exchange.enforcement.bytes_out = session.body_bytes_sent() as u64;
        exchange.complete();
    }

    fn persist_connection_context(
        &self,
        _session: &Session,
        _exchange: &Exchange,
    ) -> Option<Box<dyn std::any::Any + Send + Sync>> {
        Some(Box::new(Reused))
    }

    /// The decision log tells of every exchange; a client that went away is not an error of ours.
    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &Error) -> bool {
        true
    }
}

impl Door {
    /// The end of the way for this exchange. A panic on the way is a refusal.
    async fn outcome(&self, session: &mut Session, exchange: &mut Exchange) -> Outcome {
        let request = match exchange.take_head() {
            Ok(request) => request,
            Err(refusal) => {
                session.set_keepalive(None);
                return Outcome::Refuse(self.pipeline.refuse_head(&exchange.arrival, refusal));
            }
        };
        let expects = request.expects_continue();
        let mut body = SessionBody::new(session, expects, self.limits.body_silence);
        let way = self.pipeline.admit(Arc::clone(&request), &exchange.arrival, &mut body);
        let outcome = std::panic::AssertUnwindSafe(way).catch_unwind().await;
        exchange.continued = body.continued() && expects;
        outcome.unwrap_or_else(|_| {
            tracing::error!(target: "hubgate::proxy", "the way of a request panicked");
            let refusal = Refusal::Unavailable(Dependency::DecisionPoint);
            Outcome::Refuse(self.pipeline.refuse_request(&request, &exchange.arrival, refusal))
        })
    }

    /// How refusals of what was asked for are worded.
    fn wording(&self, exchange: &Exchange) -> Wording {
        self.pipeline.wording(exchange.request().map(|request| &**request))
    }

    async fn send_refusal(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        refused: Refused,
    ) -> pingora::Result<bool> {
        exchange.refused(refused.decision);
        exchange.enforcement.ended_by = Some(refused.refusal.code());
        close_after_body(session, exchange);
        let status = reply::refuse(session, &refused, &self.wording(exchange)).await?;
        exchange.enforcement.status = Some(status);
        linger(session, exchange).await;
        Ok(true)
    }
}

/// Whether the final answer has begun; an interim one (100, 103) leaves room for another.
fn answer_begun(session: &Session) -> bool {
    session.response_written().is_some_and(|response| {
        !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS
    })
}

/// A body nobody read would be taken for the next request (PX-11): the connection ends instead.
fn close_after_body(session: &mut Session, exchange: &Exchange) {
    if exchange.request().is_none_or(|request| request.has_body()) {
        session.set_keepalive(None);
    }
}

/// Takes what the client is still sending, for a moment. Closing on unread bytes makes the system reset the
/// connection, and the reset can overtake the answer (RFC 9112 §9.6).
async fn linger(session: &mut Session, exchange: &Exchange) {
    let sends = exchange.request().is_some_and(|request| {
        request.has_body() && (!request.expects_continue() || exchange.continued)
    });
    if sends && !session.is_http2() {
        let rest = async { while let Ok(Some(_)) = session.read_request_body().await {} };
        // Whoever sends on beyond it sees the reset.
        let _ = tokio::time::timeout(LINGER, rest).await;
    }
}

fn unavailable(forward: &Forward) -> Refused {
    let refusal = Refusal::UpstreamFailed;
    Refused { refusal, decision: forward.decision(), html: false, help: None }
}

/// What the client is told; nothing when it is gone.
fn refusal_of(error: &Error) -> Option<Refusal> {
    match (error.etype(), error.esource()) {
        (ErrorType::HTTPStatus(413), _) => Some(Refusal::BodyTooLarge),
        (ErrorType::InvalidHTTPHeader, ErrorSource::Downstream) => {
            Some(Refusal::Malformed(Malformed::Field))
        }
        (_, ErrorSource::Downstream) => None,
        // A connection that never opened carried nothing: 502, like one that was refused.
        (ErrorType::ReadTimedout | ErrorType::WriteTimedout, _) => Some(Refusal::UpstreamTimeout),
        _ => Some(Refusal::UpstreamFailed),
    }
}

/// How a client ended an exchange it is told nothing of.
fn client_end(error: &Error) -> &'static str {
    match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => "client_silent",
        _ => "client_gone",
    }
}

fn check_upgrade(
    session: &Session,
    response: &ResponseHeader,
    exchange: &Exchange,
) -> pingora::Result<()> {
    let offered = exchange
        .allowed()
        .is_some_and(|(forward, _)| forward.route().stream() == Stream::WebSocket);
    if offered && websocket::accepts(&session.req_header().headers, &response.headers) {
        return Ok(());
    }
    Err(Error::explain(ErrorType::InvalidHTTPHeader, "unexpected 101 from upstream").into_up())
}

/// An event stream passes where the route says so: elsewhere nobody would ask about it while it lasts.
fn check_stream(response: &ResponseHeader, exchange: &Exchange) -> pingora::Result<()> {
    let offered = exchange
        .allowed()
        .is_some_and(|(forward, _)| forward.route().stream() == Stream::ServerSentEvents);
    let is_stream = response.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream")
    });
    if is_stream && !offered {
        let why = "event stream on a route that is not marked for it";
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up());
    }
    Ok(())
}

/// Where the gateway counts, what the service says of limits is not what counts.
fn tell_limits(response: &mut ResponseHeader, forward: &Forward) -> pingora::Result<()> {
    if forward.fields().is_empty() {
        return Ok(());
    }
    for name in LIMIT_FIELDS {
        response.remove_header(name);
    }
    for (name, value) in forward.fields() {
        response.insert_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// Every field a limit is told by, in either way.
const LIMIT_FIELDS: [&str; 6] = [
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-quota",
    "ratelimit-timewindow",
    "ratelimit-remaining",
    "ratelimit-resetsin",
];

/// A service cannot set or clear the gateway's session.
fn drop_our_cookies(response: &mut ResponseHeader) {
    let is_ours = |value: &HeaderValue| {
        let name = value.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
        is_gateway_cookie(name.trim_ascii())
    };
    let cookies = response.headers.get_all(header::SET_COOKIE);
    if !cookies.iter().any(is_ours) {
        return;
    }
    let theirs: Vec<HeaderValue> =
        cookies.iter().filter(|value| !is_ours(value)).cloned().collect();
    response.remove_header(&header::SET_COOKIE);
    for cookie in theirs {
        // Taken from a valid head a line above.
        let _ = response.append_header(header::SET_COOKIE, cookie);
    }
}
