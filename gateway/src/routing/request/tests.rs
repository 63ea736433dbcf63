use proptest::prelude::*;

use super::super::testing::{Stream, parse_h1, parse_h1_within, request};
use super::*;

use Malformed::{
    ContentLength, Expect, Field, Framing, Host, LineEnding, Path, Query, Repeated, RequestLine,
    ReservedField, TransferEncoding,
};

/// Each row: requirement, fields after a good `Host`, verdict (`None` accepts). A POST, so bodies fit.
fn assert_fields(rows: &[(&str, &str, Option<Malformed>)]) {
    for (id, fields, verdict) in rows {
        let read = request("POST /x", fields).map(|_| ());
        let expected = verdict.map_or(Ok(()), |malformed| Err(Refusal::Malformed(malformed)));
        assert_eq!(read, expected, "{id}: {}", fields.escape_debug());
    }
}

fn assert_refused(rows: &[(&str, &[u8], Malformed)]) {
    for (id, raw, malformed) in rows {
        let read = parse_h1(raw).map(|_| ());
        let expected = Err(Refusal::Malformed(*malformed));
        assert_eq!(read, expected, "{id}: {}", raw.escape_ascii());
    }
}

#[test]
fn reads_a_plain_request_whole() {
    let raw = b"POST /teams/t-1?x=1&y=%20 HTTP/1.1\r\nHost: Hub.Localhost:8443\r\nContent-Length: 5\r\n\
        Content-Type:application/json\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n";
    let read = parse_h1(raw).unwrap();
    assert_eq!((read.method(), read.host(), read.authority()), (&Method::POST, "hub.localhost", "hub.localhost:8443"));
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

#[test]
fn px01_px02_px03_framing_has_one_reading() {
    assert_fields(&[
        ("PX-01", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Some(Framing)),
        ("PX-01", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", Some(Framing)),
        ("PX-01", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Some(Framing)),
        ("PX-02", "Transfer-Encoding: chunked\r\n", None),
        ("PX-02", "transfer-encoding:chunked\r\n", None),
        ("PX-02", "Transfer-Encoding: Chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: xchunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: gzip, chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: identity, chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: ,chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: chunked,\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: chunked, chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: chunked;q=1\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: identity\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding:\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: \"chunked\"\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer-Encoding : chunked\r\n", Some(Field)),
        ("PX-02", "Transfer-Encoding\t: chunked\r\n", Some(Field)),
        ("PX-02", " Transfer-Encoding: chunked\r\n", Some(Field)),
        ("PX-02", "X: y\r\n Transfer-Encoding: chunked\r\n", Some(Field)),
        ("PX-02", "Transfer-Encoding:\x0bchunked\r\n", Some(Field)),
        ("PX-02", "Transfer-Encoding: chunked\x0b\r\n", Some(Field)),
        ("PX-02", "Transfer-Encoding:\r\n chunked\r\n", Some(TransferEncoding)),
        ("PX-02", "Transfer_Encoding: chunked\r\n", Some(Field)),
        ("PX-02", "Transfer-Encoding: chunked\0\r\n", Some(LineEnding)),
        ("PX-03", "Content-Length: 0\r\n", None),
        ("PX-03", "Content-Length: 3\r\n", None),
        ("PX-03", "Content-Length:\t3 \r\n", None),
        ("PX-03", "Content-Length: 9999999999999999\r\n", None),
        ("PX-03", "Content-Length: 10000000000000000\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 18446744073709551617\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: +3\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: -0\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 003\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 00\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 0x3\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 3, 3\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 3 3\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 3.0\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 1_0\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length:\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: \r\n 3\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 3\r\nContent-Length: 3\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 3\r\nContent-Length: 4\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length: 3\r\ncontent-length: 3\r\n", Some(ContentLength)),
        ("PX-03", "Content-Length : 3\r\n", Some(Field)),
        ("PX-03", "Content_Length: 3\r\n", Some(Field)),
    ]);
}

#[test]
fn px04_px20_the_request_line_has_one_form() {
    let good = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert!(parse_h1(good).is_ok());
    for line in [
        "GET / HTTP/1.0", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / http/1.1",
        "GET / HTTP/1.1 ", "GET / HTTP/01.1", "GET / HTTP/1.10", "GET / HTTPS/1.1", "GET /", "GET / ",
        "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1",
        "GET /a b HTTP/1.1", "/ HTTP/1.1", "", "GET", "GET / HTTP/1.1\tx", "get / HTTP/1.1",
        "Get / HTTP/1.1", "TRACE / HTTP/1.1", "TRACK / HTTP/1.1", "CONNECT a.test:443 HTTP/1.1",
        "PROPFIND / HTTP/1.1", "PRI * HTTP/2.0", "GET admin HTTP/1.1", "OPTIONS * HTTP/1.1",
        "GET http://a.test/admin HTTP/1.1", "GET ?x HTTP/1.1", "GET a.test:80 HTTP/1.1",
        "GET %2Fadmin HTTP/1.1", "GE\x01T / HTTP/1.1",
    ] {
        let raw = format!("{line}\r\nHost: a.test\r\n\r\n");
        let refused = Err(Refusal::Malformed(RequestLine));
        assert_eq!(parse_h1(raw.as_bytes()).map(|_| ()), refused, "{line:?}");
    }
    assert_refused(&[
        ("PX-20", b"GET //host/x HTTP/1.1\r\nHost: a.test\r\n\r\n", Path),
        ("PX-22", b"GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n", Path),
        ("PX-22", b"GET /a?b#c HTTP/1.1\r\nHost: a.test\r\n\r\n", Path),
        ("PX-24", b"GET /a?b=\"c\" HTTP/1.1\r\nHost: a.test\r\n\r\n", Query),
        ("PX-04", b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", RequestLine),
        ("PX-04", b"\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", RequestLine),
    ]);
}

#[test]
fn px07_every_line_ends_with_crlf_and_nothing_else_does() {
    assert_refused(&[
        ("PX-07", b"GET / HTTP/1.1\nHost: a.test\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\n\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\n\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\nZ: w\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\rZ: w\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\n: y\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\r: y\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\0Y: y\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n", LineEnding),
        ("PX-07", b"GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n", LineEnding),
        ("PX-07", b"GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\n\r", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \xe9\r\n\r\n", Field),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \x1b[31m\r\n\r\n", Field),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \x7f\r\n\r\n", Field),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\n: y\r\n\r\n", Field),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n\r\n", LineEnding),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX y: z\r\n\r\n", Field),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX(y): z\r\n\r\n", Field),
        ("PX-07", b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\tz\r\n\r\n", Field),
        ("PX-07", b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", Field),
    ]);
}

#[test]
fn px07_the_byte_grid_lets_only_its_grammar_pass() {
    let grammar = |byte: u8, position: usize| match position {
        // In a name: a token byte. `:` ends the name `Xa` and starts the value.
        0 => byte == b':' || byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte),
        // In a value.
        1 => byte == b'\t' || (0x20..0x7f).contains(&byte),
        // In a path segment.
        2 => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/?".contains(&byte),
        // In a query.
        _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?[]".contains(&byte),
    };
    for byte in 0..=255_u8 {
        for position in 0..4 {
            let mut parts: [Vec<u8>; 4] =
                [b"Xab".to_vec(), b"a,b".to_vec(), b"/a-b".to_vec(), b"a=b".to_vec()];
            let place = parts[position].len() - 1;
            parts[position].insert(place, byte);
            let [name, value, path, query] = parts;
            let raw = [
                b"GET ", &path[..], b"?", &query, b" HTTP/1.1\r\nHost: a.test\r\n", &name, b": ",
                &value, b"\r\n\r\n",
            ]
            .concat();
            let accepted = parse_h1(&raw).is_ok();
            assert_eq!(accepted, grammar(byte, position), "byte {byte:#04x} at {position}");
        }
    }
}

#[test]
fn px09_upgrades_are_websocket_and_whole() {
    let upgrade = Malformed::Upgrade;
    let read = request("GET /ws", "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n").unwrap();
    assert_eq!(read.upgrade(), Upgrade::WebSocket);
    assert!(!read.headers().contains_key("upgrade"));
    assert_eq!(request("GET /ws", "Connection: Upgrade\r\n").unwrap().upgrade(), Upgrade::None);
    for fields in [
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n",
        "Connection: upgrade\r\nUpgrade:\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: close\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let read = request("GET /ws", fields).map(|_| ());
        assert_eq!(read, Err(Refusal::Malformed(upgrade)), "{fields:?}");
    }
    let post = request("POST /ws", "Connection: upgrade\r\nUpgrade: websocket\r\n").map(|_| ());
    assert_eq!(post, Err(Refusal::Malformed(upgrade)));
}

#[test]
fn px10_expect_is_the_one_word_and_needs_a_body() {
    let read = request("POST /x", "Content-Length: 3\r\nExpect: 100-continue\r\n").unwrap();
    assert!(read.expects_continue() && !read.headers().contains_key("expect"));
    assert_fields(&[
        ("PX-10", "Content-Length: 3\r\nExpect: y 100-continue\r\n", Some(Expect)),
        ("PX-10", "Content-Length: 3\r\nExpect: 100-Continue\r\n", Some(Expect)),
        ("PX-10", "Content-Length: 3\r\nExpect: 100-continue, x\r\n", Some(Expect)),
        ("PX-10", "Content-Length: 3\r\nExpect:\r\n", Some(Expect)),
        ("PX-10", "Content-Length: 3\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n", Some(Expect)),
        ("PX-10", "Content-Length: 0\r\nExpect: 100-continue\r\n", Some(Expect)),
        ("PX-10", "Expect: 100-continue\r\n", Some(Expect)),
    ]);
}

#[test]
fn px05_a_chunked_http1_request_closes_its_connections() {
    let chunked = request("POST /x", "Transfer-Encoding: chunked\r\n").unwrap();
    assert!(chunked.connection_must_close() && chunked.has_body());
    assert_eq!(chunked.content_length(), None);
    let sized = request("POST /x", "Content-Length: 3\r\n").unwrap();
    assert!(!sized.connection_must_close() && sized.has_body());
    let stream = Stream { method: "POST", ended: false, ..Stream::GET }.parse().unwrap();
    assert!(!stream.connection_must_close() && stream.has_body());
}

#[test]
fn px26_there_is_one_plain_host() {
    let head = |host: &str| format!("GET / HTTP/1.1\r\n{host}Accept: */*\r\n\r\n");
    for host in ["Host: a.test\r\n", "host:a.test:8443\r\n", "HOST: [::1]:80\r\n"] {
        assert!(parse_h1(head(host).as_bytes()).is_ok(), "{host}");
    }
    for host in [
        "", "Host:\r\n", "Host: \r\n", "Host: a.test\r\nHost: a.test\r\n",
        "Host: a.test\r\nHost: b.test\r\n", "Host: a.test/admin?\r\n", "Host: a.test.\r\n",
        "Host: user@a.test\r\n", "Host: a.test, b.test\r\n", "Host: a.test b.test\r\n",
        "Host: http://a.test\r\n", "Host: a.test:80:80\r\n", "Host: a.test#x\r\n", "Host: *\r\n",
        "Host: a%2etest\r\n", "Host: [fe80::1%25eth0]\r\n",
    ] {
        let refused = Err(Refusal::Malformed(Host));
        assert_eq!(parse_h1(head(host).as_bytes()).map(|_| ()), refused, "{host:?}");
    }
}

#[test]
fn px26_the_tls_name_is_the_host() {
    let raw = b"GET / HTTP/1.1\r\nHost: A.test:8443\r\n\r\n";
    let with = |name| parse_h1_within(raw, &HeadLimits::default(), name).map(|_| ());
    assert_eq!(with(None), Ok(()));
    assert_eq!(with(Some("a.test")), Ok(()));
    assert_eq!(with(Some("b.test")), Err(Refusal::UnknownHost));
}

#[test]
fn px27_px28_px40_px41_px43_fields_from_outside_claim_nothing() {
    assert_fields(&[
        ("PX-40", "Hubgate-Assertion: x\r\n", Some(ReservedField)),
        ("PX-40", "hUBGATE-assertion: x\r\n", Some(ReservedField)),
        ("PX-40", "Hubgate.Assertion: x\r\n", Some(ReservedField)),
        ("PX-40", "Hub-gate-Assertion: x\r\n", Some(ReservedField)),
        ("PX-40", "HubgateAssertion: x\r\n", Some(ReservedField)),
        ("PX-40", "X-Gw-Identity: x\r\n", Some(ReservedField)),
        ("PX-40", "Hubgate_Assertion: x\r\n", Some(Field)),
        ("PX-40", "X_Auth_User: x\r\n", Some(Field)),
        ("PX-40", "_: x\r\n", Some(Field)),
        ("PX-40", "Hubgate-Assertion : x\r\n", Some(Field)),
        ("PX-28", "X-HTTP-Method-Override: DELETE\r\n", Some(ReservedField)),
        ("PX-28", "X-HTTP-Method: DELETE\r\n", Some(ReservedField)),
        ("PX-28", "X-Method-Override: DELETE\r\n", Some(ReservedField)),
        ("PX-27", "X-Forwarded-Uri: /admin\r\nX-Original-URL: /admin\r\nForwarded: for=1\r\n", None),
        ("PX-41", "Connection: close\r\n", None),
        ("PX-41", "Connection: close, X-Team\r\n", Some(Field)),
        ("PX-41", "Connection: Hubgate-Assertion\r\n", Some(Field)),
        ("PX-41", "Connection: close\r\nConnection: Authorization\r\n", Some(Field)),
        ("PX-41", "Connection: host\r\n", Some(Field)),
        ("PX-41", "Connection:\r\n", Some(Field)),
        ("PX-43", "Authorization: Bearer a\r\n", None),
        ("PX-43", "Authorization: Bearer a\r\nauthorization: Bearer b\r\n", Some(Repeated)),
        ("PX-43", "Content-Type: a/b\r\nContent-Type: c/d\r\n", Some(Repeated)),
        ("PX-43", "Origin: https://a.test\r\nOrigin: https://b.test\r\n", Some(Repeated)),
        ("PX-47", "Cookie: a=1\r\nCookie: b=2\r\n", None),
    ]);
}

#[test]
fn px27_fields_only_a_proxy_may_say_are_gone() {
    let fields = "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1\r\nX-Real-IP: 1.2.3.4\r\nX-Original-URL: /a\r\n\
        X-Rewrite-URL: /a\r\nX-Auth-User: root\r\nRemote-User: root\r\nX-Client-Cert: x\r\nProxy: http://e/\r\n\
        Proxy-Authorization: x\r\nTE: trailers\r\nTrailer: X-Auth-User\r\nKeep-Alive: 5\r\nX-Kept: yes\r\n";
    let read = request("GET /", fields).unwrap();
    let names: Vec<&str> = read.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["host", "x-kept"]);
    assert!(read.accepts_trailers());
}

#[test]
fn px62_sizes_have_limits() {
    let fields = |count: usize| (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    assert!(request("GET /", &fields(99)).is_ok());
    assert_eq!(request("GET /", &fields(100)).map(|_| ()), Err(Refusal::HeadTooLarge));
    let field = |length: usize| format!("x: {}\r\n", "y".repeat(length - 1));
    assert!(request("GET /", &field(16 * 1024)).is_ok());
    assert_eq!(request("GET /", &field(16 * 1024 + 1)).map(|_| ()), Err(Refusal::HeadTooLarge));
    assert_eq!(request("GET /", &field(15_000).repeat(5)).map(|_| ()), Err(Refusal::HeadTooLarge));
    let cookie = |length: usize| format!("Cookie: {}\r\n", "c".repeat(length));
    assert!(request("GET /", &cookie(4096)).is_ok());
    assert_eq!(request("GET /", &cookie(4097)).map(|_| ()), Err(Refusal::HeadTooLarge));
    assert_eq!(request("GET /", &cookie(2049).repeat(2)).map(|_| ()), Err(Refusal::HeadTooLarge));
    let line = |length: usize| format!("GET /{}", "p".repeat(length - 1));
    assert!(request(&line(8192), "").is_ok());
    assert_eq!(request(&line(8193), "").map(|_| ()), Err(Refusal::TargetTooLong));
}

#[test]
fn limits_are_settings() {
    let limits = HeadLimits { fields_max: 1, ..HeadLimits::default() };
    let one = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let two = b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n";
    assert!(parse_h1_within(one, &limits, None).is_ok());
    assert_eq!(parse_h1_within(two, &limits, None).map(|_| ()), Err(Refusal::HeadTooLarge));
}

#[test]
fn px08_http2_heads_obey_the_same_rules() {
    assert!(Stream::GET.parse().is_ok());
    let refused = |stream: Stream<'_>| match stream.parse() {
        Err(Refusal::Malformed(malformed)) => malformed,
        other => panic!("{other:?}"),
    };
    let with = |fields| Stream { fields, ..Stream::GET };
    let post = |fields, ended| Stream { method: "POST", fields, ended, ..Stream::GET };
    assert_eq!(refused(with(&[("transfer-encoding", "chunked")])), TransferEncoding);
    assert_eq!(refused(with(&[("connection", "close")])), Field);
    assert_eq!(refused(with(&[("connection", "upgrade"), ("upgrade", "websocket")])), Field);
    assert_eq!(refused(with(&[("upgrade", "websocket")])), Malformed::Upgrade);
    assert_eq!(refused(with(&[("keep-alive", "5")])), Field);
    assert_eq!(refused(with(&[("te", "gzip")])), Field);
    assert_eq!(refused(with(&[("x_auth_user", "root")])), Field);
    assert_eq!(refused(with(&[("x", "caf\u{e9}")])), Field);
    assert_eq!(refused(with(&[("x", " y")])), Field);
    assert_eq!(refused(with(&[("hubgate-assertion", "x")])), ReservedField);
    assert_eq!(refused(with(&[("host", "other.test")])), Host);
    assert_eq!(refused(Stream { authority: None, ..Stream::GET }), Host);
    assert_eq!(refused(Stream { authority: Some("a.test/x"), ..Stream::GET }), Host);
    assert_eq!(refused(Stream { path: "*", method: "OPTIONS", ..Stream::GET }), RequestLine);
    assert_eq!(refused(Stream { path: "/a/../b", ..Stream::GET }), Path);
    assert_eq!(refused(Stream { path: "/caf\u{e9}", ..Stream::GET }), Path);
    assert_eq!(refused(Stream { path: "/a?b c", ..Stream::GET }), Query);
    assert_eq!(refused(Stream { method: "TRACE", ..Stream::GET }), RequestLine);
    assert_eq!(refused(post(&[("content-length", "03")], false)), ContentLength);
    assert_eq!(refused(post(&[("content-length", "3"), ("content-length", "3")], false)), ContentLength);
    assert_eq!(refused(post(&[("content-length", "3")], true)), ContentLength);
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
    let cookies: Vec<&[u8]> = read.headers().get_all("cookie").iter().map(HeaderValue::as_bytes).collect();
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
    let parse = |head| CanonicalRequest::parse(head, &HeadLimits::default()).map(|_| ());
    assert_eq!(parse(head), Ok(()));
    let refused = |malformed| Err(Refusal::Malformed(malformed));
    assert_eq!(parse(RawHead { raw_path: b"/b", ..head }), refused(Path));
    assert_eq!(parse(RawHead { method: &Method::POST, ..head }), refused(RequestLine));
    assert_eq!(parse(RawHead { headers: &HeaderMap::new(), ..head }), refused(Field));
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
    let head = b"POST /teams/t%20x/m?a=1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\nX: y\r\n\r\n";
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
            let returns = raw.iter().filter(|byte| **byte == b'\r').count();
            let pairs = raw.windows(2).filter(|pair| pair == b"\r\n").count();
            let feeds = raw.iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!((returns, feeds), (pairs, pairs));
            prop_assert!(read.headers().get_all("host").iter().count() == 1);
        }
    }

    #[test]
    fn arbitrary_heads_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = parse_h1(&raw);
    }
}
