//! `kill -9` under load, again and again: no request reached the upstream without its allow in the log.
//!
//! The long run of the same test is `make crash`.

use std::collections::HashSet;
use std::net::SocketAddr;

use hubgate_testkit::raw_client::RawClient;

use crate::support::{Gateway, PATIENCE, head};

const CYCLES: usize = 5;
const CLIENTS: usize = 4;
/// Requests the upstream must have seen before each kill, so that it comes in the middle of things.
const REQUESTS_PER_CYCLE: usize = 60;

/// Asks on kept connections until the gateway is gone; returns how many answers came.
async fn load(address: SocketAddr, requests: Vec<Vec<u8>>) -> usize {
    let mut answered = 0;
    loop {
        let Ok(mut client) = RawClient::connect(address, PATIENCE).await else { return answered };
        for request in requests.iter().cycle() {
            if client.send(request).await.is_err() {
                break;
            }
            match client.read_answer(false).await {
                Ok(answer) => assert_eq!(answer.status, 200, "{}", answer.head_text),
                Err(_) => break,
            }
            answered += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_reaches_the_upstream_unrecorded_whenever_the_process_dies() {
    let mut gateway = Gateway::start().await;
    let authorization = format!("Bearer {}", gateway.api_key());
    let fields = [("Authorization", authorization.as_str())];
    let requests = vec![
        head("GET /echo/a", &fields, None),
        head("GET /teams/team-harbour", &fields, None),
        head("POST /echo/b", &fields, Some("a body")),
        head("POST /wallets/wallet-harbour/withdraw", &fields, None),
    ];
    let mut answered = 0;
    for cycle in 1..=CYCLES {
        let before = gateway.upstream().requests().len();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::spawn(load(gateway.http_addr(), requests.clone())))
            .collect();
        gateway.upstream().wait_for(before + REQUESTS_PER_CYCLE, PATIENCE).await.unwrap();
        gateway.kill();
        for client in clients {
            answered += client.await.unwrap();
        }
        gateway.restart().await;
        let verified = gateway.run(&["log", "verify"]);
        let said = String::from_utf8_lossy(&verified.stdout);
        assert!(verified.status.success(), "cycle {cycle}: {said}");
    }

    let lines = gateway.log_lines();
    let allowed: HashSet<&str> = lines
        .iter()
        .filter(|line| line["decision"]["effect"] == "allow")
        .filter_map(|line| line["id"].as_str())
        .collect();
    let seen = gateway.upstream().requests();
    assert!(seen.len() >= CYCLES * REQUESTS_PER_CYCLE);
    let ids: Vec<&str> =
        seen.iter().map(|request| request.field("hubgate-request-id").unwrap()).collect();
    let missing: Vec<&&str> = ids.iter().filter(|id| !allowed.contains(**id)).collect();
    assert!(missing.is_empty(), "{} of {} unrecorded: {missing:?}", missing.len(), ids.len());
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "each with an id of its own");
    assert!(answered <= ids.len(), "no answer came from anywhere else");
}
