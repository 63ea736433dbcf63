//! Reads the field lines of a head: the raw bytes of HTTP/1.1, the decoded list of HTTP/2.
//!
//! The parsed `HeaderMap` is not enough for HTTP/1.1: Pingora accepts bare line feeds, drops
//! `Content-Length` beside `Transfer-Encoding`, and cuts fragments before any filter runs (PX-01,
//! PX-07, PX-22). The bytes still show it.

use std::fmt;

use http::{HeaderMap, Method};

use crate::model::{Malformed, Refusal};

use super::HeadLimits;
use super::bytes::{self, NAME, VALUE, VISIBLE};
use super::facts::Facts;
use super::request::Protocol;

/// A head as the listener read it, before anybody believed it. Filled in Pingora's
/// `early_request_filter`, where nothing has changed the head yet.
#[derive(Clone, Copy)]
pub struct RawHead<'a> {
    /// HTTP/1.1: `session.as_http1()` → `get_headers_raw_bytes()`, the whole head with its empty line.
    /// HTTP/2: `None`, never `to_h1_raw()`, which is made up.
    ///
    /// Pingora has already rewritten a request line that `httparse` refused: space, `"`, `<`, `>` and
    /// controls in the target became percent-escapes, which this module then judges.
    pub bytes: Option<&'a [u8]>,
    /// `H2` exactly when `session.is_http2()`.
    pub protocol: Protocol,
    /// `req_header().method`.
    pub method: &'a Method,
    /// `req_header().raw_path()`: what Pingora would send upstream. Never `uri.path()`, which is `/` for
    /// targets in other than origin-form.
    pub raw_path: &'a [u8],
    /// `req_header().uri.authority()` as text: HTTP/2 `:authority`. Pingora leaves it empty for HTTP/1.1.
    pub uri_authority: Option<&'a str>,
    /// `req_header().headers`.
    pub headers: &'a HeaderMap,
    /// The SNI name: `TlsRef::server_name()`, kept by the `handshake_complete_callback` in
    /// `session.digest().ssl_digest.extension`. `None` without TLS or without SNI.
    pub server_name: Option<&'a str>,
    /// HTTP/2: `session.as_http2()` → `is_body_empty()`, before any body was read: `END_STREAM` came
    /// with the head, or the length is 0. HTTP/1.1: `false`, not looked at.
    pub stream_ended: bool,
}

impl fmt::Debug for RawHead<'_> {
    /// Shows no field: they hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawHead")
            .field("protocol", &self.protocol)
            .field("method", self.method)
            .field("raw_path", &self.raw_path.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

/// Reads an HTTP/1.1 head byte by byte and compares it with what Pingora made of it.
///
/// # Errors
/// A [`Refusal`] naming the first rule broken.
pub(super) fn scan_h1<'a>(
    head: &RawHead<'a>,
    bytes: &'a [u8],
    limits: &HeadLimits,
) -> Result<Facts<'a>, Refusal> {
    if bytes.len() > limits.head_bytes_max {
        return Err(Refusal::HeadTooLarge);
    }
    let (target, mut rest) = read_request_line(head, bytes, limits)?;
    let mut facts = Facts::default();
    loop {
        match rest {
            // The empty line ends the head, and nothing comes after it.
            [b'\r', b'\n'] => break,
            [b'\r' | b'\n', ..] | [] => return Err(Refusal::Malformed(Malformed::LineEnding)),
            _ => rest = read_line(rest, &mut facts, limits)?,
        }
    }
    // What the decision reads must be what Pingora would send: same target, same number of fields.
    if target != head.raw_path {
        return Err(Refusal::Malformed(Malformed::Path));
    }
    let removed_by_pingora = usize::from(facts.chunked && facts.content_length.is_some());
    if facts.lines != head.headers.len() + removed_by_pingora {
        return Err(Refusal::Malformed(Malformed::Field));
    }
    Ok(facts)
}

/// Reads `METHOD SP target SP HTTP/1.1 CRLF`; gives the target and what follows.
fn read_request_line<'a>(
    head: &RawHead<'_>,
    bytes: &'a [u8],
    limits: &HeadLimits,
) -> Result<(&'a [u8], &'a [u8]), Refusal> {
    let malformed = Err(Refusal::Malformed(Malformed::RequestLine));
    let (method, rest) = bytes::split_run(bytes, VISIBLE);
    let Some(rest) = rest.strip_prefix(b" ") else {
        return malformed;
    };
    if method != head.method.as_str().as_bytes() {
        return malformed;
    }
    let (target, rest) = bytes::split_run(rest, VISIBLE);
    if target.len() > limits.target_bytes_max {
        return Err(Refusal::TargetTooLong);
    }
    // RFC 9112 §3: only HTTP/1.1, written so; HTTP/1.0 has no Host to route by.
    let Some(rest) = rest.strip_prefix(b" HTTP/1.1") else {
        return Err(Refusal::Malformed(unfit(rest, Malformed::RequestLine)));
    };
    match rest.strip_prefix(b"\r\n") {
        Some(rest) => Ok((target, rest)),
        None => Err(Refusal::Malformed(unfit(rest, Malformed::RequestLine))),
    }
}

/// Reads `name ":" OWS value OWS CRLF`; gives what follows.
///
/// A line that begins with a space (obs-fold) or has one before the colon has no name here.
fn read_line<'a>(
    bytes: &'a [u8],
    facts: &mut Facts<'a>,
    limits: &HeadLimits,
) -> Result<&'a [u8], Refusal> {
    let (name, rest) = bytes::split_run(bytes, NAME);
    let Some(rest) = rest.strip_prefix(b":").filter(|_| !name.is_empty()) else {
        return Err(Refusal::Malformed(unfit(rest, Malformed::Field)));
    };
    let (value, rest) = bytes::split_run(rest, VALUE);
    let Some(rest) = rest.strip_prefix(b"\r\n") else {
        return Err(Refusal::Malformed(unfit(rest, Malformed::Field)));
    };
    facts.add(name, value.trim_ascii(), limits)?;
    Ok(rest)
}

/// Says what kind of byte stopped the reading: a stray line end or NUL has its own name (PX-07).
fn unfit(rest: &[u8], otherwise: Malformed) -> Malformed {
    match rest {
        // A whole line end, only too early: the line lacks a part.
        [b'\r', b'\n', ..] => otherwise,
        [b'\r' | b'\n' | 0, ..] => Malformed::LineEnding,
        _ => otherwise,
    }
}

/// Reads the field list of an HTTP/2 head. The `h2` crate has already refused CR, LF and NUL.
///
/// # Errors
/// A [`Refusal`] naming the first rule broken.
pub(super) fn scan_h2<'a>(head: &RawHead<'a>, limits: &HeadLimits) -> Result<Facts<'a>, Refusal> {
    if head.raw_path.len() > limits.target_bytes_max {
        return Err(Refusal::TargetTooLong);
    }
    let mut facts = Facts::default();
    let mut size = head.raw_path.len();
    for (name, value) in head.headers {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        // The overhead of a line in HTTP/1.1, so both protocols have one limit.
        size = size.saturating_add(name.len() + value.len() + 4);
        if size > limits.head_bytes_max {
            return Err(Refusal::HeadTooLarge);
        }
        // RFC 9113 §8.2.1: a value must not start or end with space.
        let clean = bytes::all(value, VALUE) && value.trim_ascii().len() == value.len();
        if !clean || name.is_empty() || !bytes::all(name, NAME) {
            return Err(Refusal::Malformed(Malformed::Field));
        }
        // RFC 9113 §8.2.2: connection-specific fields; TE only as `trailers`.
        let te = name == b"te" && value != b"trailers";
        if te || matches!(name, b"connection" | b"keep-alive" | b"proxy-connection") {
            return Err(Refusal::Malformed(Malformed::Field));
        }
        facts.add(name, value, limits)?;
    }
    Ok(facts)
}
