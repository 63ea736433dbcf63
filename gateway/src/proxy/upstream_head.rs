//! Writes the head an upstream gets: from the canonical request and an allow-list, never copied (promise P1).

use std::net::IpAddr;

use http::{HeaderName, header};
use pingora::http::RequestHeader;

use super::services::Service;
use crate::authn::forwardable_cookies;
use crate::pipeline::{Arrival, Forward};
use crate::routing::{CanonicalRequest, Stream, is_dropped_field, is_reserved_field};

/// The signed statement for the service.
const ASSERTION: HeaderName = HeaderName::from_static("hubgate-assertion");
/// Names the decision, so that a service's log can be joined with ours.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("hubgate-request-id");

/// Request fields every service is sent: content negotiation, conditions, ranges, tracing. Everything else
/// must be named by the service's `forward_headers`.
const STANDARD_FIELDS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "baggage",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "date",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "origin",
    "pragma",
    "prefer",
    "priority",
    "range",
    "referer",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-request-id",
    "x-requested-with",
];

/// Fields of the WebSocket handshake (RFC 6455 §4.1), sent on routes marked for it.
const WEBSOCKET_FIELDS: &[&str] = &[
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
];

/// The head for the service, built from nothing but what was decided.
///
/// # Errors
/// Pingora's, when a value is no header value; the request is then not sent.
pub(super) fn write(
    forward: &Forward,
    service: &Service,
    arrival: &Arrival,
) -> pingora::Result<RequestHeader> {
    let request = forward.request();
    let fields = request.headers().len() + 8;
    let target = request.target().as_bytes();
    let mut head = RequestHeader::build(request.method().clone(), target, Some(fields))?;
    copy_allowed(&mut head, forward, service)?;
    write_framing(&mut head, forward, service.settings().http2)?;
    head.insert_header(header::HOST, request.authority())?;
    write_origin(&mut head, request, arrival)?;
    head.insert_header(ASSERTION, forward.assertion().clone())?;
    head.insert_header(REQUEST_ID, forward.decision().to_string())?;
    Ok(head)
}

fn copy_allowed(
    head: &mut RequestHeader,
    forward: &Forward,
    service: &Service,
) -> pingora::Result<()> {
    let websocket = forward.route().stream() == Stream::WebSocket;
    for (name, value) in forward.request().headers() {
        let text = name.as_str();
        let standard = STANDARD_FIELDS.binary_search(&text).is_ok()
            || (websocket && WEBSOCKET_FIELDS.contains(&text));
        if standard || (service.wants_field(text) && may_be_named(name)) {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    if service.wants_field(header::COOKIE.as_str())
        && let Some(cookies) = forwardable_cookies(forward.request().headers())
    {
        head.insert_header(header::COOKIE, cookies)?;
    }
    Ok(())
}

/// No configuration can name the client's credential or a field that is ours or the hop's. Cookies are written
/// apart, without the gateway's own (AS-17).
fn may_be_named(name: &HeaderName) -> bool {
    *name != header::AUTHORIZATION
        && *name != header::COOKIE
        && *name != header::PROXY_AUTHORIZATION
        && *name != header::HOST
        && *name != header::EXPECT
        && !is_reserved_field(name.as_str())
        && !is_dropped_field(name.as_str())
}

fn write_framing(head: &mut RequestHeader, forward: &Forward, http2: bool) -> pingora::Result<()> {
    let request = forward.request();
    if forward.route().stream() == Stream::WebSocket {
        head.insert_header(header::CONNECTION, "Upgrade")?;
        head.insert_header(header::UPGRADE, "websocket")?;
    } else if request.connection_must_close() {
        // PX-05: what a chunked body really ended with cannot be seen here, so nothing follows it.
        head.insert_header(header::CONNECTION, "close")?;
    }
    if http2 && request.accepts_trailers() {
        // gRPC asks for trailers this way, and nothing else may ride on it (RFC 9113 §8.2.2).
        head.insert_header(header::TE, "trailers")?;
    }
    if let Some(length) = request.content_length() {
        head.insert_header(header::CONTENT_LENGTH, length.to_string())?;
    }
    Ok(())
}

fn write_origin(
    head: &mut RequestHeader,
    request: &CanonicalRequest,
    arrival: &Arrival,
) -> pingora::Result<()> {
    let peer = match arrival.peer.ip() {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    };
    // PX-27, PX-46: rebuilt from the socket, never taken from outside.
    head.insert_header("x-forwarded-for", peer.to_string())?;
    head.insert_header("x-forwarded-proto", if arrival.secure { "https" } else { "http" })?;
    head.insert_header("x-forwarded-host", request.authority())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_fields_are_sorted_for_the_search() {
        assert!(STANDARD_FIELDS.is_sorted());
    }

    #[test]
    fn no_standard_field_is_a_credential_or_reserved() {
        for name in STANDARD_FIELDS {
            assert!(may_be_named(&HeaderName::from_static(name)), "{name}");
        }
    }
}
