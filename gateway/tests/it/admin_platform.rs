//! The platform's own administration: every organisation seen, one suspended and let in again at once, what is in force,
//! the decision log searched; and to everybody else nothing of it is there.

use std::time::{Duration, Instant};

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of};
use crate::support::{OTHER_ROLE, wait_until};

const ORGANISATIONS: &str = "/v1/platform/organisations";

/// Here solarpark runs the platform.
const SETTINGS: &str = "[platform]\norganisation = \"solarpark\"\n";

struct Running {
    world: World,
    key: String,
}

impl Running {
    async fn start() -> Self {
        let world = World::with(SETTINGS).await;
        let scopes = &["platform:write", "decisions:search"];
        let key = world.gateway.create_key("solarpark", "platform", OTHER_ROLE, scopes);
        Self { world, key }
    }

    async fn send_as(&self, key: &str, to: (&str, &str), body: &Value) -> RawAnswer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let fields = [("content-type", "application/json")];
        let head = head(to.0, to.1, key, &fields, body.len());
        self.world.ask(&head, body.as_bytes()).await
    }

    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send_as(&self.key, (method, path), body).await;
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body_text());
        json_of(&answer)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_is_suspended_and_let_in_again() {
    let it = Running::start().await;
    let nordvolt = format!("{ORGANISATIONS}/nordvolt");
    let all = it.done("GET", ORGANISATIONS, &Value::Null).await;
    let ids: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&json!("nordvolt"), &json!("solarpark")]);
    assert_eq!(it.world.view("team-harbour").await, 200);

    let reason = json!({"reason": "unpaid since August"});
    let began = Instant::now();
    let told = it.done("POST", &format!("{nordvolt}/suspend"), &reason).await;
    assert_eq!(
        (&told["status"], &told["reason"]),
        (&json!("suspended"), &json!("unpaid since August"))
    );
    assert_ne!(it.world.view("team-harbour").await, 200, "the next request");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let again = it.done("POST", &format!("{nordvolt}/suspend"), &reason).await;
    assert_eq!(again["status"], "suspended");
    let listed = it.done("GET", &format!("{ORGANISATIONS}?status=suspended"), &Value::Null).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    // It outlives a reload of the files, which say nothing of it.
    let shown = it.done("GET", &nordvolt, &Value::Null).await;
    assert_eq!(shown["status"], "suspended");

    let resumed = it.done("POST", &format!("{nordvolt}/resume"), &Value::Null).await;
    assert_eq!((&resumed["status"], &resumed["reason"]), (&json!("active"), &Value::Null));
    assert_eq!(it.world.view("team-harbour").await, 200);
    // Its own administrators read who did it, and why.
    let key = it.world.gateway.create_key(
        "nordvolt",
        "audit",
        "client=Operator::nordvolt",
        &["audit-log:read"],
    );
    let path = "/v1/organisations/nordvolt/auditlog/events?entityType=organisation";
    let events = json_of(&it.send_as(&key, ("GET", path), &Value::Null).await);
    let changes = events["items"][1]["changes"].to_string();
    assert!(changes.contains("unpaid since August"), "{events}");
    let who = &events["items"][1]["user"];
    assert_eq!(who["name"], "platform");
    assert!(who["principal"].as_str().unwrap().starts_with("solarpark/ApiClient::"), "{who}");

    let own = it
        .send_as(&it.key, ("POST", "/v1/platform/organisations/solarpark/suspend"), &reason)
        .await;
    assert_eq!(json_of(&own)["code"], "in_use", "nobody would be left");
    let none =
        it.send_as(&it.key, ("POST", "/v1/platform/organisations/none/suspend"), &reason).await;
    assert_eq!(none.status, 404);
    let empty = it
        .send_as(&it.key, ("POST", &format!("{nordvolt}/suspend")), &json!({"reason": " "}))
        .await;
    assert_eq!(empty.status, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_force_is_seen_and_the_log_is_searched() {
    let it = Running::start().await;
    let snapshot = it.done("GET", "/v1/platform/snapshot", &Value::Null).await;
    assert_eq!((&snapshot["organisations"], &snapshot["record_failures"]), (&json!(2), &json!(0)));
    assert_eq!(it.world.view("team-harbour").await, 200);
    let decided = || {
        let lines = it.world.gateway.log_lines();
        lines
            .into_iter()
            .find(|line| line["kind"] == "decision" && line["who"]["tenant"] == "nordvolt")
    };
    wait_until("the decision", async || decided().is_some()).await;
    let line = decided().unwrap();
    assert_eq!(line["snapshot"], snapshot["snapshot"], "decided by what is shown");

    let id = line["id"].as_str().unwrap();
    let search = format!("/v1/platform/decisions?decision={id}");
    wait_until("decision and outcome", async || {
        it.done("GET", &search, &Value::Null).await["items"].as_array().unwrap().len() == 2
    })
    .await;
    let found = it.done("GET", &search, &Value::Null).await;
    assert_eq!(found["items"][1]["id"], id);
    let none = it.done("GET", "/v1/platform/decisions?organisation=none", &Value::Null).await;
    assert!(none["items"].as_array().unwrap().is_empty());
    let few = it.done("GET", "/v1/platform/decisions?kind=decision&limit=1", &Value::Null).await;
    assert_eq!(few["items"].as_array().unwrap().len(), 1);

    let routes = it.done("GET", "/v1/platform/routes?action=teams:view", &Value::Null).await;
    assert_eq!(routes["items"][0]["path"], "/teams/{team}");
    let policies =
        it.done("GET", "/v1/platform/policies?search=admin-platform-key-view", &Value::Null).await;
    let policy = &policies["items"][0];
    assert_eq!(
        (&policy["id"], &policy["effect"]),
        (&json!("admin-platform-key-view"), &json!("permit"))
    );
    let text = policy["text"].as_str().unwrap();
    assert!(text.starts_with("@id(") && text.ends_with(';'), "{text}");
    let first = it.done("GET", "/v1/platform/policies?limit=200", &Value::Null).await;
    // Solarpark has one of its own besides.
    let shown = first["items"].as_array().unwrap().len() as u64;
    assert_eq!(shown + 1, snapshot["policies"].as_u64().unwrap());
    for wrong in
        ["decisions?effect=maybe", "decisions?since=yesterday", "routes?limit=0", "policies?x=1"]
    {
        let answer =
            it.send_as(&it.key, ("GET", &format!("/v1/platform/{wrong}")), &Value::Null).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_everybody_else_nothing_is_there() {
    let it = Running::start().await;
    let scopes = &["platform:write", "decisions:search", "all:delete"];
    let other =
        it.world.gateway.create_key("nordvolt", "other", "client=Operator::nordvolt", scopes);
    let reader = it.world.gateway.create_key("solarpark", "reader", OTHER_ROLE, &["platform:read"]);
    let reason = json!({"reason": "x"});
    for (method, path) in [
        ("GET", "/v1/platform/organisations"),
        ("GET", "/v1/platform/organisations/nordvolt"),
        ("POST", "/v1/platform/organisations/nordvolt/suspend"),
        ("GET", "/v1/platform/snapshot"),
        ("GET", "/v1/platform/routes"),
        ("GET", "/v1/platform/policies"),
        ("GET", "/v1/platform/decisions"),
    ] {
        let body = if method == "POST" { &reason } else { &Value::Null };
        let refused = it.send_as(&other, (method, path), body).await;
        assert_eq!(
            (refused.status, &json_of(&refused)["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
        let reads = it.send_as(&reader, (method, path), body).await.status;
        let expected = if method == "POST" || path.ends_with("decisions") { 403 } else { 200 };
        assert_eq!(reads, expected, "{path}");
    }
    assert_eq!(it.world.view("team-harbour").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_glass_is_broken_loudly_and_for_an_hour_at_most() {
    let it = Running::start().await;
    let gateway = &it.world.gateway;
    let role = "client=Operator::solarpark";
    let own = gateway.create_key("solarpark", "emergencies", role, &["platform:break-glass"]);
    let place = "/v1/platform/organisations/nordvolt/break-glass";
    let asked = |more: Value| {
        let mut body = json!({
            "reason": "charging stopped everywhere, nobody of theirs answers",
            "ticket": "INC-4711",
            "minutes": 30,
            "roles": [{"role": "admin", "on": "Operator::nordvolt"}],
            "scopes": ["teams:read"],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let to = ("POST", place);
    assert_eq!(it.send_as(&it.key, to, &asked(json!({}))).await.status, 403, "its own credential");
    for (wrong, field) in [
        (json!({"minutes": 61}), "minutes"),
        (json!({"minutes": 0}), "minutes"),
        (json!({"reason": "why not"}), "reason"),
        (json!({"ticket": " "}), "ticket"),
        (json!({"roles": []}), "roles"),
        (json!({"roles": [{"role": "admin", "on": "Operator::solarpark"}]}), "roles[0].on"),
        (json!({"scopes": ["platform:write"]}), "scopes"),
        (json!({"scopes": ["decisions:search"]}), "scopes"),
        (json!({"scopes": ["members:write"]}), "scopes"),
        (json!({"reason": "charging stopped\nbreak-glass: all is well"}), "reason"),
    ] {
        let refused = it.send_as(&own, to, &asked(wrong.clone())).await;
        assert_eq!(refused.status, 422, "{wrong} {}", refused.body_text());
        assert_eq!(json_of(&refused)["errors"][0]["field"], field, "{wrong}");
    }
    let at_home = ("POST", "/v1/platform/organisations/solarpark/break-glass");
    assert_eq!(json_of(&it.send_as(&own, at_home, &asked(json!({}))).await)["code"], "not_now");
    let given = it.send_as(&own, to, &asked(json!({}))).await;
    assert_eq!(given.status, 201, "{}", given.body_text());
    let given = json_of(&given);
    let key = given["token"].as_str().unwrap();
    assert!(given["expires"].is_string());
    assert_eq!(gateway.get("/teams/team-harbour", key).await.status, 200);
    for path in
        ["/v1/platform/policies", "/v1/platform/decisions", "/v1/organisations/nordvolt/members"]
    {
        let refused = it.send_as(key, ("GET", path), &Value::Null).await.status;
        assert!(matches!(refused, 403 | 404), "{path}");
    }
    let loud = gateway.log_lines().into_iter().find(|line| line["event"] == "break_glass").unwrap();
    let told = "INC-4711, 30 minutes, 1 roles, 1 scopes: charging stopped everywhere, nobody of theirs answers";
    assert_eq!((&loud["detail"], &loud["tenant"]), (&json!(told), &json!("nordvolt")), "{loud}");
    let changed =
        |line: &Value| line["event"] == "changed" && line["change"]["item"][1] == given["id"];
    let line = gateway.log_lines().into_iter().find(changed);
    assert!(line.is_none_or(|line| line["who"]["tenant"] == "nordvolt"), "told where it happened");
    let audit =
        gateway.create_key("nordvolt", "audit", "client=Operator::nordvolt", &["audit-log:read"]);
    let path = "/v1/organisations/nordvolt/auditlog/events?entityType=api_client";
    let events = json_of(&it.send_as(&audit, ("GET", path), &Value::Null).await).to_string();
    assert!(events.contains("nobody of theirs answers"), "{events}");
}

/// It ends when it was to end: nobody prolongs it, widens it or gives it another secret, and it administers nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_glass_key_stays_what_it_is() {
    let it = Running::start().await;
    let gateway = &it.world.gateway;
    let role = "client=Operator::solarpark";
    let own = gateway.create_key("solarpark", "emergencies", role, &["platform:break-glass"]);
    let to = ("POST", "/v1/platform/organisations/nordvolt/break-glass");
    let body = json!({"reason": "nobody of theirs answers", "ticket": "INC-4711", "minutes": 30,
        "roles": [{"role": "admin", "on": "Operator::nordvolt"}], "scopes": ["teams:read", "audit-log:read"]});
    let given = json_of(&it.send_as(&own, to, &body).await);
    let key = given["token"].as_str().unwrap();
    let owner = gateway.create_key(
        "nordvolt",
        "owner",
        "client=Operator::nordvolt",
        &["api-clients:write", "members:write", "teams:read", "audit-log:read"],
    );
    let client =
        format!("/v1/organisations/nordvolt/api-clients/{}", given["id"].as_str().unwrap());
    let change = async |body: Value| {
        let text = body.to_string();
        let fields = [("content-type", "application/merge-patch+json"), ("if-match", "*")];
        let head = head("PATCH", &client, &owner, &fields, text.len());
        it.world.ask(&head, text.as_bytes()).await
    };
    let longer = change(json!({"expires": null})).await;
    assert_eq!(json_of(&longer)["code"], "not_now", "{}", longer.body_text());
    let rotated = it.send_as(&owner, ("POST", &format!("{client}/rotate")), &json!({})).await;
    assert_eq!(json_of(&rotated)["code"], "not_now", "{}", rotated.body_text());
    let events = "/v1/organisations/nordvolt/auditlog/events";
    let nosy = it.send_as(key, ("GET", events), &Value::Null).await;
    assert_eq!(nosy.status, 403, "it is for the hub alone");
    assert_eq!(gateway.get("/teams/team-harbour", key).await.status, 200);
    let disabled = change(json!({"disabled": true})).await;
    assert_eq!(disabled.status, 200, "{}", disabled.body_text());
    assert_eq!(gateway.get("/teams/team-harbour", key).await.status, 401);
}
