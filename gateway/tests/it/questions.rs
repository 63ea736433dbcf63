//! Other services ask the decision point: what it answers is what a request would get, and is recorded like one.

use std::collections::BTreeMap;
use std::time::Duration;

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of};
use crate::support::{OTHER_ROLE, log_lines, wait_until};

const ONE: &str = "/access/v1/evaluation";
const MANY: &str = "/access/v1/evaluations";

/// A gateway, and the key of a service that may ask.
struct Asking {
    world: World,
    key: String,
}

impl Asking {
    async fn start() -> Self {
        let world = World::start().await;
        let role = "client=Operator::nordvolt";
        let key = world.gateway.create_key("nordvolt", "portal", role, &["decisions:read"]);
        Self { world, key }
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> RawAnswer {
        self.raw(path, key, &[("content-type", "application/json")], &body.to_string()).await
    }

    async fn raw(&self, path: &str, key: &str, fields: &[(&str, &str)], body: &str) -> RawAnswer {
        self.world.ask(&head("POST", path, key, fields, body.len()), body.as_bytes()).await
    }

    async fn decision(&self, body: &Value) -> Value {
        let answer = self.post(ONE, &self.key, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body_text());
        json_of(&answer)
    }
}

fn question(subject: &str, action: &str, resource: &str) -> Value {
    let entity = |text: &str| {
        let (kind, id) = text.split_once("::").unwrap_or_default();
        json!({"type": kind, "id": id})
    };
    json!({"subject": entity(subject), "action": {"name": action}, "resource": entity(resource)})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_is_what_a_request_would_get() {
    let asking = Asking::start().await;
    let cases = [
        ("User::ada", "teams:update", "Team::team-harbour", true, "permitted"),
        ("User::sam", "teams:update", "Team::team-harbour", false, "no_permit"),
        ("User::sam", "teams:view", "Team::team-harbour", true, "permitted"),
        ("User::nobody", "teams:view", "Team::team-harbour", false, "no_principal"),
        ("Robot::r2", "teams:view", "Team::team-harbour", false, "no_principal"),
        ("User::ada", "teams:view", "Team::never", false, "unknown_resource"),
        ("User::ada", "teams:levitate", "Team::team-harbour", false, "unknown_action"),
    ];
    for (subject, action, resource, decision, code) in cases {
        let mut asked = question(subject, action, resource);
        asked["context"] = json!({"authentication": {"connection": "demo"}, "time": "ignored"});
        let told = asking.decision(&asked).await;
        assert_eq!(
            (&told["decision"], &told["context"]["code"]),
            (&json!(decision), &json!(code)),
            "{subject} {action} {resource}: {told}"
        );
    }
    // What the asker claims of somebody does not count: the directory does.
    let mut claimed = question("User::sam", "teams:update", "Team::team-harbour");
    claimed["subject"]["properties"] = json!({"roles": {"admin": ["Operator::nordvolt"]}});
    assert_eq!(asking.decision(&claimed).await["decision"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_clients_are_asked_about_as_their_keys_are_now() {
    let asking = Asking::start().await;
    let gateway = &asking.world.gateway;
    let role = "client=Operator::nordvolt";
    let token = gateway.create_key("nordvolt", "reader", role, &["teams:read"]);
    let id = token.split('_').nth(1).unwrap();
    let mut asked = question(&format!("ApiClient::{id}"), "teams:view", "Team::team-harbour");
    assert_eq!(asking.decision(&asked).await["decision"], false, "the operation's scopes count");
    asked["context"] = json!({"operation": {"scopes": ["teams:read", "all:read"]}});
    assert_eq!(asking.decision(&asked).await["decision"], true);

    // Another organisation's key is nobody here.
    let other = gateway.create_key("solarpark", "reader", OTHER_ROLE, &["teams:read"]);
    let id = other.split('_').nth(1).unwrap();
    asked["subject"]["id"] = json!(id);
    let told = asking.decision(&asked).await;
    assert_eq!(
        (&told["decision"], &told["context"]["code"]),
        (&json!(false), &json!("no_principal"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_questions_share_what_they_leave_out_and_end_where_asked() {
    let asking = Asking::start().await;
    let subject = |id: &str| json!({"subject": {"type": "User", "id": id}});
    let mut asked = question("User::ada", "teams:update", "Team::team-harbour");
    asked["context"] = json!({"authentication": {"connection": "demo"}});
    asked["evaluations"] = json!([subject("ada"), subject("sam"), {}]);
    let answers = async |asked: &Value| {
        let answer = asking.post(MANY, &asking.key, asked).await;
        assert_eq!(answer.status, 200, "{}", answer.body_text());
        let told = json_of(&answer);
        let answers = told["evaluations"].as_array().unwrap().iter();
        answers.map(|answer| answer["decision"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(answers(&asked).await, [true, false, true]);
    asked["options"] = json!({"evaluations_semantic": "deny_on_first_deny"});
    assert_eq!(answers(&asked).await, [true, false]);
    asked["options"] = json!({"evaluations_semantic": "permit_on_first_permit"});
    assert_eq!(answers(&asked).await, [true]);

    asked["evaluations"] = json!([]);
    let single = json_of(&asking.post(MANY, &asking.key, &asked).await);
    assert_eq!(single["decision"], true, "without questions it is one: {single}");

    let before = log_lines(&asking.world.gateway.folder().join("log")).len();
    asked["evaluations"] = json!([subject("ada"), {"action": {"name": "no action"}}]);
    let answer = asking.post(MANY, &asking.key, &asked).await;
    assert_eq!(answer.status, 400);
    let detail = json_of(&answer)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("evaluations[1].action.name"), "{detail}");
    let lines = log_lines(&asking.world.gateway.folder().join("log"));
    let asked_about = |line: &&Value| line["what"]["action"] == "teams:update";
    assert_eq!(lines[before..].iter().filter(asked_about).count(), 0, "none was decided");

    asked["evaluations"] = Value::Array(vec![json!({}); 101]);
    assert_eq!(asking.post(MANY, &asking.key, &asked).await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_in_the_log_with_who_asked() {
    let asking = Asking::start().await;
    let told = asking.decision(&question("User::sam", "teams:update", "Team::team-harbour")).await;
    let lines = log_lines(&asking.world.gateway.folder().join("log"));
    let line = lines.iter().find(|line| line["id"] == told["context"]["id"]).unwrap();
    assert_eq!(line["who"]["principal"], "User::sam");
    assert_eq!(line["who"]["credential"], asking.key.split('_').nth(1).unwrap());
    assert_eq!(line["what"]["path"], ONE);
    assert_eq!(line["what"]["action"], "teams:update");
    assert_eq!(line["decision"]["effect"], "deny");
    let allowed = asking.decision(&question("User::sam", "teams:view", "Team::team-harbour")).await;
    assert_eq!(allowed["decision"], true);
    let asked = lines.iter().find(|line| line["what"]["action"] == "decisions:ask").unwrap();
    assert_eq!(
        (&asked["decision"]["effect"], &asked["snapshot"]),
        (&json!("allow"), &line["snapshot"])
    );
    // Once it has stopped in order, every allow has its outcome.
    let mut gateway = asking.world.gateway;
    gateway.terminate();
    assert!(gateway.exit().await.success());
    let verified = gateway.run(&["log", "verify"]);
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_ask_learns_nothing() {
    let asking = Asking::start().await;
    let gateway = &asking.world.gateway;
    let asked = question("User::ada", "teams:update", "Team::team-harbour");
    let cases: BTreeMap<&str, (u16, &str)> = [
        ("", (401, "credential_missing")),
        ("hg_abc_def", (401, "credential_invalid")),
        (gateway.api_key(), (403, "denied")),
        (asking.world.key.as_str(), (403, "denied")),
    ]
    .into();
    for (key, (status, code)) in cases {
        for path in [ONE, MANY] {
            let answer = asking.post(path, key, &asked).await;
            assert_eq!((answer.status, &json_of(&answer)["code"]), (status, &json!(code)));
        }
    }
    // A key of another organisation asks about that one, where nobody of this one is known.
    let other = gateway.create_key("solarpark", "portal", OTHER_ROLE, &["decisions:read"]);
    let answer = asking.post(ONE, &other, &asked).await;
    let told = json_of(&answer);
    assert_eq!((answer.status, &told["context"]["code"]), (200, &json!("no_principal")), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_could_not_sign_in_may_nothing() {
    let asking = Asking::start().await;
    let mut asked = question("User::ada", "teams:update", "Team::team-harbour");
    let by = |id: &str| json!({"authentication": {"connection": id}});
    asked["context"] = by("demo");
    assert_eq!(asking.decision(&asked).await["decision"], true);
    asked["context"] = by("elsewhere");
    assert_eq!(asking.decision(&asked).await["context"]["code"], "no_principal");

    let gateway = &asking.world.gateway;
    gateway.edit(
        "tenants/nordvolt/connections.toml",
        "id = \"demo\"",
        "id = \"demo\"\nenabled = false",
    );
    gateway.signal("HUP");
    asking.world.reloaded(2).await;
    for context in [by("demo"), json!({})] {
        asked["context"] = context;
        assert_eq!(asking.decision(&asked).await["context"]["code"], "no_principal");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_revoked_while_the_question_was_sent_gets_no_answer() {
    let asking = Asking::start().await;
    let body = question("User::ada", "teams:update", "Team::team-harbour").to_string();
    let fields = [("content-type", "application/json")];
    let head = head("POST", ONE, &asking.key, &fields, body.len());
    let mut client = asking.world.connect().await;
    client.send(head.as_bytes()).await.unwrap();
    let admitted =
        |lines: &[Value]| lines.iter().any(|line| line["what"]["action"] == "decisions:ask");
    wait_until("the key is let in", async || admitted(&asking.world.gateway.log_lines())).await;
    let id = asking.key.split('_').nth(1).unwrap();
    let revoked = asking.world.gateway.run(&["key", "revoke", "--tenant", "nordvolt", id]);
    assert!(revoked.status.success());
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.send(body.as_bytes()).await.unwrap();
    let answer = client.read_answer(false).await.unwrap();
    assert_eq!((answer.status, &json_of(&answer)["code"]), (403, &json!("denied")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_told() {
    let asking = Asking::start().await;
    let json = [("content-type", "application/json")];
    let text = [("content-type", "text/plain")];
    let long = format!("{{\"subject\":\"{}\"}}", "x".repeat(300_000));
    let cases = [
        (&json[..], "{", 400, "malformed_request"),
        (&json, "{}", 400, "malformed_request"),
        (&json, r#"{"subject":{"type":"User"}}"#, 400, "malformed_request"),
        (&json, r#"{"context":{"network":{"source":"nowhere"}}}"#, 400, "malformed_request"),
        (&text, "{}", 415, "unsupported_media_type"),
        (&json, &long, 413, "content_too_large"),
    ];
    for (fields, body, status, code) in cases {
        let answer = asking.raw(ONE, &asking.key, fields, body).await;
        let told = json_of(&answer);
        assert_eq!((answer.status, &told["code"]), (status, &json!(code)), "{told}");
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    }
    // The asker's own id comes back (section 10.1.4).
    let fields = [json[0], ("x-request-id", "from-the-portal-1")];
    let answer = asking.raw(ONE, &asking.key, &fields, "{}").await;
    assert_eq!(answer.field("x-request-id"), Some("from-the-portal-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_addresses_are_where_the_standard_looks() {
    let asking = Asking::start().await;
    let head = head("GET", "/.well-known/authzen-configuration", "", &[], 0);
    let told = json_of(&asking.world.ask(&head, b"").await);
    assert_eq!(told["policy_decision_point"], "https://admin");
    assert_eq!(told["access_evaluation_endpoint"], "https://admin/access/v1/evaluation");
    assert_eq!(told["access_evaluations_endpoint"], "https://admin/access/v1/evaluations");
}
