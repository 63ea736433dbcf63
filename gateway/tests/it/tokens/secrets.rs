//! No secret of a client or token is anywhere but with its client.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hubgate_testkit::raw_client::RawClient;

use super::world::{World, json_of};
use crate::support::{PATIENCE, head};

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
}

/// The spellings a secret may leak in.
fn spellings(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let url: String = secret.bytes().fold(String::new(), |url, byte| format!("{url}%{byte:02X}"));
    let encoded = |text: String| text.trim_end_matches('=').to_owned();
    vec![
        secret.to_owned(),
        encoded(STANDARD.encode(secret)),
        URL_SAFE_NO_PAD.encode(secret),
        hex.to_uppercase(),
        hex,
        url.to_lowercase(),
        url,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_log_state_metrics_or_messages() {
    let world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    let first = json_of(&world.exchange(&client).await);
    let text = |name: &str| first[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text("accessToken"), text("refreshToken"));
    let second = json_of(&world.refresh(&refresh).await);
    let mut secrets = vec![client.secret.clone(), access.clone(), refresh.clone()];
    for name in ["accessToken", "refreshToken"] {
        secrets.push(second[name].as_str().unwrap().to_owned());
    }
    // Where people put them by mistake.
    world.team(&access).await;
    world.get(&format!("/teams/{access}"), &access).await;
    world.ask("GET", &format!("/teams/x?access_token={access}"), &[], None).await;
    world.ask("GET", &format!("/teams/x?{refresh}=1"), &[], None).await;
    world.ask("GET", "/teams/x", &[("user-agent", &refresh)], None).await;
    world.exchange(&client.with_secret(&access)).await;
    world.introspect(&client, &access).await;
    world.revoke(&client, &second["accessToken"].as_str().unwrap().replace('_', "-")).await;
    world.refresh(&format!("{refresh}x")).await;

    let mut metrics = RawClient::connect(world.gateway.observe_addr(), PATIENCE).await.unwrap();
    metrics.send(&head("GET /metrics", &[("connection", "close")], None)).await.unwrap();
    let metrics = metrics.read_answer(false).await.unwrap();
    assert_eq!(metrics.status, 200);
    let mut places = vec![("metrics".to_owned(), metrics.body)];
    files(world.gateway.folder(), &mut places);
    assert!(places.iter().any(|(name, _)| name.contains("/log/")), "{places:?}");
    assert!(places.iter().any(|(name, _)| name.contains("sqlite")));
    for secret in &secrets {
        // What follows the id, so that ids may be told.
        let secret = secret.splitn(3, '_').nth(2).unwrap();
        for spelling in spellings(secret) {
            for (name, bytes) in &places {
                let hit = bytes.windows(spelling.len()).any(|window| window == spelling.as_bytes());
                assert!(!hit, "a secret is in {name}");
            }
        }
    }
}
