//! Raw requests against a running gateway: what a filter can see, byte for byte (PX-01..PX-48).
//!
//! The status code alone proves nothing: each row also says what the byte-recording upstream may have
//! seen. `{host}`, `{key}` and `{big:N}` (N times `a`) are filled in before sending.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod cases;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Gateway;

use cases::{Case, Expected, cases};

/// Field names, lower case, that no upstream may see from a client, whatever it sent.
const NEVER_UPSTREAM: &[&str] = &[
    "authorization",
    "cookie",
    "expect",
    "forwarded",
    "keep-alive",
    "proxy",
    "proxy-authorization",
    "remote-user",
    "te",
    "trailer",
    "x-auth-user",
    "x-client-cert",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// The value every row puts into the fields it must not get through with.
const SPOOFED: &str = "spoofed-by-client";

/// How long a gateway may take to answer one row.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

fn fill(bytes: &[u8], gateway: &Gateway) -> Vec<u8> {
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|byte| *byte == b'{') {
        filled.extend_from_slice(&rest[..start]);
        rest = &rest[start..];
        let end = rest.iter().position(|byte| *byte == b'}').map_or(rest.len(), |end| end + 1);
        match &rest[..end] {
            b"{host}" => filled.extend_from_slice(gateway.host().as_bytes()),
            b"{key}" => filled.extend_from_slice(gateway.api_key().as_bytes()),
            other => match big(other) {
                Some(length) => filled.resize(filled.len() + length, b'a'),
                None => filled.extend_from_slice(other),
            },
        }
        rest = &rest[end..];
    }
    filled.extend_from_slice(rest);
    filled
}

fn big(placeholder: &[u8]) -> Option<usize> {
    let digits = placeholder.strip_prefix(b"{big:")?.strip_suffix(b"}")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// An answer: its status, and whether the gateway closed the connection after it.
struct Answer {
    /// `None` when the connection closed without one.
    status: Option<u16>,
    /// Everything received.
    bytes: Vec<u8>,
}

/// Sends bytes over a fresh connection and reads one answer.
///
/// `to_end` reads until the gateway closes: for rows after which it must.
async fn send(address: SocketAddr, bytes: &[u8], to_end: bool) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The gateway may refuse and close before it has read everything.
    let _ = socket.write_all(bytes).await;
    let mut received = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while to_end || !received.windows(4).any(|window| window == b"\r\n\r\n") {
            match socket.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(length) => received.extend_from_slice(&buffer[..length]),
            }
        }
    };
    let timed_out = tokio::time::timeout(ANSWER_WITHIN, read).await.is_err();
    assert!(!timed_out, "no answer or no close within {ANSWER_WITHIN:?}");
    let status = received
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
    Answer { status, bytes: received }
}

/// A request as the upstream received it, taken apart strictly.
struct Seen {
    line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Seen {
    fn parse(raw: &[u8]) -> Self {
        let end = raw.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&raw[..end]).expect("a head of ASCII");
        assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "stray line end: {head:?}");
        let mut lines = head.split("\r\n");
        let line = String::from(lines.next().unwrap_or_default());
        let fields = lines.map(|line| {
            let (name, value) =
                line.split_once(": ").or_else(|| line.split_once(':')).expect("a colon");
            (name.to_ascii_lowercase(), String::from(value))
        });
        Self { line, fields: fields.collect(), body: raw[end + 4..].to_vec() }
    }

    fn values(&self, name: &str) -> Vec<&str> {
        let found = self.fields.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// The body without its framing, which must be whole and single.
    fn content(&self) -> Vec<u8> {
        match (
            self.values("content-length").as_slice(),
            self.values("transfer-encoding").as_slice(),
        ) {
            ([], []) => self.body.clone(),
            ([length], []) => {
                assert_eq!(length.parse(), Ok(self.body.len()), "length and body");
                self.body.clone()
            }
            ([], ["chunked"]) => unchunk(&self.body),
            other => panic!("two framings: {other:?}"),
        }
    }
}

/// Takes strictly written chunks apart.
fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").expect("a chunk size line");
        let digits = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(digits, 16).expect("a plain chunk size");
        body = &body[end + 2..];
        content.extend_from_slice(&body[..size]);
        assert!(body[size..].starts_with(b"\r\n"), "a chunk ends with CRLF");
        body = &body[size + 2..];
        if size == 0 {
            assert!(body.is_empty(), "bytes after the last chunk: {}", body.escape_ascii());
            return content;
        }
    }
}

/// Checks what the upstream saw of one forwarded row.
fn assert_canonical(case: &Case, raw: &[u8], line: &str, body: &str) {
    let what = format!("{} {}: {}", case.id, case.name, raw.escape_ascii());
    let seen = Seen::parse(raw);
    assert_eq!(seen.line, format!("{line} HTTP/1.1"), "{what}");
    assert_eq!(seen.values("host").len(), 1, "{what}");
    assert_eq!(seen.values("hubgate-assertion").len(), 1, "{what}");
    assert_eq!(seen.content(), body.as_bytes(), "{what}");
    for (name, value) in &seen.fields {
        assert!(!NEVER_UPSTREAM.contains(&name.as_str()), "{name} reached the upstream: {what}");
        assert!(!name.contains('_') && !value.contains(SPOOFED), "{name}: {what}");
    }
}

#[tokio::test]
async fn each_row_gets_its_answer_and_the_upstream_sees_only_canonical_requests() {
    let gateway = Gateway::start().await;
    let mut before = gateway.upstream_requests().len();
    for case in cases() {
        let (statuses, forwarded) = match case.expected {
            Expected::Refused(statuses) => (statuses, None),
            Expected::Forwarded { line, body } => (&[200][..], Some((line, body))),
            Expected::NeverSmuggled => continue,
        };
        let answer = send(gateway.http_addr(), &fill(&case.bytes, &gateway), false).await;
        let requests = gateway.upstream_requests();
        let seen = &requests[before..];
        before = requests.len();
        let what = format!("{} {}: {}", case.id, case.name, answer.bytes.escape_ascii());
        assert!(statuses.contains(&answer.status.unwrap_or_default()), "{what}");
        assert_eq!(seen.len(), usize::from(forwarded.is_some()), "upstream: {what}");
        if let Some((line, body)) = forwarded {
            assert_canonical(&case, &seen[0], line, body);
        }
    }
    // A refused row that arrived late would show now.
    assert_eq!(ask_for(&gateway, "/echo/last").await, Some(200));
    assert_eq!(gateway.upstream_requests().len(), before + 1);
}

#[tokio::test]
async fn a_second_request_behind_a_chunked_body_is_never_served() {
    let gateway = Gateway::start().await;
    for case in cases() {
        if !matches!(case.expected, Expected::NeverSmuggled) {
            continue;
        }
        let answer = send(gateway.http_addr(), &fill(&case.bytes, &gateway), true).await;
        let answers = answer.bytes.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
        assert!(answers <= 1, "{} {}: {answers} answers on one connection", case.id, case.name);
    }
    assert_eq!(ask_for(&gateway, "/echo/last").await, Some(200));
    // A request whose body broke off may be recorded late or not at all, so rows are not counted here.
    for raw in gateway.upstream_requests() {
        let text = raw.escape_ascii().to_string();
        let expected = text.starts_with("POST /echo/a HTTP/1.1\\r\\n")
            || text.starts_with("GET /echo/last HTTP/1.1\\r\\n");
        assert!(expected && !text.contains("smuggled") && !text.contains(SPOOFED), "{text}");
    }
}

async fn ask_for(gateway: &Gateway, path: &str) -> Option<u16> {
    let (host, key) = (gateway.host(), gateway.api_key());
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n");
    send(gateway.http_addr(), head.as_bytes(), false).await.status
}

#[test]
fn the_table_is_large_and_names_its_requirements() {
    let cases = cases();
    assert!(cases.len() >= 100, "{} rows", cases.len());
    for case in &cases {
        assert!(case.id.starts_with("PX-") && !case.name.is_empty() && !case.bytes.is_empty());
    }
}
