//! Sign-out, "signed out" and "who am I".

use super::super::{Answer, SignInEvent};
use super::fixture::{Browser, World, code, location, page};
use crate::authn::SESSION_COOKIE;
use crate::model::{Malformed, Refusal};

async fn signed_in(world: &World) -> (Browser, String) {
    let mut browser = Browser::default();
    browser.sign_in(world, "ada").await;
    browser.headers.push(("origin", String::from("https://hub.example")));
    browser.headers.push(("sec-fetch-site", String::from("same-origin")));
    let asks = page(browser.get(world, "/.hubgate/sign-out").await);
    let (_, rest) = asks.split_once(r#"name="csrf" value=""#).unwrap();
    let token = rest.split('"').next().unwrap().to_owned();
    (browser, format!("csrf={token}"))
}

#[tokio::test]
async fn signs_out_here_first_and_then_at_the_provider() {
    let world = World::new();
    let (mut browser, form) = signed_in(&world).await;
    let answered = browser.post(&world, "/.hubgate/sign-out", &form).await.unwrap();
    assert!(matches!(answered.event, Some(SignInEvent::SignedOut { .. })));
    assert!(world.sessions.kept.lock().unwrap().is_empty());
    assert!(!browser.jar.contains_key(SESSION_COOKIE));
    let onward = page(Ok(answered));
    assert!(
        onward.contains("https://main.north.example/end?id_token_hint=the.id.token"),
        "{onward}"
    );
    let (_, rest) = onward.split_once("state=").unwrap();
    let state: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();

    let other = page(browser.get(&world, "/.hubgate/signed-out?state=other").await);
    assert!(other.contains("There is no session here"), "{other}");
    let target = format!("/.hubgate/signed-out?state={state}");
    let back = page(browser.get(&world, &target).await);
    assert!(back.contains("and at your organisation"), "{back}");
    assert!(browser.jar.is_empty());
    let again = page(browser.get(&world, &target).await);
    assert!(again.contains("There is no session here"), "{again}");
}

#[tokio::test]
async fn a_link_signs_nobody_out() {
    let world = World::new();
    let (mut browser, _) = signed_in(&world).await;
    let asks = page(browser.get(&world, "/.hubgate/sign-out").await);
    assert!(asks.contains("Name of ada") && asks.contains("Organisation north"), "{asks}");
    let still = page(browser.get(&world, "/.hubgate/signed-out").await);
    assert!(still.contains("still signed in"), "{still}");
    assert_eq!(world.sessions.kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_form_from_elsewhere_or_without_its_token_is_refused() {
    let world = World::new();
    let (browser, form) = signed_in(&world).await;
    let foreign: [&[(&'static str, &str)]; 6] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://hub.example")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://hub.example"), ("sec-fetch-site", "cross-site")],
    ];
    for headers in foreign {
        let mut other = browser.clone();
        other.headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        let answered = other.post(&world, "/.hubgate/sign-out", &form).await;
        assert_eq!(code(answered), "form_foreign", "{headers:?}");
    }
    for form in ["", "csrf=", "csrf=wrong"] {
        let answered = browser.clone().post(&world, "/.hubgate/sign-out", form).await;
        assert_eq!(code(answered), "form_stale", "{form}");
    }
    let twice = format!("{form}&{form}");
    let refusal = browser.clone().post(&world, "/.hubgate/sign-out", &twice).await.unwrap_err();
    assert_eq!(refusal, Refusal::Malformed(Malformed::Parameter));
    let huge = format!("{form}&pad={}", "x".repeat(17_000));
    let refusal = browser.clone().post(&world, "/.hubgate/sign-out", &huge).await.unwrap_err();
    assert_eq!(refusal, Refusal::BodyTooLarge);
    assert_eq!(world.sessions.kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_session_sign_out_has_nothing_to_ask() {
    let world = World::new();
    let went = location(Browser::default().get(&world, "/.hubgate/sign-out").await);
    assert_eq!(went, "/.hubgate/signed-out");
}

#[tokio::test]
async fn who_am_i_tells_the_person_and_nobody_else() {
    let world = World::new();
    let (mut browser, _) = signed_in(&world).await;
    let Answer::Json { body } = browser.get(&world, "/.hubgate/me").await.unwrap().answer else {
        panic!("no JSON")
    };
    let me: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(me["subject"], "ada");
    assert_eq!(me["organisation"]["id"], "north");
    assert_eq!(me["member"]["id"], "ada");
    assert_eq!(me["roles"][0], serde_json::json!({ "role": "admin", "on": "Account::north" }));
    assert_eq!(me["session"]["expires"], "2027-01-16T08:00:00Z");
    assert!(!body.contains("the.id.token") && !body.contains("csrf"), "{body}");
    let refusal = Browser::default().get(&world, "/.hubgate/me").await.unwrap_err();
    assert_eq!(refusal, Refusal::CredentialMissing);
}

#[tokio::test]
async fn pages_hold_no_script_and_no_inline_style() {
    let world = World::new();
    let (mut browser, form) = signed_in(&world).await;
    let mut pages = vec![
        page(browser.get(&world, "/.hubgate/sign-in").await),
        page(browser.get(&world, "/.hubgate/sign-out").await),
        page(browser.get(&world, "/.hubgate/signed-out").await),
    ];
    pages.push(page(browser.post(&world, "/.hubgate/sign-out", &form).await));
    pages.push(page(Ok(Browser::default().sign_in(&world, "stranger").await)));
    for shown in pages {
        let lower = shown.to_ascii_lowercase();
        for forbidden in ["<script", "<style", " style=", " onclick", "javascript:"] {
            assert!(!lower.contains(forbidden), "{forbidden}: {shown}");
        }
        assert!(lower.contains(r#"<html lang="en">"#) && lower.contains("<h1>"), "{shown}");
    }
}
