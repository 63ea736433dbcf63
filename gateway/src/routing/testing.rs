//! Heads for the tests of this module: raw bytes taken apart as leniently as Pingora does it.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use crate::model::Refusal;

use super::{CanonicalRequest, HeadLimits, Protocol, RawHead};

/// Parses an HTTP/1.1 head; the parsed parts are what Pingora would hand over beside the bytes.
pub(super) fn parse_h1(raw: &[u8]) -> Result<CanonicalRequest, Refusal> {
    parse_h1_within(raw, &HeadLimits::default(), None)
}

/// As [`parse_h1`], with limits and a TLS server name.
pub(super) fn parse_h1_within(
    raw: &[u8],
    limits: &HeadLimits,
    server_name: Option<&str>,
) -> Result<CanonicalRequest, Refusal> {
    let mut lines = raw.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(|byte| *byte == b' ');
    let method = Method::from_bytes(words.next().unwrap_or_default()).unwrap_or(Method::GET);
    let target = words.next().unwrap_or_default();
    let path = target.split(|byte| *byte == b'#').next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if headers.contains_key("transfer-encoding") {
        headers.remove("content-length");
    }
    CanonicalRequest::parse(
        RawHead {
            bytes: Some(raw),
            protocol: Protocol::H1,
            method: &method,
            raw_path: path,
            uri_authority: None,
            headers: &headers,
            server_name,
            stream_ended: false,
        },
        limits,
    )
}

/// Parses `METHOD target` with these fields and a good `Host`.
pub(super) fn request(line: &str, fields: &str) -> Result<CanonicalRequest, Refusal> {
    parse_h1(format!("{line} HTTP/1.1\r\nHost: hub.localhost\r\n{fields}\r\n").as_bytes())
}

/// An HTTP/2 head.
#[derive(Clone, Copy)]
pub(super) struct Stream<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) authority: Option<&'a str>,
    pub(super) fields: &'a [(&'a str, &'a str)],
    pub(super) ended: bool,
}

impl Stream<'_> {
    /// A GET without body.
    pub(super) const GET: Self = Self {
        method: "GET",
        path: "/",
        authority: Some("hub.localhost"),
        fields: &[],
        ended: true,
    };

    pub(super) fn parse(&self) -> Result<CanonicalRequest, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let head = RawHead {
            bytes: None,
            protocol: Protocol::H2,
            method: &method,
            raw_path: self.path.as_bytes(),
            uri_authority: self.authority,
            headers: &headers,
            server_name: None,
            stream_ended: self.ended,
        };
        CanonicalRequest::parse(head, &HeadLimits::default())
    }
}
