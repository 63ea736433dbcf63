//! The hub pushes its resources: in force at once, kept over restarts, only by who may.

mod resumed;
pub(crate) mod world;

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::support::{OTHER_ROLE, log_lines};
use world::{World, json_of, team, teams};

fn errors(answer: &RawAnswer) -> Vec<Value> {
    json_of(answer).get("errors").and_then(Value::as_array).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_team_is_in_force_at_once_and_a_deleted_one_is_gone() {
    let world = World::start().await;
    assert_eq!(world.view("t1").await, 404);
    let pushed = world.put("", &teams(1..=3)).await;
    assert_eq!(pushed.status, 200, "{}", pushed.body_text());
    let told = json_of(&pushed);
    assert_eq!(
        (&told["state"], &told["applied"], &told["lines"]),
        (&json!("complete"), &json!(3), &json!(3))
    );
    assert_eq!(world.view("t1").await, 200);

    let again = json_of(&world.put("", &teams(1..=3)).await);
    assert_eq!((&again["applied"], &again["unchanged"]), (&json!(0), &json!(3)), "nothing changed");

    let deleted = world.delete("{\"uid\":\"Team::t2\"}\n{\"uid\":\"Team::never\"}\n").await;
    let told = json_of(&deleted);
    assert_eq!((&told["deleted"], &told["unchanged"]), (&json!(1), &json!(1)));
    assert_eq!((world.view("t1").await, world.view("t2").await), (200, 404));
    let untouched = world.gateway.get("/teams/team-harbour", world.gateway.api_key()).await;
    assert_eq!(untouched.status, 200, "the files' resources are as they were");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_push_writes_nothing() {
    let world = World::start().await;
    let path = "/v1/organisations/nordvolt/resources";
    let other = world.gateway.create_key("solarpark", "hub", OTHER_ROLE, &["directory:write"]);
    let cases = [
        ("", 401, "credential_missing"),
        ("hg_abc_def", 401, "credential_invalid"),
        (other.as_str(), 404, "not_found"),
        (world.gateway.api_key(), 403, "denied"),
    ];
    for (key, status, code) in cases {
        let answer = world.send("PUT", path, key, &teams(1..=1)).await;
        assert_eq!((answer.status, &json_of(&answer)["code"]), (status, &json!(code)));
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        assert!(answer.field("hubgate-request-id").is_some(), "it can be quoted");
    }
    let elsewhere = world.send("PUT", "/v1/organisations/nobody/resources", &world.key, "").await;
    assert_eq!(elsewhere.status, 404, "whether there is such an organisation is not told");
    assert_eq!(world.view("t1").await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_push_is_in_the_decision_log_with_its_end() {
    let world = World::start().await;
    let allowed = world.put("", &teams(1..=1)).await;
    let path = "/v1/organisations/nordvolt/resources";
    let denied = world.send("PUT", path, world.gateway.api_key(), &teams(2..=2)).await;
    let record = |answer: &RawAnswer| {
        let id = answer.field("hubgate-request-id").unwrap().to_owned();
        let lines = log_lines(&world.gateway.folder().join("log"));
        lines
            .into_iter()
            .filter(|line| line["id"] == *id || line["decision_id"] == *id)
            .collect::<Vec<_>>()
    };
    let lines = record(&allowed);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["decision"]["effect"], "allow");
    assert_eq!(lines[0]["what"]["action"], "directory:push");
    assert_eq!(lines[0]["what"]["resource"], "Operator::nordvolt");
    assert_eq!(lines[1]["status"], 200);
    let lines = record(&denied);
    assert_eq!(lines[0]["decision"]["effect"], "deny", "{lines:?}");
    let whole = std::fs::read_to_string(world.gateway.folder().join("stderr.txt")).unwrap();
    assert!(!whole.contains(&world.key), "no key in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_batch_is_refused_whole_with_every_line() {
    let world = World::start().await;
    let bad_lines = [
        team("t1"),
        String::from("{not json"),
        String::from(r#"{"uid":"Team::t3","parents":[],"colour":1}"#),
        String::from(r#"{"uid":"Team"}"#),
    ];
    let answer = world.put("", &bad_lines.join("\n")).await;
    assert_eq!((answer.status, &json_of(&answer)["code"]), (422, &json!("upload_refused")));
    let told: Vec<_> =
        errors(&answer).iter().map(|error| (error["line"].clone(), error["id"].clone())).collect();
    assert_eq!(
        told,
        [(json!(2), Value::Null), (json!(3), json!("Team::t3")), (json!(4), json!("Team"))]
    );
    assert_eq!(world.view("t1").await, 404, "nothing of it was taken");

    // What fits no schema is told first, then what does not hang together.
    let misfit = team("t2").replace("professional\"", "professional\",\"colour\":\"red\"");
    let orphan = team("t3").replace("Operator::nordvolt", "Operator::nowhere");
    for (faulty, id) in [(misfit, "Team::t2"), (orphan, "Team::t3")] {
        let answer = world.put("", &format!("{}\n{faulty}", team("t1"))).await;
        let error = &errors(&answer)[0];
        assert_eq!(
            (answer.status, &error["line"], &error["id"]),
            (422, &json!(2), &json!(id)),
            "{error}"
        );
        assert_eq!(world.view("t1").await, 404, "nothing of it was taken");
    }

    let pushed = world.put("", &format!("{}\n{}", site("s1", "t1"), team("t1"))).await;
    assert_eq!(pushed.status, 200, "the order within a batch is free: {}", pushed.body_text());
    let parent = world.delete("{\"uid\":\"Team::t1\"}").await;
    assert_eq!(parent.status, 422, "a site would lose its team");
    assert_eq!(errors(&parent)[0]["id"], "Site::s1");
    assert_eq!(world.view("t1").await, 200);
}

fn site(id: &str, team: &str) -> String {
    let entity = json!({"__entity": {"type": "Team", "id": team}});
    json!({"uid": format!("Site::{id}"), "parents": [format!("Team::{team}")], "attributes": {"team": entity}})
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_its_source_may_change_an_object() {
    let mut world = World::start().await;
    let answer = world.put("", &team("team-harbour")).await;
    let error = &errors(&answer)[0];
    assert_eq!((answer.status, &error["id"]), (422, &json!("Team::team-harbour")));
    assert!(error["reason"].as_str().unwrap().contains("`file`"), "{error}");
    let answer = world.delete("{\"uid\":\"Team::team-harbour\"}").await;
    assert_eq!(answer.status, 422);

    // The other way round: the files are refused what the hub owns, and nothing changes.
    assert_eq!(world.put("", &team("t1")).await.status, 200);
    let file = "tenants/nordvolt/resources.ndjson";
    let before = world.gateway.read(file);
    world.gateway.write(file, &format!("{before}{}\n", team("t1")));
    world.gateway.wait_for_line(|line| line["event"] == "config_rejected").await;
    assert!(world.gateway.stderr().contains("Team::t1"), "it is told which");
    assert_eq!(world.view("t1").await, 200);
    world.gateway.kill();
    let refused = world.gateway.run(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("owned by its hub") && said.contains("`Team::t1`"), "{said}");
    world.gateway.write(file, &before);
    world.gateway.restart().await;
    assert_eq!(world.view("t1").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushed_resources_outlive_reload_and_restart() {
    let mut world = World::start().await;
    assert_eq!(world.put("", &teams(1..=2)).await.status, 200);
    world.gateway.edit("tenants/nordvolt/organisation.toml", "name = \"", "name = \"New ");
    world.reloaded(2).await;
    assert_eq!(world.view("t1").await, 200, "after a reload");
    assert_eq!(world.delete("{\"uid\":\"Team::t2\"}").await.status, 200);
    world.gateway.kill();
    world.gateway.restart().await;
    assert_eq!((world.view("t1").await, world.view("t2").await), (200, 404), "after a kill");
    let status = world.gateway.run(&["feed", "status", "--tenant", "nordvolt"]);
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("Team") && said.contains("hub"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_resources_replace_all_at_once() {
    const MANY: usize = 20_000;
    let world = World::start().await;
    assert_eq!(world.put("", &teams(900_000..=900_001)).await.status, 200);
    let answer = world.put("?mode=replace", &teams(1..=MANY)).await;
    assert_eq!(answer.status, 200, "{}", answer.body_text());
    let told = json_of(&answer);
    assert_eq!((&told["applied"], &told["deleted"]), (&json!(MANY), &json!(2)));
    assert_eq!((world.view("t20000").await, world.view("t900000").await), (200, 404));
    let again = json_of(&world.put("?mode=replace", &teams(1..=MANY)).await);
    assert_eq!((&again["unchanged"], &again["applied"]), (&json!(MANY), &json!(0)));
    let faulty =
        format!("{}{}", teams(1..=5), team("t6").replace("Operator::nordvolt", "Operator::x"));
    let refused = world.put("?mode=replace", &faulty).await;
    assert_eq!((refused.status, &errors(&refused)[0]["line"]), (422, &json!(6)));
    assert_eq!(world.view("t20000").await, 200, "a refused replacement changes nothing");
}
