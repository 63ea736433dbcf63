//! Which connection, and what a login leaves behind.

use super::super::cookies::OPEN_MAX;
use super::fixture::{Browser, World, location, page};
use crate::authn::SignInError;
use crate::model::{Dependency, Malformed, Refusal};

#[tokio::test]
async fn an_organisation_or_a_domain_chooses_the_connection() {
    let world = World::new();
    let cases = [
        ("organisation=north", "https://main.north.example/authorize"),
        ("organisation=NORTH", "https://main.north.example/authorize"),
        ("login=north", "https://main.north.example/authorize"),
        ("email=ada%40main.north.example", "https://main.north.example/authorize"),
        ("login=ada%40Partners.South.example", "https://partners.south.example/authorize"),
        ("organisation=south&connection=staff", "https://staff.south.example/authorize"),
    ];
    for (query, expected) in cases {
        let mut browser = Browser::default();
        let target = format!("/.hubgate/sign-in?{query}");
        let went = location(browser.get(&world, &target).await);
        assert!(went.starts_with(expected), "{query}: {went}");
    }
}

#[tokio::test]
async fn an_organisations_own_host_leads_to_its_connections_only() {
    let world = World::new();
    let mut browser = Browser { authority: Some("south.example:8443"), ..Browser::default() };
    let asks = page(browser.get(&world, "/.hubgate/sign-in?organisation=north").await);
    assert!(asks.contains("south staff") && asks.contains("south partners"), "{asks}");
    let asked = browser.start(&world, "connection=staff&organisation=north").await;
    assert_eq!(asked["redirect_uri"], "https://south.example:8443/.hubgate/callback/south/staff");
}

#[tokio::test]
async fn asks_when_nothing_or_nothing_known_was_said() {
    let world = World::new();
    for query in ["", "organisation=unknown", "email=a%40b%40main.north.example", "login=%22%3E"] {
        let mut browser = Browser::default();
        let target = format!("/.hubgate/sign-in?{query}&return_to=%2Fteams");
        let asks = page(browser.get(&world, &target).await);
        assert!(asks.contains("Work e-mail or organisation"), "{query}");
        assert!(asks.contains(r#"name="return_to" value="/teams""#), "{query}");
        assert!(!asks.contains("\"\">"), "{query}: {asks}");
        assert!(browser.jar.is_empty(), "{query}");
    }
}

#[tokio::test]
async fn a_disabled_connection_starts_no_login() {
    let mut world = World::new();
    world.directory = super::fixture::directory(false);
    let mut browser = Browser::default();
    let asks = page(browser.get(&world, "/.hubgate/sign-in?organisation=north").await);
    assert!(asks.contains("switched off"), "{asks}");
    let asks = page(browser.get(&world, "/.hubgate/sign-in?email=a%40main.north.example").await);
    assert!(asks.contains("Work e-mail"), "{asks}");
}

#[tokio::test]
async fn every_login_has_secrets_of_its_own_and_the_store_knows_hashes() {
    let world = World::new();
    let mut browser = Browser::default();
    let first = browser.start(&world, "organisation=north").await;
    let second = browser.start(&world, "organisation=north").await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(first[name], second[name], "{name}");
        assert!(first[name].len() >= 43, "{name}");
    }
    assert_eq!(browser.jar.len(), 2);
    let kept = world.transactions.kept.lock().unwrap();
    assert_eq!(kept.len(), 2);
    for transaction in kept.values() {
        let shown = format!("{transaction:?}");
        assert!(!shown.contains(&first["state"]) && !shown.contains(&first["nonce"]), "{shown}");
        assert!(browser.jar.values().all(|value| !shown.contains(value)), "{shown}");
    }
}

#[tokio::test]
async fn a_browser_keeps_at_most_32_open_logins_and_the_oldest_goes() {
    let world = World::new();
    let mut browser = Browser::default();
    browser.start(&world, "organisation=north").await;
    let oldest = browser.jar.keys().next().unwrap().clone();
    for _ in 0..OPEN_MAX + 8 {
        world.advance(std::time::Duration::from_secs(1));
        browser.start(&world, "organisation=north").await;
        assert!(browser.jar.len() <= OPEN_MAX);
    }
    assert_eq!(browser.jar.len(), OPEN_MAX);
    assert!(!browser.jar.contains_key(&oldest));
    let sent: usize = browser.jar.iter().map(|(n, v)| n.len() + v.len() + 3).sum();
    assert!(sent < 2048, "{sent}");
}

#[tokio::test]
async fn a_form_leads_on_by_a_page_and_a_link_by_a_redirect() {
    let world = World::new();
    let mut browser = Browser::default();
    let asks = page(browser.get(&world, "/.hubgate/sign-in?login=north&via=page").await);
    assert!(asks.contains(r#"http-equiv="refresh""#), "{asks}");
    assert!(asks.contains("https://main.north.example/authorize?redirect_uri="), "{asks}");
}

#[tokio::test]
async fn scripts_repeated_parameters_and_other_methods_are_refused() {
    let world = World::new();
    let mut script = Browser::default();
    script.headers.push(("sec-fetch-mode", String::from("cors")));
    let refusal = script.get(&world, "/.hubgate/sign-in?organisation=north").await.unwrap_err();
    assert_eq!(refusal, Refusal::CredentialMissing);

    let mut browser = Browser::default();
    let twice = "/.hubgate/sign-in?organisation=north&organisation=south";
    let refusal = browser.get(&world, twice).await.unwrap_err();
    assert_eq!(refusal, Refusal::Malformed(Malformed::Parameter));
    let refusal = browser.post(&world, "/.hubgate/sign-in", "").await.unwrap_err();
    assert_eq!(refusal, Refusal::MethodNotAllowed { allow: String::from("GET") });
    let refusal = browser.get(&world, "/.hubgate/else").await.unwrap_err();
    assert_eq!(refusal, Refusal::RouteNotFound);
}

#[tokio::test]
async fn an_outage_refuses_and_leaves_nothing_behind() {
    let world = World::new();
    let mut browser = Browser::default();
    *world.relying_party.fails.lock().unwrap() = Some(SignInError::Unreachable(String::new()));
    let refusal = browser.get(&world, "/.hubgate/sign-in?organisation=north").await.unwrap_err();
    assert_eq!(refusal, Refusal::Unavailable(Dependency::IdentityProvider));
    *world.relying_party.fails.lock().unwrap() = None;
    *world.transactions.down.lock().unwrap() = true;
    let refusal = browser.get(&world, "/.hubgate/sign-in?organisation=north").await.unwrap_err();
    assert_eq!(refusal, Refusal::Unavailable(Dependency::Store));
    assert!(browser.jar.is_empty());
}
