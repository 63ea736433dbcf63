//! API keys: which pass, which do not, how the refusal reads, and that no secret stays behind.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at what it did not expect"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::support::{Gateway, OTHER_ROLE, Wishes, problem, wait_until};

/// A well-formed session cookie of nobody.
const COOKIE: &str = "__Host-hubgate=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

/// The key with another text before its checksum, and the checksum that fits.
fn forged(key: &str, change: impl Fn(&str) -> String) -> String {
    let summed = change(&key[..key.len() - 6]);
    assert_ne!(summed, key[..key.len() - 6]);
    let checksum = URL_SAFE_NO_PAD.encode(Sha256::digest(summed.as_bytes()));
    format!("{summed}{}", &checksum[..6])
}

/// Flips the character at `index` between two of its alphabet.
fn flipped(text: &str, index: usize) -> String {
    let other = if &text[index..=index] == "a" { "b" } else { "a" };
    format!("{}{other}{}", &text[..index], &text[index + 1..])
}

/// Asserts a 401 that says a credential came and is not valid, and its record.
async fn assert_invalid(gateway: &Gateway, what: &str, authorization: &str) {
    let fields = [("Authorization", authorization)];
    let answer = gateway.ask("GET /echo/a", &fields, None).await;
    assert_eq!(answer.status, 401, "{what}");
    let challenge = answer.field("www-authenticate");
    assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{what}");
    let problem = problem(&answer);
    assert_eq!(problem["code"], "credential_invalid", "{what}");
    assert_eq!(problem["type"], "urn:hubgate:problem:credential-invalid", "{what}");
    let record = gateway.refusal_record(&answer).await;
    assert_eq!(record["decision"]["effect"], "refuse", "{what}");
    assert_eq!(record["decision"]["reason"], "credential_invalid", "{what}");
    assert!(record["who"].get("tenant").is_none(), "{what}: nobody was proved: {record}");
}

#[tokio::test]
async fn a_key_in_force_passes_and_names_its_organisation() {
    let gateway = Gateway::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let authorization = format!("{scheme} {}", gateway.api_key());
        let fields = [("Authorization", authorization.as_str())];
        let answer = gateway.ask("GET /echo/a", &fields, None).await;
        assert_eq!(answer.status, 200, "{scheme}: {}", answer.head_text);
        let decision = answer.field("hubgate-request-id").unwrap();
        let records = gateway.records_of(decision, 2).await;
        assert_eq!(records[0]["who"]["tenant"], "nordvolt");
        assert_eq!(records[0]["who"]["method"], "api_key");
        assert_eq!(records[0]["who"]["credential"], id_of(gateway.api_key()));
    }
}

#[tokio::test]
async fn whatever_is_not_exactly_a_key_in_force_is_invalid() {
    let gateway = Gateway::start().await;
    let key = gateway.api_key().to_owned();
    let secret_at = "hg_".len() + id_of(&key).len() + 1;
    let wrong_secret = forged(&key, |summed| flipped(summed, secret_at + 7));
    let unknown_id = forged(&key, |summed| flipped(summed, 4));
    let typo = flipped(&key, secret_at + 7);
    let cut = key[..key.len() - 1].to_owned();
    let basic = STANDARD.encode(format!("{}:{key}", id_of(&key)));
    let cases = [
        ("wrong secret", format!("Bearer {wrong_secret}")),
        ("unknown id", format!("Bearer {unknown_id}")),
        ("typing error", format!("Bearer {typo}")),
        ("cut short", format!("Bearer {cut}")),
        ("something behind it", format!("Bearer {key}x")),
        ("two tokens", format!("Bearer {key} {key}")),
        ("upper case", format!("Bearer {}", key.to_uppercase())),
        ("the id alone", format!("Bearer {}", id_of(&key))),
        ("no token", "Bearer".to_owned()),
        ("no scheme", key.clone()),
        ("another scheme", format!("Basic {basic}")),
        ("another scheme around the key", format!("Basic {key}")),
        ("a token of somebody else", "Bearer eyJhbGciOiJub25lIn0.e30.".to_owned()),
    ];
    for (what, authorization) in cases {
        assert_invalid(&gateway, what, &authorization).await;
    }
    assert!(gateway.upstream_requests().is_empty(), "none of them may get through");
    assert_eq!(gateway.get("/echo/a", &key).await.status, 200, "the key itself still passes");
}

#[tokio::test]
async fn without_any_credential_the_challenge_has_no_error_code() {
    let gateway = Gateway::start().await;
    let answer = gateway.ask("GET /echo/a", &[], None).await;
    assert_eq!(answer.status, 401);
    // RFC 6750 §3.1: no error code when no authentication information came.
    assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
    assert_eq!(problem(&answer)["code"], "credential_missing");
    let record = gateway.refusal_record(&answer).await;
    assert_eq!(record["decision"]["effect"], "refuse");
    assert_eq!(record["decision"]["reason"], "credential_missing");
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn two_credentials_and_credentials_out_of_place_are_malformed() {
    let gateway = Gateway::start().await;
    let key = gateway.api_key();
    let bearer = format!("Bearer {key}");
    let authorization = ("Authorization", bearer.as_str());
    let cases = [
        (
            "Authorization twice",
            String::from("/echo/a"),
            vec![authorization, authorization],
            "repeated_field",
        ),
        (
            "cookie and key",
            "/echo/a".into(),
            vec![authorization, ("Cookie", COOKIE)],
            "credential_misplaced",
        ),
        ("access_token", format!("/echo/a?access_token={key}"), vec![], "credential_misplaced"),
        ("api_key", format!("/echo/a?api_key={key}"), vec![authorization], "credential_misplaced"),
    ];
    for (what, target, fields, code) in cases {
        let answer = gateway.ask(&format!("GET {target}"), &fields, None).await;
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(problem(&answer)["code"], code, "{what}");
        let record = gateway.refusal_record(&answer).await;
        assert_eq!(record["decision"]["reason"], code, "{what}");
        assert!(!record.to_string().contains(key), "{what}: {record}");
    }
    assert!(gateway.upstream_requests().is_empty());
}

#[tokio::test]
async fn an_expired_key_is_invalid() {
    let gateway = Gateway::start().await;
    let role = "admin=Operator::nordvolt";
    let arguments = ["key", "create", "--tenant", "nordvolt", "--name", "short", "--role", role];
    let made =
        gateway.run(&[&arguments[..], &["--scope", "all:delete", "--expires", "2s"]].concat());
    let said = String::from_utf8(made.stdout).unwrap();
    let key = said.lines().next().unwrap();
    wait_until("the key expires", async || gateway.get("/echo/a", key).await.status == 401).await;
    assert_invalid(&gateway, "expired", &format!("Bearer {key}")).await;
    let listed = gateway.run(&["key", "list", "--tenant", "nordvolt"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let line = listed.lines().find(|line| line.starts_with(id_of(key))).unwrap();
    assert!(line.contains("expired"), "{line}");
}

#[tokio::test]
async fn a_key_revoked_in_another_process_ends_within_two_seconds() {
    let gateway = Gateway::start().await;
    let key = gateway.key_of("admin=Operator::nordvolt");
    assert_eq!(gateway.get("/echo/a", &key).await.status, 200);
    let revoked = gateway.run(&["key", "revoke", "--tenant", "nordvolt", id_of(&key)]);
    let since = Instant::now();
    assert!(revoked.status.success(), "{revoked:?}");
    wait_until("the key is refused", async || gateway.get("/echo/a", &key).await.status == 401)
        .await;
    let after = since.elapsed();
    assert!(after < Duration::from_secs(2), "refused only after {after:?}");
    assert_invalid(&gateway, "revoked", &format!("Bearer {key}")).await;
    let event = gateway.wait_for_line(|line| line["event"] == "key_revoked").await;
    assert_eq!(event["key"], id_of(&key));
    assert_eq!(gateway.get("/echo/a", gateway.api_key()).await.status, 200, "another key stays");
}

#[tokio::test]
async fn a_key_of_another_organisation_is_denied() {
    let gateway = Gateway::start().await;
    let other = gateway.create_key("solarpark", "other", OTHER_ROLE, &["all:delete"]);
    for path in ["/echo/a", "/teams/team-harbour"] {
        let answer = gateway.get(path, &other).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(problem(&answer)["code"], "route_not_found", "{path}");
        let record = gateway.refusal_record(&answer).await;
        assert_eq!(record["who"]["tenant"], "solarpark");
        assert_eq!(record["decision"]["effect"], "deny");
    }
    assert_eq!(gateway.get("/teams/team-meadow", &other).await.status, 200, "its own team");
}

#[tokio::test]
async fn a_host_of_one_organisation_serves_no_key_of_another() {
    let bound = "id = \"nordvolt\"\nname = \"Nordvolt\"\nroot = \"Operator::nordvolt\"\n\
                 hosts = [\"hub.localhost\"]\n";
    let files = vec![("tenants/nordvolt/organisation.toml".to_owned(), bound.to_owned())];
    let gateway = Gateway::start_with(Wishes { files, ..Wishes::default() }).await;
    let other = gateway.create_key("solarpark", "other", OTHER_ROLE, &["all:delete"]);
    let answer = gateway.get("/teams/team-meadow", &other).await;
    assert_eq!(answer.status, 403);
    assert_eq!(problem(&answer)["code"], "other_tenant");
    let record = gateway.refusal_record(&answer).await;
    assert_eq!(record["decision"]["reason"], "other_tenant");
    assert_eq!(gateway.get("/teams/team-harbour", gateway.api_key()).await.status, 200);
}

#[tokio::test]
async fn a_key_without_scopes_may_nothing_and_is_told_why() {
    let gateway = Gateway::start().await;
    let role = "admin=Operator::nordvolt";
    let bare = gateway.create_key("nordvolt", "bare", role, &[]);
    let answer = gateway.get("/teams/team-harbour", &bare).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        problem(&answer)["reason"],
        "The API key lacks a scope that this operation accepts."
    );
    let record = gateway.refusal_record(&answer).await;
    assert_eq!(record["decision"]["reason"], "forbidden");
    assert_eq!(record["decision"]["determining"], serde_json::json!(["api-scope"]));

    let reader = gateway.create_key("nordvolt", "reader", role, &["teams:read"]);
    assert_eq!(gateway.get("/teams/team-harbour", &reader).await.status, 200);
    let body = r#"{"team":{"id":"team-harbour"}}"#;
    assert_eq!(gateway.post_json("/freeze", &reader, body).await.status, 403, "reading only");
}

#[tokio::test]
async fn the_secret_is_shown_once_and_nowhere_else() {
    let mut gateway = Gateway::start().await;
    let key = gateway.api_key().to_owned();
    let bearer = format!("Bearer {key}");
    let cookie = format!("theirs={key}");
    let fields = [
        ("Authorization", bearer.as_str()),
        ("User-Agent", bearer.as_str()),
        ("Cookie", cookie.as_str()),
        ("Referer", key.as_str()),
    ];
    // Where people paste keys: path, resource, query, body; used well, too.
    for target in ["/echo/a", "/echo/{key}", "/teams/{key}", "/echo/a?q={key}", "/{key}"] {
        let target = target.replace("{key}", &key);
        gateway.ask(&format!("GET {target}"), &fields, None).await;
    }
    let body = format!(r#"{{"team":{{"id":"{key}"}}}}"#);
    gateway.post_json("/freeze", &key, &body).await;
    gateway.post_json("/freeze", &key, &key).await;
    gateway.ask("GET /echo/a", &[("Authorization", &format!("Basic {key}"))], None).await;
    gateway.ask("GET /echo/a", &[("Authorization", &bearer.to_uppercase())], None).await;
    let listed = gateway.run(&["key", "list", "--tenant", "nordvolt"]);
    let shown = gateway.run(&["log", "tail", "-n", "1000"]);
    gateway.run(&["key", "revoke", "--tenant", "nordvolt", &key]);
    gateway.kill();

    let secrets = spellings(&key);
    for (what, output) in [("list", listed), ("tail", shown)] {
        assert!(output.status.success());
        assert_absent(&secrets, what, &[output.stdout, output.stderr].concat());
    }
    let mut searched = 0;
    search(gateway.folder(), &mut |path, bytes| {
        assert_absent(&secrets, &path.display().to_string(), bytes);
        searched += 1;
    });
    assert!(searched > 5, "store, log and standard error were searched");
}

/// The secret and everything it is easily read back from.
fn spellings(key: &str) -> Vec<Vec<u8>> {
    let secret = &key["hg_".len() + id_of(key).len() + 1..key.len() - 6];
    let raw = URL_SAFE_NO_PAD.decode(secret).unwrap();
    assert_eq!(raw.len(), 32);
    let hex = raw.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut found = vec![
        secret.as_bytes().to_vec(),
        secret.to_uppercase().into_bytes(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        STANDARD_NO_PAD.encode(&raw).into_bytes(),
        raw,
    ];
    for text in [key, secret, &format!("Bearer {key}")] {
        found.push(STANDARD_NO_PAD.encode(text).into_bytes());
        found.push(URL_SAFE_NO_PAD.encode(text).into_bytes());
    }
    found
}

fn assert_absent(secrets: &[Vec<u8>], what: &str, bytes: &[u8]) {
    for secret in secrets {
        let at = bytes.windows(secret.len()).position(|window| window == secret);
        if let Some(at) = at {
            let near = &bytes[at.saturating_sub(200)..at];
            panic!("the secret is in {what} at byte {at}, after: {}", near.escape_ascii());
        }
    }
}

fn search(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, look);
        } else if path.is_file() {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}
