//! Tokens for API clients: the 48 cases of the security bar, both dialects, quotas, and what is kept of secrets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect"
)]

mod cases;
mod quotas;
mod secrets;
pub(crate) mod world;

use serde_json::json;
use world::{World, json_of};

use crate::support::wait_until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_s_own_clients_exchange_refresh_and_ask_who_they_are() {
    let world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    let answer = world.exchange(&client).await;
    assert_eq!(answer.status, 200, "{}", answer.body_text());
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let first = json_of(&answer);
    for name in ["accessTokenExpirationDate", "refreshTokenExpirationDate"] {
        assert!(first[name].as_str().unwrap().ends_with('Z'), "{first}");
    }
    assert_eq!(world.team(first["accessToken"].as_str().unwrap()).await.status, 200);

    let me = world.get("/consumers/me", first["accessToken"].as_str().unwrap()).await;
    let me = json_of(&me);
    assert_eq!(me["clientId"], client.id);
    assert_eq!(me["scopes"], json!(["teams:read"]));
    assert_eq!((&me["operatorId"], &me["teamIds"]), (&json!("nordvolt"), &json!([])));
    assert_eq!((&me["rateLimit"], &me["rateLimitIntervalInSeconds"]), (&json!(1000), &json!(600)));
    assert_eq!(json_of(&world.get("/consumers/me", &client.secret).await), me, "by the key, too");

    let again = world.refresh(first["refreshToken"].as_str().unwrap()).await;
    assert_eq!(again.status, 200, "{}", again.body_text());
    let second = json_of(&again);
    assert_ne!(first["accessToken"], second["accessToken"]);
    assert_eq!(world.team(second["accessToken"].as_str().unwrap()).await.status, 200);

    // A stale token beside the exchange changes nothing.
    let body = json!({"clientId": client.id, "clientSecret": client.secret}).to_string();
    let fields = [("authorization", "Bearer hga_stale"), ("content-type", "application/json")];
    assert_eq!(world.post("/auth/token", &fields, &body).await.status, 200);

    let wrong = world.exchange(&client.with_secret("hg_nonsense")).await;
    assert_eq!(
        (wrong.status, json_of(&wrong)["errorCode"].clone()),
        (401, json!("CONSUMER_NOT_FOUND"))
    );
    let wrong = world.refresh("hgr_nonsense").await;
    assert_eq!(
        (wrong.status, json_of(&wrong)["errorCode"].clone()),
        (401, json!("INVALID_ACCESS_TOKEN"))
    );
    for (body, media_type) in [
        ("", "application/json"),
        ("{}", "application/json"),
        ("[]", "application/json"),
        (body.as_str(), "text/plain"),
        (&format!("{{\"clientId\":\"a\",{}", &body[1..]), "application/json"),
    ] {
        let answer = world.post("/auth/token", &[("content-type", media_type)], body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(json_of(&answer)["errorCode"], "BAD_REQUEST");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_in_the_log_by_their_family_and_client() {
    let world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    let first = json_of(&world.exchange(&client).await);
    let (access, refresh) = (&first["accessToken"], first["refreshToken"].as_str().unwrap());
    world.refresh(refresh).await;
    world.revoke(&client, access.as_str().unwrap()).await;
    for event in ["tokens_issued", "tokens_refreshed", "tokens_revoked"] {
        let line = world.gateway.wait_for_line(|line| line["event"] == event).await;
        assert_eq!((&line["tenant"], &line["key"]), (&json!("nordvolt"), &json!(client.id)));
        assert_eq!(
            line["item"].as_str().unwrap(),
            access.as_str().unwrap().split('_').nth(1).unwrap()
        );
    }
    // The exchange itself is a decision about the client.
    let is_exchange = |line: &serde_json::Value| line["what"]["route"] == "exchange";
    let line = world.gateway.wait_for_line(is_exchange).await;
    assert_eq!(line["who"]["principal"], format!("ApiClient::{}", client.id));
    assert_eq!(line["decision"]["effect"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reused_refresh_token_is_told_to_the_organisation() {
    let world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    let thief = world.client("thief", &["teams:read"]);
    let first = json_of(&world.exchange(&client).await);
    let token = first["refreshToken"].as_str().unwrap();
    let stolen =
        world.oauth(&thief, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
    assert_eq!((stolen.status, json_of(&stolen)["error"].clone()), (400, json!("invalid_grant")));
    assert_eq!(world.team(first["accessToken"].as_str().unwrap()).await.status, 401);
    let line = world.gateway.wait_for_line(|line| line["event"] == "token_reused").await;
    assert_eq!(line["key"], client.id);
    let told = async || {
        let events = json_of(&world.events().await);
        events["items"].as_array().unwrap().iter().any(|event| {
            event["action"] == "token_reused" && event.to_string().contains(&client.id)
        })
    };
    wait_until("the audit event", told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_guesses_a_secret_is_stopped_and_the_client_is_not() {
    let world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    assert_eq!(world.exchange(&client).await.status, 200, "from here on the client is known here");
    let stranger = [127, 0, 0, 9];
    let wrong = client.with_secret("wrong");
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(world.exchange_from(stranger, &wrong).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 10, "{statuses:?}");
    let right = world.exchange_from(stranger, &client).await;
    assert_eq!(right.status, 429, "not even the right secret is looked at");
    for _ in 0..50 {
        assert_eq!(world.exchange(&client).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_gateway_knows_the_tokens_given_before() {
    let mut world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    let first = json_of(&world.exchange(&client).await);
    world.gateway.kill();
    world.gateway.restart().await;
    assert_eq!(world.team(first["accessToken"].as_str().unwrap()).await.status, 200);
    let again = world.refresh(first["refreshToken"].as_str().unwrap()).await;
    assert_eq!(again.status, 200, "{}", again.body_text());
}
