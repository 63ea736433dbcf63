//! The one parsed form of a request (P1).

use std::fmt;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method};

use crate::model::{Malformed, Refusal};

use super::authority::{self, Authority};
use super::facts::Facts;
use super::fields::{FieldClass, classify};
use super::head::{self, RawHead};
use super::{HeadLimits, target};

/// The protocol of the downstream connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// The protocol a request asks to change to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// None.
    None,
    /// `Upgrade: websocket` with `Connection: upgrade`, a GET without body (RFC 6455 §4.1).
    WebSocket,
}

/// The one parsed form of a request: what is decided, recorded and forwarded is this value.
///
/// There is no way to change it, and no way to make it but [`CanonicalRequest::parse`].
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one head")]
pub struct CanonicalRequest {
    method: Method,
    authority: Authority,
    target: String,
    path_length: usize,
    headers: HeaderMap,
    protocol: Protocol,
    upgrade: Upgrade,
    content_length: Option<u64>,
    has_body: bool,
    chunked: bool,
    expects_continue: bool,
    accepts_trailers: bool,
}

impl CanonicalRequest {
    /// Reads a head. What is not already canonical is refused, never repaired: two parsers must not be
    /// able to disagree about what we forward.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::HeadTooLarge`], [`Refusal::TargetTooLong`], or
    /// [`Refusal::UnknownHost`] when the TLS server name is another host.
    pub fn parse(head: RawHead<'_>, limits: &HeadLimits) -> Result<Self, Refusal> {
        if !is_known_method(head.method) {
            return Err(Refusal::Malformed(Malformed::RequestLine));
        }
        let facts = scan(&head, limits)?;
        let framing =
            facts.conclude(head.protocol, head.stream_ended).map_err(Refusal::Malformed)?;
        if framing.upgrade == Upgrade::WebSocket && head.method != Method::GET {
            return Err(Refusal::Malformed(Malformed::Upgrade));
        }
        let (target, path_length) = read_target(head.raw_path)?;
        let authority = authority::agree(facts.host, head.uri_authority)?;
        authority.check_server_name(head.server_name)?;
        Ok(Self {
            method: head.method.clone(),
            authority,
            target,
            path_length,
            headers: clean_headers(&head, &facts)?,
            protocol: head.protocol,
            upgrade: framing.upgrade,
            content_length: facts.content_length,
            has_body: framing.has_body,
            chunked: facts.chunked,
            expects_continue: facts.expects_continue,
            accepts_trailers: facts.accepts_trailers,
        })
    }

    /// The method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The host, lower case, without port. Not yet matched against the table.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// Host and port as the client wrote them, lower case: for redirects to ourselves.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The canonical path. It starts with `/`, and no decoding or normalising changes it.
    pub fn path(&self) -> &str {
        self.target.get(..self.path_length).unwrap_or(&self.target)
    }

    /// What follows the first `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.get(self.path_length..)?.strip_prefix('?')
    }

    /// Path and query: exactly what is forwarded.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The fields that may be read and forwarded. Hop-by-hop fields and those that only a proxy may say
    /// ([`super::is_dropped_field`]) are gone; HTTP/2 cookie crumbs are one line again.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether a body follows: a length above 0, chunks, or an HTTP/2 stream left open.
    pub const fn has_body(&self) -> bool {
        self.has_body
    }

    /// The length the client promised.
    pub const fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The upgrade asked for.
    pub const fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// The downstream protocol.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the client waits for `100 Continue` before it sends the body. We answer; it ends here.
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the client said `TE: trailers`, which gRPC upstreams want to see.
    pub const fn accepts_trailers(&self) -> bool {
        self.accepts_trailers
    }

    /// Whether neither the downstream nor the upstream connection may serve another request: true for a
    /// chunked HTTP/1.1 body, whose chunk grammar no filter sees (PX-05).
    pub fn connection_must_close(&self) -> bool {
        self.protocol == Protocol::H1 && self.chunked
    }

    /// Whether this is a person's browser opening a page, so a redirect to sign-in makes sense.
    pub fn wants_html(&self) -> bool {
        // Fetch Metadata Request Headers §2.2: browsers say so, scripts cannot forge it.
        if let Some(mode) = self.headers.get("sec-fetch-mode") {
            return mode.as_bytes() == b"navigate";
        }
        let accepts_html = |value: &HeaderValue| {
            value.as_bytes().split(|byte| *byte == b',').any(|range| {
                let kind = range.split(|byte| *byte == b';').next().unwrap_or_default();
                kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
            })
        };
        self.method == Method::GET
            && !self.headers.contains_key("x-requested-with")
            && self.headers.get_all(header::ACCEPT).iter().any(accepts_html)
    }
}

impl fmt::Debug for CanonicalRequest {
    /// Shows neither query nor fields: they hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CanonicalRequest")
            .field("method", &self.method)
            .field("authority", &self.authority())
            .field("path", &self.path())
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

fn scan<'a>(head: &RawHead<'a>, limits: &HeadLimits) -> Result<Facts<'a>, Refusal> {
    match (head.protocol, head.bytes) {
        // An absolute-form target is no origin-form, whoever took it apart.
        (Protocol::H1, Some(_)) if head.uri_authority.is_some() => {
            Err(Refusal::Malformed(Malformed::RequestLine))
        }
        (Protocol::H1, Some(bytes)) => head::scan_h1(head, bytes, limits),
        (Protocol::H2, None) => head::scan_h2(head, limits),
        // Without its bytes an HTTP/1.1 head cannot be judged.
        (Protocol::H1, None) | (Protocol::H2, Some(_)) => {
            Err(Refusal::Malformed(Malformed::RequestLine))
        }
    }
}

/// Methods a route can name. TRACE echoes credentials, CONNECT is no proxy's business here, and
/// methods are case-sensitive (RFC 9110 §9.1), so `get` is none (PX-28).
pub(super) fn is_known_method(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS")
}

/// Checks the target; gives it as text with the length of its path.
fn read_target(raw: &[u8]) -> Result<(String, usize), Refusal> {
    let path_length = raw.iter().position(|byte| *byte == b'?').unwrap_or(raw.len());
    let (path, query) = raw.split_at_checked(path_length).unwrap_or((raw, &[]));
    target::check_path(path).map_err(Refusal::Malformed)?;
    if let Some(query) = query.strip_prefix(b"?") {
        target::check_query(query).map_err(Refusal::Malformed)?;
    }
    let text = std::str::from_utf8(raw).map_err(|_| Refusal::Malformed(Malformed::Path))?;
    Ok((String::from(text), path_length))
}

/// Copies the fields that travel on.
fn clean_headers(head: &RawHead<'_>, facts: &Facts<'_>) -> Result<HeaderMap, Refusal> {
    let mut headers = head.headers.clone();
    if facts.has_dropped {
        let is_dropped =
            |name: &&HeaderName| classify(name.as_str().as_bytes()) != FieldClass::Kept;
        let dropped: Vec<HeaderName> = head.headers.keys().filter(is_dropped).cloned().collect();
        for name in &dropped {
            headers.remove(name);
        }
    }
    if head.protocol == Protocol::H2 && facts.cookie_lines > 1 {
        // RFC 9113 §8.2.3: crumbs are joined before the fields leave HTTP/2.
        let crumbs: Vec<&[u8]> =
            head.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
            .map_err(|_| Refusal::Malformed(Malformed::Field))?;
        headers.insert(header::COOKIE, joined);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
