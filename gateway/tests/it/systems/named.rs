//! Every id a request names is asked about, or compared by the hub with what it is told.

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use hubgate_testkit::demo_hub::Seen;
use hubgate_testkit::stage::NewKey;
use serde_json::{Value, json};

use super::world::World;

/// Where a refusal comes from: the gateway, before the hub sees anything, or the hub, by what it is told.
fn by(seen: &[Seen]) -> &'static str {
    if seen.is_empty() { "gateway" } else { "hub" }
}

/// Status and who answered, for a person.
async fn person(world: &mut World, who: &str, request: &str, body: &str) -> (u16, &'static str) {
    let (method, path) = request.split_once(' ').unwrap();
    let (page, seen) = world.ask(who, method, path, body).await;
    (page.status.as_u16(), by(&seen))
}

/// The same for an API key, on the Partner API's own host.
async fn program(world: &World, key: &str, request: &str, body: &str) -> (u16, &'static str) {
    let (method, path) = request.split_once(' ').unwrap();
    let port = world.stage.gateway().port();
    let asked = Request::builder()
        .method(method)
        .uri(format!("https://partner-api.localhost:{port}/api/v1{path}"))
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    let answer = world.stage.client().unwrap().send(asked).await.unwrap();
    (answer.status().as_u16(), by(&world.hub.take_seen()))
}

/// otto owns harbour (cp-0001, cp-0002) and depot; cp-0003 belongs to the team airport.
#[tokio::test]
async fn what_a_person_names_beside_the_resource_is_asked_too() {
    let mut world = World::of("ada otto").await;
    for (request, expected) in [
        ("GET /charge-points/cp-0001/charging-rules/rule-0001", (200, "hub")),
        ("GET /charge-points/cp-0003/charging-rules/rule-0001", (404, "gateway")),
        ("GET /charge-points/cp-none/charging-rules/rule-0001", (404, "gateway")),
        ("GET /charge-points", (200, "hub")),
        ("GET /charge-points?teamId=team-harbour", (200, "hub")),
        ("GET /charge-points?teamId=team-airport", (404, "gateway")),
        ("GET /charge-points?teamId=team-harbour&teamId=team-airport", (400, "gateway")),
        (
            "GET /charge-point-statistics/by-charge-point?chargePointIds=cp-0001,cp-0002",
            (200, "hub"),
        ),
        (
            "GET /charge-point-statistics/by-charge-point?chargePointIds=cp-0001&chargePointIds=cp-0002",
            (200, "hub"),
        ),
        (
            "GET /charge-point-statistics/by-charge-point?chargePointIds=cp-0001,cp-0003",
            (404, "gateway"),
        ),
        (
            "GET /charge-point-statistics/by-charge-point?chargePointIds=cp-0001%2Ccp-0003",
            (404, "gateway"),
        ),
        (
            "GET /charge-point-statistics/by-charge-point?chargePointIds=cp-0001&chargePointIds=cp-0003",
            (404, "gateway"),
        ),
        ("GET /charge-point-statistics/by-charge-point?chargePointIds[]=cp-0003", (400, "gateway")),
    ] {
        assert_eq!(person(&mut world, "otto", request, "").await, expected, "{request}");
    }
    let many = vec!["cp-0001"; 65].join(",");
    let request = format!("GET /charge-point-statistics/by-charge-point?chargePointIds={many}");
    assert_eq!(person(&mut world, "ada", &request, "").await, (400, "gateway"));
    // Nothing tells a foreign id from one that is not there.
    let (foreign, _) = world.ask("otto", "GET", "/charge-points?teamId=team-airport", "").await;
    let (missing, _) = world.ask("otto", "GET", "/charge-points?teamId=team-none", "").await;
    let shape = |body: &str| {
        let mut body: Value = serde_json::from_str(body).unwrap();
        body.as_object_mut().unwrap().remove("instance");
        body
    };
    assert_eq!(shape(&foreign.body), shape(&missing.body));
}

#[tokio::test]
async fn ids_in_a_body_are_compared_with_the_set_the_hub_is_told() {
    let mut world = World::of("ada otto").await;
    let start = "POST /charges";
    // otto owns depot too, without the toggle to pay for charging from its wallet.
    for (team, expected) in [
        ("team-harbour", (200, "hub")),
        ("team-depot", (403, "hub")),
        ("team-airport", (403, "hub")),
        ("team-none", (403, "hub")),
    ] {
        let body = json!({"chargePointId": "cp-0001", "payingTeamId": team}).to_string();
        assert_eq!(person(&mut world, "otto", start, &body).await, expected, "{team}");
    }
    let body = json!({"chargePointId": "cp-0003", "payingTeamId": "team-harbour"}).to_string();
    assert_eq!(person(&mut world, "otto", start, &body).await, (404, "gateway"));
    // The operator's template keeps otto from making sites for depot, though he owns it; ada is the operator's.
    for (who, team, expected) in [
        ("otto", "team-harbour", (200, "hub")),
        ("otto", "team-depot", (403, "hub")),
        ("otto", "team-airport", (403, "hub")),
        ("ada", "team-airport", (200, "hub")),
        ("ada", "team-meadow", (403, "hub")),
    ] {
        let body = json!({ "teamId": team }).to_string();
        let request = "PATCH /sites/site-pier";
        assert_eq!(person(&mut world, who, request, &body).await, expected, "{who} {team}");
    }
    let body = json!({"name": "Pier"}).to_string();
    let (_, seen) = world.ask("otto", "PATCH", "/sites/site-pier", &body).await;
    let claims = seen[0].claims.clone().unwrap();
    assert!(claims.get("access").is_none());
    let within = json!(["Team::team-harbour"]);
    let access = json!({"types": ["Team"], "within": within, "without": []});
    let told = json!([{
        "properties": ["teamId"], "kind": "Team", "action": "sites:create", "access": access
    }]);
    assert_eq!(claims["body_access"], told);
    // What names no other ids carries no set.
    let (_, seen) = world.ask("otto", "GET", "/sites/site-pier", "").await;
    assert!(seen[0].claims.as_ref().unwrap().get("body_access").is_none());
}

/// A team pays for whoever has the toggle, be it its owner or a member, and for nobody while it is frozen.
#[tokio::test]
async fn a_team_that_pays_for_a_charge_is_asked_whether_one_may() {
    const HARBOUR: &str = "  { role = \"pay_in_shop\", on = \"Team::team-harbour\" },\n";
    const DEPOT: &str = "  { role = \"team_owner\", on = \"Team::team-depot\" },\n";
    // Everybody at the harbour gets the toggle; otto owns a frozen team besides, with the toggle.
    let mut world = World::changed("ada otto max vera", |tenant| {
        let file = tenant.join("members.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let toggle = "  { role = \"pay_for_charging\", on = \"Team::team-harbour\" },\n";
        let given = text.replacen(HARBOUR, &format!("{HARBOUR}{toggle}"), 1);
        assert_ne!(given, text);
        let frozen = "  { role = \"team_owner\", on = \"Team::team-frozen\" },\n  \
                      { role = \"pay_for_charging\", on = \"Team::team-frozen\" },\n";
        let more = given.replacen(DEPOT, &format!("{DEPOT}{frozen}"), 1);
        assert_ne!(more, given);
        std::fs::write(file, more).unwrap();
    })
    .await;
    for (who, charge_point, team, expected) in [
        ("otto", "cp-0001", "team-harbour", (200, "hub")),
        ("otto", "cp-0001", "team-depot", (403, "hub")),
        ("otto", "cp-0001", "team-frozen", (403, "hub")),
        ("max", "cp-0001", "team-harbour", (200, "hub")),
        ("max", "cp-0001", "team-depot", (403, "hub")),
        // A member without the toggle, and the operator's administrator: it is the team's wallet.
        ("vera", "cp-0003", "team-airport", (403, "hub")),
        ("ada", "cp-0001", "team-harbour", (403, "hub")),
        ("ada", "cp-0001", "team-frozen", (403, "hub")),
    ] {
        let body = json!({"chargePointId": charge_point, "payingTeamId": team}).to_string();
        assert_eq!(person(&mut world, who, "POST /charges", &body).await, expected, "{who} {team}");
    }
    // Without a team to pay, one pays oneself.
    let body = json!({"chargePointId": "cp-0003"}).to_string();
    assert_eq!(person(&mut world, "vera", "POST /charges", &body).await, (200, "hub"));
}

/// A key lets every team it covers pay, but for a frozen one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_lets_no_frozen_team_pay() {
    let world = World::of("").await;
    let roles = &["client=Operator::nordvolt-west"];
    let scopes = &["control-charging:write"];
    let key = NewKey { organisation: "nordvolt", name: "west", roles, scopes };
    let key = world.stage.create_key(&key).unwrap();
    for (team, expected) in [
        ("team-airport", (200, "hub")),
        ("team-frozen", (403, "hub")),
        ("team-harbour", (403, "hub")),
    ] {
        let body = json!({"chargePointId": "cp-0003", "payingTeamId": team}).to_string();
        assert_eq!(program(&world, &key, "POST /charges", &body).await, expected, "{team}");
    }
}

/// A key for one team reaches as far as the team, whatever id it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_one_team_names_nothing_outside_it() {
    let world = World::of("").await;
    let roles = &["team_client=Team::team-harbour"];
    let scopes = &["all:delete"];
    let key = NewKey { organisation: "nordvolt", name: "harbour", roles, scopes };
    let key = world.stage.create_key(&key).unwrap();
    for (request, body, expected) in [
        ("GET /charge-points/cp-0001/charging-rules/rule-0001", "", (200, "hub")),
        ("GET /charge-points/cp-0003/charging-rules/rule-0001", "", (404, "gateway")),
        ("DELETE /charge-points/cp-0003/charging-rules/rule-0001", "", (404, "gateway")),
        ("GET /charges?teamId=team-harbour", "", (200, "hub")),
        ("GET /charges?teamId=team-airport", "", (404, "gateway")),
        (
            "GET /charge-point-statistics/by-charge-point?chargePointIds=cp-0001,cp-0002",
            "",
            (200, "hub"),
        ),
        (
            "GET /charge-point-statistics/by-charge-point?chargePointIds=cp-0001,cp-0003",
            "",
            (404, "gateway"),
        ),
        ("PATCH /sites/site-pier", "{\"teamId\":\"team-harbour\"}", (200, "hub")),
        ("PATCH /sites/site-pier", "{\"teamId\":\"team-airport\"}", (403, "hub")),
        (
            "POST /charges",
            "{\"chargePointId\":\"cp-0001\",\"payingTeamId\":\"team-harbour\"}",
            (200, "hub"),
        ),
        (
            "POST /charges",
            "{\"chargePointId\":\"cp-0001\",\"payingTeamId\":\"team-airport\"}",
            (403, "hub"),
        ),
    ] {
        assert_eq!(program(&world, &key, request, body).await, expected, "{request} {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_tells_every_question() {
    let mut world = World::of("otto").await;
    let path = "/charge-point-statistics/by-charge-point?chargePointIds=cp-0001";
    person(&mut world, "otto", &format!("GET {path}"), "").await;
    person(&mut world, "otto", &format!("GET {path},cp-0003"), "").await;
    person(&mut world, "otto", "PATCH /sites/site-pier", "{\"name\":\"Pier\"}").await;
    let shown = ["log", "tail", "-n", "100", "--json"];
    let shown = world.stage.run(&shown).unwrap();
    let lines = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let records: Vec<Value> = lines
        .filter(|line| line["kind"] == "decision" && line["who"]["principal"] == "User::otto")
        .collect();
    let of = |route: &str| -> Vec<&Value> {
        records.iter().filter(|record| record["what"]["route"] == route).collect()
    };
    let [allowed, denied] = of("get-charge-point-statistics")[..] else { panic!("{shown}") };
    let told = |record: &Value| -> Vec<(String, String)> {
        let also = record["what"]["also"].as_array().unwrap().iter();
        also.map(|one| {
            assert_eq!(one["action"], "charge-points:view");
            (one["resource"].as_str().unwrap().into(), one["effect"].as_str().unwrap().into())
        })
        .collect()
    };
    let one = ("ChargePoint::cp-0001".to_owned(), "allow".to_owned());
    assert_eq!(told(allowed), std::slice::from_ref(&one));
    assert_eq!(allowed["decision"]["effect"], "allow");
    assert!(!allowed["what"]["also"][0]["policies"].as_array().unwrap().is_empty());
    let other = ("ChargePoint::cp-0003".to_owned(), "deny".to_owned());
    assert_eq!(told(denied), [one, other]);
    assert_eq!(denied["decision"]["effect"], "deny");
    let [patched] = of("patch-site")[..] else { panic!("{shown}") };
    assert_eq!(patched["what"]["body_access"].as_str().map(str::len), Some(64));
    assert!(patched["what"].get("also").is_none());
}
