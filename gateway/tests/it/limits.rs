//! Limits: per address before anybody is known, per credential after; how a 429 reads.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::net::{Ipv4Addr, SocketAddr};

use hubgate_testkit::raw_client::RawAnswer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::support::{Gateway, Wishes, head, problem};

const GENEROUS: &str = "{ requests = 100000, window_seconds = 1, burst = 100000 }";
/// Three at once; the next one comes after twenty minutes.
const NARROW: &str = "{ requests = 3, window_seconds = 3600, burst = 3 }";

async fn gateway(address: &str, credential: &str) -> Gateway {
    let limits = format!("[limits]\naddress = {address}\ncredential = {credential}\n");
    Gateway::start_with(Wishes { limits: Some(limits), ..Wishes::default() }).await
}

/// Asserts a 429 of the limit `policy`, whole.
fn assert_too_many(answer: &RawAnswer, policy: &str) {
    assert_eq!(answer.status, 429, "{}", answer.head_text);
    let problem = problem(answer);
    let kind = "https://iana.org/assignments/http-problem-types#quota-exceeded";
    assert_eq!(problem["type"], kind);
    assert_eq!(problem["code"], "too_many_requests");
    assert_eq!(problem["violated-policies"], serde_json::json!([policy]));
    let retry_after: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    // RFC 9110 §10.2.3, whole seconds; one request comes back in 1200 s.
    assert!((1..=1200).contains(&retry_after), "{retry_after}");
    let left = format!("\"{policy}\";r=0;t={retry_after}");
    assert_eq!(answer.field("ratelimit"), Some(left.as_str()));
    let rule = format!("\"{policy}\";q=3;w=3600");
    assert_eq!(answer.field("ratelimit-policy"), Some(rule.as_str()));
}

#[tokio::test]
async fn an_address_is_limited_before_anybody_is_known() {
    let gateway = gateway(NARROW, GENEROUS).await;
    let key = gateway.api_key().to_owned();
    for _ in 0..3 {
        assert_eq!(gateway.get("/echo/a", &key).await.status, 200);
    }
    let refused = gateway.get("/echo/a", &key).await;
    assert_too_many(&refused, "address");
    let record = gateway.refusal_record(&refused).await;
    assert_eq!(record["decision"]["effect"], "refuse");
    assert_eq!(record["decision"]["reason"], "too_many_requests");
    assert!(record["who"].get("tenant").is_none(), "before authentication: {record}");
    // Neither a wrong key nor none is looked at any more: guessing is limited too.
    assert_too_many(&gateway.get("/echo/a", "hg_guess").await, "address");
    assert_too_many(&gateway.ask("GET /echo/a", &[], None).await, "address");
    // Another key of the same address does not help, and the gateway's own pages count with the rest.
    let other = gateway.key_of("support_agent=Operator::nordvolt");
    assert_too_many(&gateway.get("/echo/a", &other).await, "address");
    assert_too_many(&gateway.ask("GET /.hubgate/jwks.json", &[], None).await, "address");
    assert_eq!(gateway.upstream_requests().len(), 3);
}

#[tokio::test]
async fn another_address_is_not_affected() {
    let gateway = gateway(NARROW, GENEROUS).await;
    let key = gateway.api_key().to_owned();
    for _ in 0..3 {
        assert_eq!(gateway.get("/echo/a", &key).await.status, 200);
    }
    assert_eq!(gateway.get("/echo/a", &key).await.status, 429);
    let authorization = format!("Bearer {key}");
    let fields = [("Authorization", authorization.as_str()), ("Connection", "close")];
    // What a client says of its own address changes nothing.
    let forwarded = [fields[0], ("X-Forwarded-For", "192.0.2.1")];
    assert_eq!(gateway.ask("GET /echo/a", &forwarded, None).await.status, 429);

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0))).unwrap();
    let mut stream = socket.connect(gateway.http_addr()).await.unwrap();
    stream.write_all(&head("GET /echo/a", &fields, None)).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn a_credential_is_limited_and_no_other_pays_for_it() {
    let gateway = gateway(GENEROUS, NARROW).await;
    let key = gateway.api_key().to_owned();
    let other = gateway.key_of("support_agent=Operator::nordvolt");
    for _ in 0..3 {
        assert_eq!(gateway.get("/echo/a", &key).await.status, 200);
    }
    let refused = gateway.get("/echo/a", &key).await;
    assert_too_many(&refused, "credential");
    let record = gateway.refusal_record(&refused).await;
    assert_eq!(record["decision"]["reason"], "too_many_requests");
    assert_eq!(record["who"]["tenant"], "nordvolt", "after authentication: {record}");
    assert!(
        !refused.head_text.contains(key.split('_').nth(1).unwrap()),
        "the answer does not name the credential"
    );

    for _ in 0..3 {
        assert_eq!(gateway.get("/echo/a", &other).await.status, 200);
    }
    assert_too_many(&gateway.get("/echo/a", &other).await, "credential");
    // Denials count like everything else, and a limited credential learns nothing new.
    assert_too_many(&gateway.get("/teams/none", &key).await, "credential");
    assert_eq!(gateway.upstream_requests().len(), 6);
}

/// The key of a suspended organisation still learns whose it is, but within its limit and where it belongs.
#[tokio::test]
async fn a_suspended_organisations_credential_counts_and_belongs_nowhere_else() {
    const ME: &str = "/.hubgate/me";
    let organisation = |id: &str, more: &str| {
        let name = format!("tenants/{id}/organisation.toml");
        (name, format!("id = \"{id}\"\nname = \"{id}\"\nroot = \"Operator::{id}\"\n{more}"))
    };
    let limits = format!("[limits]\naddress = {GENEROUS}\ncredential = {NARROW}\n");
    let files = vec![organisation("nordvolt", "suspended = true\n")];
    let wishes = Wishes { limits: Some(limits.clone()), files, ..Wishes::default() };
    let gateway = Gateway::start_with(wishes).await;
    let key = gateway.api_key().to_owned();
    for _ in 0..3 {
        let answer = gateway.get(ME, &key).await;
        assert_eq!(answer.status, 200, "{}", answer.head_text);
    }
    assert_too_many(&gateway.get(ME, &key).await, "credential");

    let files = vec![
        organisation("nordvolt", "suspended = true\n"),
        organisation("solarpark", "hosts = [\"hub.localhost\"]\n"),
    ];
    let wishes = Wishes { limits: Some(limits), files, ..Wishes::default() };
    let gateway = Gateway::start_with(wishes).await;
    let answer = gateway.get(ME, gateway.api_key()).await;
    assert_eq!((answer.status, &problem(&answer)["code"]), (403, &"other_tenant".into()));
}
