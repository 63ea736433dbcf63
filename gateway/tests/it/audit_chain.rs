//! The decision log from outside: a record for every answer, before anything is done; found changes;
//! what the command line shows; what a start does about a torn tail.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test stops at what it did not expect"
)]

use std::io::Write as _;
use std::path::PathBuf;

use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::recording_upstream::Behaviour;
use serde_json::Value;

use crate::support::{Gateway, PATIENCE, decision_of, head, wait_until};

/// The segment the serving process writes.
fn served_segment(gateway: &Gateway) -> PathBuf {
    let shards = std::fs::read_dir(gateway.folder().join("log")).unwrap().flatten();
    let segments = shards.map(|shard| shard.path().join("00000001.jsonl"));
    let started = |path: &PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"gateway_started\""))
    };
    let mut served: Vec<_> = segments.filter(started).collect();
    served.sort();
    served.pop().unwrap()
}

fn verify(gateway: &Gateway) -> (bool, String) {
    let output = gateway.run(&["log", "verify"]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Requests of every sort, each with the effect and reason its record must have.
async fn ask_of_every_sort(gateway: &Gateway) -> Vec<(RawAnswer, &'static str, &'static str)> {
    let key = gateway.api_key();
    let bearer = format!("Bearer {key}");
    let authorization = ("Authorization", bearer.as_str());
    let ask = async |line: &str, fields: &[(&str, &str)]| gateway.ask(line, fields, None).await;
    vec![
        (gateway.get("/teams/team-harbour", key).await, "allow", "permitted"),
        (
            gateway.request("POST", "/wallets/wallet-harbour/withdraw", key).await,
            "allow",
            "permitted",
        ),
        (ask("GET /.hubgate/jwks.json", &[]).await, "allow", "gateway_endpoint"),
        (gateway.get("/teams/none", key).await, "deny", "unknown_resource"),
        (
            gateway.request("POST", "/wallets/wallet-frozen/withdraw", key).await,
            "deny",
            "forbidden",
        ),
        (gateway.get("/nope", key).await, "refuse", "route_not_found"),
        (gateway.request("DELETE", "/echo/a", key).await, "refuse", "method_not_allowed"),
        (ask("GET /echo/a", &[]).await, "refuse", "credential_missing"),
        (ask("GET /echo/a", &[("Accept", "text/html")]).await, "refuse", "sign_in_needed"),
        (gateway.get("/echo/a", "hg_x").await, "refuse", "credential_invalid"),
        (ask("GET /echo/../a", &[authorization]).await, "refuse", "path_not_canonical"),
        (ask("GET /echo/a", &[("Host", "x.localhost")]).await, "refuse", "unknown_host"),
        (
            ask("GET /echo/a", &[authorization, ("Hubgate-Assertion", "x")]).await,
            "refuse",
            "reserved_field",
        ),
        (gateway.post_json("/freeze", key, "{}").await, "refuse", "malformed_body"),
        (
            ask("GET /echo/a", &[authorization, ("X-Fill", &"a".repeat(20_000))]).await,
            "refuse",
            "head_too_large",
        ),
    ]
}

#[tokio::test]
async fn every_answer_has_its_records_and_nothing_else_has() {
    let gateway = Gateway::start().await;
    let answered = ask_of_every_sort(&gateway).await;
    for (answer, effect, reason) in &answered {
        let what = format!("{effect} {reason}: {}", answer.head_text);
        let allowed = *effect == "allow";
        let records = gateway.records_of(decision_of(answer), if allowed { 2 } else { 1 }).await;
        assert_eq!(records[0]["kind"], "decision", "{what}");
        assert_eq!(records[0]["decision"]["effect"], *effect, "{what}");
        assert_eq!(records[0]["decision"]["reason"], *reason, "{what}");
        if allowed {
            let (decision, outcome) = (&records[0], &records[1]);
            assert_eq!(outcome["kind"], "outcome", "{what}");
            assert_eq!(outcome["decision_id"], decision["id"], "{what}");
            assert_eq!(outcome["status"], answer.status, "{what}");
            assert!(outcome["seq"].as_u64() > decision["seq"].as_u64(), "{what}");
            assert_eq!(outcome["first_byte_sent"], *reason == "permitted", "{what}");
        }
    }
    let is_request = |line: &&Value| line["kind"] == "decision";
    assert_eq!(gateway.log_lines().iter().filter(is_request).count(), answered.len());
    let (intact, said) = verify(&gateway);
    assert!(intact && said.contains("intact"), "{said}");
}

#[tokio::test]
async fn the_decision_is_in_the_log_before_the_upstream_has_the_request() {
    let gateway = Gateway::start().await;
    gateway.upstream().behave(Behaviour::HangAfterHead);
    let bearer = format!("Bearer {}", gateway.api_key());
    let fields = [("Authorization", bearer.as_str())];
    let mut open = Vec::new();
    // The usual durability, and the strict one.
    for (count, line) in
        ["GET /echo/a", "POST /wallets/wallet-harbour/withdraw"].into_iter().enumerate()
    {
        let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
        client.send(&head(line, &fields, None)).await.unwrap();
        open.push(client);
        let seen = gateway.upstream().wait_for(count + 1, PATIENCE).await.unwrap();
        let decision = seen[count].field("hubgate-request-id").unwrap().to_owned();
        // Read at once: the record may not come later than the request.
        let lines = gateway.log_lines();
        let its: Vec<_> = lines
            .iter()
            .filter(|line| line["id"] == decision || line["decision_id"] == decision)
            .collect();
        assert_eq!(its.len(), 1, "{line}: the decision, and no outcome yet");
        assert_eq!(its[0]["decision"]["effect"], "allow", "{line}");
    }
    // A client that goes away has its outcome all the same.
    drop(open);
    let ids: Vec<Value> = gateway
        .log_lines()
        .into_iter()
        .filter(|line| line["kind"] == "decision")
        .map(|line| line["id"].clone())
        .collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        let records = gateway.records_of(id.as_str().unwrap(), 2).await;
        assert_eq!(records[1]["kind"], "outcome");
        assert_eq!(records[1]["first_byte_sent"], true);
        assert!(records[1].get("aborted").is_some(), "{}", records[1]);
    }
}

#[tokio::test]
async fn any_change_is_found() {
    let mut gateway = Gateway::start().await;
    for path in ["/echo/a", "/teams/none", "/nope", "/echo/b"] {
        gateway.get(path, gateway.api_key()).await;
    }
    gateway.kill();
    let segment = served_segment(&gateway);
    let good = std::fs::read(&segment).unwrap();
    assert!(verify(&gateway).0);

    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let mut flipped = good.clone();
    let middle = lines[..3].concat().len() + 100;
    flipped[middle] ^= 1;
    let deleted = [&lines[..3], &lines[4..]].concat().concat();
    let doubled = [&lines[..4], &lines[3..]].concat().concat();
    let swapped = [&lines[..3], &[lines[4], lines[3]], &lines[5..]].concat().concat();
    for (what, line, bad) in [
        ("flipped", 4, flipped),
        ("deleted", 4, deleted),
        ("doubled", 5, doubled),
        ("swapped", 4, swapped),
    ] {
        std::fs::write(&segment, bad).unwrap();
        let (intact, said) = verify(&gateway);
        assert!(!intact && said.contains("BROKEN"), "{what}: {said}");
        assert!(
            said.contains(&format!("00000001.jsonl:{line}: ")),
            "{what}: the place is named: {said}"
        );
    }
    std::fs::write(&segment, good).unwrap();
    let (intact, said) = verify(&gateway);
    assert!(intact, "{said}");
}

#[tokio::test]
async fn the_tail_reads_well_and_filters() {
    let gateway = Gateway::start().await;
    let support = gateway.key_of("support_agent=Operator::nordvolt");
    let client = format!("ApiClient::{}", support.split('_').nth(1).unwrap());
    let allowed = gateway.get("/teams/team-harbour", gateway.api_key()).await;
    let denied = gateway.request("POST", "/wallets/wallet-harbour/withdraw", &support).await;
    let refused = gateway.get("/nope", gateway.api_key()).await;
    let last = |answer: &RawAnswer| {
        let id = decision_of(answer);
        id[id.len() - 8..].to_owned()
    };
    let records = gateway.records_of(decision_of(&allowed), 2).await;

    let tail = |arguments: &[&str]| {
        let output = gateway.run(&[&["log", "tail"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = tail(&[]);
    assert!(!all.contains('\u{1b}'), "no escape sequences into a pipe: {all:?}");
    let line_of = |words: &[&str]| {
        let mut lines = all.lines();
        let found = lines.find(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("no line with {words:?} in\n{all}")).to_owned()
    };
    line_of(&[&last(&allowed), "allow", "nordvolt", "GET", "/teams/team-harbour", "role-admin"]);
    line_of(&[&last(&allowed), "└ 200", "hub"]);
    let deny =
        line_of(&[&last(&denied), "deny", &client, "wallets:withdraw Wallet::wallet-harbour"]);
    let refuse = line_of(&[&last(&refused), "refuse", "/nope", "route_not_found"]);
    // Columns: the request stands below the request, however long the principal is.
    let column = |line: &str, word: &str| line[..line.find(word).unwrap()].chars().count();
    assert_eq!(column(&deny, "POST"), column(&refuse, "GET "), "\n{deny}\n{refuse}");

    let json = |arguments: &[&str]| -> Vec<Value> {
        let said = tail(&[&["--json"], arguments].concat());
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(json(&["--decision", decision_of(&allowed)]), records);
    assert_eq!(json(&["--decision", &last(&allowed)]), records, "as the short id is shown");
    let only = |arguments: &[&str], answer: &RawAnswer| {
        let found = json(arguments);
        assert_eq!(found.len(), 1, "{arguments:?}: {found:?}");
        assert_eq!(found[0]["id"], decision_of(answer), "{arguments:?}");
    };
    only(&["--effect", "deny"], &denied);
    only(&["--effect", "refuse"], &refused);
    only(&["--effect", "allow"], &allowed);
    only(&["--principal", &client], &denied);
    only(&["--reason", "route_not_found"], &refused);
    assert_eq!(json(&["--kind", "outcome"]), records[1..]);
    assert!(json(&["--tenant", "solarpark"]).is_empty());
    assert!(json(&["--tenant", "nordvolt", "--kind", "decision"]).len() == 2);
    assert_eq!(json(&["-n", "1"]).len(), 1);

    let wrong = gateway.run(&["log", "tail", "--effect", "denied"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("refuse"), "the choices are named");
}

#[tokio::test]
async fn a_torn_tail_is_cut_kept_aside_and_recorded() {
    let mut gateway = Gateway::start().await;
    gateway.get("/echo/a", gateway.api_key()).await;
    gateway.get("/nope", gateway.api_key()).await;
    gateway.kill();
    let segment = served_segment(&gateway);
    let good = std::fs::read(&segment).unwrap();
    let half = br#"{"seq":99,"prev":"0123","v":1,"kind":"decision","id":"01a2"#;
    let mut file = std::fs::OpenOptions::new().append(true).open(&segment).unwrap();
    file.write_all(half).unwrap();
    drop(file);
    let (intact, said) = verify(&gateway);
    assert!(!intact && said.contains("torn"), "{said}");

    gateway.restart().await;
    let recovered = gateway.wait_for_line(|line| line["event"] == "recovered").await;
    assert_eq!(recovered["cut_bytes"], half.len());
    let shard = segment.parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert_eq!(recovered["shard"], shard);
    assert_eq!(std::fs::read(&segment).unwrap(), good, "what was whole stays");
    assert_eq!(std::fs::read(segment.with_extension("torn")).unwrap(), half, "evidence");
    assert_eq!(gateway.get("/echo/a", gateway.api_key()).await.status, 200);
    wait_until("the log is whole again", async || verify(&gateway).0).await;
    let shown = gateway.run(&["log", "tail", "-n", "100"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("recovered shard {shard}")), "{shown}");
}
