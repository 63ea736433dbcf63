mod fields;
mod framing;

use proptest::prelude::*;

use super::super::testing::{Stream, parse_h1, request};
use super::*;

use Malformed::{
    ContentLength, Field, Host, Path, Query, RequestLine, ReservedField, TransferEncoding,
};

type Verdict = Result<(), Refusal>;

fn refused(malformed: Malformed) -> Verdict {
    Err(Refusal::Malformed(malformed))
}

/// Each text is the fields after a good `Host`, of a POST, so a body fits.
fn assert_fields(id: &str, verdict: &Verdict, rows: &[&str]) {
    for fields in rows {
        let read = request("POST /x", fields).map(|_| ());
        assert_eq!(&read, verdict, "{id}: {}", fields.escape_debug());
    }
}

fn assert_heads(id: &str, verdict: &Verdict, rows: &[&[u8]]) {
    for raw in rows {
        assert_eq!(&parse_h1(raw).map(|_| ()), verdict, "{id}: {}", raw.escape_ascii());
    }
}

#[test]
fn reads_a_plain_request_whole() {
    let raw = b"POST /teams/t-1?x=1&y=%20 HTTP/1.1\r\nHost: Hub.Localhost:8443\r\nContent-Length: 5\r\n\
        Content-Type:application/json\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n";
    let read = parse_h1(raw).unwrap();
    assert_eq!(
        (read.method(), read.host(), read.authority()),
        (&Method::POST, "hub.localhost", "hub.localhost:8443")
    );
    assert_eq!((read.path(), read.query()), ("/teams/t-1", Some("x=1&y=%20")));
    assert_eq!(read.target(), "/teams/t-1?x=1&y=%20");
    assert_eq!((read.has_body(), read.content_length()), (true, Some(5)));
    assert_eq!((read.protocol(), read.upgrade()), (Protocol::H1, Upgrade::None));
    assert!(!read.connection_must_close() && !read.expects_continue());
    let names: Vec<&str> = read.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["host", "content-length", "content-type"]);
}

#[test]
fn a_target_without_query_has_none_and_an_empty_query_is_kept() {
    assert_eq!(request("GET /a", "").unwrap().query(), None);
    let empty = request("GET /a?", "").unwrap();
    assert_eq!((empty.query(), empty.target()), (Some(""), "/a?"));
}

fn malformed(stream: Stream<'_>) -> Malformed {
    match stream.parse() {
        Err(Refusal::Malformed(malformed)) => malformed,
        other => panic!("{other:?}"),
    }
}

fn with<'a>(fields: &'a [(&'a str, &'a str)]) -> Stream<'a> {
    Stream { fields, ..Stream::GET }
}

fn post<'a>(fields: &'a [(&'a str, &'a str)], ended: bool) -> Stream<'a> {
    Stream { method: "POST", fields, ended, ..Stream::GET }
}

#[test]
fn px08_http2_heads_obey_the_same_rules() {
    assert!(Stream::GET.parse().is_ok());
    assert_eq!(malformed(with(&[("transfer-encoding", "chunked")])), TransferEncoding);
    assert_eq!(malformed(with(&[("connection", "close")])), Field);
    assert_eq!(malformed(with(&[("connection", "upgrade"), ("upgrade", "websocket")])), Field);
    assert_eq!(malformed(with(&[("upgrade", "websocket")])), Malformed::Upgrade);
    assert_eq!(malformed(with(&[("keep-alive", "5")])), Field);
    assert_eq!(malformed(with(&[("te", "gzip")])), Field);
    assert_eq!(malformed(with(&[("x_auth_user", "root")])), Field);
    assert_eq!(malformed(with(&[("x", "caf\u{e9}")])), Field);
    assert_eq!(malformed(with(&[("x", " y")])), Field);
    assert_eq!(malformed(with(&[("hubgate-assertion", "x")])), ReservedField);
}

#[test]
fn px08_http2_targets_hosts_and_lengths_obey_the_same_rules() {
    let at = |method, path| Stream { method, path, ..Stream::GET };
    let on = |authority| Stream { authority, ..Stream::GET };
    let twice = [("content-length", "3"), ("content-length", "3")];
    for (stream, expected) in [
        (with(&[("host", "other.test")]), Host),
        (on(None), Host),
        (on(Some("a.test/x")), Host),
        (at("OPTIONS", "*"), RequestLine),
        (at("TRACE", "/"), RequestLine),
        (at("GET", "/a/../b"), Path),
        (at("GET", "/caf\u{e9}"), Path),
        (at("GET", "/a?b c"), Query),
        (post(&[("content-length", "03")], false), ContentLength),
        (post(&twice, false), ContentLength),
        (post(&[("content-length", "3")], true), ContentLength),
    ] {
        assert_eq!(malformed(stream), expected);
    }
    assert!(with(&[("te", "trailers")]).parse().unwrap().accepts_trailers());
    assert!(with(&[("host", "hub.localhost")]).parse().is_ok());
}

#[test]
fn http2_bodies_are_seen_without_a_length() {
    let body = |method, fields, ended| {
        Stream { method, fields, ended, ..Stream::GET }.parse().unwrap().has_body()
    };
    assert!(!body("GET", &[], true));
    assert!(body("GET", &[], false));
    assert!(body("POST", &[("content-length", "3")], false));
    assert!(!body("POST", &[("content-length", "0")], false));
}

#[test]
fn px47_http2_cookie_crumbs_are_one_line_again() {
    let fields = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")];
    let read = Stream { fields: &fields, ..Stream::GET }.parse().unwrap();
    let cookies: Vec<&[u8]> =
        read.headers().get_all("cookie").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(cookies, [b"a=1; b=2"]);
}

#[test]
fn what_pingora_parsed_must_be_what_came() {
    let raw = b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("a.test"));
    let head = RawHead {
        bytes: Some(raw),
        protocol: Protocol::H1,
        method: &Method::GET,
        raw_path: b"/a",
        uri_authority: None,
        headers: &headers,
        server_name: None,
        stream_ended: false,
    };
    let empty = HeaderMap::new();
    let parse = |head| CanonicalRequest::parse(head, &HeadLimits::default()).map(|_| ());
    assert_eq!(parse(head), Ok(()));
    assert_eq!(parse(RawHead { raw_path: b"/b", ..head }), refused(Path));
    assert_eq!(parse(RawHead { method: &Method::POST, ..head }), refused(RequestLine));
    assert_eq!(parse(RawHead { headers: &empty, ..head }), refused(Field));
    assert_eq!(parse(RawHead { uri_authority: Some("a.test"), ..head }), refused(RequestLine));
    assert_eq!(parse(RawHead { bytes: None, ..head }), refused(RequestLine));
    assert_eq!(parse(RawHead { protocol: Protocol::H2, ..head }), refused(RequestLine));
}

#[test]
fn tells_browsers_from_programs() {
    let wants = |line: &str, fields: &str| request(line, fields).unwrap().wants_html();
    assert!(wants("GET /", "Accept: text/html,application/xhtml+xml\r\n"));
    assert!(wants("GET /", "Accept: application/json;q=0.1, text/html;q=0.9\r\n"));
    assert!(wants("POST /", "Sec-Fetch-Mode: navigate\r\nContent-Length: 1\r\n"));
    assert!(!wants("GET /", "Accept: text/html\r\nX-Requested-With: XMLHttpRequest\r\n"));
    assert!(!wants("GET /", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n"));
    assert!(!wants("GET /", "Accept: application/json\r\n"));
    assert!(!wants("GET /", "Accept: text/htmlx\r\n"));
    assert!(!wants("GET /", "Accept: */*\r\n"));
    assert!(!wants("GET /", ""));
    assert!(!wants("POST /", "Accept: text/html\r\n"));
}

#[test]
fn debug_shows_no_credential() {
    let read = request("GET /a?token=s3cret", "Authorization: Bearer s3cret\r\nCookie: s3cret\r\n");
    let text = format!("{:?}", read.unwrap());
    assert!(text.contains("/a") && !text.contains("s3cret"), "{text}");
}

/// A good head with one byte replaced, removed or put in somewhere.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let head =
        b"POST /teams/t%20x/m?a=1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\nX: y\r\n\r\n";
    let edits = proptest::collection::vec((0..head.len(), any::<u8>(), 0..3_u8), 1..4);
    edits.prop_map(move |edits| {
        let mut bytes = head.to_vec();
        for (at, byte, kind) in edits {
            let at = at.min(bytes.len() - 1);
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn an_accepted_head_has_no_second_reading(raw in nearly_a_head()) {
        if let Ok(read) = parse_h1(&raw) {
            let line = format!("{} {} HTTP/1.1\r\n", read.method(), read.target());
            prop_assert!(raw.starts_with(line.as_bytes()));
            prop_assert!(raw.ends_with(b"\r\n\r\n"));
            let lines = raw.split(|byte| *byte == b'\n').collect::<Vec<_>>();
            let (last, ended) = lines.split_last().unwrap();
            prop_assert!(last.is_empty());
            for line in ended {
                let text = line.strip_suffix(b"\r");
                prop_assert!(text.is_some_and(|text| !text.contains(&b'\r')));
            }
            prop_assert!(read.headers().get_all("host").iter().count() == 1);
        }
    }

    #[test]
    fn arbitrary_heads_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = parse_h1(&raw);
    }
}
