//! The recording upstream, seen from a socket.

use std::time::Duration;

use super::{Answer, Behaviour, RecordingUpstream};
use crate::certificates::Authority;
use crate::raw_client::RawClient;
use crate::websocket::{Frame, Opcode, parse_frame};

const PATIENCE: Duration = Duration::from_secs(5);

async fn client(upstream: &RecordingUpstream) -> RawClient {
    RawClient::connect(upstream.address(), PATIENCE).await.unwrap()
}

#[tokio::test]
async fn records_every_byte_and_keeps_the_connection() {
    let upstream = RecordingUpstream::start().await.unwrap();
    upstream.behave(Behaviour::Answer(Answer::new(201, "made").field("X-Extra", "1")));
    let mut client = client(&upstream).await;
    let first = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    let second =
        b"PUT /b HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for request in [&first[..], &second[..]] {
        client.send(request).await.unwrap();
        let answer = client.read_answer(false).await.unwrap();
        assert_eq!((answer.status, answer.body_text()), (201, String::from("made")));
        assert_eq!(answer.field("x-extra"), Some("1"));
    }
    let requests = upstream.wait_for(2, PATIENCE).await.unwrap();
    assert_eq!(requests[0].bytes, first);
    assert_eq!(requests[0].field("HOST"), Some("x"));
    assert_eq!(requests[1].bytes, second);
    assert_eq!(requests[1].body, b"hi");
    assert_eq!(requests[1].connection, 0);
    assert_eq!(upstream.streams(), [[&first[..], &second[..]].concat()]);
}

#[tokio::test]
async fn records_a_request_that_is_cut_off_as_incomplete() {
    let upstream = RecordingUpstream::start().await.unwrap();
    let mut client = client(&upstream).await;
    client.send(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
    drop(client);
    let requests = upstream.wait_for(1, PATIENCE).await.unwrap();
    assert!(!requests[0].complete);
    assert_eq!(requests[0].body, b"abc");
}

#[tokio::test]
async fn waiting_for_requests_that_do_not_come_ends() {
    let upstream = RecordingUpstream::start().await.unwrap();
    let error = upstream.wait_for(1, Duration::from_millis(20)).await.unwrap_err();
    assert!(error.to_string().starts_with("0 of 1 requests"), "{error}");
}

#[tokio::test]
async fn misbehaves_when_told_to() {
    let upstream = RecordingUpstream::start().await.unwrap();
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789";
    for (behaviour, expected) in [
        (Behaviour::CloseAfterRequest, ""),
        (Behaviour::ResetAfterRequest, ""),
        (Behaviour::HalfAnswer, half),
        (Behaviour::Raw(b"HTTP/9 nonsense".to_vec()), "HTTP/9 nonsense"),
    ] {
        upstream.behave(behaviour);
        let mut client = client(&upstream).await;
        client.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(String::from_utf8(client.read_to_end().await).unwrap(), expected);
    }
    for behaviour in [Behaviour::CloseAfterAccept, Behaviour::ResetAfterAccept] {
        upstream.behave(behaviour);
        assert!(client(&upstream).await.is_closed().await);
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[tokio::test]
async fn hangs_after_the_head_but_keeps_what_comes() {
    let upstream = RecordingUpstream::start().await.unwrap();
    upstream.behave(Behaviour::HangAfterHead);
    let mut client =
        RawClient::connect(upstream.address(), Duration::from_millis(50)).await.unwrap();
    client.send(b"GET / HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(client.read_answer(false).await.is_err());
    drop(client);
    assert_eq!(upstream.requests().len(), 1);
    let stream = String::from_utf8(upstream.streams().concat()).unwrap();
    assert!(stream.contains("/smuggled"), "{stream}");
}

#[tokio::test]
async fn echoes_a_websocket_and_counts_it_while_it_lives() {
    let upstream = RecordingUpstream::start().await.unwrap();
    let mut client = client(&upstream).await;
    let head = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.send(head).await.unwrap();
    let answer = client.read_answer(true).await.unwrap();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    upstream.wait_for_streams(1, PATIENCE).await.unwrap();
    client.send(&Frame::text("hello").encode(Some([1, 2, 3, 4]))).await.unwrap();
    let (frame, _) = parse_frame(&client.read_some().await.unwrap()).unwrap();
    assert_eq!(frame, Frame::text("hello"));
    let close = Frame { opcode: Opcode::Close, payload: Vec::new() };
    client.send(&close.encode(Some([0; 4]))).await.unwrap();
    assert_eq!(client.read_to_end().await, close.encode(None));
    upstream.wait_for_streams(0, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn serves_an_event_stream() {
    let upstream = RecordingUpstream::start().await.unwrap();
    let mut client = client(&upstream).await;
    client.send(b"GET /events HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n").await.unwrap();
    upstream.wait_for_streams(1, PATIENCE).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("data: open\n\n") {
        seen += &String::from_utf8(client.read_some().await.unwrap()).unwrap();
    }
    assert_eq!(upstream.emit("second"), 1);
    while !seen.contains("data: second\n\n") {
        seen += &String::from_utf8(client.read_some().await.unwrap()).unwrap();
    }
    drop(client);
    upstream.wait_for_streams(0, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn speaks_tls_with_a_certificate_of_the_authority() {
    let authority = Authority::new().unwrap();
    let leaf = authority.leaf(&["upstream.test"]).unwrap();
    let upstream = RecordingUpstream::start_tls(leaf.server_config().unwrap()).await.unwrap();
    let config = authority.client_config(&["http/1.1"]).unwrap();
    let connect = |name, config| RawClient::connect_tls(upstream.address(), name, config, PATIENCE);
    let mut client = connect("upstream.test", config.clone()).await.unwrap();
    client.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(client.read_answer(false).await.unwrap().status, 200);
    assert!(connect("other.test", config).await.is_err());
    let stranger = Authority::new().unwrap().client_config(&[]).unwrap();
    assert!(connect("upstream.test", stranger).await.is_err());
}
