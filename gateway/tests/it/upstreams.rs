//! Services that are several, slow, broken, hostile or elsewhere.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod tls;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::recording_upstream::{Answer, Behaviour, RecordingUpstream};

use crate::support::{Gateway, HOST, PATIENCE, Wishes, wait_until};

/// A service `other` at `addresses`, with GET and POST routes below `/other/`.
fn other(addresses: &[SocketAddr], more: &str) -> String {
    let addresses: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
    let addresses = addresses.join(", ");
    format!(
        r#"
[[service]]
name = "other"
addresses = [{addresses}]
{more}

[[route]]
id = "other-get"
host = "{HOST}"
methods = ["GET"]
path = "/other/{{*rest}}"
unchecked = {{ rest = "the service only echoes it" }}
action = "teams:list"
resource = {{ fixed = "Operator::nordvolt" }}
service = "other"
scopes = ["all:delete"]

[[route]]
id = "other-post"
host = "{HOST}"
methods = ["POST", "PUT"]
path = "/other/{{*rest}}"
unchecked = {{ rest = "the service only echoes it" }}
action = "teams:create"
resource = {{ fixed = "Operator::nordvolt" }}
service = "other"
scopes = ["all:delete"]
"#
    )
}

async fn with_other(addresses: &[SocketAddr], more: &str) -> Gateway {
    Gateway::start_with(Wishes { settings: other(addresses, more), ..Wishes::default() }).await
}

fn dead_address() -> SocketAddr {
    free_address().unwrap()
}

async fn send_body(gateway: &Gateway, method: &str, path: &str, body: &str) -> RawAnswer {
    let (key, length) = (gateway.api_key(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    gateway.send(request.as_bytes()).await
}

#[tokio::test]
async fn several_addresses_take_turns() {
    let upstreams =
        [RecordingUpstream::start().await.unwrap(), RecordingUpstream::start().await.unwrap()];
    let gateway = with_other(&upstreams.each_ref().map(RecordingUpstream::address), "").await;
    for _ in 0..10 {
        assert_eq!(gateway.get("/other/a", gateway.api_key()).await.status, 200);
    }
    assert_eq!(upstreams.each_ref().map(|upstream| upstream.requests().len()), [5, 5]);
}

#[tokio::test]
async fn a_dead_address_is_passed_over_once_whatever_the_method() {
    let alive = RecordingUpstream::start().await.unwrap();
    let gateway = with_other(&[dead_address(), alive.address()], "").await;
    let mut attempts = Vec::new();
    for count in 0..6 {
        let body = format!("body {count}");
        let answer = send_body(&gateway, "POST", "/other/a", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = alive.requests();
        assert_eq!(seen.len(), count + 1);
        assert_eq!(seen[count].body, body.as_bytes());
        let outcome = gateway.outcome(&answer).await;
        assert_eq!(outcome["upstream"], alive.address().to_string());
        assert_eq!(outcome["first_byte_sent"], true);
        attempts.push(outcome["attempts"].as_u64().unwrap());
    }
    assert!(attempts.contains(&1) && attempts.contains(&2), "{attempts:?}");
    assert!(attempts.iter().all(|attempts| *attempts <= 2), "{attempts:?}");
}

#[tokio::test]
async fn a_service_may_forbid_the_second_attempt() {
    let alive = RecordingUpstream::start().await.unwrap();
    let gateway = with_other(&[dead_address(), alive.address()], "retry = \"never\"").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = gateway.get("/other/a", gateway.api_key()).await;
        assert_eq!(gateway.outcome(&answer).await["attempts"], 1);
        statuses.push(answer.status);
    }
    // The address that did not take a connection is passed over from then on.
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 502]);
}

#[tokio::test]
async fn a_health_check_takes_an_address_out_and_back() {
    let (one, two) =
        (RecordingUpstream::start().await.unwrap(), RecordingUpstream::start().await.unwrap());
    let health = "health = { path = \"/healthz\", interval_seconds = 1 }\nretry = \"never\"";
    let gateway = with_other(&[one.address(), two.address()], health).await;
    let served = |upstream: &RecordingUpstream| {
        let requests = upstream.requests();
        requests.iter().filter(|request| request.request_line().contains("/other/")).count()
    };
    let asked = |upstream: &RecordingUpstream| upstream.requests().len() - served(upstream);
    one.behave(Behaviour::Answer(Answer::new(503, "ill")));
    let before = asked(&one);
    wait_until("the health check was answered", async || asked(&one) > before).await;
    wait_until("the ill address is left out", async || {
        let before = served(&one);
        for _ in 0..4 {
            gateway.get("/other/a", gateway.api_key()).await;
        }
        served(&one) == before
    })
    .await;
    one.behave(Behaviour::Answer(Answer::default()));
    wait_until("the address that recovered is used again", async || {
        let before = served(&one);
        for _ in 0..4 {
            assert_eq!(gateway.get("/other/a", gateway.api_key()).await.status, 200);
        }
        served(&one) == before + 2
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_is_a_502_and_recorded_as_not_sent() {
    let gateway = with_other(&[dead_address()], "").await;
    let answer = gateway.get("/other/a", gateway.api_key()).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    let outcome = gateway.outcome(&answer).await;
    assert_eq!(outcome["first_byte_sent"], false, "{outcome}");
    assert_eq!(outcome["attempts"], 2);
    assert_eq!((&outcome["status"], &outcome["aborted"]), (&502.into(), &"upstream_failed".into()));
}

#[tokio::test]
async fn a_service_that_hangs_is_a_504_within_its_time() {
    let gateway = Gateway::start_with(Wishes {
        replacing: vec![(
            "forward_headers = [\"x-acme-*\"]",
            "forward_headers = [\"x-acme-*\"]\nfirst_byte_timeout_ms = 400".to_owned(),
        )],
        ..Wishes::default()
    })
    .await;
    gateway.upstream().behave(Behaviour::HangAfterHead);
    for method in ["GET", "POST"] {
        let began = Instant::now();
        let answer = send_body(&gateway, method, "/echo/a", "").await;
        let took = began.elapsed();
        assert_eq!(answer.status, 504, "{method}");
        assert!(took >= Duration::from_millis(350) && took < Duration::from_secs(5), "{took:?}");
        let outcome = gateway.outcome(&answer).await;
        assert_eq!(outcome["first_byte_sent"], true);
        assert_eq!(outcome["attempts"], 1, "a slow service is not asked twice");
        assert_eq!(outcome["aborted"], "upstream_timeout");
    }
    assert_eq!(gateway.upstream().requests().len(), 2);
}

#[tokio::test]
async fn broken_answers_are_a_502_and_sent_for_once() {
    let gateway = Gateway::start().await;
    for behaviour in [
        Behaviour::CloseAfterRequest,
        Behaviour::ResetAfterRequest,
        Behaviour::InvalidContentLength,
        Behaviour::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        Behaviour::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
        Behaviour::Raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd".to_vec(),
        ),
    ] {
        for method in ["GET", "POST", "PUT"] {
            gateway.upstream().behave(behaviour.clone());
            gateway.upstream().forget();
            let answer = send_body(&gateway, method, "/echo/a", "").await;
            assert_eq!(answer.status, 502, "{method} {behaviour:?}: {answer:?}");
            let outcome = gateway.outcome(&answer).await;
            assert_eq!(outcome["aborted"], "upstream_failed", "{outcome}");
            assert_eq!(gateway.upstream().requests().len(), 1, "{method} {behaviour:?}");
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_is_retried_for_idempotent_methods_only() {
    let gateway = Gateway::start().await;
    for (method, body, sent) in [("GET", "", 2), ("PUT", "again", 2), ("POST", "again", 1)] {
        gateway.upstream().behave(Behaviour::Answer(Answer::default()));
        let first = send_body(&gateway, method, "/echo/first", "").await;
        assert_eq!(first.status, 200);
        // The outcome is written when the connection is back among the kept ones.
        gateway.outcome(&first).await;
        let connections = gateway.upstream().connections();
        gateway.upstream().behave(Behaviour::CloseAfterRequest);
        gateway.upstream().forget();
        let answer = send_body(&gateway, method, "/echo/second", body).await;
        assert_eq!(answer.status, 502, "{method}");
        let seen = gateway.upstream().requests();
        assert_eq!(seen.len(), sent, "{method}");
        assert!(seen.iter().all(|request| request.body == body.as_bytes()), "{method}");
        assert_eq!(gateway.upstream().connections(), connections + sent - 1, "{method}");
        assert_eq!(gateway.outcome(&answer).await["attempts"], sent);
    }
}

#[tokio::test]
async fn half_an_answer_is_cut_and_never_looks_whole() {
    let gateway = Gateway::start().await;
    gateway.upstream().behave(Behaviour::HalfAnswer);
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let key = gateway.api_key();
    let head =
        format!("GET /echo/half HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\r\n");
    client.send(head.as_bytes()).await.unwrap();
    let seen = String::from_utf8(client.read_to_end().await).unwrap();
    assert_eq!(seen.matches("HTTP/1.1").count(), 1, "{seen}");
    assert!(seen.contains("Content-Length: 1000") && seen.ends_with("0123456789"), "{seen}");
    let outcome = gateway.outcome_for("/echo/half").await;
    assert_eq!((&outcome["status"], &outcome["bytes_out"]), (&200.into(), &10.into()));
    assert_eq!(outcome["aborted"], "upstream_failed");
    assert_eq!(gateway.upstream().requests().len(), 1);
}

#[tokio::test]
async fn a_second_answer_behind_the_first_reaches_nobody() {
    let gateway = Gateway::start().await;
    let two = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst\
        HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";
    gateway.upstream().behave(Behaviour::Raw(two.to_vec()));
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let key = gateway.api_key();
    let head =
        format!("GET /echo/a HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\r\n");
    for _ in 0..3 {
        client.send(head.as_bytes()).await.unwrap();
        assert_eq!(client.read_answer(false).await.unwrap().body_text(), "first");
    }
    assert_eq!(gateway.upstream().requests().len(), 3);
    assert_eq!(gateway.upstream().connections(), 3, "no connection with bytes left is used again");
}

#[tokio::test]
async fn an_interim_answer_passes_and_the_final_one_is_recorded() {
    let gateway = Gateway::start().await;
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
    gateway.upstream().behave(Behaviour::Raw(early.to_vec()));
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let key = gateway.api_key();
    let head = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\r\n")
    };
    client.send(head("/echo/hints").as_bytes()).await.unwrap();
    let mut answer = client.read_answer(false).await.unwrap();
    if answer.status == 103 {
        assert_eq!(answer.field("cache-control"), None, "an interim answer is not dressed");
        answer = client.read_answer(false).await.unwrap();
    }
    assert_eq!((answer.status, answer.body_text()), (200, "late".to_owned()));
    assert_eq!(gateway.outcome(&answer).await["status"], 200);
    let broken =
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nnonsense\r\n\r\n";
    gateway.upstream().behave(Behaviour::Raw(broken.to_vec()));
    client.send(head("/echo/broken").as_bytes()).await.unwrap();
    let mut answer = client.read_answer(false).await.unwrap();
    if answer.status == 103 {
        answer = client.read_answer(false).await.unwrap();
    }
    assert_eq!(answer.status, 502, "a failure after an interim answer is still told");
}

#[tokio::test]
async fn a_client_that_was_told_to_continue_learns_that_the_service_failed() {
    let gateway = Gateway::start().await;
    gateway.upstream().behave(Behaviour::CloseAfterRequest);
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let key = gateway.api_key();
    let head = format!(
        "POST /echo/a HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\
         Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    );
    client.send(head.as_bytes()).await.unwrap();
    assert_eq!(client.read_answer(false).await.unwrap().status, 100);
    client.send(b"body").await.unwrap();
    assert_eq!(client.read_answer(false).await.unwrap().status, 502);
}

#[tokio::test]
async fn a_service_can_hide_what_it_denies() {
    let upstream = RecordingUpstream::start().await.unwrap();
    let gateway = with_other(&[upstream.address()], "denied = \"hidden\"").await;
    let poor = gateway.create_key(
        "nordvolt",
        "poor",
        "support_agent=Operator::nordvolt",
        &["wallets:read"],
    );
    let hidden = gateway.get("/other/secret", &poor).await;
    let missing = gateway.get("/nothing/here", &poor).await;
    assert_eq!((hidden.status, missing.status), (404, 404));
    let shape = |answer: &RawAnswer| {
        let mut body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        body.as_object_mut().unwrap().remove("instance");
        body
    };
    assert_eq!(shape(&hidden), shape(&missing), "what is hidden looks like what is not there");
    assert_eq!(gateway.get("/echo/shown", &poor).await.status, 403);
    assert!(upstream.requests().is_empty());
    let record = gateway.wait_for_line(|line| line["what"]["path"] == "/other/secret").await;
    assert_eq!(record["decision"]["effect"], "deny", "the log knows");
}
