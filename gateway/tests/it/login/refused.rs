//! Answers of a provider that do not belong to the login, or are wrong: no session comes of any.

use http::StatusCode;
use hubgate_testkit::openid_provider::Behaviour;
use serde_json::json;

use super::world::{Browser, SESSION, World, parameter, subject_of};

async fn begun(world: &World) -> (Browser, url::Url) {
    let mut browser = world.browser();
    let authorization = browser.begin("organisation=nordvolt").await;
    (browser, authorization)
}

/// Sends `path` and checks that nobody is signed in by it, that the page says `code`, and the log too.
async fn refuses(world: &World, browser: &mut Browser, path: &str, code: &str) {
    let session = browser.jar.get(SESSION).cloned();
    let page = browser.get(path).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{code}: {}", page.body);
    assert!(page.body.contains(&format!("<code>{code}</code>")), "{code}: {}", page.body);
    assert!(page.body.contains("Sign in again"), "{code}: {}", page.body);
    assert!(page.set_cookies("__Host-hubgate=").is_empty(), "{code}: {page:?}");
    assert_eq!(browser.jar.get(SESSION), session.as_ref(), "{code}");
    let line =
        world.logged(|line| line["event"] == "sign_in_failed" && line["reason"] == code).await;
    assert!(line.get("person").is_none(), "{line}");
}

#[tokio::test]
async fn an_answer_to_another_login_is_refused() {
    let world = World::start().await;
    let ada = subject_of("ada");

    let (mut browser, authorization) = begun(&world).await;
    let path = world.callback(&authorization, &ada);
    let state = parameter(&authorization, "state");
    let wrong = path.replace(&state, &"x".repeat(state.len()));
    refuses(&world, &mut browser, &wrong, "other_browser").await;
    refuses(&world, &mut world.browser(), &path, "other_browser").await;

    let elsewhere = path.replace("/nordvolt/demo", "/solarpark/demo");
    refuses(&world, &mut browser.clone(), &elsewhere, "other_connection").await;
    // The login was taken by the wrong answer: not even the right one revives it.
    refuses(&world, &mut browser, &path, "login_expired").await;
}

#[tokio::test]
async fn an_answer_that_comes_twice_is_refused_the_second_time() {
    let world = World::start().await;
    let (mut browser, authorization) = begun(&world).await;
    let before = browser.jar.clone();
    let path = world.callback(&authorization, &subject_of("ada"));
    assert_eq!(browser.get(&path).await.status, StatusCode::SEE_OTHER);
    refuses(&world, &mut browser, &path, "other_browser").await;
    // Also for a thief who has the cookies of the time before.
    browser.jar.extend(before);
    refuses(&world, &mut browser, &path, "login_expired").await;
    assert_eq!(browser.me().await, StatusCode::OK, "the one session lives on");
}

#[tokio::test]
async fn a_code_of_another_login_is_refused() {
    let world = World::start().await;
    let (mut browser, first) = begun(&world).await;
    let second = browser.begin("organisation=nordvolt").await;
    let (first, second) =
        (world.callback(&first, &subject_of("sam")), world.callback(&second, &subject_of("ada")));
    let code = |path: &str| {
        let url = url::Url::parse("https://hub.localhost").unwrap().join(path).unwrap();
        parameter(&url, "code")
    };
    let injected = second.replace(&code(&second), &code(&first));
    refuses(&world, &mut browser, &injected, "provider_code").await;
    assert_eq!(browser.me().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn errors_and_nonsense_from_the_provider_are_refused_in_our_own_words() {
    let world = World::start().await;
    let issuer =
        form_urlencoded::byte_serialize(world.provider.issuer().as_bytes()).collect::<String>();
    for (rest, code) in [
        (format!("error=access_denied&error_description=%3Cb%3Eboo&iss={issuer}"), "access_denied"),
        (format!("error=server_error&iss={issuer}"), "provider_refused"),
        (String::from("error=access_denied"), "provider_issuer"),
        (format!("error=access_denied&code=c&iss={issuer}"), "response_malformed"),
        (format!("iss={issuer}"), "response_malformed"),
        (String::from("code=c&iss=https%3A%2F%2Fevil.example"), "provider_issuer"),
    ] {
        let (mut browser, authorization) = begun(&world).await;
        let state = parameter(&authorization, "state");
        let path = format!("/.hubgate/callback/nordvolt/demo?state={state}&{rest}");
        refuses(&world, &mut browser, &path, code).await;
        assert_eq!(browser.me().await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.provider.calls("/token"), 0, "no code is shown to a provider after an error");
}

#[tokio::test]
async fn a_provider_that_lies_signs_nobody_in() {
    let world = World::start().await;
    let claims = |claims: serde_json::Value| Behaviour {
        claims: claims.as_object().unwrap().clone(),
        ..Behaviour::default()
    };
    for (behaviour, code) in [
        (
            Behaviour {
                response_issuer: Some(String::from("https://evil.example")),
                ..Behaviour::default()
            },
            "provider_issuer",
        ),
        (
            Behaviour { response_issuer: Some(String::new()), ..Behaviour::default() },
            "provider_issuer",
        ),
        (claims(json!({ "iss": "https://evil.example" })), "provider_id_token"),
        (claims(json!({ "aud": "hubgate-solarpark" })), "provider_id_token"),
        (claims(json!({ "nonce": "another" })), "provider_id_token"),
        (claims(json!({ "exp": 1 })), "provider_id_token"),
        (Behaviour { bad_signature: true, ..Behaviour::default() }, "provider_id_token"),
    ] {
        world.provider.behave(behaviour.clone());
        let (mut browser, authorization) = begun(&world).await;
        let path = world.callback(&authorization, &subject_of("ada"));
        refuses(&world, &mut browser, &path, code).await;
        assert_eq!(browser.me().await, StatusCode::UNAUTHORIZED, "{behaviour:?}");
    }
}
