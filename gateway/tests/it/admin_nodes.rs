//! The nodes roles are given on: found by whoever may see who has access there, and by nobody else.

#![expect(clippy::indexing_slicing, reason = "a test stops at what it did not expect")]

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of, team};

const NODES: &str = "/v1/organisations/nordvolt/nodes";
const READ: &[&str] = &["members:read"];

async fn get(world: &World, key: &str, path: &str) -> RawAnswer {
    world.ask(&head("GET", path, key, &[], 0), b"").await
}

/// The ids of a list, page by page.
async fn ids(world: &World, key: &str, query: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = get(world, key, &format!("{NODES}?limit=3{query}{cursor}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body_text());
        let page = json_of(&answer);
        let items = page["items"].as_array().cloned().unwrap_or_default();
        assert!(items.len() <= 3, "{page}");
        all.extend(items.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()));
        let Some(next) = page["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sees_who_has_access_finds_the_nodes() {
    let world = World::start().await;
    let key = world.gateway.create_key("nordvolt", "reader", "client=Operator::nordvolt", READ);
    assert_eq!(world.put("", &team("t-new")).await.status, 200);

    let all = ids(&world, &key, "").await;
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(all, sorted, "in order, each once");
    for node in
        ["Operator::nordvolt", "Operator::nordvolt-east", "Team::team-harbour", "Team::t-new"]
    {
        assert!(all.iter().any(|it| it == node), "{node} in {all:?}");
    }
    let operators = ids(&world, &key, "&type=Operator").await;
    let expected = ["nordvolt", "nordvolt-east", "nordvolt-lab", "nordvolt-west"];
    assert_eq!(operators, expected.map(|id| format!("Operator::{id}")));
    let east = ids(&world, &key, "&type=Team&below=Operator::nordvolt-east").await;
    assert_eq!(east, ["Team::team-cabin", "Team::team-harbour", "Team::team-quay"]);
    assert_eq!(ids(&world, &key, "&search=HARB&type=Team").await, ["Team::team-harbour"]);
    assert!(ids(&world, &key, "&below=Team::never-there").await.is_empty());

    let shown = get(&world, &key, &format!("{NODES}/Team::t-new")).await;
    let told = json_of(&shown);
    assert_eq!((&told["type"], &told["source"]), (&json!("Team"), &json!("hub")), "{told}");
    assert_eq!(told["parents"], json!(["Operator::nordvolt"]));
    assert_eq!(told["attributes"]["kyb"], "approved");
    assert!(shown.field("etag").is_some());
    let of_files = get(&world, &key, &format!("{NODES}/Operator%3A%3Anordvolt-east")).await;
    assert_eq!(json_of(&of_files)["source"], "file");
    for wrong in ["type=Nothing", "below=nordvolt", "limit=0", "x=1", "cursor=x"] {
        assert_eq!(get(&world, &key, &format!("{NODES}?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_sub_account_sees_that_and_what_is_below() {
    let world = World::start().await;
    let role = "client=Operator::nordvolt-east";
    let east = world.gateway.create_key("nordvolt", "east", role, READ);
    let seen = ids(&world, &east, "").await;
    assert!(seen.iter().any(|it| it == "Team::team-harbour"), "{seen:?}");
    assert!(!seen.iter().any(|it| it == "Operator::nordvolt" || it == "Team::team-airport"));
    let below = ids(&world, &east, "&below=Operator::nordvolt-east&type=Team").await;
    assert_eq!(below.len(), 3, "{below:?}");
    let mut answers = Vec::new();
    for node in ["Team::team-airport", "Team::never-there", "Price::p1", "nonsense"] {
        let answer = get(&world, &east, &format!("{NODES}/{node}")).await;
        let mut told = json_of(&answer);
        told["instance"] = Value::Null;
        answers.push((answer.status, told));
    }
    assert!(answers.iter().all(|it| *it == answers[0] && it.0 >= 403), "{answers:?}");
    let above = get(&world, &east, &format!("{NODES}?below=Operator::nordvolt-west")).await;
    assert!(above.status >= 403, "{}", above.body_text());
    let none = world.gateway.create_key("nordvolt", "none", role, &["teams:read"]);
    assert_eq!(get(&world, &none, NODES).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_events_are_where_clients_of_the_partner_api_look() {
    let world = World::start().await;
    let role = "client=Operator::nordvolt";
    let scopes = &["members:write", "audit-log:read"];
    let key = world.gateway.create_key("nordvolt", "administration", role, scopes);
    let body = json!({"id": "eva", "name": "Eva"}).to_string();
    let fields = [("content-type", "application/json")];
    let make = head("POST", "/v1/organisations/nordvolt/members", &key, &fields, body.len());
    assert_eq!(world.ask(&make, body.as_bytes()).await.status, 201);
    let own = get(&world, &key, "/auditlog/events?entityType=member&perPage=10").await;
    assert_eq!(own.status, 200, "{}", own.body_text());
    let long = "/v1/organisations/nordvolt/auditlog/events?entityType=member&perPage=10";
    assert_eq!(json_of(&own), json_of(&get(&world, &key, long).await));
    let first = &json_of(&own)["items"][0];
    assert_eq!(first["item"]["name"], "Eva");
    let one = format!("/auditlog/events/{}", first["id"].as_str().unwrap_or_default());
    assert_eq!(json_of(&get(&world, &key, &one).await), *first);
    assert_eq!(get(&world, &key, "/auditlog/events/none").await.status, 404);
}
