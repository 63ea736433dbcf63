//! Ids in bodies that cannot be told in an assertion: refused, and recorded as refused.

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::Value;

use crate::feeds::world::{World, json_of, teams};
use crate::support::HOST;

/// One more than an assertion names.
const TEAMS: usize = 257;

const ABROAD: &str = r#"
@id("abroad")
@reason("Teams abroad are looked after there.")
forbid (principal, action == Action::"teams:view", resource is Team) when { resource.country == "SE" };
"#;

fn route() -> String {
    format!(
        r#"
[[route]]
id = "charge"
host = "{HOST}"
methods = ["POST"]
path = "/charges"
action = "teams:list"
resource = {{ fixed = "Operator::nordvolt" }}
body_ids = {{ teamId = {{ kind = "Team", action = "teams:view" }} }}
service = "hub"
scopes = ["teams:read"]
"#
    )
}

async fn charge(world: &World, key: &str) -> RawAnswer {
    world.gateway.post_json("/charges", key, r#"{"teamId":"t1"}"#).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_assertion_cannot_name_is_refused_and_recorded_so() {
    let world = World::with(&route()).await;
    // As many at home: neither these nor those can be named one by one.
    let abroad = teams(1..=TEAMS).replace("\"DK\"", "\"SE\"");
    let all = abroad + &teams(TEAMS + 1..=2 * TEAMS);
    assert_eq!(world.put("", &all).await.status, 200);
    let whole =
        world.gateway.create_key("nordvolt", "whole", "client=Operator::nordvolt", &["teams:read"]);
    let allowed = charge(&world, &whole).await;
    assert_eq!(allowed.status, 200, "one account stands for its teams: {}", allowed.body_text());

    // A policy of the organisation's own takes every one of them out again.
    let policies = world.gateway.folder().join("tenants/nordvolt/policies");
    std::fs::create_dir_all(&policies).unwrap();
    world.gateway.write("tenants/nordvolt/policies/abroad.cedar", ABROAD);
    world.gateway.signal("HUP");
    world.reloaded(2).await;
    let refused = charge(&world, &whole).await;
    assert_eq!(refused.status, 403, "{}", refused.body_text());
    let id = refused.field("hubgate-request-id").unwrap().to_owned();
    let lines = world.gateway.log_lines();
    let line = lines.iter().find(|line| line["id"] == *id).unwrap();
    assert_eq!(line["decision"]["effect"], "refuse", "{line}");
    let told: Value = json_of(&refused);
    assert!(told["reason"].as_str().unwrap().contains("separate parts"), "{told}");

    let mut gateway = world.gateway;
    gateway.terminate();
    assert!(gateway.exit().await.success());
    let verified = gateway.run(&["log", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
