//! Request line, line ends, body framing, upgrade: PX-01..PX-10, PX-20.

use super::super::super::testing::{Stream, parse_h1, request};
use super::{assert_fields, assert_heads, refused};

use crate::model::{Malformed, Refusal};
use crate::routing::Upgrade;

use Malformed::{
    ContentLength, Expect, Field, Framing, LineEnding, Path, Query, RequestLine, TransferEncoding,
};

#[test]
fn px01_one_framing_per_request() {
    assert_fields(
        "PX-01",
        &refused(Framing),
        &[
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        ],
    );
}

#[test]
fn px02_transfer_encoding_is_the_one_word() {
    assert_fields(
        "PX-02",
        &Ok(()),
        &["Transfer-Encoding: chunked\r\n", "transfer-encoding:chunked\r\n"],
    );
    assert_fields(
        "PX-02",
        &refused(TransferEncoding),
        &[
            "Transfer-Encoding: Chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity, chunked\r\n",
            "Transfer-Encoding: ,chunked\r\n",
            "Transfer-Encoding: chunked,\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
        ],
    );
    assert_fields(
        "PX-02",
        &refused(Field),
        &[
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding\t: chunked\r\n",
            " Transfer-Encoding: chunked\r\n",
            "X: y\r\n Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "Transfer-Encoding: chunked\x0b\r\n",
            "Transfer_Encoding: chunked\r\n",
        ],
    );
    assert_fields("PX-02", &refused(LineEnding), &["Transfer-Encoding: chunked\0\r\n"]);
}

#[test]
fn px03_content_length_is_one_plain_number() {
    assert_fields(
        "PX-03",
        &Ok(()),
        &[
            "Content-Length: 0\r\n",
            "Content-Length: 3\r\n",
            "Content-Length:\t3 \r\n",
            "Content-Length: 9999999999999999\r\n",
        ],
    );
    assert_fields(
        "PX-03",
        &refused(ContentLength),
        &[
            "Content-Length: 10000000000000000\r\n",
            "Content-Length: 18446744073709551617\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: -0\r\n",
            "Content-Length: 003\r\n",
            "Content-Length: 00\r\n",
            "Content-Length: 0x3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: 3 3\r\n",
            "Content-Length: 3.0\r\n",
            "Content-Length: 1_0\r\n",
            "Content-Length:\r\n",
            "Content-Length: \r\n 3\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: 3\r\ncontent-length: 3\r\n",
        ],
    );
    assert_fields("PX-03", &refused(Field), &["Content-Length : 3\r\n", "Content_Length: 3\r\n"]);
}

#[test]
fn px04_px20_the_request_line_has_one_form() {
    let good = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert!(parse_h1(good).is_ok());
    for line in [
        "GET / HTTP/1.0",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / http/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/01.1",
        "GET / HTTP/1.10",
        "GET / HTTPS/1.1",
        "GET /",
        "GET / ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET /a b HTTP/1.1",
        "/ HTTP/1.1",
        "",
        "GET",
        "GET / HTTP/1.1\tx",
        "get / HTTP/1.1",
        "Get / HTTP/1.1",
        "TRACE / HTTP/1.1",
        "TRACK / HTTP/1.1",
        "CONNECT a.test:443 HTTP/1.1",
        "PROPFIND / HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET admin HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET http://a.test/admin HTTP/1.1",
        "GET ?x HTTP/1.1",
        "GET a.test:80 HTTP/1.1",
        "GET %2Fadmin HTTP/1.1",
        "GE\x01T / HTTP/1.1",
    ] {
        let raw = format!("{line}\r\nHost: a.test\r\n\r\n");
        let refused = Err(Refusal::Malformed(RequestLine));
        assert_eq!(parse_h1(raw.as_bytes()).map(|_| ()), refused, "{line:?}");
    }
    assert_heads("PX-20", &refused(Path), &[b"GET //host/x HTTP/1.1\r\nHost: a.test\r\n\r\n"]);
    assert_heads(
        "PX-22",
        &refused(Path),
        &[
            b"GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET /a?b#c HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ],
    );
    assert_heads("PX-24", &refused(Query), &[b"GET /a?b=\"c\" HTTP/1.1\r\nHost: a.test\r\n\r\n"]);
    assert_heads(
        "PX-04",
        &refused(RequestLine),
        &[
            b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ],
    );
}

#[test]
fn px07_every_line_ends_with_crlf_and_nothing_else_does() {
    assert_heads(
        "PX-07",
        &refused(LineEnding),
        &[
            b"GET / HTTP/1.1\nHost: a.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\n\n",
            b"GET / HTTP/1.1\r\nHost: a.test\n\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\nZ: w\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\rZ: w\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX\n: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX\r: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX\0Y: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
            b"GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\n\r",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\n",
        ],
    );
    assert_heads(
        "PX-07",
        &refused(Field),
        &[
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \xe9\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \x1b[31m\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: \x7f\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\n: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX y: z\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX(y): z\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\tz\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
        ],
    );
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
                b"GET ",
                &path[..],
                b"?",
                &query,
                b" HTTP/1.1\r\nHost: a.test\r\n",
                &name,
                b": ",
                &value,
                b"\r\n\r\n",
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
    let read =
        request("GET /ws", "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n").unwrap();
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
    assert_fields(
        "PX-10",
        &refused(Expect),
        &[
            "Content-Length: 3\r\nExpect: y 100-continue\r\n",
            "Content-Length: 3\r\nExpect: 100-Continue\r\n",
            "Content-Length: 3\r\nExpect: 100-continue, x\r\n",
            "Content-Length: 3\r\nExpect:\r\n",
            "Content-Length: 3\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n",
            "Content-Length: 0\r\nExpect: 100-continue\r\n",
            "Expect: 100-continue\r\n",
        ],
    );
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
