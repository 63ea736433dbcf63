//! Reads a Pingora session: how the request came in, and its canonical form.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use pingora::protocols::http::v1::server::HttpSession as Http1;
use pingora::protocols::http::v2::server::HttpSession as Http2;
use pingora::proxy::Session;

use crate::model::{Refusal, UnixNanos};
use crate::pipeline::Arrival;
use crate::routing::{CanonicalRequest, HeadLimits, Protocol, RawHead};

/// The TLS server name, kept with the connection by the handshake callback.
#[derive(Debug)]
pub(super) struct ServerName(pub(super) Arc<str>);

/// How the request came in.
pub(super) fn of(session: &Session, now: UnixNanos) -> Arrival {
    let tls = session.digest().and_then(|digest| digest.ssl_digest.as_ref());
    let server_name =
        tls.and_then(|tls| tls.extension.get::<ServerName>()).map(|name| Arc::clone(&name.0));
    let peer = session.client_addr().and_then(|address| address.as_inet().copied());
    Arrival {
        // Without an address everybody would share one bucket; the unspecified address is that bucket.
        peer: peer.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        secure: tls.is_some(),
        tls_version: tls.map(|tls| tls_version(&tls.version)),
        server_name,
        at: now,
    }
}

/// The version as the standards write it.
fn tls_version(name: &str) -> &'static str {
    match name {
        "TLSv1_3" => "TLSv1.3",
        "TLSv1_2" => "TLSv1.2",
        _ => "unknown",
    }
}

/// The canonical form of the request, or why it has none.
pub(super) fn canonical(
    session: &Session,
    limits: &HeadLimits,
) -> Result<CanonicalRequest, Refusal> {
    let head = session.req_header();
    let raw = session.as_http1().map(Http1::get_headers_raw_bytes);
    let tls = session.digest().and_then(|digest| digest.ssl_digest.as_ref());
    let server_name = tls.and_then(|tls| tls.extension.get::<ServerName>());
    CanonicalRequest::parse(
        RawHead {
            bytes: raw.as_deref(),
            protocol: if session.is_http2() { Protocol::H2 } else { Protocol::H1 },
            method: &head.method,
            raw_path: head.raw_path(),
            uri_authority: head.uri.authority().map(http::uri::Authority::as_str),
            headers: &head.headers,
            server_name: server_name.map(|name| &*name.0),
            stream_ended: session.as_http2().is_some_and(Http2::is_body_empty),
        },
        limits,
    )
}
