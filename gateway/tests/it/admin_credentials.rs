//! API clients by the administration API: a secret shown once, edits in force at once, rotation with overlap, and
//! nobody who reaches further by a key than by themselves.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of};
use crate::support::wait_until;

const CLIENTS: &str = "/v1/organisations/nordvolt/api-clients";
const ROOT: &str = "client=Operator::nordvolt";

struct Issuing {
    world: World,
    key: String,
}

impl Issuing {
    async fn start() -> Self {
        let world = World::start().await;
        let scopes = &["api-clients:write", "audit-log:read", "teams:read"];
        let key = world.gateway.create_key("nordvolt", "administration", ROOT, scopes);
        Self { world, key }
    }

    async fn send_as(
        &self,
        key: &str,
        (method, path): (&str, &str),
        fields: &[(&str, &str)],
        body: &Value,
    ) -> RawAnswer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut all = vec![("content-type", "application/json")];
        all.extend(fields);
        self.world.ask(&head(method, path, key, &all, body.len()), body.as_bytes()).await
    }

    async fn send(&self, to: (&str, &str), fields: &[(&str, &str)], body: &Value) -> RawAnswer {
        self.send_as(&self.key, to, fields, body).await
    }

    /// Makes a client: its place and its token.
    async fn create(&self, body: &Value) -> (String, String) {
        let answer = self.send(("POST", CLIENTS), &[], body).await;
        assert_eq!(answer.status, 201, "{}", answer.body_text());
        let place = answer.field("location").unwrap().to_owned();
        (place, json_of(&answer)["token"].as_str().unwrap().to_owned())
    }

    async fn change(&self, place: &str, body: &Value) -> RawAnswer {
        self.send(("PATCH", place), &[("if-match", "*")], body).await
    }

    /// The status of a request for a team with a token.
    async fn try_out(&self, token: &str) -> u16 {
        self.world.gateway.get("/teams/team-harbour", token).await.status
    }
}

fn reader() -> Value {
    let role = json!({"role": "client", "on": "Operator::nordvolt"});
    json!({"name": "reader", "roles": [role], "scopes": ["teams:read"]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_do_what_it_was_given_from_the_next_request_on() {
    let it = Issuing::start().await;
    let (place, token) = it.create(&reader()).await;
    assert_eq!(it.try_out(&token).await, 200);
    let shown = json_of(&it.send(("GET", &place), &[], &Value::Null).await);
    assert_eq!((&shown["status"], &shown["token"]), (&json!("active"), &Value::Null));
    assert!(!shown.to_string().contains(&token));

    assert_eq!(it.change(&place, &json!({"scopes": []})).await.status, 200);
    assert_eq!(it.try_out(&token).await, 403, "no scope, nothing to do");
    assert_eq!(it.change(&place, &json!({"scopes": ["teams:read"]})).await.status, 200);
    assert_eq!(it.try_out(&token).await, 200);
    let east = json!({"roles": [{"role": "client", "on": "Operator::nordvolt-west"}]});
    assert_eq!(it.change(&place, &east).await.status, 200);
    assert_ne!(it.try_out(&token).await, 200, "another sub-account's team");
    assert_eq!(it.change(&place, &json!({"roles": reader()["roles"]})).await.status, 200);
    assert_eq!(it.change(&place, &json!({"disabled": true})).await.status, 200);
    assert_eq!(it.try_out(&token).await, 401);
    assert_eq!(it.change(&place, &json!({"disabled": false})).await.status, 200);
    assert_eq!(it.try_out(&token).await, 200);
    let id = place.rsplit('/').next().unwrap();
    let listed =
        json_of(&it.send(("GET", &format!("{CLIENTS}?scope=teams:read")), &[], &Value::Null).await);
    assert!(listed["items"].as_array().unwrap().iter().any(|item| item["id"] == id));

    assert_eq!(it.send(("DELETE", &place), &[], &Value::Null).await.status, 204);
    assert_eq!(it.try_out(&token).await, 401);
    assert_eq!(it.send(("GET", &place), &[], &Value::Null).await.status, 404);
    let (_, none) = it.create(&json!({"name": "none", "roles": reader()["roles"]})).await;
    assert_eq!(it.try_out(&none).await, 403, "scopes are none unless given");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_replaced_with_and_without_overlap() {
    let it = Issuing::start().await;
    let (place, first) = it.create(&reader()).await;
    let rotate = format!("{place}/rotate");
    let rotated = it.send(("POST", &rotate), &[], &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body_text());
    let told = json_of(&rotated);
    assert!(told["previous_secret_until"].is_string());
    let second = told["token"].as_str().unwrap().to_owned();
    assert_eq!((it.try_out(&first).await, it.try_out(&second).await), (200, 200));
    let at_once = it.send(("POST", &rotate), &[], &json!({"overlap_seconds": 0})).await;
    let third = json_of(&at_once)["token"].as_str().unwrap().to_owned();
    assert_eq!((it.try_out(&first).await, it.try_out(&second).await), (401, 401));
    assert_eq!(it.try_out(&third).await, 200);
    let long = it.send(("POST", &rotate), &[], &json!({"overlap_seconds": 604_801})).await;
    assert_eq!(long.status, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_shown_twice_or_kept() {
    let it = Issuing::start().await;
    let again = [("idempotency-key", "once")];
    let made = it.send(("POST", CLIENTS), &again, &reader()).await;
    let token = json_of(&made)["token"].as_str().unwrap().to_owned();
    let replayed = it.send(("POST", CLIENTS), &again, &reader()).await;
    assert_eq!((replayed.status, replayed.field("idempotent-replayed")), (201, Some("true")));
    let (first, second) = (json_of(&made), json_of(&replayed));
    assert_eq!((&first["id"], &second["token"]), (&second["id"], &Value::Null));
    let place = made.field("location").unwrap();
    it.send(("POST", &format!("{place}/rotate")), &[], &json!({})).await;
    let events = "/v1/organisations/nordvolt/auditlog/events?entityType=api_client";
    let events = it.send(("GET", events), &[], &Value::Null).await;
    let told = json_of(&events);
    assert_eq!(told["items"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(told["items"][0]["changes"][1]["field"], "secret", "{told}");
    let secret = token.split('_').nth(2).unwrap();
    assert!(!told.to_string().contains(secret));
    let mut files = vec![it.world.gateway.folder().to_path_buf()];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        read += 1;
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{}", path.display());
    }
    assert!(read > 10, "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_makes_a_key_that_reaches_further_and_no_change_is_lost() {
    let it = Issuing::start().await;
    let east = "client=Operator::nordvolt-east";
    let east = it.world.gateway.create_key("nordvolt", "east", east, &["api-clients:write"]);
    let seen = it.world.gateway.create_key("nordvolt", "seen", ROOT, &["api-clients:read"]);
    let post = ("POST", CLIENTS);
    let within =
        json!({"name": "e", "roles": [{"role": "client", "on": "Operator::nordvolt-east"}]});
    assert_eq!(it.send_as(&east, post, &[], &within).await.status, 201);
    for (key, body) in [
        (&east, reader()),
        (&east, json!({"name": "nothing yet"})),
        (&seen, within.clone()),
        (&east, json!({"name": "m", "roles": within["roles"], "scopes": ["members:write"]})),
    ] {
        assert_eq!(it.send_as(key, post, &[], &body).await.status, 403, "{body}");
    }
    let (place, _) = it.create(&reader()).await;
    let any = [("if-match", "*")];
    let less = json!({"roles": within["roles"]});
    assert_eq!(it.send_as(&east, ("PATCH", &place), &any, &less).await.status, 403);
    assert_eq!(it.send_as(&east, ("DELETE", &place), &[], &Value::Null).await.status, 403);
    assert_eq!(it.send_as(&east, ("GET", &place), &[], &Value::Null).await.status, 403);
    assert_eq!(it.send_as(&seen, ("GET", &place), &[], &Value::Null).await.status, 200);
    let listed = json_of(&it.send_as(&east, ("GET", CLIENTS), &[], &Value::Null).await);
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names.len(), 2, "its own and the one it made: {names:?}");

    assert_eq!(it.send(("PATCH", &place), &[], &json!({"name": "x"})).await.status, 428);
    let stale = [("if-match", "\"00000000000000000000000000000000\"")];
    assert_eq!(it.send(("PATCH", &place), &stale, &json!({"name": "x"})).await.status, 412);
    assert_eq!(it.change(&place, &json!({"shoe_size": 43})).await.status, 400);
    for (wrong, field) in [
        (json!({"roles": [{"role": "king", "on": "Operator::nordvolt"}]}), "roles[0].role"),
        (json!({"roles": [{"role": "client", "on": "Operator::gone"}]}), "roles[0].on"),
        (json!({"scopes": ["no scope"]}), "scopes[0]"),
        (json!({"expires": "tomorrow"}), "expires"),
    ] {
        let answer = it.change(&place, &wrong).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.body_text());
        assert_eq!(json_of(&answer)["errors"][0]["field"], field);
    }
    // A key revoked by hand never comes back by a change.
    let id = place.rsplit('/').next().unwrap();
    let revoked = it.world.gateway.run(&["key", "revoke", id, "--tenant", "nordvolt"]);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    let back = it.change(&place, &json!({"disabled": false, "name": "back"})).await;
    assert_eq!((back.status, &json_of(&back)["code"]), (409, &json!("revoked_client")));
}

/// Whoever makes, changes or rotates a key is shown a secret: of nothing they could not do themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_gives_nothing_it_does_not_have() {
    let it = Issuing::start().await;
    let root = json!([{"role": "client", "on": "Operator::nordvolt"}]);
    let admin = json!([{"role": "admin", "on": "Operator::nordvolt"}]);
    for (what, body) in [
        ("a scope of the hub", json!({"name": "x", "roles": root, "scopes": ["all:delete"]})),
        ("a scope for members", json!({"name": "x", "roles": root, "scopes": ["members:write"]})),
        ("the hub's own push", json!({"name": "x", "roles": root, "scopes": ["directory:write"]})),
        ("a role it may not give", json!({"name": "x", "roles": admin})),
    ] {
        let refused = it.send(("POST", CLIENTS), &[], &body).await;
        assert_eq!(refused.status, 403, "{what}: {}", refused.body_text());
    }
    let own = it.key.split('_').nth(1).unwrap().to_owned();
    let itself = format!("{CLIENTS}/{own}");
    assert_eq!(it.change(&itself, &json!({"scopes": ["members:write"]})).await.status, 403);
    let strong = it.world.gateway.create_key("nordvolt", "strong", ROOT, &["members:write"]);
    let strong = format!("{CLIENTS}/{}/rotate", strong.split('_').nth(1).unwrap());
    assert_eq!(it.send(("POST", &strong), &[], &json!({})).await.status, 403);
    // What a key may not hand out, not even one that has it hands out the hub's own services' scopes.
    let scopes = &["api-clients:write", "directory:write"];
    let pusher = it.world.gateway.create_key("nordvolt", "pusher", ROOT, scopes);
    let push = json!({"name": "x", "roles": root, "scopes": ["directory:write"]});
    let given = it.send_as(&pusher, ("POST", CLIENTS), &[], &push).await;
    assert_eq!(given.status, 201, "it may push itself: {}", given.body_text());
}

/// A live stream stands on what the key is given now, not on what it was given when it was opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_key_reaches_requests_under_way() {
    let it = Issuing::start().await;
    let gateway = &it.world.gateway;
    let changes =
        [("PATCH", "", json!({"scopes": []})), ("POST", "/rotate", json!({"overlap_seconds": 0}))];
    for (method, rest, body) in changes {
        let reader = gateway.create_key("nordvolt", "reader", ROOT, &["teams:read"]);
        let mut stream = crate::streams::socket(gateway, &reader).await;
        assert!(crate::streams::echoes(&mut stream, "before").await);
        let place = format!("{CLIENTS}/{}{rest}", reader.split('_').nth(1).unwrap());
        let done = it.send((method, &place), &[("if-match", "*")], &body).await;
        assert_eq!(done.status, 200, "{}", done.body_text());
        let began = std::time::Instant::now();
        while crate::streams::echoes(&mut stream, "after").await {
            assert!(began.elapsed().as_millis() < 2_500, "{method}: the stream goes on");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_key_makes_the_one_that_takes_its_place() {
    let it = Issuing::start().await;
    let gateway = &it.world.gateway;
    let role = "client=Operator::solarpark";
    let made = gateway.run(&["key", "bootstrap", "--organisation", "solarpark", "--role", role]);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key = said.split_whitespace().find(|word| word.starts_with("hg_")).unwrap().to_owned();
    let again = gateway.run(&["key", "bootstrap", "--organisation", "solarpark", "--role", role]);
    assert!(!again.status.success(), "there is one already");

    let members = "/v1/organisations/solarpark/members";
    let refused = it.send_as(&key, ("GET", members), &[], &Value::Null).await;
    assert_eq!(refused.status, 403);
    assert_eq!(gateway.get("/teams/team-harbour", &key).await.status, 403);
    let (kind, on) = role.split_once('=').unwrap();
    let body = json!({"name": "administration", "roles": [{"role": kind, "on": on}], "scopes": ["members:write", "api-clients:write"]});
    let clients = "/v1/organisations/solarpark/api-clients";
    for (wrong, field) in [
        (json!({"disabled": true}), "disabled"),
        (json!({"scopes": ["members:write"]}), "scopes"),
        (json!({"scopes": ["platform:write", "api-clients:write"]}), "scopes[0]"),
    ] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let refused = json_of(&it.send_as(&key, ("POST", clients), &[], &body).await);
        let told = refused["errors"][0]["field"].as_str().or(refused["code"].as_str());
        assert!(told == Some(field) || told == Some("denied"), "{wrong} {refused}");
    }
    let replaced = it.send_as(&key, ("POST", clients), &[], &body).await;
    assert_eq!(replaced.status, 201, "{}", replaced.body_text());
    let next = json_of(&replaced)["token"].as_str().unwrap().to_owned();
    assert_eq!(
        it.send_as(&key, ("POST", clients), &[], &body).await.status,
        401,
        "it ended with that"
    );
    assert_eq!(it.send_as(&next, ("GET", members), &[], &Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_networks_counts_from_there_alone() {
    let it = Issuing::start().await;
    let mut wish = reader();
    wish["networks"] = json!(["192.0.2.0/24", "2001:db8::/32"]);
    wish["scopes"] = json!(["teams:read", "api-clients:write"]);
    let (place, token) = it.create(&wish).await;
    let refused = it.world.gateway.get("/teams/team-harbour", &token).await;
    assert_eq!((refused.status, &json_of(&refused)["code"]), (403, &json!("address_not_allowed")));
    // Somebody may have found the key: the record says whose it is and where it was used.
    let record = it.world.gateway.refusal_record(&refused).await;
    let id = place.rsplit('/').next().unwrap();
    assert!(record["who"].to_string().contains(id), "{record}");
    let refused = it.send_as(&token, ("GET", CLIENTS), &[], &Value::Null).await;
    assert_eq!((refused.status, &json_of(&refused)["code"]), (403, &json!("address_not_allowed")));
    let me = it.world.gateway.get("/.hubgate/me", &token).await;
    assert_eq!((me.status, &json_of(&me)["code"]), (403, &json!("address_not_allowed")));

    let here = json!({"networks": ["127.0.0.0/8", "192.0.2.0/24"]});
    let changed = it.change(&place, &here).await;
    assert_eq!(changed.status, 200, "{}", changed.body_text());
    assert_eq!(json_of(&changed)["networks"], here["networks"]);
    assert_eq!(it.try_out(&token).await, 200, "the next request");

    // Whoever lets it in from elsewhere gives all it has; taking networks away from it gives nothing.
    let scopes = &["api-clients:write"];
    let manager = it.world.gateway.create_key("nordvolt", "manager", ROOT, scopes);
    let patch = async |networks: Value| {
        let (to, any) = (("PATCH", place.as_str()), [("if-match", "*")]);
        it.send_as(&manager, to, &any, &json!({"networks": networks})).await.status
    };
    assert_eq!(patch(json!([])).await, 403);
    assert_eq!(patch(json!(["127.0.0.0/8", "198.51.100.0/24"])).await, 403);
    assert_eq!(patch(json!(["127.0.0.1/32"])).await, 200);
    assert_eq!(it.try_out(&token).await, 200);
    for wrong in ["10.0.0.1", "0.0.0.0/0", "10.1.2.3/8"] {
        wish["networks"] = json!([wrong]);
        let told = json_of(&it.send(("POST", CLIENTS), &[], &wish).await);
        assert_eq!(told["errors"][0]["field"], "networks[0]", "{told}");
    }

    let made = it.world.gateway.run(&[
        "key",
        "create",
        "--tenant",
        "nordvolt",
        "--name",
        "far",
        "--role",
        ROOT,
        "--network",
        "198.51.100.0/24",
    ]);
    let token = String::from_utf8(made.stdout).unwrap();
    assert_eq!(it.try_out(token.lines().next().unwrap()).await, 403);
    let listed = it.world.gateway.run(&["key", "list", "--tenant", "nordvolt"]);
    assert!(String::from_utf8(listed.stdout).unwrap().contains("from: 198.51.100.0/24"));
    let wrong = ["key", "create", "--tenant", "nordvolt", "--name", "x", "--role", ROOT];
    let wrong = it.world.gateway.run(&[&wrong[..], &["--network", "10.1.2.3/8"]].concat());
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("write `10.0.0.0/8`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_key_was_last_used_is_told() {
    let it = Issuing::start().await;
    let (place, token) = it.create(&reader()).await;
    let before = it.send(("GET", &place), &[], &Value::Null).await;
    assert_eq!(json_of(&before)["last_used"], Value::Null, "never");
    assert_eq!(it.try_out(&token).await, 200);
    wait_until("the use", async || {
        let now = it.send(("GET", &place), &[], &Value::Null).await;
        // Somebody who changes it meanwhile is not told that somebody else did.
        assert_eq!(now.field("etag"), before.field("etag"));
        json_of(&now)["last_used"].is_string()
    })
    .await;
    let listed = json_of(&it.send(("GET", CLIENTS), &[], &Value::Null).await);
    let id = place.rsplit('/').next().unwrap();
    let items = listed["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["id"] == id).unwrap();
    assert!(item["last_used"].as_str().unwrap() >= item["created"].as_str().unwrap(), "{item}");
    let listed = it.world.gateway.run(&["key", "list", "--tenant", "nordvolt"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let line = listed.lines().find(|line| line.starts_with(id)).unwrap();
    let columns: Vec<&str> =
        line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    assert!(columns[2].starts_with("20") && columns[4].starts_with("20"), "{line}");
}
