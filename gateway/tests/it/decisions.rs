//! Decisions through the running gateway: roles and where they reach, what names the resource, and how
//! each refusal reads.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::json;

use crate::support::{Gateway, HOST, Wishes, problem, problem_without_instance};

/// One more route of the hub.
struct Operation {
    method: &'static str,
    path: &'static str,
    action: &'static str,
    kind: &'static str,
}

const OPERATIONS: [Operation; 7] = [
    operation("PUT", "/teams/{team}", "teams:update", "Team"),
    operation("DELETE", "/teams/{team}", "teams:delete", "Team"),
    operation("GET", "/charge-points/{id}", "charge-points:view", "ChargePoint"),
    operation("POST", "/charge-points/{id}/reboot", "charge-points:reboot", "ChargePoint"),
    operation("DELETE", "/charge-points/{id}", "charge-points:delete", "ChargePoint"),
    operation("GET", "/wallets/{wallet}", "wallets:view", "Wallet"),
    operation("POST", "/wallets/{wallet}/refund", "wallets:refund", "Wallet"),
];

const fn operation(
    method: &'static str,
    path: &'static str,
    action: &'static str,
    kind: &'static str,
) -> Operation {
    Operation { method, path, action, kind }
}

async fn gateway() -> Gateway {
    let routes = OPERATIONS.iter().map(|Operation { method, path, action, kind }| {
        let id = action.replace(':', "-");
        let parameter = path.split(['{', '}']).nth(1).unwrap();
        format!(
            "[[route]]\nid = \"{id}\"\nhost = \"{HOST}\"\nmethods = [\"{method}\"]\n\
             path = \"{path}\"\naction = \"{action}\"\n\
             resource = {{ kind = \"{kind}\", path = \"{parameter}\" }}\nservice = \"hub\"\nscopes = [\"all:delete\"]\n"
        )
    });
    Gateway::start_with(Wishes { settings: routes.collect(), ..Wishes::default() }).await
}

#[tokio::test]
async fn a_role_on_the_main_account_decides_below_it() {
    const ROLES: [&str; 4] = ["admin", "operations_manager", "bookkeeper", "support_agent"];
    // One column per role; each object is two levels below the account the role was given on.
    let table = [
        ("GET /teams/team-harbour", [200, 200, 200, 200]),
        ("PUT /teams/team-harbour", [200, 200, 403, 403]),
        ("DELETE /teams/team-harbour", [200, 403, 403, 403]),
        ("GET /charge-points/cp-0001", [200, 200, 403, 200]),
        ("POST /charge-points/cp-0001/reboot", [200, 200, 403, 403]),
        ("DELETE /charge-points/cp-0001", [200, 403, 403, 403]),
        ("GET /wallets/wallet-harbour", [200, 200, 200, 200]),
        ("POST /wallets/wallet-harbour/withdraw", [200, 403, 200, 403]),
        ("POST /wallets/wallet-harbour/refund", [200, 200, 200, 403]),
    ];
    let gateway = gateway().await;
    for (column, role) in ROLES.iter().enumerate() {
        let key = gateway.key_of(&format!("{role}=Operator::nordvolt"));
        for (line, expected) in &table {
            let (method, path) = line.split_once(' ').unwrap();
            let before = gateway.upstream_requests().len();
            let answer = gateway.request(method, path, &key).await;
            let allowed = expected[column] == 200;
            assert_eq!(answer.status, expected[column], "{role}: {line}");
            let seen = gateway.upstream_requests().len() - before;
            assert_eq!(seen, usize::from(allowed), "{role}: {line}: upstream");
            if !allowed {
                assert_eq!(problem(&answer)["code"], "denied", "{role}: {line}");
                let record = gateway.refusal_record(&answer).await;
                assert_eq!(record["decision"]["effect"], "deny", "{role}: {line}");
                assert_eq!(record["decision"]["reason"], "no_permit", "{role}: {line}");
            }
        }
    }
}

#[tokio::test]
async fn a_role_on_a_sub_account_reaches_neither_up_nor_sideways() {
    let gateway = gateway().await;
    let east = gateway.key_of("admin=Operator::nordvolt-east");
    for (path, expected) in [
        ("/teams/team-harbour", 200),
        ("/charge-points/cp-0001", 200),
        ("/wallets/wallet-nordvolt-east", 200),
        ("/teams/team-airport", 404),
        ("/charge-points/cp-0003", 404),
        ("/teams/team-fleet", 404),
        ("/wallets/wallet-nordvolt", 404),
        ("/echo/list-of-the-main-account", 404),
    ] {
        assert_eq!(gateway.get(path, &east).await.status, expected, "{path}");
    }
}

#[tokio::test]
async fn what_belongs_to_others_reads_like_what_does_not_exist() {
    let gateway = gateway().await;
    let admin = gateway.api_key().to_owned();
    let east = gateway.key_of("admin=Operator::nordvolt-east");
    for (kind, of_others, nowhere, of_the_other_sub_account) in [
        ("teams", "team-meadow", "team-none", "team-airport"),
        ("charge-points", "cp-9001", "cp-none", "cp-0003"),
        ("wallets", "wallet-meadow", "wallet-none", "wallet-airport"),
    ] {
        let ask = async |key: &str, id: &str| gateway.get(&format!("/{kind}/{id}"), key).await;
        let none = ask(&admin, nowhere).await;
        assert_eq!(none.status, 404);
        assert_same(&none, &gateway.get("/no/such/path", &admin).await);
        let others = ask(&admin, of_others).await;
        assert_same(&none, &others);
        assert_same(&none, &ask(&east, of_the_other_sub_account).await);
        assert_same(&none, &ask(&east, nowhere).await);
    }
    assert!(gateway.upstream_requests().is_empty());
}

/// Asserts that two refusals differ in nothing but what names the occurrence.
fn assert_same(one: &RawAnswer, other: &RawAnswer) {
    assert_eq!(problem_without_instance(one), problem_without_instance(other));
    let without_occurrence = |answer: &RawAnswer| {
        let lines = answer.head_text.split("\r\n").map(str::to_owned);
        let named = |line: &String| {
            let line = line.to_ascii_lowercase();
            line.starts_with("hubgate-request-id:") || line.starts_with("date:")
        };
        lines.filter(|line| !named(line)).collect::<Vec<_>>()
    };
    assert_eq!(without_occurrence(one), without_occurrence(other));
    assert_eq!(one.body.len(), other.body.len());
}

#[tokio::test]
async fn a_guard_rail_denies_everybody_and_says_why() {
    let gateway = gateway().await;
    let admin = gateway.api_key().to_owned();
    let answer = gateway.request("POST", "/wallets/wallet-frozen/withdraw", &admin).await;
    assert_eq!(answer.status, 403);
    assert_eq!(problem(&answer)["reason"], "The team is frozen: it cannot pay.");
    assert!(!answer.body_text().contains("guard-frozen"), "no policy is named to the client");
    let record = gateway.refusal_record(&answer).await;
    assert_eq!(record["decision"]["reason"], "forbidden");
    assert_eq!(record["decision"]["determining"], json!(["guard-frozen-team-pays"]));

    let authorization = format!("Bearer {admin}");
    let fields = [("Authorization", authorization.as_str()), ("Sec-Fetch-Mode", "navigate")];
    let page = gateway.ask("POST /wallets/wallet-frozen/withdraw", &fields, None).await;
    assert_eq!(page.status, 403);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body_text().contains("The team is frozen: it cannot pay."));

    // Looking stays possible; a plain denial has no reason to show.
    assert_eq!(gateway.get("/teams/team-frozen", &admin).await.status, 200);
    assert_eq!(gateway.get("/wallets/wallet-frozen", &admin).await.status, 200);
    let plain = gateway.get("/teams/none", &admin).await;
    assert!(problem(&plain).get("reason").is_none());
}

#[tokio::test]
async fn a_json_body_names_the_resource_and_passes_unchanged() {
    let gateway = gateway().await;
    let admin = gateway.api_key().to_owned();
    let body = "{ \"note\": \"\\u00e9\",\n \"team\": {\"id\": \"team-harbour\"}, \"n\": 1.50 }";
    let answer = gateway.post_json("/freeze", &admin, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body_text());
    assert_eq!(gateway.last_upstream_request().body, body.as_bytes(), "byte for byte");
    let decision = answer.field("hubgate-request-id").unwrap();
    let records = gateway.records_of(decision, 2).await;
    assert_eq!(records[0]["what"]["resource"], "Team::team-harbour");

    let foreign = gateway.post_json("/freeze", &admin, r#"{"team":{"id":"team-meadow"}}"#).await;
    assert_eq!(foreign.status, 404);
    assert_eq!(gateway.upstream_requests().len(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_name_one_resource_is_refused() {
    let gateway = gateway().await;
    let admin = gateway.api_key().to_owned();
    let whole = r#"{"team":{"id":"team-harbour"}}"#;
    for (what, body) in [
        ("wrong pointer", r#"{"team":"team-harbour"}"#),
        ("another name", r#"{"teams":{"id":"team-harbour"}}"#),
        ("nothing", ""),
        ("an empty object", "{}"),
        ("null", r#"{"team":{"id":null}}"#),
        ("an object", r#"{"team":{"id":{"x":1}}}"#),
        ("a list", r#"{"team":{"id":["team-harbour"]}}"#),
        ("the member twice", r#"{"team":{"id":"team-harbour","id":"team-airport"}}"#),
        ("its parent twice", r#"{"team":{"id":"team-harbour"},"team":{"id":"team-airport"}}"#),
        ("another member twice", r#"{"team":{"id":"team-harbour"},"x":1,"x":2}"#),
        ("not JSON", "team=team-harbour"),
        ("something behind it", r#"{"team":{"id":"team-harbour"}} x"#),
        ("cut off", r#"{"team":{"id":"team-harbour""#),
    ] {
        let answer = gateway.post_json("/freeze", &admin, body).await;
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(problem(&answer)["code"], "malformed_body", "{what}");
        let record = gateway.refusal_record(&answer).await;
        assert_eq!(record["decision"]["reason"], "malformed_body", "{what}");
        assert_eq!(record["what"]["route"], "team-from-body", "{what}");
    }
    let authorization = format!("Bearer {admin}");
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; x=y"] {
        let fields = [("Authorization", authorization.as_str()), ("Content-Type", media_type)];
        let answer = gateway.ask("POST /freeze", &fields, Some(whole)).await;
        assert_eq!(answer.status, 400, "{media_type}");
    }
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn a_body_that_names_the_resource_has_64_kilobytes_at_most() {
    let gateway = gateway().await;
    let admin = gateway.api_key().to_owned();
    let body = |length: usize| {
        let start = r#"{"team":{"id":"team-harbour"},"fill":""#;
        format!("{start}{}\"}}", "a".repeat(length - start.len() - 2))
    };
    assert_eq!(gateway.post_json("/freeze", &admin, &body(65_536)).await.status, 200);
    assert_eq!(gateway.last_upstream_request().body.len(), 65_536);
    let answer = gateway.post_json("/freeze", &admin, &body(65_537)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(problem(&answer)["code"], "body_too_large");
    assert_eq!(gateway.refusal_record(&answer).await["decision"]["reason"], "body_too_large");

    // In chunks nobody promised a length.
    let long = body(65_537);
    let chunked = format!(
        "POST /freeze HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {admin}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    assert_eq!(gateway.send(chunked.as_bytes()).await.status, 413);
    assert_eq!(gateway.upstream_requests().len(), 1);
}

#[tokio::test]
async fn an_unknown_path_is_404_and_recorded() {
    let gateway = gateway().await;
    let key = gateway.api_key().to_owned();
    for path in ["/", "/nope", "/teams", "/teams/", "/Teams/team-harbour", "/.hubgate/nope"] {
        let answer = gateway.get(path, &key).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(problem(&answer)["code"], "route_not_found", "{path}");
        let record = gateway.refusal_record(&answer).await;
        assert_eq!(record["decision"]["effect"], "refuse", "{path}");
        assert_eq!(record["decision"]["reason"], "route_not_found", "{path}");
        assert_eq!(record["what"]["path"], path);
    }
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn a_method_the_path_does_not_have_is_405_with_those_it_has() {
    let gateway = gateway().await;
    let key = gateway.api_key().to_owned();
    for (line, methods) in [
        ("DELETE /echo/a", vec!["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"]),
        ("POST /teams/team-harbour", vec!["GET", "PUT", "DELETE"]),
        ("POST /.hubgate/jwks.json", vec!["GET"]),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let answer = gateway.request(method, path, &key).await;
        assert_eq!(answer.status, 405, "{line}");
        let allow: BTreeSet<_> = answer.field("allow").unwrap().split(", ").collect();
        assert_eq!(allow, methods.into_iter().collect(), "{line}");
        assert_eq!(problem(&answer)["code"], "method_not_allowed", "{line}");
        let record = gateway.refusal_record(&answer).await;
        assert_eq!(record["decision"]["reason"], "method_not_allowed", "{line}");
    }
}

#[tokio::test]
async fn a_browser_is_sent_to_sign_in_and_a_script_is_not() {
    let gateway = gateway().await;
    let navigates = [("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html,*/*;q=0.8")];
    let answer = gateway.ask("GET /teams/team-harbour?tab=a%20b&x=1", &navigates, None).await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.field("location"),
        Some("/.hubgate/sign-in?return_to=%2Fteams%2Fteam-harbour%3Ftab%3Da%2520b%26x%3D1")
    );
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let record = gateway.refusal_record(&answer).await;
    assert_eq!(record["decision"]["effect"], "refuse");
    assert_eq!(record["decision"]["reason"], "sign_in_needed");

    for script in [
        vec![("Sec-Fetch-Mode", "cors"), ("Accept", "text/html")],
        vec![("Accept", "application/json")],
        vec![("Authorization", "Bearer nonsense"), ("Sec-Fetch-Mode", "navigate")],
        vec![],
    ] {
        let answer = gateway.ask("GET /teams/team-harbour", &script, None).await;
        assert_eq!(answer.status, 401, "{script:?}");
        assert!(answer.field("location").is_none(), "{script:?}");
        assert!(answer.field("www-authenticate").is_some(), "{script:?}");
    }
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn a_host_that_is_not_served_is_421() {
    let gateway = gateway().await;
    let authorization = format!("Bearer {}", gateway.api_key());
    for path in ["/teams/team-harbour", "/.hubgate/jwks.json", "/nope"] {
        let fields = [("Host", "other.localhost"), ("Authorization", authorization.as_str())];
        let answer = gateway.ask(&format!("GET {path}"), &fields, None).await;
        assert_eq!(answer.status, 421, "{path}");
        assert_eq!(problem(&answer)["code"], "unknown_host", "{path}");
        let record = gateway.refusal_record(&answer).await;
        assert_eq!(record["decision"]["reason"], "unknown_host", "{path}");
        assert_eq!(record["what"]["authority"], "other.localhost", "{path}");
    }
    assert!(gateway.upstream_requests().is_empty());
}
