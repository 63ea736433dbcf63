//! The end of a login, and everything that must not end one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::super::SignInEvent;
use super::fixture::{Browser, World, callback_target, code, directory, location, page};
use crate::authn::{SESSION_COOKIE, SignInError};
use crate::model::{Dependency, Refusal};

const PATH: &str = "/.hubgate/callback/north/main";

#[tokio::test]
async fn a_member_signs_in_and_returns_to_where_they_wanted() {
    let world = World::new();
    let mut browser = Browser::default();
    let asked = browser.start(&world, "organisation=north&return_to=%2Fteams%3Fq%3D1").await;
    let target = callback_target(&asked, "code=code-ada&iss=https%3A%2F%2Fmain.north.example");
    let answered = browser.get(&world, &target).await.unwrap();
    let Some(SignInEvent::SignedIn { person, member, session, replaced: None }) =
        &answered.event.clone()
    else {
        panic!("{:?}", answered.event)
    };
    assert_eq!(
        (person.subject.as_str(), person.issuer.as_str()),
        ("ada", "https://main.north.example")
    );
    assert_eq!(member.as_ref().unwrap().as_str(), "ada");
    assert_eq!(location(Ok(answered)).as_str(), "/teams?q=1");
    assert_eq!(browser.jar.keys().collect::<Vec<_>>(), [SESSION_COOKIE]);
    let id = &browser.jar[SESSION_COOKIE];
    assert_eq!(id.len(), 43);
    assert!(world.sessions.kept.lock().unwrap().keys().all(|key| key.to_string() != *id));

    let exchanged = world.relying_party.exchanged.lock().unwrap();
    let (connection, redirect_uri, verifier, nonce) = &exchanged[0];
    assert_eq!(connection.to_string(), "north/main");
    assert_eq!(*redirect_uri, asked["redirect_uri"]);
    assert_eq!(*nonce, asked["nonce"]);
    assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)), asked["code_challenge"]);
    assert!(world.sessions.kept.lock().unwrap().keys().any(|key| key.to_string() == *session));
}

#[tokio::test]
async fn a_stranger_is_signed_in_but_no_member() {
    let world = World::new();
    let mut browser = Browser::default();
    let answered = browser.sign_in(&world, "stranger<b>").await;
    assert!(matches!(answered.event, Some(SignInEvent::SignedIn { member: None, .. })));
    let shown = page(Ok(answered));
    assert!(shown.contains("has not made you a member"), "{shown}");
    assert!(
        shown.contains("Organisation north") && shown.contains("stranger&#60;b&#62;"),
        "{shown}"
    );
    assert!(browser.jar.contains_key(SESSION_COOKIE));
}

#[tokio::test]
async fn twenty_tabs_sign_in_at_once_in_any_order() {
    let world = World::new();
    let mut browser = Browser::default();
    let mut tabs = Vec::new();
    for tab in 0..20 {
        let query = format!("organisation=north&return_to=%2Ftab-{tab}");
        tabs.push((tab, browser.start(&world, &query).await));
    }
    for (tab, asked) in tabs.iter().rev() {
        let target = callback_target(asked, "code=code-ada");
        assert_eq!(location(browser.get(&world, &target).await), format!("/tab-{tab}"));
    }
    assert_eq!(browser.jar.len(), 1);
    assert_eq!(world.sessions.kept.lock().unwrap().len(), 1, "each sign-in ends the one before");
}

#[tokio::test]
async fn signing_in_again_makes_a_new_session_and_ends_the_old_one() {
    let world = World::new();
    let mut browser = Browser::default();
    browser.sign_in(&world, "ada").await;
    let old = browser.jar[SESSION_COOKIE].clone();
    let answered = browser.sign_in(&world, "ada").await;
    assert_ne!(browser.jar[SESSION_COOKIE], old);
    assert_eq!(world.sessions.kept.lock().unwrap().len(), 1);
    assert!(matches!(answered.event, Some(SignInEvent::SignedIn { replaced: Some(_), .. })));
}

#[tokio::test]
async fn a_session_id_set_by_an_attacker_is_never_adopted() {
    let world = World::new();
    let mut browser = Browser::default();
    browser.jar.insert(SESSION_COOKIE.to_owned(), "A".repeat(43));
    browser.sign_in(&world, "ada").await;
    assert_ne!(browser.jar[SESSION_COOKIE], "A".repeat(43));
}

#[tokio::test]
async fn a_state_works_once() {
    let world = World::new();
    let mut browser = Browser::default();
    let asked = browser.start(&world, "organisation=north").await;
    let before = browser.clone();
    let target = callback_target(&asked, "code=code-ada");
    browser.get(&world, &target).await.unwrap();
    assert_eq!(code(before.clone().get(&world, &target).await), "login_expired");
    assert_eq!(code(browser.get(&world, &target).await), "other_browser");
    assert_eq!(world.relying_party.exchanged.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unknown_or_missing_state_is_refused() {
    let world = World::new();
    let mut browser = Browser::default();
    browser.start(&world, "organisation=north").await;
    for (query, expected) in [
        ("code=code-ada", "response_malformed"),
        ("code=code-ada&state=", "response_malformed"),
        ("code=code-ada&state=wrong", "other_browser"),
    ] {
        let target = format!("{PATH}?{query}");
        assert_eq!(code(browser.get(&world, &target).await), expected, "{query}");
    }
}

#[tokio::test]
async fn another_browser_cannot_finish_a_login_nor_spoil_it() {
    let world = World::new();
    let mut browser = Browser::default();
    let asked = browser.start(&world, "organisation=north").await;
    let target = callback_target(&asked, "code=code-ada");
    assert_eq!(code(Browser::default().get(&world, &target).await), "other_browser");
    let mut other = Browser::default();
    other.start(&world, "organisation=north").await;
    assert_eq!(code(other.get(&world, &target).await), "other_browser");
    browser.get(&world, &target).await.unwrap();
}

#[tokio::test]
async fn a_forged_transaction_cookie_does_not_finish_a_login() {
    let world = World::new();
    let mut browser = Browser::default();
    let asked = browser.start(&world, "organisation=north").await;
    let mut forged = browser.clone();
    forged.jar.values_mut().for_each(|value| *value = "A".repeat(22));
    let target = callback_target(&asked, "code=code-ada");
    assert_eq!(code(forged.get(&world, &target).await), "other_browser");
}

#[tokio::test]
async fn an_answer_at_another_connections_callback_is_refused() {
    let world = World::new();
    for path in ["/.hubgate/callback/south/staff", "/.hubgate/callback/north/other"] {
        let mut browser = Browser::default();
        let asked = browser.start(&world, "organisation=north").await;
        let target = format!("{path}?state={}&code=code-ada", asked["state"]);
        assert_eq!(code(browser.get(&world, &target).await), "other_connection", "{path}");
    }
    assert!(world.relying_party.exchanged.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_callback_path_that_names_no_connection_is_not_found() {
    let world = World::new();
    for path in ["north", "north/", "north/main/x", "/main", "North/main", "north/ma%69n"] {
        let target = format!("/.hubgate/callback/{path}?state=s&code=c");
        let refusal = Browser::default().get(&world, &target).await.unwrap_err();
        assert_eq!(refusal, Refusal::RouteNotFound, "{path}");
    }
}

#[tokio::test]
async fn another_host_cannot_finish_a_login() {
    let world = World::new();
    let mut browser = Browser::default();
    let asked = browser.start(&world, "organisation=north").await;
    browser.authority = Some("other.example");
    let target = callback_target(&asked, "code=code-ada");
    assert_eq!(code(browser.get(&world, &target).await), "other_host");
}

#[tokio::test]
async fn a_login_expires_after_ten_minutes() {
    let world = World::new();
    for (seconds, expired) in [(600, false), (601, true)] {
        let mut browser = Browser::default();
        let asked = browser.start(&world, "organisation=north").await;
        world.advance(Duration::from_secs(seconds));
        let target = callback_target(&asked, "code=code-ada");
        let answered = browser.get(&world, &target).await;
        assert_eq!(answered.is_err(), expired, "{seconds}");
        if expired {
            assert_eq!(code(answered), "login_expired");
        }
    }
}

#[tokio::test]
async fn repeated_or_mixed_parameters_are_refused() {
    let world = World::new();
    let long = format!("code={}", "c".repeat(5000));
    for rest in [
        "code=a&code=b",
        "code=a&state=x",
        "code=a&iss=x&iss=x",
        "error=x&error=y",
        "code=a&error=access_denied",
        "code=a&id_token=x",
        "code=a&access_token=x",
        "",
        "code=",
        &long,
    ] {
        let mut browser = Browser::default();
        let asked = browser.start(&world, "organisation=north").await;
        let target = callback_target(&asked, rest);
        assert_eq!(code(browser.get(&world, &target).await), "response_malformed", "{rest}");
    }
    assert!(world.relying_party.exchanged.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_issuers_answer_is_refused_before_its_code_or_error_is_used() {
    let world = World::new();
    *world.relying_party.issuer_advertised.lock().unwrap() = true;
    for rest in [
        "code=code-ada&iss=https%3A%2F%2Fevil.example",
        "code=code-ada",
        "code=code-ada&iss=https%3A%2F%2Fmain.north.example%2F",
        "error=access_denied",
    ] {
        let mut browser = Browser::default();
        let asked = browser.start(&world, "organisation=north").await;
        let target = callback_target(&asked, rest);
        assert_eq!(code(browser.get(&world, &target).await), "provider_issuer", "{rest}");
    }
    assert!(world.relying_party.exchanged.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_providers_error_becomes_a_code_of_ours() {
    let world = World::new();
    for (rest, expected) in [
        ("error=access_denied&error_description=%3Cb%3Eno", "access_denied"),
        ("error=server_error&error_description=%0d%0aX", "provider_refused"),
        ("error=%3Cscript%3E", "provider_refused"),
    ] {
        let mut browser = Browser::default();
        let asked = browser.start(&world, "organisation=north").await;
        let target = callback_target(&asked, rest);
        assert_eq!(code(browser.get(&world, &target).await), expected);
    }
}

#[tokio::test]
async fn a_failed_exchange_opens_no_session() {
    let world = World::new();
    for (error, expected) in [
        (SignInError::Code(String::from("invalid_grant")), "provider_code"),
        (SignInError::IdToken(String::from("nonce")), "provider_id_token"),
    ] {
        let mut browser = Browser::default();
        let asked = browser.start(&world, "organisation=north").await;
        *world.relying_party.fails.lock().unwrap() = Some(error);
        let target = callback_target(&asked, "code=code-ada");
        assert_eq!(code(browser.get(&world, &target).await), expected);
        *world.relying_party.fails.lock().unwrap() = None;
        assert!(!browser.jar.contains_key(SESSION_COOKIE));
    }
    assert!(world.sessions.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_disabled_in_between_finishes_no_login() {
    let mut world = World::new();
    let mut browser = Browser::default();
    let asked = browser.start(&world, "organisation=north").await;
    world.directory = directory(false);
    let target = callback_target(&asked, "code=code-ada");
    assert_eq!(code(browser.get(&world, &target).await), "connection_closed");
}

#[tokio::test]
async fn a_store_outage_signs_nobody_in() {
    let world = World::new();
    let mut browser = Browser::default();
    let asked = browser.start(&world, "organisation=north").await;
    *world.transactions.down.lock().unwrap() = true;
    let target = callback_target(&asked, "code=code-ada");
    let refusal = browser.get(&world, &target).await.unwrap_err();
    assert_eq!(refusal, Refusal::Unavailable(Dependency::Store));
}
