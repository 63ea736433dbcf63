//! Organisations the platform creates while it runs: served from the next request on like any other, after a reload and a
//! restart as well, with a first administrator of their own and no way in behind their back.

#![expect(clippy::indexing_slicing, reason = "a test stops at what it did not expect")]

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of};
use crate::support::{HOST, OTHER_ROLE};

const ORGANISATIONS: &str = "/v1/platform/organisations";
const CREATED: &str = "/v1/platform/organisations/fjordkraft";

/// Here solarpark runs the platform.
const SETTINGS: &str = "[platform]\norganisation = \"solarpark\"\n";

struct Running {
    world: World,
    key: String,
}

impl Running {
    async fn start() -> Self {
        let world = World::with(SETTINGS).await;
        let key =
            world.gateway.create_key("solarpark", "platform", OTHER_ROLE, &["platform:write"]);
        Self { world, key }
    }

    async fn send(&self, key: &str, to: (&str, &str), body: &Value) -> RawAnswer {
        self.send_with(key, to, &[("content-type", "application/json")], body).await
    }

    async fn send_with(
        &self,
        key: &str,
        to: (&str, &str),
        fields: &[(&str, &str)],
        body: &Value,
    ) -> RawAnswer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = head(to.0, to.1, key, fields, body.len());
        self.world.ask(&head, body.as_bytes()).await
    }

    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(&self.key, (method, path), body).await;
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body_text());
        json_of(&answer)
    }

    /// What is answered to a change nobody can make: its status, its code and its body.
    async fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String, Value) {
        let answer = self.send(&self.key, (method, path), body).await;
        let told = json_of(&answer);
        (answer.status, told["code"].as_str().unwrap_or_default().to_owned(), told)
    }

    async fn team_of(&self, team: &str, key: &str) -> u16 {
        self.world.gateway.get(&format!("/teams/{team}"), key).await.status
    }
}

fn fjordkraft() -> Value {
    json!({"id": "fjordkraft", "name": "Fjordkraft", "attributes": attributes()})
}

fn attributes() -> Value {
    json!({
        "tier": "business", "country": "NO", "kyb": "approved", "features": ["partner_api"],
        "hub_run": false, "bank_account": true,
    })
}

fn team(id: &str) -> String {
    crate::feeds::world::team(id).replace("nordvolt", "fjordkraft")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_is_created_served_and_stays() {
    let mut it = Running::start().await;
    let once = [("content-type", "application/json"), ("idempotency-key", "first")];
    let made = it.send_with(&it.key, ("POST", ORGANISATIONS), &once, &fjordkraft()).await;
    assert_eq!(made.status, 201, "{}", made.body_text());
    assert_eq!(made.field("location"), Some(CREATED));
    let told = json_of(&made);
    assert_eq!(told["root"], "Operator::fjordkraft");
    assert_eq!((&told["source"], &told["status"]), (&json!("api"), &json!("active")));
    let again = it.send_with(&it.key, ("POST", ORGANISATIONS), &once, &fjordkraft()).await;
    assert_eq!((again.status, again.field("idempotent-replayed")), (201, Some("true")));
    let all = it.done("GET", ORGANISATIONS, &Value::Null).await;
    let ids: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["fjordkraft", "nordvolt", "solarpark"]);

    // The command line knows it, and so does everything a request needs.
    let gateway = &it.world.gateway;
    let role = "client=Operator::fjordkraft";
    let hub = gateway.create_key("fjordkraft", "hub", role, &["directory:write", "teams:read"]);
    let resources = "/v1/organisations/fjordkraft/resources";
    let pushed = it.world.send("PUT", resources, &hub, &team("team-fjord")).await;
    assert_eq!(pushed.status, 200, "{}", pushed.body_text());
    assert_eq!(it.team_of("team-fjord", &hub).await, 200);
    assert_eq!(it.team_of("team-harbour", &hub).await, 404, "another organisation's");
    assert_eq!(it.team_of("team-fjord", it.world.gateway.api_key()).await, 404);

    // After other files came into force, and in another process.
    it.world.gateway.edit("tenants/nordvolt/organisation.toml", "\"Nordvolt\"", "\"Nordvolt AS\"");
    it.world.reloaded(2).await;
    assert_eq!(it.done("GET", CREATED, &Value::Null).await["name"], "Fjordkraft");
    assert_eq!(it.team_of("team-fjord", &hub).await, 200);
    let before = it.done("GET", "/v1/platform/snapshot", &Value::Null).await["snapshot"].clone();
    it.world.gateway.kill();
    it.world.gateway.restart().await;
    assert_eq!(it.team_of("team-fjord", &hub).await, 200);
    let after = it.done("GET", "/v1/platform/snapshot", &Value::Null).await["snapshot"].clone();
    assert_eq!(before, after, "the same is in force");

    let reason = json!({"reason": "unpaid"});
    it.done("POST", &format!("{CREATED}/suspend"), &reason).await;
    assert_ne!(it.team_of("team-fjord", &hub).await, 200, "the next request");
    it.done("POST", &format!("{CREATED}/resume"), &Value::Null).await;
    assert_eq!(it.team_of("team-fjord", &hub).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_first_administrator_comes_by_a_key_that_nobody_else_gets() {
    let it = Running::start().await;
    it.done("POST", ORGANISATIONS, &fjordkraft()).await;
    let place = format!("{CREATED}/bootstrap-key");
    let role = json!({"role": "client"});
    let wrong = it.refused("POST", &place, &json!({"role": "king"})).await;
    assert_eq!((wrong.0, &wrong.2["errors"][0]["field"]), (422, &json!("role")));
    let lost = it.done("POST", &place, &role).await;
    let first = it.done("POST", &place, &role).await;
    let (lost, first) = (lost["token"].as_str().unwrap(), first["token"].as_str().unwrap());

    let clients = "/v1/organisations/fjordkraft/api-clients";
    let wish = json!({
        "name": "administration",
        "scopes": ["members:write", "api-clients:write", "audit-log:read"],
        "roles": [{"role": "client", "on": "Operator::fjordkraft"}],
    });
    assert_eq!(it.send(lost, ("POST", clients), &wish).await.status, 401, "another took its place");
    let made = it.send(first, ("POST", clients), &wish).await;
    assert_eq!(made.status, 201, "{}", made.body_text());
    let own = json_of(&made)["token"].as_str().unwrap().to_owned();
    let ada = json!({
        "id": "ada", "name": "Ada Berg", "roles": [{"role": "admin", "on": "Operator::fjordkraft"}],
    });
    let member = it.send(&own, ("POST", "/v1/organisations/fjordkraft/members"), &ada).await;
    assert_eq!(member.status, 201, "{}", member.body_text());

    let again = it.refused("POST", &place, &role).await;
    assert_eq!((again.0, again.1.as_str()), (409, "not_now"), "they administer themselves");
    let of_files = format!("{ORGANISATIONS}/nordvolt/bootstrap-key");
    assert_eq!(it.refused("POST", &of_files, &role).await.1, "owned_by_another_source");
    // They read what the platform did.
    let events = "/v1/organisations/fjordkraft/auditlog/events?entityType=api_client";
    let events = json_of(&it.send(&own, ("GET", events), &Value::Null).await).to_string();
    assert!(events.contains("bootstrap") && events.contains("solarpark/ApiClient::"), "{events}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_created_is_changed_and_the_rest_is_not() {
    let it = Running::start().await;
    it.done("POST", ORGANISATIONS, &fjordkraft()).await;
    let shown = it.send(&it.key, ("GET", CREATED), &Value::Null).await;
    let tag = shown.field("etag").unwrap().to_owned();
    let patch = json!({"name": "Fjordkraft AS", "hosts": [HOST], "attributes": {"tier": "basic"}});
    let fields = [("content-type", "application/merge-patch+json"), ("if-match", &tag)];
    let changed = it.send_with(&it.key, ("PATCH", CREATED), &fields, &patch).await;
    assert_eq!(changed.status, 200, "{}", changed.body_text());
    let told = json_of(&changed);
    assert_eq!(
        (&told["name"], &told["attributes"]["tier"]),
        (&json!("Fjordkraft AS"), &json!("basic"))
    );
    assert_eq!(told, it.done("GET", CREATED, &Value::Null).await);
    // The host is theirs alone now.
    let nordvolt = it.world.gateway.get("/teams/team-harbour", it.world.gateway.api_key()).await;
    assert_ne!(nordvolt.status, 200);
    let stale = it.send_with(&it.key, ("PATCH", CREATED), &fields, &patch).await;
    assert_eq!(stale.status, 412);
    let blind = it.refused("PATCH", CREATED, &patch).await;
    assert_eq!(blind.0, 428);
    let any = [("content-type", "application/json"), ("if-match", "*")];
    let nordvolt = format!("{ORGANISATIONS}/nordvolt");
    let of_files = it.send_with(&it.key, ("PATCH", &nordvolt), &any, &json!({"name": "N"})).await;
    assert_eq!(json_of(&of_files)["code"], "owned_by_another_source");
    let missing = it.send_with(&it.key, ("PATCH", &format!("{CREATED}x")), &any, &patch).await;
    assert_eq!(missing.status, 404);
    let removed = json!({"attributes": {"tier": null}});
    let removed = it.send_with(&it.key, ("PATCH", CREATED), &any, &removed).await;
    assert_eq!(json_of(&removed)["errors"][0]["field"], "attributes", "the schema asks for it");
    assert_eq!(it.done("GET", CREATED, &Value::Null).await, told, "nothing changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_created_says_why() {
    let it = Running::start().await;
    let with = |field: &str, value: Value| {
        let mut body = fjordkraft();
        body[field] = value;
        body
    };
    for (body, field) in [
        (with("id", json!("Fjord Kraft")), "id"),
        (with("name", json!(" ")), "name"),
        (with("root", json!("fjordkraft")), "root"),
        (with("root", json!("Nothing::fjordkraft")), "root"),
        (with("attributes", json!({})), "attributes"),
        (with("hosts", json!(["nobody.example"])), "hosts[0]"),
        (with("hosts", json!([HOST, HOST])), "hosts[1]"),
    ] {
        let (status, _, told) = it.refused("POST", ORGANISATIONS, &body).await;
        assert_eq!((status, &told["errors"][0]["field"]), (422, &json!(field)), "{told}");
    }
    let taken = it.refused("POST", ORGANISATIONS, &with("id", json!("nordvolt"))).await;
    assert_eq!((taken.0, taken.1.as_str()), (409, "exists"), "{}", taken.2);
    it.done("POST", ORGANISATIONS, &fjordkraft()).await;
    let twice = it.refused("POST", ORGANISATIONS, &fjordkraft()).await;
    assert_eq!((twice.0, twice.1.as_str()), (409, "exists"));

    // An organisation that went: whoever had a key of it must not be let in to the next of its name.
    let gateway = &it.world.gateway;
    std::fs::rename(gateway.folder().join("tenants/nordvolt"), gateway.folder().join("gone"))
        .unwrap();
    it.world.reloaded(2).await;
    let back = it.refused("POST", ORGANISATIONS, &with("id", json!("nordvolt"))).await;
    assert_eq!((back.0, back.1.as_str()), (409, "exists"), "{}", back.2);
    let all = it.done("GET", ORGANISATIONS, &Value::Null).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);

    // A folder of a name that was created is not taken over, and the reason is told.
    let folder = gateway.folder();
    std::fs::create_dir(folder.join("tenants/fjordkraft")).unwrap();
    std::fs::write(
        folder.join("tenants/fjordkraft/resources.ndjson"),
        json!({"uid": "Operator::fjordkraft", "attributes": attributes()}).to_string(),
    )
    .unwrap();
    std::fs::write(
        folder.join("tenants/fjordkraft/organisation.toml"),
        "id = \"fjordkraft\"\nname = \"Other\"\nroot = \"Operator::fjordkraft\"\n",
    )
    .unwrap();
    gateway.wait_for_stderr(&["`fjordkraft` is there twice"]).await;
    assert_eq!(it.done("GET", CREATED, &Value::Null).await["name"], "Fjordkraft");
}
