//! HTTP/2 at the front door: end to end with an ordinary client, and frame by frame with an odd one.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hubgate_testkit::certificates::Authority;
use hubgate_testkit::raw_client::RawClient;
use hubgate_testkit::recording_upstream::Recorded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;

use super::with_certificate;
use crate::support::{Gateway, HOST, PATIENCE};

/// Sends requests over one HTTP/2 connection of an ordinary client.
async fn exchange(
    gateway: &Gateway,
    authority: &Authority,
    requests: Vec<Request<Full<Bytes>>>,
) -> Vec<Response<Bytes>> {
    let config = authority.client_config(&["h2"]).unwrap();
    let stream = tokio::net::TcpStream::connect(gateway.https_addr()).await.unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        let answer = sender.send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        answers.push(Response::from_parts(head, body));
    }
    connection.abort();
    answers
}

fn request(method: &str, path: &str, key: &str, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("https://{HOST}{path}"))
        .header("authorization", format!("Bearer {key}"))
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap()
}

#[tokio::test]
async fn http_2_works_end_to_end_with_a_key() {
    let authority = Authority::new().unwrap();
    let gateway = with_certificate(&authority.leaf(&[HOST]).unwrap()).await;
    let key = gateway.api_key();
    let answers = exchange(
        &gateway,
        &authority,
        vec![
            request("GET", "/echo/a?x=1", key, ""),
            request("POST", "/echo/b", key, "a body"),
            request("GET", "/echo/c", "hg_wrong", ""),
            request("GET", "/echo/d", key, ""),
        ],
    )
    .await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 401, 200], "one refusal does not end the connection");
    assert_eq!(answers[0].body(), "recorded");
    let seen = gateway.upstream().requests();
    let lines: Vec<&str> = seen.iter().map(Recorded::request_line).collect();
    let expected = ["GET /echo/a?x=1 HTTP/1.1", "POST /echo/b HTTP/1.1", "GET /echo/d HTTP/1.1"];
    assert_eq!(lines, expected);
    assert_eq!((seen[1].field("host"), &*seen[1].body), (Some(HOST), &b"a body"[..]));
    let record = gateway.wait_for_line(|line| line["what"]["path"] == "/echo/a").await;
    assert_eq!(record["from"]["protocol"], "h2");
}

#[tokio::test]
async fn a_large_body_over_http_2_is_a_413() {
    let authority = Authority::new().unwrap();
    let gateway = with_certificate(&authority.leaf(&[HOST]).unwrap()).await;
    let mut large = request("POST", "/echo/a", gateway.api_key(), "");
    *large.body_mut() = Full::new(Bytes::from(vec![b'a'; 1_048_577]));
    let answers = exchange(&gateway, &authority, vec![large]).await;
    assert_eq!(answers[0].status(), 413);
    assert!(gateway.upstream_requests().is_empty());
}

/// What came back for one stream.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Status(u16),
    Refused,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// RFC 7541 §6.2.2: a literal field without indexing, with a new name.
fn literal(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one length byte is enough for a test");
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// RFC 7541 appendix A: the statuses with an index of their own; appendix B: digits otherwise.
fn status(block: &[u8]) -> u16 {
    match *block {
        [0x88, ..] => 200,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        [_, length, ref rest @ ..] if length & 0x80 != 0 => huffman_digits(rest, length & 0x7f),
        [_, _, ref rest @ ..] => std::str::from_utf8(&rest[..3]).unwrap().parse().unwrap(),
        _ => 0,
    }
}

fn huffman_digits(bytes: &[u8], length: u8) -> u16 {
    let bits: Vec<u16> = bytes[..length.into()]
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1)))
        .collect();
    let read = |bits: &[u16]| bits.iter().fold(0, |number, bit| number << 1 | bit);
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        // 0, 1 and 2 have five bits, the other digits six from 011001 on.
        let short = read(&bits[at..at + 5]);
        let digit = if short <= 2 { short } else { read(&bits[at..at + 6]) - 0b01_1001 + 3 };
        at += if short <= 2 { 5 } else { 6 };
        number = number * 10 + digit;
    }
    number
}

/// Sends one stream frame by frame.
async fn odd(
    gateway: &Gateway,
    authority: &Authority,
    fields: &[(&str, &str)],
    data: Option<&[u8]>,
) -> End {
    let config = authority.client_config(&["h2"]).unwrap();
    let address = gateway.https_addr();
    let mut client = RawClient::connect_tls(address, HOST, config, PATIENCE).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let flags = END_HEADERS | if data.is_some() { 0 } else { END_STREAM };
    bytes.extend(frame(HEADERS, flags, 1, &literal(fields)));
    if let Some(data) = data {
        bytes.extend(frame(DATA, END_STREAM, 1, data));
    }
    client.send(&bytes).await.unwrap();
    let mut seen = Vec::new();
    loop {
        while seen.len() >= 9 {
            let length = u32::from_be_bytes([0, seen[0], seen[1], seen[2]]) as usize;
            if seen.len() < 9 + length {
                break;
            }
            let payload = seen[9..9 + length].to_vec();
            match seen[3] {
                HEADERS => return End::Status(status(&payload)),
                RST_STREAM | GO_AWAY => return End::Refused,
                _ => drop(seen.drain(..9 + length)),
            }
        }
        match client.read_some().await {
            Ok(more) => seen.extend(more),
            Err(_) => return End::Refused,
        }
    }
}

#[tokio::test]
async fn odd_http_2_requests_never_reach_a_service() {
    let authority = Authority::new().unwrap();
    let gateway = with_certificate(&authority.leaf(&[HOST]).unwrap()).await;
    let credential = format!("Bearer {}", gateway.api_key());
    let usual = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/echo/a"),
        (":authority", HOST),
        ("authorization", credential.as_str()),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut fields = usual.to_vec();
        fields.extend_from_slice(more);
        fields
    };
    assert_eq!(odd(&gateway, &authority, &usual, None).await, End::Status(200));
    let passed = gateway.upstream_requests().len();
    let mut foreign = usual;
    foreign[3] = (":authority", "other.localhost");
    let cases = [
        ("DATA on a GET", usual.to_vec(), Some(&b"data"[..])),
        ("connection", with(&[("connection", "close")]), None),
        ("keep-alive", with(&[("keep-alive", "5")]), None),
        ("proxy-connection", with(&[("proxy-connection", "close")]), None),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")]), None),
        ("upgrade", with(&[("upgrade", "websocket")]), None),
        ("te", with(&[("te", "gzip")]), None),
        ("host beside :authority", with(&[("host", "other.localhost")]), None),
        ("an upper-case name", with(&[("X-Upper", "1")]), None),
        ("an underscore", with(&[("x_under", "1")]), None),
        ("a reserved field", with(&[("hubgate-assertion", "x")]), None),
        (":authority of another host", foreign.to_vec(), None),
        ("a second :path", with(&[(":path", "/echo/b")]), None),
    ];
    for (what, fields, data) in cases {
        let end =
            tokio::time::timeout(Duration::from_secs(10), odd(&gateway, &authority, &fields, data))
                .await
                .unwrap();
        let refused = matches!(end, End::Refused | End::Status(400 | 421));
        assert!(refused, "{what}: {end:?}");
        assert_eq!(gateway.upstream_requests().len(), passed, "{what}");
    }
}
