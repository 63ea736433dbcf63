//! Stopping in order: what is under way ends, nothing new begins, the log is closed.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::{Duration, Instant};

use hubgate_testkit::raw_client::RawClient;
use hubgate_testkit::recording_upstream::Behaviour;

use crate::support::{Gateway, HOST, PATIENCE, Wishes, wait_until};

/// How long the gateway under test waits for requests under way.
const GRACE: Duration = Duration::from_secs(3);

fn patient() -> Wishes {
    Wishes {
        replacing: vec![("grace_seconds = 1", format!("grace_seconds = {}", GRACE.as_secs()))],
        ..Wishes::default()
    }
}

#[tokio::test]
async fn what_is_under_way_ends_and_nothing_new_begins() {
    let mut gateway = Gateway::start_with(patient()).await;
    let events = open_events(&gateway).await;
    gateway.terminate();
    let began = Instant::now();
    wait_until("not ready", async || {
        gateway.observe("/readyz").await.is_ok_and(|answer| answer.status == 503)
    })
    .await;
    wait_until("new connections are refused", async || {
        RawClient::connect(gateway.http_addr(), PATIENCE).await.is_err()
    })
    .await;
    assert_eq!(gateway.observe("/livez").await.unwrap().status, 200);
    let mut events = events;
    assert_eq!(gateway.upstream().emit("while stopping"), 1);
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("while stopping") {
        seen.extend(events.read_some().await.unwrap());
    }
    let status = gateway.exit().await;
    assert!(status.success(), "{status}: {}", gateway.stderr());
    assert!(began.elapsed() < GRACE + Duration::from_secs(10), "{:?}", began.elapsed());
    let lines = gateway.log_lines();
    assert!(lines.iter().any(|line| line["event"] == "gateway_stopped"));
    let last = lines.iter().rfind(|line| line["shard"] == lines[0]["shard"]);
    assert!(last.is_some());
    let verified = gateway.run(&["log", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test]
async fn a_request_under_way_gets_its_whole_answer() {
    let mut gateway = Gateway::start_with(patient()).await;
    let (host, key) = (HOST, gateway.api_key());
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let head = format!(
        "POST /echo/slow HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
         Content-Length: 6\r\n\r\nhal"
    );
    client.send(head.as_bytes()).await.unwrap();
    gateway
        .wait_for_line(|line| line["kind"] == "decision" && line["what"]["path"] == "/echo/slow")
        .await;
    gateway.terminate();
    wait_until("new connections are refused", async || {
        RawClient::connect(gateway.http_addr(), PATIENCE).await.is_err()
    })
    .await;
    client.send(b"ves").await.unwrap();
    let answer = client.read_answer(false).await.unwrap();
    assert_eq!((answer.status, answer.body_text()), (200, "recorded".to_owned()));
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(gateway.last_upstream_request().body, b"halves");
    let outcome = gateway.outcome(&answer).await;
    assert_eq!((&outcome["status"], &outcome["bytes_in"]), (&200.into(), &6.into()));
    assert!(gateway.exit().await.success(), "{}", gateway.stderr());
}

#[tokio::test]
async fn a_request_that_outlasts_the_grace_period_is_recorded_as_cut() {
    let mut gateway = Gateway::start().await;
    gateway.upstream().behave(Behaviour::HangAfterHead);
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let key = gateway.api_key();
    let head =
        format!("GET /echo/stuck HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\r\n");
    client.send(head.as_bytes()).await.unwrap();
    gateway.upstream().wait_for(1, PATIENCE).await.unwrap();
    gateway.terminate();
    assert!(gateway.exit().await.success(), "{}", gateway.stderr());
    assert!(client.is_closed().await);
    let outcome = gateway.outcome_for("/echo/stuck").await;
    assert_eq!(outcome["aborted"], "cut", "{outcome}");
    assert_eq!(outcome["first_byte_sent"], true);
}

async fn open_events(gateway: &Gateway) -> RawClient {
    let key = gateway.api_key();
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let head = format!(
        "GET /events HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\
         Accept: text/event-stream\r\n\r\n"
    );
    client.send(head.as_bytes()).await.unwrap();
    gateway.upstream().wait_for_streams(1, PATIENCE).await.unwrap();
    client
}
