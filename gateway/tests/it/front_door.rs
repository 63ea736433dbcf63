//! The front door: TLS, certificates, what a head and a body may cost, and what listens where.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod http2;

use std::time::{Duration, Instant};

use hubgate_testkit::certificates::{Authority, Leaf};
use hubgate_testkit::raw_client::{RawAnswer, RawClient};

use crate::support::{Gateway, HOST, PATIENCE, Wishes, wait_until};

/// The usual gateway, with a certificate from files.
async fn with_certificate(leaf: &Leaf) -> Gateway {
    Gateway::start_with(Wishes {
        replacing: vec![(
            "self_signed = true",
            "certificate = \"tls.pem\"\nkey = \"tls.key\"".to_owned(),
        )],
        files: vec![
            ("tls.pem".to_owned(), leaf.certificate_pem().to_owned()),
            ("tls.key".to_owned(), leaf.key_pem().to_owned()),
        ],
        ..Wishes::default()
    })
    .await
}

async fn with_settings(settings: &str) -> Gateway {
    Gateway::start_with(Wishes { settings: settings.to_owned(), ..Wishes::default() }).await
}

async fn connect(
    gateway: &Gateway,
    authority: &Authority,
    name: &str,
) -> anyhow::Result<RawClient> {
    let config = authority.client_config(&["http/1.1"]).unwrap();
    RawClient::connect_tls(gateway.https_addr(), name, config, PATIENCE).await
}

fn head(method: &str, path: &str, host: &str, key: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{more}\r\n")
}

#[tokio::test]
async fn https_speaks_http_1_1_with_the_certificate_of_the_files() {
    let authority = Authority::new().unwrap();
    let gateway = with_certificate(&authority.leaf(&[HOST]).unwrap()).await;
    let mut client = connect(&gateway, &authority, HOST).await.unwrap();
    for _ in 0..2 {
        let request = head("GET", "/echo/a", HOST, gateway.api_key(), "");
        client.send(request.as_bytes()).await.unwrap();
        let answer = client.read_answer(false).await.unwrap();
        assert_eq!((answer.status, answer.body_text()), (200, "recorded".to_owned()));
    }
    let seen = gateway.last_upstream_request();
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    let record = gateway.wait_for_line(|line| line["what"]["path"] == "/echo/a").await;
    assert_eq!(record["from"]["server_name"], HOST);
    assert_eq!(record["from"]["tls"], "TLSv1.3");
}

#[tokio::test]
async fn a_host_other_than_the_server_name_is_a_421() {
    let authority = Authority::new().unwrap();
    let gateway = with_certificate(&authority.leaf(&[HOST, "b.localhost"]).unwrap()).await;
    for (name, host) in [("b.localhost", HOST), (HOST, "b.localhost")] {
        let mut client = connect(&gateway, &authority, name).await.unwrap();
        let request = head("GET", "/echo/a", host, gateway.api_key(), "");
        client.send(request.as_bytes()).await.unwrap();
        assert_eq!(client.read_answer(false).await.unwrap().status, 421, "{name} {host}");
    }
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn a_new_certificate_is_served_from_the_next_handshake_on() {
    let (old, new) = (Authority::new().unwrap(), Authority::new().unwrap());
    let gateway = with_certificate(&old.leaf(&[HOST]).unwrap()).await;
    let mut before = connect(&gateway, &old, HOST).await.unwrap();
    let leaf = new.leaf(&[HOST]).unwrap();
    gateway.write("tls.key", leaf.key_pem());
    gateway.write("tls.pem", leaf.certificate_pem());
    wait_until("the new certificate is served", async || {
        connect(&gateway, &new, HOST).await.is_ok()
    })
    .await;
    assert!(connect(&gateway, &old, HOST).await.is_err(), "the old one is served no more");
    // A connection from before goes on.
    before.send(head("GET", "/echo/a", HOST, gateway.api_key(), "").as_bytes()).await.unwrap();
    assert_eq!(before.read_answer(false).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_broken_certificate_keeps_the_old_one_and_is_named() {
    let authority = Authority::new().unwrap();
    let gateway = with_certificate(&authority.leaf(&[HOST]).unwrap()).await;
    gateway.write("tls.pem", "not a certificate");
    gateway.wait_for_stderr(&["tls.pem", "holds no certificate"]).await;
    assert!(connect(&gateway, &authority, HOST).await.is_ok());
    // The key of another certificate is as bad as none.
    let (one, two) = (authority.leaf(&[HOST]).unwrap(), authority.leaf(&[HOST]).unwrap());
    gateway.write("tls.pem", one.certificate_pem());
    gateway.write("tls.key", two.key_pem());
    gateway.wait_for_stderr(&["tls.key", "is not the key of the certificate"]).await;
    assert!(connect(&gateway, &authority, HOST).await.is_ok());
    assert!(!gateway.stderr().contains("PRIVATE KEY-----\n"), "no key is quoted");
}

#[tokio::test]
async fn nothing_is_plain_unless_asked_for() {
    let gateway = Gateway::start_with(Wishes {
        replacing: vec![("\nhttp = ", "\n# http = ".to_owned())],
        ..Wishes::default()
    })
    .await;
    assert!(RawClient::connect(gateway.http_addr(), PATIENCE).await.is_err());
    // Plain text at the TLS listener gets no HTTP answer.
    let mut client = RawClient::connect(gateway.https_addr(), PATIENCE).await.unwrap();
    client.send(head("GET", "/echo/a", HOST, gateway.api_key(), "").as_bytes()).await.unwrap();
    assert!(!client.read_to_end().await.starts_with(b"HTTP/"));
}

#[tokio::test]
async fn health_and_metrics_are_on_their_own_listener_only() {
    let gateway = Gateway::start().await;
    for (path, word) in [("/livez", "live"), ("/readyz", "ready"), ("/metrics", "hubgate_")] {
        let answer = gateway.observe(path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body_text().contains(word), "{path}");
        assert_eq!(gateway.get(path, gateway.api_key()).await.status, 404, "{path}");
    }
    for path in ["/echo/a", "/.hubgate/jwks.json", "/"] {
        assert_eq!(gateway.observe(path).await.unwrap().status, 404, "{path}");
    }
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_at_the_deadline() {
    let gateway = with_settings("[listen.head]\ndeadline_seconds = 1\n").await;
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let request = head("GET", "/echo/slow", HOST, gateway.api_key(), "");
    let began = Instant::now();
    let mut cut = false;
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    for byte in request.as_bytes() {
        ticks.tick().await;
        // The first write after the cut may still be taken by the system; the second is not.
        cut = client.send(&[*byte]).await.is_err();
        if cut {
            break;
        }
    }
    assert!(cut, "still served after {:?}", began.elapsed());
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
    assert!(gateway.upstream_requests().is_empty());
    // A head that arrives in pieces, but in time, is served.
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let (first, second) = request.as_bytes().split_at(30);
    client.send(first).await.unwrap();
    client.send(second).await.unwrap();
    assert_eq!(client.read_answer(false).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_silent_connection_is_cut_too_and_a_body_may_take_its_time() {
    let gateway = with_settings("[listen.head]\ndeadline_seconds = 1\n").await;
    let mut silent = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let mut slow = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let request = head("POST", "/echo/b", HOST, gateway.api_key(), "Content-Length: 4\r\n");
    slow.send(request.as_bytes()).await.unwrap();
    assert!(silent.is_closed().await);
    slow.send(b"body").await.unwrap();
    assert_eq!(slow.read_answer(false).await.unwrap().status, 200);
    assert_eq!(gateway.last_upstream_request().body, b"body");
}

#[tokio::test]
async fn too_much_head_is_a_431_and_too_long_a_url_a_414() {
    let limits = "[listen.head]\nbytes_max = 4096\nfield_bytes_max = 1024\n\
                  target_bytes_max = 512\ncookie_bytes_max = 512\nfields_max = 20\n";
    let gateway = with_settings(limits).await;
    let field = |name: &str, length: usize| format!("{name}: {}\r\n", "a".repeat(length));
    let many =
        |count: usize| (0..count).map(|n| field(&format!("x-{n}"), 1)).collect::<Vec<_>>().concat();
    let large = (0..5).map(|n| field(&format!("x-{n}"), 900)).collect::<Vec<_>>().concat();
    for (path, more, status) in [
        ("/echo/a".to_owned(), field("x-a", 900), 200),
        ("/echo/a".to_owned(), field("x-a", 1100), 431),
        ("/echo/a".to_owned(), field("cookie", 600), 431),
        ("/echo/a".to_owned(), large, 431),
        ("/echo/a".to_owned(), many(15), 200),
        ("/echo/a".to_owned(), many(30), 431),
        (format!("/echo/{}", "a".repeat(500)), String::new(), 200),
        (format!("/echo/{}", "a".repeat(520)), String::new(), 414),
        (format!("/echo/a?q={}", "a".repeat(520)), String::new(), 414),
    ] {
        let request = head("GET", &path, HOST, gateway.api_key(), &more);
        let answer = gateway.send(request.as_bytes()).await;
        assert_eq!(answer.status, status, "{}", request.len());
    }
    assert_eq!(gateway.upstream_requests().len(), 3);
}

/// The usual routes, and one for small bodies.
fn small_bodies() -> String {
    format!(
        r#"
[[route]]
id = "small"
host = "{HOST}"
methods = ["POST"]
path = "/small"
action = "teams:create"
resource = {{ fixed = "Operator::nordvolt" }}
service = "hub"
scopes = ["all:delete"]
body_bytes_max = 1000
"#
    )
}

async fn send_small(gateway: &Gateway, more: &str, body: &[u8]) -> RawAnswer {
    let mut request = head("POST", "/small", HOST, gateway.api_key(), more).into_bytes();
    request.extend_from_slice(body);
    gateway.send(&request).await
}

#[tokio::test]
async fn a_body_above_the_routes_limit_is_a_413_however_it_is_framed() {
    let gateway = with_settings(&small_bodies()).await;
    let fits = vec![b'a'; 1000];
    let answer = send_small(&gateway, "Content-Length: 1000\r\n", &fits).await;
    assert_eq!(answer.status, 200);
    let whole = gateway.upstream_requests().len();
    // The answer must survive even when the client has sent everything before it reads.
    let large = vec![b'a'; 200_000];
    for _ in 0..5 {
        let answer = send_small(&gateway, "Content-Length: 200000\r\n", &large).await;
        assert_eq!(answer.status, 413);
    }
    assert_eq!(gateway.upstream_requests().len(), whole, "a length too large is not even tried");
    let chunk = [&b"7d0\r\n"[..], &[b'a'; 2000], b"\r\n0\r\n\r\n"].concat();
    let answer = send_small(&gateway, "Transfer-Encoding: chunked\r\n", &chunk).await;
    assert_eq!(answer.status, 413);
    let outcome = gateway.outcome(&answer).await;
    assert_eq!(outcome["aborted"], "body_too_large", "{outcome}");
    let seen = gateway.upstream().requests();
    assert!(seen[whole..].iter().all(|request| !request.complete), "no whole body got through");
}

#[tokio::test]
async fn a_refused_request_with_a_body_closes_its_connection() {
    let gateway = Gateway::start().await;
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let body = "GET /echo/smuggled HTTP/1.1\r\nHost: hub.localhost\r\n\r\n";
    let more = format!("Content-Length: {}\r\n", body.len());
    let request = head("POST", "/echo/a", HOST, "hg_wrong", &more) + body;
    client.send(request.as_bytes()).await.unwrap();
    let answer = client.read_answer(false).await.unwrap();
    assert_eq!((answer.status, answer.field("connection")), (401, Some("close")));
    assert!(client.is_closed().await);
    // Without a body the connection goes on.
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    for (key, status) in [("hg_wrong", 401), (gateway.api_key(), 200)] {
        client.send(head("GET", "/echo/a", HOST, key, "").as_bytes()).await.unwrap();
        assert_eq!(client.read_answer(false).await.unwrap().status, status);
    }
}
