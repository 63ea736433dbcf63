//! What a refused person reads.

use http::StatusCode;
use hubgate_testkit::openid_provider::Behaviour;

use super::TEAM;
use super::world::{Page, World};

/// Checks what every page of a refusal has, and gives the decision id it shows.
fn checked(page: &Page, status: StatusCode, words: &str) -> String {
    assert_eq!(page.status, status, "{}", page.body);
    assert!(page.body.contains(words), "{}", page.body);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["x-frame-options"], "DENY");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let id = page.headers["hubgate-request-id"].to_str().unwrap().to_owned();
    assert!(page.body.contains(&id), "{}", page.body);
    id
}

#[tokio::test]
async fn a_denial_shows_its_reason_and_an_id_that_is_in_the_log() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada").await;
    let path = "/api/v1/wallets/wallet-frozen/withdraw";
    let page = browser.post(path, "", &world.stage.hub_url()).await;
    let id = checked(&page, StatusCode::FORBIDDEN, "The team is frozen: it cannot pay.");
    let line = world.logged(|line| line["id"] == id.as_str()).await;
    assert_eq!(line["decision"]["reason"], "forbidden", "{line}");
}

#[tokio::test]
async fn what_is_not_there_and_what_may_not_be_seen_have_pages() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada").await;
    checked(&browser.get("/nowhere").await, StatusCode::NOT_FOUND, "There is nothing at this path");
    let other = browser.get("/api/v1/teams/team-meadow").await;
    checked(&other, StatusCode::NOT_FOUND, "There is nothing at this path");
    let mut support = world.signed_in("sam").await;
    let denied =
        support.post("/api/v1/charge-points/cp-0001/reboot", "", &world.stage.hub_url()).await;
    checked(&denied, StatusCode::FORBIDDEN, "<li>Ada Admin</li>");
}

#[tokio::test]
async fn too_many_requests_have_a_page_that_says_when_to_come_back() {
    let world = World::with_limit(4).await;
    let mut browser = world.browser();
    for _ in 0..8 {
        let page = browser.get("/.hubgate/sign-in").await;
        if page.status != StatusCode::OK {
            checked(&page, StatusCode::TOO_MANY_REQUESTS, "Too many requests");
            assert!(page.headers.contains_key("retry-after"));
            return;
        }
    }
    panic!("the limit does not hold");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_a_page_and_no_session() {
    let world = World::start().await;
    let status = [(String::from("/.well-known/openid-configuration"), 500)].into();
    world.provider.behave(Behaviour { status, ..Behaviour::default() });
    let mut browser = world.browser();
    let page = browser.get("/.hubgate/sign-in?organisation=nordvolt").await;
    checked(&page, StatusCode::SERVICE_UNAVAILABLE, "identity_provider_unavailable");
    assert_eq!(page.headers["retry-after"], "1");
    assert!(browser.jar.is_empty());
    assert_eq!(browser.get(TEAM).await.status, StatusCode::SEE_OTHER);
}
