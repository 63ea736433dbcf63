//! Members by the administration API: who may change what, in force at once, told in audit events, nothing lost.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::collections::BTreeSet;

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of};
use crate::support::{OTHER_ROLE, log_lines};

const MEMBERS: &str = "/v1/organisations/nordvolt/members";
const EVENTS: &str = "/v1/organisations/nordvolt/auditlog/events";
const ROOT: &str = "client=Operator::nordvolt";

/// A gateway, and the keys of programs that administer.
pub(crate) struct Administering {
    pub(crate) world: World,
    /// May change members of the whole account.
    pub(crate) key: String,
}

impl Administering {
    pub(crate) async fn start() -> Self {
        let world = World::start().await;
        let scopes = &["members:write", "audit-log:read"];
        let key = world.gateway.create_key("nordvolt", "administration", ROOT, scopes);
        Self { world, key }
    }

    async fn send(
        &self,
        (method, path): (&str, &str),
        fields: &[(&str, &str)],
        body: &Value,
    ) -> RawAnswer {
        self.send_as(&self.key, (method, path), fields, body).await
    }

    pub(crate) async fn send_as(
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

    async fn create(&self, body: &Value) -> RawAnswer {
        self.send(("POST", MEMBERS), &[], body).await
    }

    async fn change(&self, id: &str, body: &Value) -> RawAnswer {
        let path = format!("{MEMBERS}/{id}");
        self.send(("PATCH", &path), &[("if-match", "*")], body).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.send(("GET", path), &[], &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body_text());
        json_of(&answer)
    }

    /// What a session of somebody would be answered.
    async fn may(&self, asker: &str, member: &str, action: &str, resource: &str) -> Value {
        let entity = |text: &str| {
            let (kind, id) = text.split_once("::").unwrap_or_default();
            json!({"type": kind, "id": id})
        };
        let question = json!({
            "subject": {"type": "User", "id": member},
            "action": {"name": action},
            "resource": entity(resource),
            "context": {"authentication": {"connection": "demo"}},
        });
        let path = ("POST", "/access/v1/evaluation");
        json_of(&self.send_as(asker, path, &[], &question).await)["decision"].clone()
    }
}

fn willa() -> Value {
    json!({
        "id": "willa",
        "name": "Willa View",
        "email": "willa@nordvolt.example",
        "roles": [{"role": "support_agent", "on": "Operator::nordvolt-east"}],
        "identities": [{"connection": "demo", "subject": "willa"}],
    })
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_in_force_before_it_is_answered() {
    let it = Administering::start().await;
    let asker = it.world.gateway.create_key("nordvolt", "portal", ROOT, &["decisions:read"]);
    let (view, update) = ("operators:view", "operator-settings:update");
    let east = "Operator::nordvolt-east";
    assert_eq!(it.may(&asker, "willa", view, east).await, false);
    let created = it.create(&willa()).await;
    assert_eq!(created.status, 201, "{}", created.body_text());
    assert_eq!(created.field("location"), Some("/v1/organisations/nordvolt/members/willa"));
    let told = json_of(&created);
    assert_eq!((&told["status"], &told["source"]), (&json!("active"), &json!("api")));
    assert_eq!(it.may(&asker, "willa", view, east).await, true);
    assert_eq!(it.may(&asker, "willa", update, east).await, false);

    let admin = json!({"roles": [{"role": "admin", "on": east}]});
    assert_eq!(it.change("willa", &admin).await.status, 200);
    assert_eq!(it.may(&asker, "willa", update, east).await, true);
    assert_eq!(it.change("willa", &json!({"disabled": true})).await.status, 200);
    assert_eq!(it.may(&asker, "willa", view, east).await, false);
    assert_eq!(it.change("willa", &json!({"disabled": false})).await.status, 200);
    assert_eq!(it.may(&asker, "willa", view, east).await, true);
    let path = format!("{MEMBERS}/willa");
    let removed = it.send(("DELETE", &path), &[], &Value::Null).await;
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    assert_eq!(it.may(&asker, "willa", view, east).await, false);
    assert_eq!(it.send(("GET", &path), &[], &Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_and_none_is_made_twice() {
    let it = Administering::start().await;
    let key = [("idempotency-key", "\"6e0a\"")];
    let created = it.send(("POST", MEMBERS), &key, &willa()).await;
    assert_eq!(created.status, 201);
    let again = it.send(("POST", MEMBERS), &key, &willa()).await;
    assert_eq!((again.status, again.field("idempotent-replayed")), (201, Some("true")));
    assert_eq!(json_of(&again), json_of(&created));
    let mut other = willa();
    other["name"] = json!("Somebody else");
    assert_eq!(it.send(("POST", MEMBERS), &key, &other).await.status, 422);
    assert_eq!(it.create(&willa()).await.status, 409);

    let path = format!("{MEMBERS}/willa");
    let tag = created.field("etag").unwrap().to_owned();
    let shown = it.send(("GET", &path), &[], &Value::Null).await;
    assert_eq!(shown.field("etag"), Some(tag.as_str()));
    let rename = json!({"name": "Willa V."});
    assert_eq!(it.send(("PATCH", &path), &[], &rename).await.status, 428);
    let first = it.send(("PATCH", &path), &[("if-match", &tag)], &rename).await;
    assert_eq!(first.status, 200);
    let stale = it.send(("PATCH", &path), &[("if-match", &tag)], &json!({"name": "V"})).await;
    assert_eq!(stale.status, 412);
    assert_eq!(json_of(&stale)["current"], first.field("etag").unwrap());
    let stale = it.send(("DELETE", &path), &[("if-match", &tag)], &Value::Null).await;
    assert_eq!(stale.status, 412);
    assert_eq!(it.get(&path).await["name"], "Willa V.");
    // What changes nothing is no event.
    assert_eq!(it.change("willa", &rename).await.status, 200);
    let events = it.get(&format!("{EVENTS}?entityId=willa")).await;
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_more_than_they_may_and_strangers_learn_nothing() {
    let it = Administering::start().await;
    let gateway = &it.world.gateway;
    let east = gateway.create_key(
        "nordvolt",
        "east",
        "client=Operator::nordvolt-east",
        &["members:write"],
    );
    let reader = gateway.create_key("nordvolt", "reader", ROOT, &["members:read"]);
    let partner = gateway.create_key("nordvolt", "partner", ROOT, &["all:delete"]);
    let foreign = gateway.create_key("solarpark", "other", OTHER_ROLE, &["members:write"]);
    let post = ("POST", MEMBERS);
    // Within the sub-account, yes; on the main account, by no way.
    let mut body = willa();
    assert_eq!(it.send_as(&east, post, &[], &body).await.status, 201);
    body["id"] = json!("mallory");
    body["identities"] = json!([]);
    body["roles"] = json!([{"role": "admin", "on": "Operator::nordvolt"}]);
    assert_eq!(it.send_as(&east, post, &[], &body).await.status, 403);
    let raise = json!({"roles": [{"role": "admin", "on": "Operator::nordvolt"}]});
    let any = [("if-match", "*")];
    let willa = format!("{MEMBERS}/willa");
    assert_eq!(it.send_as(&east, ("PATCH", &willa), &any, &raise).await.status, 403);
    // Who else signs in as somebody who may more would be somebody who may more.
    let ada = format!("{MEMBERS}/ada");
    let identity = json!({"identities": [{"connection": "demo", "subject": "willa"}]});
    assert_eq!(it.send_as(&east, ("PATCH", &ada), &any, &identity).await.status, 403);
    assert_eq!(it.send_as(&east, ("DELETE", &ada), &[], &Value::Null).await.status, 403);
    assert_eq!(it.send_as(&east, ("GET", &ada), &[], &Value::Null).await.status, 403);
    let never = format!("{MEMBERS}/never");
    let (hidden, absent) = (
        it.send_as(&east, ("GET", &ada), &[], &Value::Null).await,
        it.send_as(&east, ("GET", &never), &[], &Value::Null).await,
    );
    assert_eq!(without_instance(&hidden), without_instance(&absent));
    let listed = json_of(&it.send_as(&east, ("GET", MEMBERS), &[], &Value::Null).await);
    let seen: BTreeSet<_> = ids(&listed).into_iter().collect();
    assert!(seen.contains("willa") && seen.contains("edda") && !seen.contains("ada"), "{seen:?}");
    let everybody = it.get(&format!("{MEMBERS}?limit=200")).await;
    assert!(ids(&everybody).contains(&"ada"));

    for (key, status) in [(&reader, 403), (&partner, 403), (&foreign, 404), (&String::new(), 401)] {
        for (path, body) in
            [(post, &body), (("PATCH", &willa), &raise), (("DELETE", &willa), &body)]
        {
            let answer = it.send_as(key, path, &any, body).await;
            assert_eq!(answer.status, status, "{path:?}: {}", answer.body_text());
        }
    }
    // What is wrong with a patch is told alike, whoever is there.
    let wrong = json!({"shoe_size": 43});
    for path in [&ada, &never] {
        assert_eq!(it.send_as(&east, ("PATCH", path), &any, &wrong).await.status, 400);
    }
    let no_such = "/v1/organisations/no-such/members";
    let answers = [
        it.send_as(&foreign, ("GET", MEMBERS), &[], &Value::Null).await,
        it.send_as(&foreign, ("GET", no_such), &[], &Value::Null).await,
    ];
    assert_eq!(without_instance(&answers[0]), without_instance(&answers[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_says_which_field_is_wrong() {
    let it = Administering::start().await;
    let with = |key: &str, value: Value| {
        let mut body = willa();
        body[key] = value;
        body
    };
    let cases = [
        (with("id", json!("Not A Slug")), "id"),
        (with("name", json!("")), "name"),
        (with("email", json!("nobody")), "email"),
        (with("roles", json!([{"role": "king", "on": "Operator::nordvolt"}])), "roles[0].role"),
        (with("roles", json!([{"role": "admin", "on": "Team::team-harbour"}])), "roles[0].on"),
        (with("roles", json!([{"role": "admin", "on": "Operator::gone"}])), "roles[0].on"),
        (with("roles", json!([{"role": "admin", "on": "nonsense"}])), "roles[0].on"),
        (
            with("identities", json!([{"connection": "none", "subject": "x"}])),
            "identities[0].connection",
        ),
        (
            with("identities", json!([{"connection": "demo", "subject": "ada"}])),
            "identities[0].subject",
        ),
        (
            with("identities", json!([{"connection": "demo", "subject": ""}])),
            "identities[0].subject",
        ),
        (with("attributes", json!({"roles": {}})), "attributes"),
        (with("attributes", json!({"shoe_size": 43})), "attributes"),
    ];
    for (body, field) in cases {
        let answer = it.create(&body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.body_text());
        assert_eq!(json_of(&answer)["errors"][0]["field"], field, "{}", answer.body_text());
    }
    let unknown = it.create(&with("shoe_size", json!(43))).await;
    assert_eq!(unknown.status, 400, "{}", unknown.body_text());
    let files = it.change("ada", &json!({"name": "Ada L."})).await;
    assert_eq!((files.status, &json_of(&files)["source"]), (409, &json!("file")));
    assert_eq!(
        it.send(("GET", &format!("{MEMBERS}?limit=0")), &[], &Value::Null).await.status,
        400
    );
    let large = "x".repeat(70_000);
    assert_eq!(it.create(&with("name", json!(large))).await.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_filters_miss_nobody() {
    let it = Administering::start().await;
    for number in 0..7 {
        let body = json!({"id": format!("zz-{number}"), "name": "Zoe"});
        assert_eq!(it.create(&body).await.status, 201);
    }
    let whole = it.get(&format!("{MEMBERS}?limit=200")).await;
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = it.get(&format!("{MEMBERS}?limit=3{cursor}")).await;
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&paged, whole["items"].as_array().unwrap());
    for (query, count) in [
        ("status=invited&source=api", 7),
        ("search=ZOE", 7),
        ("role=admin&on=Operator::nordvolt", 1),
        ("status=disabled", 0),
    ] {
        let found = it.get(&format!("{MEMBERS}?{query}")).await;
        assert_eq!(ids(&found).len(), count, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_tell_who_changed_what_and_the_log_bears_them_out() {
    let it = Administering::start().await;
    it.create(&willa()).await;
    it.change("willa", &json!({"name": "Willa V.", "email": null})).await;
    let events = it.get(EVENTS).await;
    let items = events["items"].as_array().unwrap();
    let actions: Vec<_> = items.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["updated", "created"]);
    let event = &items[0];
    assert_eq!(event["user"]["name"], "administration");
    assert_eq!(event["item"], json!({"kind": "member", "id": "willa", "name": "Willa V."}));
    assert_eq!(event["parent"], "Operator::nordvolt-east");
    let changes = json!([
        {"field": "email", "before": "willa@nordvolt.example"},
        {"field": "name", "before": "Willa View", "after": "Willa V."},
    ]);
    assert_eq!(event["changes"], changes);
    assert_eq!(event["before"], items[1]["after"], "one state follows the other");
    let id = event["id"].as_str().unwrap();
    assert_eq!(it.get(&format!("{EVENTS}/{id}")).await, *event);

    let lines = log_lines(&it.world.gateway.folder().join("log"));
    let noted = lines.iter().find(|line| line["audit_event"] == *id).unwrap();
    assert_eq!((&noted["event"], &noted["after"]), (&json!("changed"), &event["after"]));
    let decision = lines.iter().find(|line| line["id"] == event["decision"]).unwrap();
    assert_eq!(decision["what"]["resource"], "Operator::nordvolt-east");
    assert_eq!(decision["decision"]["effect"], "allow");

    for (query, count) in [
        ("action=created", 1),
        ("entityType=member&entityId=willa", 2),
        ("operatorId=nordvolt-east", 2),
        ("operatorId=nordvolt", 0),
        ("search=view", 2),
        ("userId=ada", 0),
        ("toDate=2020-01-01T00:00:00Z", 0),
        ("fromDate=2020-01-01T00:00:00Z&perPage=1", 1),
    ] {
        let found = it.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(ids(&found).len(), count, "{query}");
    }
    let first = it.get(&format!("{EVENTS}?perPage=1")).await;
    let next = it.get(&format!("{EVENTS}?after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(next["items"].as_array().unwrap(), &items[1..]);
    let back = it.get(&format!("{EVENTS}?before={}", items[1]["id"].as_str().unwrap())).await;
    assert_eq!(back["items"].as_array().unwrap(), &items[..1]);
    for wrong in ["after=x", "action=levitated", "fromDate=yesterday", "perPage=0", "x=1"] {
        let path = format!("{EVENTS}?{wrong}");
        assert_eq!(it.send(("GET", &path), &[], &Value::Null).await.status, 400, "{wrong}");
    }
}

fn without_instance(answer: &RawAnswer) -> Value {
    let mut body = json_of(answer);
    body["instance"] = Value::Null;
    body
}
