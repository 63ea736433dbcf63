//! `WebSocket`s and event streams: they pass where the route says so, and end with what allowed them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::time::{Duration, Instant};

use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::recording_upstream::Behaviour;
use hubgate_testkit::websocket::{Frame, parse_frame};

use crate::support::{Gateway, HOST, PATIENCE};

/// Two seconds are promised; half a second is the machine's.
const CUT_WITHIN: Duration = Duration::from_millis(2_500);

async fn handshake(gateway: &Gateway, path: &str, key: &str) -> (RawClient, RawAnswer) {
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.send(head.as_bytes()).await.unwrap();
    let answer = client.read_answer(false).await.unwrap();
    (client, answer)
}

pub(crate) async fn socket(gateway: &Gateway, key: &str) -> RawClient {
    let (client, answer) = handshake(gateway, "/socket", key).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    client
}

pub(crate) async fn echoes(client: &mut RawClient, text: &str) -> bool {
    if client.send(&Frame::text(text).encode(Some([1, 2, 3, 4]))).await.is_err() {
        return false;
    }
    let mut seen = Vec::new();
    loop {
        if let Some((frame, _)) = parse_frame(&seen) {
            return frame == Frame::text(text);
        }
        match client.read_some().await {
            Ok(bytes) => seen.extend(bytes),
            Err(_) => return false,
        }
    }
}

async fn events(gateway: &Gateway, key: &str) -> RawClient {
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let head = format!(
        "GET /events HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\
         Accept: text/event-stream\r\n\r\n"
    );
    client.send(head.as_bytes()).await.unwrap();
    read_until(&mut client, "data: open").await;
    client
}

async fn read_until(client: &mut RawClient, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        seen.push_str(&String::from_utf8(client.read_some().await.unwrap()).unwrap());
    }
    seen
}

fn key_of(gateway: &Gateway, name: &str) -> String {
    gateway.create_key("nordvolt", name, "admin=Operator::nordvolt", &["all:delete"])
}

#[tokio::test]
async fn a_websocket_passes_where_the_route_says_so() {
    let gateway = Gateway::start().await;
    let mut client = socket(&gateway, gateway.api_key()).await;
    for text in ["one", "two", &"long ".repeat(20_000)] {
        assert!(echoes(&mut client, text).await, "{} bytes come back", text.len());
    }
    let seen = gateway.last_upstream_request();
    assert_eq!(seen.field("upgrade"), Some("websocket"));
    assert_eq!(seen.field("authorization"), None);
    assert!(seen.field("hubgate-assertion").is_some());
    drop(client);
    gateway.upstream().wait_for_streams(0, PATIENCE).await.unwrap();
    let outcome = gateway.outcome_for("/socket").await;
    assert_eq!(outcome["status"], 101, "{outcome}");
    assert!(outcome["bytes_out"].as_u64().unwrap() >= 100_000, "{outcome}");
}

/// A tunnel must not end when the service is quicker with its 101 than the gateway with itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_one_of_many_websockets_opened_at_once_stays_open() {
    let gateway = Gateway::start().await;
    let open = (0..150).map(|_| async {
        let mut client = socket(&gateway, gateway.api_key()).await;
        echoes(&mut client, "here").await
    });
    let echoed = futures_util::future::join_all(open).await;
    assert_eq!(echoed.iter().filter(|echoed| **echoed).count(), 150);
}

#[tokio::test]
async fn a_websocket_elsewhere_is_refused_and_needs_a_permit_like_anything_else() {
    let gateway = Gateway::start().await;
    let (_, elsewhere) = handshake(&gateway, "/echo/socket", gateway.api_key()).await;
    assert_eq!(elsewhere.status, 400);
    let (_, unknown) = handshake(&gateway, "/socket", "hg_nobody").await;
    assert_eq!(unknown.status, 401);
    assert!(gateway.upstream().requests().is_empty());
}

#[tokio::test]
async fn a_101_that_does_not_answer_the_key_is_a_502() {
    let gateway = Gateway::start().await;
    for accept in ["", "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"] {
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\n{accept}\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled"
        );
        gateway.upstream().behave(Behaviour::Raw(answer.into_bytes()));
        let (mut client, answer) = handshake(&gateway, "/socket", gateway.api_key()).await;
        assert_eq!(answer.status, 502);
        assert!(client.is_closed().await, "nothing follows the refusal");
        assert_eq!(gateway.outcome(&answer).await["status"], 502);
    }
}

#[tokio::test]
async fn a_101_nobody_asked_for_is_a_502() {
    let gateway = Gateway::start().await;
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled";
    gateway.upstream().behave(Behaviour::Raw(answer.to_vec()));
    assert_eq!(gateway.get("/echo/a", gateway.api_key()).await.status, 502);
}

#[tokio::test]
async fn events_arrive_one_by_one_as_they_are_emitted() {
    let gateway = Gateway::start().await;
    let mut client = events(&gateway, gateway.api_key()).await;
    for event in ["first", "second", "third"] {
        assert_eq!(gateway.upstream().emit(event), 1);
        let seen = read_until(&mut client, &format!("data: {event}\n\n")).await;
        assert_eq!(seen.matches("data: ").count(), 1, "{seen}");
    }
    drop(client);
    gateway.upstream().wait_for_streams(0, PATIENCE).await.unwrap();
    assert_eq!(gateway.outcome_for("/events").await["status"], 200);
}

/// Opens a WebSocket and an event stream for a doomed key and for another, takes the doomed one's right
/// away, and watches.
async fn cut_by(gateway: &Gateway, doomed: &str, other: &str, take_away: impl AsyncFnOnce()) {
    let mut doomed = (socket(gateway, doomed).await, events(gateway, doomed).await);
    let mut other = (socket(gateway, other).await, events(gateway, other).await);
    take_away().await;
    let began = Instant::now();
    let closed = tokio::join!(doomed.0.is_closed(), doomed.1.is_closed());
    assert_eq!(closed, (true, true));
    assert!(began.elapsed() < CUT_WITHIN, "cut after {:?}", began.elapsed());
    gateway.upstream().wait_for_streams(2, PATIENCE).await.unwrap();
    assert!(echoes(&mut other.0, "still here").await, "an unrelated WebSocket stays");
    gateway.upstream().emit("still here");
    read_until(&mut other.1, "data: still here").await;
    for path in ["/socket", "/events"] {
        let outcome = gateway.outcome_for(path).await;
        assert_eq!(outcome["aborted"], "revoked", "{outcome}");
    }
}

#[tokio::test]
async fn a_revoked_key_cuts_its_streams_and_no_other() {
    let gateway = Gateway::start().await;
    let (doomed, other) = (key_of(&gateway, "doomed"), key_of(&gateway, "other"));
    cut_by(&gateway, &doomed, &other, async || {
        let output = gateway.run(&["key", "revoke", "--tenant", "nordvolt", &doomed]);
        assert!(output.status.success(), "{output:?}");
    })
    .await;
}

#[tokio::test]
async fn a_policy_that_takes_the_right_away_cuts_the_streams() {
    let gateway = Gateway::start().await;
    let doomed = gateway.create_key(
        "nordvolt",
        "doomed",
        "support_agent=Operator::nordvolt",
        &["all:delete"],
    );
    let other = key_of(&gateway, "other");
    cut_by(&gateway, &doomed, &other, async || {
        let policy = "@id(\"no-agents\")\n@reason(\"not for agents\")\nforbid (principal, action == Action::\"teams:list\", \
                      resource)\nunless { resource in principal.roles.admin };\n";
        let folder = gateway.folder().join("tenants/nordvolt/policies");
        std::fs::create_dir_all(folder).unwrap();
        gateway.write("tenants/nordvolt/policies/no-agents.cedar", policy);
        gateway.wait_for_stderr(&["configuration reloaded"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_suspended_organisation_loses_its_streams() {
    let gateway = Gateway::start().await;
    let doomed =
        gateway.create_key("solarpark", "doomed", "admin=Operator::solarpark", &["all:delete"]);
    let other = key_of(&gateway, "other");
    let status = gateway.get("/teams/none", &doomed).await.status;
    assert!(status == 403 || status == 404, "{status}");
    let mut stays = socket(&gateway, &other).await;
    gateway.edit("tenants/solarpark/organisation.toml", "id = ", "suspended = true\nid = ");
    gateway.wait_for_stderr(&["configuration reloaded"]).await;
    assert_eq!(gateway.get("/echo/a", &doomed).await.status, 403);
    assert!(echoes(&mut stays, "untouched").await);
}
