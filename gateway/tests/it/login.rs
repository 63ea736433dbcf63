//! People sign in through a running gateway, at a provider that runs beside it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at what it did not expect"
)]

mod leaks;
mod pages;
mod refused;
mod sign_out;
pub(crate) mod world;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use url::Url;

use world::{Browser, SESSION, STRANGER, World, parameter, subject_of};

pub(crate) const TEAM: &str = "/api/v1/teams/team-fleet";

#[tokio::test]
async fn a_browser_signs_in_and_comes_back_to_where_it_wanted() {
    let world = World::start().await;
    let mut browser = world.browser();
    let wanted = format!("{TEAM}?view=full&page=2");

    let sent = browser.get(&wanted).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let to = sent.location().to_owned();
    assert!(
        to.starts_with("/.hubgate/sign-in?return_to=%2Fapi%2Fv1%2Fteams%2Fteam-fleet%3F"),
        "{to}"
    );
    let asks = browser.get(&to).await;
    assert_eq!(asks.status, StatusCode::OK);
    assert!(asks.body.contains("view=full&#38;page=2"), "{}", asks.body);

    let authorization = browser.begin(&format!("organisation=nordvolt&{}", &to[18..])).await;
    assert!(authorization.as_str().starts_with(world.provider.issuer()), "{authorization}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "hubgate-nordvolt"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", &format!("{}/.hubgate/callback/nordvolt/demo", world.stage.hub_url())),
    ] {
        assert_eq!(parameter(&authorization, name), value, "{name}");
    }
    let back = browser.get(&world.callback(&authorization, &subject_of("ada"))).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, wanted.as_str()));
    assert_eq!(browser.jar.keys().collect::<Vec<_>>(), [SESSION]);
    assert_eq!(browser.session().len(), 43);

    assert!(world.forwarded().is_empty(), "nothing is forwarded before sign-in");
    let page = browser.get(&wanted).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let claims = world.asserted().await;
    assert_eq!(claims["sub"], "User::ada");
    assert_eq!(claims["tenant"], "nordvolt");
    let seen = world.forwarded().pop().unwrap();
    assert_eq!(seen.request_line(), format!("GET {wanted} HTTP/1.1"));
    assert!(!seen.head_text.contains(browser.session()), "{}", seen.head_text);
}

#[tokio::test]
async fn who_am_i_names_member_organisation_and_roles() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada").await;
    let me = browser.get("/.hubgate/me").await.json();
    assert_eq!(me["kind"], "user");
    assert_eq!(me["subject"], subject_of("ada"));
    assert_eq!(me["member"]["id"], "ada");
    assert_eq!(me["organisation"]["id"], "nordvolt");
    assert_eq!(me["roles"][0]["role"], "admin");
    assert_eq!(world.browser().me().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_email_domain_or_a_slug_chooses_the_provider() {
    let world = World::start().await;
    for (query, client) in [
        ("organisation=nordvolt", "hubgate-nordvolt"),
        ("organisation=solarpark", "hubgate-solarpark"),
        ("email=anyone%40nordvolt.example", "hubgate-nordvolt"),
        ("login=anyone%40SOLARPARK.example", "hubgate-solarpark"),
        ("login=NordVolt", "hubgate-nordvolt"),
    ] {
        let authorization = world.browser().begin(query).await;
        assert_eq!(parameter(&authorization, "client_id"), client, "{query}");
    }
    for query in [
        "login=nowhere",
        "email=ada%40elsewhere.example",
        "login=ada%40nordvolt.example.evil.example",
    ] {
        let asks = world.browser().get(&format!("/.hubgate/sign-in?{query}")).await;
        assert_eq!(asks.status, StatusCode::OK);
        assert!(asks.body.contains("No organisation here uses"), "{query}: {}", asks.body);
    }
}

#[tokio::test]
async fn a_person_without_membership_has_a_session_and_no_authority() {
    let world = World::start().await;
    let mut browser = world.browser();
    let page = browser.sign_in(&world.provider, STRANGER, TEAM).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("You have no access yet"), "{}", page.body);
    assert!(page.body.contains("Nordvolt") && page.body.contains(STRANGER), "{}", page.body);
    assert!(page.body.contains(&format!("href=\"{TEAM}\"")), "{}", page.body);

    let me = browser.get("/.hubgate/me").await.json();
    assert!(me["member"].is_null(), "{me}");
    assert_eq!(me["roles"], serde_json::json!([]));
    let refused = browser.get(TEAM).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("You are not a member here"), "{}", refused.body);
    assert!(refused.body.contains("/.hubgate/sign-out"), "{}", refused.body);
    let refused = browser.script(Method::GET, TEAM, "").await;
    assert_eq!(refused.json()["code"], "not_member");
    assert!(world.forwarded().is_empty());
    let line = world.logged(|line| line["event"] == "sign_in").await;
    assert_eq!(line["detail"], "not a member");
}

#[tokio::test]
async fn the_role_decides_what_a_person_may_do() {
    let world = World::start().await;
    for (member, patched) in [("sam", StatusCode::FORBIDDEN), ("ada", StatusCode::OK)] {
        let mut browser = world.signed_in(member).await;
        assert_eq!(browser.get(TEAM).await.status, StatusCode::OK, "{member}");
        let page = browser.script(Method::PATCH, TEAM, r#"{"name":"Fleet"}"#).await;
        assert_eq!(page.status, patched, "{member}: {}", page.body);
    }
    let methods: Vec<String> =
        world.forwarded().iter().map(|seen| seen.request_line()[..3].to_owned()).collect();
    assert_eq!(methods, ["GET", "GET", "PAT"]);
    assert_eq!(world.asserted().await["sub"], "User::ada");
}

#[tokio::test]
async fn twenty_tabs_sign_in_at_once() {
    let world = World::start().await;
    let mut browser = world.browser();
    let begun: Vec<(Browser, Url)> = join_all((0..20).map(async |tab| {
        let mut own = world.browser();
        let to = own.begin(&format!("organisation=nordvolt&return_to=%2Ftab-{tab}")).await;
        (own, to)
    }))
    .await;
    for (tab, _) in &begun {
        browser.jar.extend(tab.jar.clone());
    }
    assert_eq!(browser.jar.len(), 20, "each tab has a login of its own");

    let ended = join_all(begun.iter().map(async |(_, authorization)| {
        let mut own = browser.clone();
        let page = own.get(&world.callback(authorization, &subject_of("ada"))).await;
        (page.location().to_owned(), own.me().await)
    }))
    .await;
    let expected: Vec<_> = (0..20).map(|tab| (format!("/tab-{tab}"), StatusCode::OK)).collect();
    assert_eq!(ended, expected);
}

#[tokio::test]
async fn a_new_sign_in_ends_the_session_before_it() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada").await;
    let mut old = browser.clone();
    browser.sign_in(&world.provider, &subject_of("sam"), "/").await;
    assert_ne!(browser.session(), old.session());
    assert_eq!(browser.me().await, StatusCode::OK);
    assert_eq!(old.me().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn scripts_get_401_where_people_are_sent_to_sign_in() {
    let world = World::start().await;
    let mut browser = world.browser();
    for path in [TEAM, "/.hubgate/sign-in?organisation=nordvolt", "/.hubgate/me"] {
        let page = browser.script(Method::GET, path, "").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(page.headers["www-authenticate"], "Bearer", "{path}");
    }
    // A cookie that is unknown is no better than none.
    browser.jar.insert(SESSION.into(), "A".repeat(43));
    assert_eq!(browser.script(Method::GET, TEAM, "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(TEAM).await.status, StatusCode::SEE_OTHER);
}

/// Puts `to` in the place of `from` in a file of the organisation, at once.
fn change(world: &World, file: &str, from: &str, to: &str) {
    let path = world.stage.configuration().with_file_name("tenants").join("nordvolt").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text.replacen(from, to, 1)).unwrap();
    std::fs::rename(draft, path).unwrap();
}

async fn becomes(browser: &mut Browser, status: StatusCode) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while browser.get(TEAM).await.status != status {
        assert!(std::time::Instant::now() < deadline, "it never became {status}");
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn a_member_who_is_disabled_loses_all_authority_and_gets_it_back() {
    let world = World::start().await;
    let (mut ada, mut sam) = (world.signed_in("ada").await, world.signed_in("sam").await);
    assert_eq!(ada.get(TEAM).await.status, StatusCode::OK);
    change(&world, "members.toml", "id = \"ada\"\n", "id = \"ada\"\ndisabled = true\n");
    becomes(&mut ada, StatusCode::FORBIDDEN).await;
    assert!(ada.get("/.hubgate/me").await.json()["member"].is_null());
    assert_eq!(sam.get(TEAM).await.status, StatusCode::OK, "nobody else is touched");
    change(&world, "members.toml", "disabled = true\n", "");
    becomes(&mut ada, StatusCode::OK).await;
}

#[tokio::test]
async fn a_disabled_connection_ends_the_authority_of_everybody_who_came_through_it() {
    let world = World::start().await;
    let mut ada = world.signed_in("ada").await;
    assert_eq!(ada.get(TEAM).await.status, StatusCode::OK);
    change(&world, "connections.toml", "id = \"demo\"\n", "id = \"demo\"\nenabled = false\n");
    becomes(&mut ada, StatusCode::FORBIDDEN).await;
}
