//! Reloads under load: no request fails, and each is decided by the one snapshot its record names.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hubgate_testkit::raw_client::RawClient;

use super::{FORBID_LISTING, OWN_POLICY, allow_own_policies};
use crate::support::{Gateway, HOST, PATIENCE, wait_until};

/// The reloads that were taken over.
const TAKEN: &str = "hubgate_reloads_total{result=\"taken\"}";
/// Clients at once.
const CLIENTS: usize = 4;
/// Changes of policy, each a reload.
const CHANGES: usize = 10;

/// Asks over one kept connection until told to stop; gives status and decision of each answer.
async fn ask(gateway: &Gateway, stop: &AtomicBool) -> Vec<(u16, String)> {
    let mut client = RawClient::connect(gateway.http_addr(), PATIENCE).await.unwrap();
    let key = gateway.api_key();
    let head =
        format!("GET /echo/load HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\r\n");
    let mut answers = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        client.send(head.as_bytes()).await.unwrap();
        let answer = client.read_answer(false).await.unwrap();
        answers.push((answer.status, answer.field("hubgate-request-id").unwrap().to_owned()));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    answers
}

async fn swap_policies(gateway: &Gateway, stop: &AtomicBool) {
    for change in 0..CHANGES {
        let policy = if change % 2 == 0 { FORBID_LISTING } else { "" };
        let before = gateway.metric(TAKEN).await;
        gateway.write(OWN_POLICY, policy);
        wait_until("the change is taken over", async || gateway.metric(TAKEN).await > before).await;
        // For a while, what came into force answers.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
}

#[tokio::test]
async fn contradictory_policies_swap_without_a_failed_or_mixed_up_request() {
    let gateway = Gateway::start().await;
    allow_own_policies(&gateway);
    let stop = AtomicBool::new(false);
    let clients = futures_util::future::join_all((0..CLIENTS).map(|_| ask(&gateway, &stop)));
    let (answers, ()) = tokio::join!(clients, swap_policies(&gateway, &stop));
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    let lines = gateway.log_lines();
    let decisions: HashMap<&str, (&str, &str)> = lines
        .iter()
        .filter(|line| line["kind"] == "decision")
        .map(|line| {
            let effect = line["decision"]["effect"].as_str().unwrap();
            (line["id"].as_str().unwrap(), (line["snapshot"].as_str().unwrap(), effect))
        })
        .collect();
    let mut by_snapshot: HashMap<&str, &str> = HashMap::new();
    let mut counts: HashMap<u16, usize> = HashMap::new();
    for (status, id) in &answers {
        let (snapshot, effect) = decisions[id.as_str()];
        let expected = if effect == "allow" { 200 } else { 403 };
        let record = || lines.iter().find(|line| line["id"] == *id);
        assert_eq!(*status, expected, "the answer is what the record says: {:?}", record());
        let first = by_snapshot.entry(snapshot).or_insert(effect);
        assert_eq!(*first, effect, "one snapshot, one answer: {snapshot}");
        *counts.entry(*status).or_default() += 1;
    }
    assert!(counts[&200] > 20 && counts[&403] > 20, "{counts:?}");
    assert!(by_snapshot.len() >= 2, "{by_snapshot:?}");
    let loaded = lines.iter().filter(|line| line["event"] == "config_loaded").count();
    assert!(loaded > 4, "{loaded} snapshots came into force");
    let allowed = counts[&200];
    assert_eq!(gateway.upstream_requests().len(), allowed, "what was denied was not sent");
}
