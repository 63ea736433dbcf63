//! What a sign-in may leave behind: pseudonyms in the log, hashes and sealed values in the store.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hubgate_testkit::stage::CLIENT_SECRET;

use super::TEAM;
use super::sign_out::{form, onward};
use super::world::{World, parameter, subject_of};

#[tokio::test]
async fn events_name_the_person_by_a_pseudonym_alone() {
    let world = World::start().await;
    let mut browser = world.signed_in("ada").await;
    let form = form(&mut browser).await;
    browser.post("/.hubgate/sign-out", &form, &world.stage.hub_url()).await;
    let entered = world.logged(|line| line["event"] == "sign_in").await;
    let left = world.logged(|line| line["event"] == "sign_out").await;
    assert_eq!(entered["principal"], "User::ada");
    assert_eq!(entered["person"], left["person"]);
    assert_eq!(entered["session"], left["session"]);
    let person = entered["person"].as_str().unwrap();
    let digest = person.strip_prefix("demo:").unwrap();
    assert!(digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{person}");
}

#[tokio::test]
async fn no_file_holds_a_token_a_cookie_a_secret_or_in_the_log_a_name() {
    let world = World::start().await;
    let mut browser = world.browser();
    let authorization = browser.begin("organisation=nordvolt").await;
    let login_cookie = browser.jar.values().next().unwrap().clone();
    let path = world.callback(&authorization, &subject_of("ada"));
    browser.get(&path).await;
    browser.get(TEAM).await;
    // Refused ways too: they are where values are logged by mistake.
    world.browser().get(&path).await;
    let session = browser.session().to_owned();
    let form = form(&mut browser).await;
    let left = browser.post("/.hubgate/sign-out", &form, &world.stage.hub_url()).await;
    let second = world.signed_in("ada").await.session().to_owned();
    world.logged(|line| line["event"] == "sign_out").await;

    let url = url::Url::parse("https://hub.localhost").unwrap().join(&path).unwrap();
    let id_token = parameter(&onward(&left.body), "id_token_hint");
    let mut secrets: Vec<String> = id_token.split('.').map(str::to_owned).collect();
    // The header is the same in all tokens and no secret.
    secrets.remove(0);
    secrets.extend([session, second, login_cookie, CLIENT_SECRET.into(), id_token]);
    secrets.extend([parameter(&url, "code"), parameter(&authorization, "state")]);
    secrets.push(parameter(&authorization, "nonce"));
    secrets.push(form["csrf=".len()..].to_owned());

    let folder = world.stage.configuration().parent().unwrap().to_owned();
    let (log, state) = (world.stage.log_directory(), folder.join("state"));
    let output = world.stage.gateway_output();
    for place in [&log, &state, &output] {
        assert!(!bytes_of(place).is_empty(), "{}", place.display());
        for secret in &secrets {
            assert!(!holds(place, secret), "{} holds {secret}", place.display());
        }
    }
    let subject = subject_of("ada");
    for name in [subject.as_str(), "private.ada", "Name of ada"] {
        for place in [&log, &output] {
            assert!(!holds(place, name), "{} holds {name}", place.display());
        }
    }
    assert!(holds(&log, "User::ada"), "the search itself works");
}

/// Whether a file holds a value as it is, in either base64 at any alignment, or decoded.
fn holds(place: &Path, value: &str) -> bool {
    let bytes = bytes_of(place);
    let mut spellings = vec![value.as_bytes().to_vec()];
    for padding in ["", "x", "xx"] {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(format!("{padding}{value}"));
            // The first four and the last four characters depend on the neighbours.
            spellings.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
        }
    }
    if let Ok(decoded) = URL_SAFE_NO_PAD.decode(value) {
        spellings.push(decoded);
    }
    spellings
        .iter()
        .any(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling.as_slice()))
}

/// Every byte of every file there.
fn bytes_of(place: &Path) -> Vec<u8> {
    if !place.is_dir() {
        return std::fs::read(place).unwrap_or_default();
    }
    std::fs::read_dir(place).unwrap().flatten().flat_map(|entry| bytes_of(&entry.path())).collect()
}
