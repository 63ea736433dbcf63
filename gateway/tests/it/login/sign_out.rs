//! A person signs out.

use http::{Method, StatusCode};
use url::Url;

use super::TEAM;
use super::world::{Browser, SESSION, World, parameter, path_of};

const SIGN_OUT: &str = "/.hubgate/sign-out";

/// What stands between two pieces of a page.
pub(super) fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no `{before}`: {page}"));
    rest.split_once(after).unwrap().0
}

/// The form the page asks with.
pub(super) async fn form(browser: &mut Browser) -> String {
    let asks = browser.get(SIGN_OUT).await;
    assert_eq!(asks.status, StatusCode::OK);
    assert!(asks.body.contains("Name of ada") && asks.body.contains("Nordvolt"), "{}", asks.body);
    // Under `no-referrer` browsers post forms with `Origin: null`, and nobody could sign out.
    assert_eq!(asks.headers["referrer-policy"], "same-origin");
    format!("csrf={}", between(&asks.body, r#"name="csrf" value=""#, "\""))
}

/// Where the page after sign-out leads.
pub(super) fn onward(page: &str) -> Url {
    let url = between(page, r#"content="0; url="#, "\"");
    Url::parse(&url.replace("&#38;", "&").replace("&amp;", "&")).unwrap()
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once_and_leads_to_the_provider() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada").await;
    let mut copy = browser.clone();
    assert_eq!(copy.get(TEAM).await.status, StatusCode::OK);
    let form = form(&mut browser).await;
    assert_eq!(copy.me().await, StatusCode::OK, "asking signs nobody out");

    let left = browser.post(SIGN_OUT, &form, &world.stage.hub_url()).await;
    assert_eq!(left.status, StatusCode::OK, "{}", left.body);
    assert!(!browser.jar.contains_key(SESSION));
    assert_eq!(copy.me().await, StatusCode::UNAUTHORIZED);
    assert_eq!(copy.script(Method::GET, TEAM, "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(copy.get(TEAM).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.forwarded().len(), 1);

    let provider = onward(&left.body);
    let end = format!("{}/end-session", world.provider.issuer());
    assert!(provider.as_str().starts_with(&end), "{provider}");
    assert_eq!(parameter(&provider, "id_token_hint").split('.').count(), 3);
    let back = parameter(&provider, "post_logout_redirect_uri");
    assert_eq!(back, format!("{}/.hubgate/signed-out", world.stage.hub_url()));
    let back = format!("{}?state={}", path_of(&back), parameter(&provider, "state"));
    let page = browser.get(&back).await;
    assert!(page.body.contains("and at your organisation"), "{}", page.body);
    assert_eq!(page.headers["clear-site-data"], "\"cache\"");
    assert!(browser.jar.is_empty(), "{:?}", browser.jar);
}

#[tokio::test]
async fn only_our_own_page_can_sign_a_person_out() {
    let world = World::start().await;
    let hub = world.stage.hub_url();
    let mut browser = world.signed_in("ada").await;
    let form = form(&mut browser).await;
    let foreign = "https://evil.example";
    for (form, origin, code) in [
        (form.as_str(), foreign, "form_foreign"),
        (form.as_str(), "null", "form_foreign"),
        (form.as_str(), "https://other.localhost", "form_foreign"),
        ("csrf=AAAA", hub.as_str(), "form_stale"),
        ("", hub.as_str(), "form_stale"),
    ] {
        let page = browser.post(SIGN_OUT, form, origin).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{origin} {form}");
        assert!(page.body.contains(code), "{origin} {form}: {}", page.body);
        assert_eq!(browser.me().await, StatusCode::OK, "{origin} {form}");
    }
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nobody_signed_in() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada").await;
    let mut copy = browser.clone();
    let form = form(&mut browser).await;
    world
        .provider
        .behave(hubgate_testkit::openid_provider::Behaviour { silent: true, ..Default::default() });
    let left = browser.post(SIGN_OUT, &form, &world.stage.hub_url()).await;
    assert_eq!(left.status, StatusCode::OK, "{}", left.body);
    assert_eq!(copy.me().await, StatusCode::UNAUTHORIZED);
}
