//! What an upstream is told: one signed statement, the request's id, and nothing a client made up.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use hubgate_testkit::recording_upstream::{Answer, Behaviour, Recorded};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::support::{Gateway, HOST, Wishes, problem};

/// Cookies of the gateway's form beside those of the service.
const SESSION: &str = "__Host-hubgate";
const MIXED_COOKIES: &str = "theirs=1; __Host-hubgate_tx_abc=x; more=2";

/// Field names, lower case, that the gateway itself writes.
const OURS: [&str; 7] = [
    "host",
    "hubgate-assertion",
    "hubgate-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "connection",
];

async fn ask(gateway: &Gateway, path: &str, more: &[(&str, &str)]) -> Recorded {
    let authorization = format!("Bearer {}", gateway.api_key());
    let fields = [&[("Authorization", authorization.as_str())], more].concat();
    let answer = gateway.ask(&format!("GET {path}"), &fields, None).await;
    assert_eq!(answer.status, 200, "{}{}", answer.head_text, answer.body_text());
    gateway.last_upstream_request()
}

/// What the one assertion of a request says, its signature checked against the published keys.
async fn claims(gateway: &Gateway, request: &Recorded, audience: &str) -> Option<Value> {
    let assertions = request.fields("hubgate-assertion");
    assert_eq!(assertions.len(), 1, "{}", request.head_text);
    let answer = gateway.ask("GET /.hubgate/jwks.json", &[], None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let set: JwkSet = serde_json::from_slice(&answer.body).unwrap();
    assert!(!answer.body_text().contains("\"d\""), "the private half stays at home");
    let head = decode_header(assertions[0]).unwrap();
    assert_eq!(head.alg, Algorithm::ES256);
    assert_eq!(head.typ.as_deref(), Some("hubgate-assertion+jwt"));
    let key = DecodingKey::from_jwk(set.find(&head.kid.unwrap()).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "nbf", "aud", "sub", "iss"]);
    rules.validate_nbf = true;
    rules.leeway = 0;
    decode::<Value>(assertions[0], &key, &rules).ok().map(|data| data.claims)
}

#[tokio::test]
async fn the_upstream_gets_one_signed_statement_of_the_decision() {
    let gateway = Gateway::start().await;
    let request = ask(&gateway, "/teams/team-harbour", &[]).await;
    let claims_for_hub = claims(&gateway, &request, "hub").await.unwrap();
    assert!(claims(&gateway, &request, "billing").await.is_none(), "for its audience only");

    let id = gateway.api_key().split('_').nth(1).unwrap();
    assert_eq!(claims_for_hub["aud"], "hub");
    assert_eq!(claims_for_hub["sub"], format!("ApiClient::{id}"));
    assert_eq!(claims_for_hub["tenant"], "nordvolt");
    assert_eq!(claims_for_hub["auth_method"], "api_key");
    assert_eq!(claims_for_hub["action"], "teams:view");
    assert_eq!(claims_for_hub["resource"], "Team::team-harbour");
    let roles = serde_json::json!([{ "role": "admin", "on": "Operator::nordvolt" }]);
    assert_eq!(claims_for_hub["roles"], roles);
    let life = claims_for_hub["exp"].as_u64().unwrap() - claims_for_hub["iat"].as_u64().unwrap();
    assert!((1..=60).contains(&life), "{life} seconds");

    let decision = request.field("hubgate-request-id").unwrap();
    let records = gateway.records_of(decision, 2).await;
    assert_eq!(claims_for_hub["jti"], decision);
    assert_eq!(claims_for_hub["policy_snapshot"], records[0]["snapshot"]);
    assert_eq!(claims_for_hub["sub"], records[0]["who"]["principal"]);
    assert_eq!(claims_for_hub["resource"], records[0]["what"]["resource"]);
}

#[tokio::test]
async fn the_request_id_is_the_decision_in_the_log_and_in_the_answer() {
    let gateway = Gateway::start().await;
    // A service that answers with an id or an assertion of its own does not get it through.
    let answer = Answer::new(200, "ok")
        .field("Hubgate-Request-Id", "made-up")
        .field("Hubgate-Assertion", "made-up");
    gateway.upstream().behave(Behaviour::Answer(answer));
    let answer = gateway.get("/echo/a", gateway.api_key()).await;
    let request = gateway.last_upstream_request();
    assert_eq!(request.fields("hubgate-request-id").len(), 1);
    assert_eq!(answer.field("hubgate-request-id"), request.field("hubgate-request-id"));
    assert!(!answer.head_text.contains("made-up"), "{}", answer.head_text);
    let records = gateway.records_of(request.field("hubgate-request-id").unwrap(), 2).await;
    assert_eq!(records[0]["kind"], "decision");
    assert_eq!(records[1]["kind"], "outcome");
}

#[tokio::test]
async fn nothing_a_client_says_about_itself_or_its_hop_arrives() {
    let gateway = Gateway::start().await;
    let request = ask(
        &gateway,
        "/echo/a?q=1",
        &[
            ("Cookie", MIXED_COOKIES),
            ("X-Forwarded-For", "192.0.2.9"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-User", "root"),
            ("Forwarded", "for=192.0.2.9"),
            ("X-Real-IP", "192.0.2.9"),
            ("X-Original-URL", "/admin"),
            ("X-Auth-User", "root"),
            ("X-Remote-User", "root"),
            ("Remote-User", "root"),
            ("X-Client-Cert", "spoofed"),
            ("Proxy", "http://evil.example"),
            ("Proxy-Authorization", "Basic eA=="),
            ("Proxy-Connection", "keep-alive"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("X-Unknown", "not on the list"),
            ("Accept", "application/json"),
            ("User-Agent", "it/1"),
        ],
    )
    .await;
    assert_eq!(request.request_line(), "GET /echo/a?q=1 HTTP/1.1");
    let names: Vec<String> =
        request.every_field().map(|(name, _)| name.to_ascii_lowercase()).collect();
    for name in &names {
        let known = OURS.contains(&name.as_str()) || ["accept", "user-agent"].contains(&&**name);
        assert!(known, "{name} arrived: {}", request.head_text);
    }
    // What a proxy says is written anew, from the socket.
    assert_eq!(request.fields("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.fields("x-forwarded-proto"), ["http"]);
    assert_eq!(request.fields("x-forwarded-host"), [HOST]);
    assert!(!request.head_text.contains(gateway.api_key()));
}

#[tokio::test]
async fn reserved_and_nominated_fields_are_refused_in_every_spelling() {
    let gateway = Gateway::start().await;
    let authorization = format!("Bearer {}", gateway.api_key());
    for (name, value) in [
        ("Hubgate-Assertion", "e30.e30.e30"),
        ("hubgate-request-id", "1"),
        ("HUBGATE-ANYTHING", "1"),
        ("X-Hubgate-User", "root"),
        ("X-Gw-Identity", "root"),
        ("Hubgate_Assertion", "1"),
        ("Hub-Gate-Assertion", "1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Connection", "Hubgate-Assertion"),
        ("Connection", "close, Authorization"),
        ("Connection", "X-Acme-Region"),
        ("Connection", "keep-alive, Content-Type"),
    ] {
        let fields = [("Authorization", authorization.as_str()), (name, value)];
        let answer = gateway.ask("GET /echo/a", &fields, None).await;
        assert_eq!(answer.status, 400, "{name}: {value}");
        problem(&answer);
    }
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn a_service_is_sent_the_fields_it_names_and_no_credential() {
    // The service names what it must not get, too.
    let settings = format!(
        "[[service]]\nname = \"curious\"\naddresses = [\"{{upstream}}\"]\n\
         forward_headers = [\"x-region\", \"x-trace-*\", \"cookie\"]\n\
         [[route]]\nid = \"curious\"\nhost = \"{HOST}\"\nmethods = [\"GET\"]\n\
         path = \"/curious\"\naction = \"teams:list\"\n\
         resource = {{ fixed = \"Operator::nordvolt\" }}\nservice = \"curious\"\nscopes = [\"all:delete\"]\n"
    );
    let gateway = Gateway::start_with(Wishes { settings, ..Wishes::default() }).await;
    let fields = [
        ("X-Acme-Region", "north"),
        ("X-Region", "east"),
        ("X-Trace-One", "1"),
        ("X-Other", "1"),
        ("Cookie", MIXED_COOKIES),
    ];
    let hub = ask(&gateway, "/echo/a", &fields).await;
    assert_eq!(hub.field("x-acme-region"), Some("north"), "the usual service names x-acme-*");
    assert_eq!(hub.field("x-region"), None);
    assert_eq!(hub.field("cookie"), None);

    let curious = ask(&gateway, "/curious", &fields).await;
    assert_eq!(curious.field("x-region"), Some("east"));
    assert_eq!(curious.field("x-trace-one"), Some("1"));
    assert_eq!(curious.field("x-other"), None);
    assert_eq!(curious.field("x-acme-region"), None);
    assert_eq!(curious.fields("cookie"), ["theirs=1; more=2"], "without the gateway's own");
    assert_eq!(curious.field("authorization"), None);
    assert_eq!(claims(&gateway, &curious, "curious").await.unwrap()["aud"], "curious");
}

#[tokio::test]
async fn an_upstream_cannot_set_or_clear_the_gateways_cookies() {
    let gateway = Gateway::start().await;
    let evil = format!("{SESSION}=evil; Path=/; Secure; HttpOnly");
    let clear = format!("{SESSION}=; Path=/; Secure; Max-Age=0");
    let lower = format!("{}=evil; Path=/; Secure", SESSION.to_ascii_lowercase());
    let answer = Answer::new(200, "ok")
        .field("Set-Cookie", &evil)
        .field("Set-Cookie", "theirs=1; Path=/")
        .field("Set-Cookie", &clear)
        .field("Set-Cookie", &lower)
        .field("Set-Cookie", "__Host-hubgate_tx_abc=x; Path=/; Secure")
        .field("Set-Cookie", "more=2");
    gateway.upstream().behave(Behaviour::Answer(answer));
    let answer = gateway.get("/echo/a", gateway.api_key()).await;
    assert_eq!(answer.status, 200);
    let lines = answer.head_text.split("\r\n").filter_map(|line| line.split_once(": "));
    let cookies: Vec<&str> = lines
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, value)| value)
        .collect();
    assert_eq!(cookies, ["theirs=1; Path=/", "more=2"]);
}

#[tokio::test]
async fn a_statement_is_signed_once_while_nothing_it_says_changes() {
    let gateway = Gateway::start().await;
    let assertion = async |path: &str, key: &str| {
        assert_eq!(gateway.get(path, key).await.status, 200);
        let request = gateway.last_upstream_request();
        let id = request.field("hubgate-request-id").unwrap().to_owned();
        (request.field("hubgate-assertion").unwrap().to_owned(), id)
    };
    let key = gateway.api_key();
    let (first, first_id) = assertion("/teams/team-harbour", key).await;
    let (again, again_id) = assertion("/teams/team-harbour", key).await;
    assert_eq!(first, again, "signed once");
    assert_ne!(first_id, again_id, "each request is a decision of its own");
    assert_ne!(assertion("/teams/team-airport", key).await.0, first, "another resource");
    assert_ne!(assertion("/echo/a", key).await.0, first, "another action");
    let twin = gateway.key_of("admin=Operator::nordvolt");
    let (of_twin, _) = assertion("/teams/team-harbour", &twin).await;
    assert_ne!(of_twin, first, "another principal with the same roles");
    let request = gateway.last_upstream_request();
    let said = claims(&gateway, &request, "hub").await.unwrap();
    assert_eq!(said["sub"], format!("ApiClient::{}", twin.split('_').nth(1).unwrap()));
}
