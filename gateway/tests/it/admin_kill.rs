//! `kill -9` while members are changed: what was acknowledged is there, with its event; what was not is there whole
//! or not at all.
//!
//! The long run of the same test is `make crash`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hubgate_testkit::raw_client::RawClient;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of};
use crate::support::PATIENCE;

const MEMBERS: &str = "/v1/organisations/nordvolt/members";

/// Kills of a usual run; `HUBGATE_KILLS` says another number.
const KILLS: usize = 8;

/// What clients know: the name each member was last given with an acknowledgement, and the last one asked for.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<String, String>,
    asked: BTreeMap<String, String>,
    changes: usize,
}

/// Makes members and renames them until the gateway is gone.
async fn administer(
    address: std::net::SocketAddr,
    key: String,
    known: Arc<Mutex<Known>>,
    at: usize,
) {
    let mut number = 0;
    let Ok(mut client) = RawClient::connect(address, PATIENCE).await else { return };
    loop {
        let id = format!("m{at}-{}", number / 3);
        let name = format!("name {at} {number}");
        let (method, path, body) = if number % 3 == 0 {
            ("POST", MEMBERS.to_owned(), json!({"id": id, "name": name}))
        } else {
            ("PATCH", format!("{MEMBERS}/{id}"), json!({"name": name}))
        };
        let body = body.to_string();
        let fields = [("content-type", "application/json"), ("if-match", "*")];
        known.lock().unwrap().asked.insert(id.clone(), name.clone());
        let head = head(method, &path, &key, &fields, body.len());
        if client.send((head + &body).as_bytes()).await.is_err() {
            return;
        }
        let Ok(answer) = client.read_answer(false).await else { return };
        // A machine under load may run out of time: that change was not made, and its answer says so.
        if answer.status == 503 {
            continue;
        }
        number += 1;
        assert!([200, 201].contains(&answer.status), "{}", answer.body_text());
        let mut known = known.lock().unwrap();
        known.acknowledged.insert(id, name);
        known.changes += 1;
    }
}

/// Everything of a list, page by page.
async fn all(world: &World, key: &str, path: &str, cursor: &str) -> Vec<Value> {
    let (mut items, mut from) = (Vec::new(), String::new());
    loop {
        let page = format!("{path}{from}");
        let answer = world.ask(&head("GET", &page, key, &[], 0), b"").await;
        assert_eq!(answer.status, 200, "{}", answer.body_text());
        let told = json_of(&answer);
        items.extend(told["items"].as_array().unwrap().clone());
        let Some(next) = told["next"].as_str() else { return items };
        from = format!("&{cursor}={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figure of the long run")]
async fn no_acknowledged_change_is_lost_and_none_is_half() {
    let kills = std::env::var("HUBGATE_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(KILLS);
    let mut world = World::start().await;
    let scopes = &["members:write", "audit-log:read"];
    let role = "client=Operator::nordvolt";
    let key = world.gateway.create_key("nordvolt", "administration", role, scopes);
    let known = Arc::new(Mutex::new(Known::default()));
    for cycle in 0..kills {
        let before = known.lock().unwrap().changes;
        let begun = Instant::now();
        let client = tokio::spawn(administer(world.admin, key.clone(), Arc::clone(&known), cycle));
        // However slow the machine is: so many changes are made, and the kill falls at some point of the next.
        let wanted = 2 + cycle % 3;
        while known.lock().unwrap().changes < before + wanted {
            assert!(begun.elapsed() < PATIENCE && !client.is_finished(), "no change in {cycle}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let of_one = begun.elapsed() / u32::try_from(wanted).unwrap();
        let part = u32::try_from(cycle * 7_919 % 1_000).unwrap();
        tokio::time::sleep(of_one * part / 1_000).await;
        world.gateway.kill();
        client.await.unwrap();
        world.gateway.restart().await;
    }
    let members = all(&world, &key, &format!("{MEMBERS}?limit=200&source=api"), "cursor").await;
    let events = "/v1/organisations/nordvolt/auditlog/events?perPage=5000&entityType=member";
    let events = all(&world, &key, events, "after").await;
    let known = known.lock().unwrap();
    let name = |member: &Value| member["name"].as_str().unwrap().to_owned();
    let found: BTreeMap<String, String> =
        members.iter().map(|it| (it["id"].as_str().unwrap().to_owned(), name(it))).collect();
    for (id, acknowledged) in &known.acknowledged {
        let now = found.get(id).unwrap_or_else(|| panic!("{id} is lost"));
        // The last change may have been made, and its answer lost with the process.
        assert!(now == acknowledged || *now == known.asked[id], "{id}: {now}");
    }
    // The latest event of a member tells of the member that is there: no change without event, no event without.
    for (id, now) in &found {
        let latest = events.iter().find(|event| event["item"]["id"] == *id).unwrap();
        assert_eq!(latest["item"]["name"], *now, "{id}");
    }
    let told: BTreeSet<_> =
        events.iter().map(|event| event["item"]["id"].as_str().unwrap()).collect();
    assert_eq!(told.len(), found.len(), "an event of nobody");
    assert!(events.len() >= known.changes && known.changes >= 2 * kills, "{}", known.changes);
    println!("{kills} kills, {} changes acknowledged, {} made", known.changes, events.len());
}
