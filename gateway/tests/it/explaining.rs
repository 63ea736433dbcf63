//! What `hubgate policy explain|who-can|what-can` tell, on the demo organisations of this repository.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::cli::{GOOD, folder, said};
use crate::feeds::world::{World, teams};
use crate::support::{Gateway, run_in};

/// Exit code, standard output and standard error of `hubgate policy …`.
fn policy(line: &str) -> (i32, String, String) {
    let folder = folder(GOOD);
    let arguments: Vec<&str> = std::iter::once("policy").chain(line.split(' ')).collect();
    let output = run_in(folder.path(), &arguments);
    for name in ["log", "state"] {
        assert!(!folder.path().join(name).exists(), "`{line}` wrote {name}");
    }
    said(&output)
}

fn told(line: &str) -> String {
    let (code, out, err) = policy(line);
    assert_eq!((code, err.as_str()), (0, ""), "{line}");
    out
}

fn json(line: &str) -> Value {
    serde_json::from_str(&told(&format!("{line} --json"))).unwrap()
}

const FROZEN: &str = "explain --tenant nordvolt --principal User::bea \
                      --action wallets:withdraw --resource Wallet::wallet-frozen";

#[test]
fn a_denial_is_explained_with_policies_values_remedy_and_who_can_bring_it_about() {
    let line = FROZEN.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = told(&line);
    for part in [
        "DENIED  User::bea  wallets:withdraw  Wallet::wallet-frozen  (forbidden)",
        "The team is frozen",
        "Decided by\n  forbid guard-frozen-team-pays  satisfied  policies/guard-rails/frozen-teams.cedar:",
        "@log strict",
        "resource.team.frozen = true",
        "principal.roles.bookkeeper = {Operator::nordvolt}",
        "change frozen of Team::team-frozen from true to false",
        "who may: ada, ",
        "(teams:unfreeze on Team::team-frozen)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no escape sequences into a pipe");

    let told = json(&line);
    assert_eq!((&told["allowed"], &told["code"]), (&Value::from(false), &Value::from("forbidden")));
    let deciding: Vec<&Value> =
        told["policies"].as_array().unwrap().iter().filter(|p| p["decides"] == true).collect();
    assert_eq!(deciding[0]["id"], "guard-frozen-team-pays");
    assert_eq!(told["remedies"][0]["changes"][0]["attribute"], "frozen");
    assert_eq!(told["who"][0][0]["members"][0], "ada");
}

#[test]
fn a_missing_role_is_the_remedy_on_the_nearest_node() {
    let told = json(
        "explain --tenant nordvolt --principal User::sam --action charge-points:reboot \
         --resource ChargePoint::cp-0001"
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .as_str(),
    );
    assert_eq!(told["code"], "no_permit");
    let remedies = told["remedies"].as_array().unwrap();
    let operators = |remedy: &&Value| remedy["changes"][0]["role"] == "operations_manager";
    let change = &remedies.iter().find(operators).unwrap()["changes"][0];
    assert_eq!(change["on"], "Operator::nordvolt-east");
    let opens: Vec<u64> = remedies.iter().map(|r| r["opens"].as_u64().unwrap()).collect();
    assert!(opens.is_sorted(), "{opens:?}");
}

#[test]
fn who_can_names_members_policies_and_roles() {
    let told = json("who-can wallets:withdraw Wallet::wallet-airport --tenant nordvolt");
    let members: Vec<&str> = told["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["member"].as_str().unwrap())
        .collect();
    assert!(members.contains(&"ada") && members.contains(&"bea"), "{members:?}");
    assert!(!members.contains(&"oskar") && !members.contains(&"sam"), "{members:?}");
    let roles = told["roles"].as_array().unwrap();
    let bookkeeper = roles.iter().find(|role| role["role"] == "bookkeeper").unwrap();
    assert_eq!(bookkeeper["on"][0], "Operator::nordvolt-west", "nearest first");
    assert!(!roles.iter().any(|role| role["role"] == "operations_manager"), "{roles:?}");
}

#[test]
fn what_can_tells_the_access_set_of_each_action() {
    let told = json("what-can User::edda --tenant nordvolt");
    let teams = told.as_array().unwrap().iter().find(|it| it["action"] == "teams:list").unwrap();
    assert_eq!(teams["access"]["within"], serde_json::json!(["Operator::nordvolt-east"]));
    let line = "what-can User::edda --tenant nordvolt --on Team::team-airport";
    let foreign = json(line);
    let west: Vec<&str> =
        foreign.as_array().unwrap().iter().filter_map(|it| it["action"].as_str()).collect();
    assert!(!west.iter().any(|action| action.starts_with("teams:")), "{west:?}");
}

#[test]
fn what_is_misspelt_or_missing_is_told_with_advice() {
    for (line, advice) in [
        ("what-can User::aad --tenant nordvolt", "did you mean `ada`?"),
        ("what-can User::ada --tenant nordvold", "did you mean `nordvolt`?"),
        ("who-can teams:viw Team::team-airport --tenant nordvolt", "did you mean `teams:view`?"),
        ("who-can teams:view Team::nowhere --tenant nordvolt", "no `Team::nowhere`"),
        ("what-can Robot::x --tenant nordvolt", "no type of principal `Robot`"),
        ("what-can ApiClient::abc --tenant nordvolt", "no API key `abc`"),
        ("what-can User::ada --tenant nordvolt --at noon", "`noon` is no time"),
        ("explain --tenant nordvolt --principal User::ada --action teams:view", "--resource"),
        ("explain --decision 0191 --tenant nordvolt", "cannot be used with"),
    ] {
        let (code, out, err) = policy(line);
        assert_eq!((code, out.as_str()), (64, ""), "{line}: {err}");
        assert!(err.contains(advice), "{line}: {err}");
    }
}

/// What `hubgate policy explain --decision <id>` says beside a gateway: text and JSON.
fn explained(gateway: &Gateway, id: &str) -> (String, Value) {
    let line = ["policy", "explain", "--decision", id];
    let (code, text, err) = said(&gateway.run(&line));
    assert_eq!((code, err.as_str()), (0, ""), "{id}");
    let (_, json, _) = said(&gateway.run(&[&line[..], &["--json"]].concat()));
    (text, serde_json::from_str(&json).unwrap())
}

/// The id of the decision about the newest request for `path`.
async fn decided(gateway: &Gateway, path: &str) -> String {
    let line = gateway.wait_for_line(|line| line["what"]["path"] == path).await;
    line["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn decisions_of_a_real_log_are_explained_also_after_a_restart_and_a_change() {
    const TEAM: &str = "/teams/team-harbour";
    const WITHDRAW: &str = "/wallets/wallet-frozen/withdraw";
    let mut gateway = Gateway::start().await;
    let key = gateway.api_key().to_owned();
    assert_eq!(gateway.get(TEAM, &key).await.status, 200);
    assert_eq!(gateway.request("POST", WITHDRAW, &key).await.status, 403);
    assert_eq!(gateway.get("/nowhere", &key).await.status, 404);
    let (allowed, denied) = (decided(&gateway, TEAM).await, decided(&gateway, WITHDRAW).await);

    let (text, told) = explained(&gateway, &allowed);
    for part in ["ALLOWED  ApiClient::", "teams:view  Team::team-harbour", "Decided by", &allowed] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("since") && !text.contains("not the ones"), "{text}");
    let then = &told["recorded"];
    assert_eq!((&then["effect"], &then["same_answer"]), (&"allow".into(), &true.into()), "{told}");
    assert_eq!(then["same_snapshot"], true, "the files are those it was decided under: {told}");

    // Typed otherwise, the settings file is the same.
    let told = Command::new(env!("CARGO_BIN_EXE_hubgate"))
        .args(["policy", "explain", "--json", "--decision", &allowed])
        .current_dir(gateway.folder())
        .env("HUBGATE_DEMO_CLIENT_SECRET", "demo-secret")
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["recorded"]["same_snapshot"], true, "{told}");

    // The beginning of the id is enough.
    let (text, told) = explained(&gateway, denied.get(..30).unwrap());
    for part in [
        "DENIED  ApiClient::",
        "The team is frozen",
        "forbid guard-frozen-team-pays  satisfied",
        "resource.team.frozen = true",
        "change frozen of Team::team-frozen from true to false",
        "who may: ada, ",
        "(teams:unfreeze on Team::team-frozen)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(told["recorded"]["policies"], serde_json::json!(["guard-frozen-team-pays"]));
    assert_eq!(told["recorded"]["decision"], Value::from(denied.as_str()));
    assert_eq!(told["recorded"]["same_answer"], true);

    for (id, advice) in [
        ("ffffffff-no-such", "the log has no decision `ffffffff-no-such`"),
        (&decided(&gateway, "/nowhere").await, "no policy was asked in that decision"),
    ] {
        let (code, out, err) = said(&gateway.run(&["policy", "explain", "--decision", id]));
        assert_eq!((code, out.as_str()), (64, ""), "{err}");
        assert!(err.contains(advice), "{err}");
    }

    // The next process writes another shard; the team is thawed meanwhile.
    gateway.kill();
    let thawed = gateway.read("tenants/nordvolt/resources.ndjson");
    let thawed = thawed.replace("\"frozen\": true", "\"frozen\": false");
    gateway.write("tenants/nordvolt/resources.ndjson", &thawed);
    gateway.restart().await;
    let (text, told) = explained(&gateway, &denied);
    assert!(text.contains("It would be decided otherwise now"), "{text}");
    assert!(text.contains("deny (forbidden by guard-frozen-team-pays)"), "{text}");
    assert_eq!((&told["allowed"], &told["recorded"]["effect"]), (&true.into(), &"deny".into()));
    assert_eq!(told["recorded"]["same_answer"], false);
    let (text, told) = explained(&gateway, &allowed);
    assert!(text.contains("not the ones it was decided under; the answer is the same"), "{text}");
    assert_eq!(
        (&told["allowed"], &told["recorded"]["same_snapshot"]),
        (&true.into(), &false.into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_of_the_gateway_itself_are_explained_with_their_scopes() {
    const PUSH: &str = "/v1/organisations/nordvolt/resources";
    let world = World::start().await;
    assert_eq!(world.put("", &teams(1..=1)).await.status, 200);
    let (text, told) = explained(&world.gateway, &decided(&world.gateway, PUSH).await);
    for part in ["ALLOWED  ApiClient::", "directory:push  Operator::nordvolt"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("since"), "{text}");
    assert_eq!(told["recorded"]["same_answer"], true, "{told}");
}

/// Every file of the log below `folder`.
fn shards(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[tokio::test]
async fn what_the_policies_did_not_refuse_is_not_compared_with_their_answer() {
    const TEAM: &str = "/teams/team-harbour";
    let mut gateway = Gateway::start().await;
    let key = gateway.api_key().to_owned();
    assert_eq!(gateway.get(TEAM, &key).await.status, 200);
    let id = decided(&gateway, TEAM).await;
    gateway.kill();
    // As the record of a socket that a page of another site opened.
    let permitted = "\"effect\":\"allow\",\"reason\":\"permitted\"";
    let refused = "\"effect\":\"refuse\",\"reason\":\"denied\"";
    let mut changed = 0;
    for shard in shards(gateway.folder().join("log")) {
        let Ok(text) = std::fs::read_to_string(&shard) else { continue };
        let replaced = |line: &str| {
            let its = line.contains(&id);
            if its { line.replace(permitted, refused) } else { line.to_owned() }
        };
        let other: String = text.split_inclusive('\n').map(replaced).collect();
        if other != text {
            std::fs::write(&shard, other).unwrap();
            changed += 1;
        }
    }
    assert_eq!(changed, 1);
    let (text, told) = explained(&gateway, &id);
    assert!(text.contains("It was refused for `denied`, which is not an answer"), "{text}");
    assert!(!text.contains("since") && !text.contains("not the ones"), "{text}");
    assert_eq!(told["recorded"]["effect"], "refuse");
    for key in ["same_answer", "same_snapshot"] {
        assert!(told["recorded"].get(key).is_none(), "{key}: {told}");
    }
}
