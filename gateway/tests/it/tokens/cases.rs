//! The 48 cases of the security bar about the issuer and the resource (P01 to P48), each by what an answer says.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use super::world::{Client, FORM, ISSUER, World, form, json_of};

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

/// What came of each case.
#[derive(Default)]
struct Cases(BTreeMap<u8, (String, Vec<String>)>);

impl Cases {
    /// One part of a case: the case passes when all its parts do.
    fn part(&mut self, number: u8, what: &str, holds: bool, got: impl FnOnce() -> String) {
        let (_, wrong) = self.0.entry(number).or_insert_with(|| (what.to_owned(), Vec::new()));
        if !holds {
            wrong.push(format!("{what}: {}", got()));
        }
    }

    fn also(&mut self, others: Self) {
        for (number, (what, wrong)) in others.0 {
            let (_, known) = self.0.entry(number).or_insert_with(|| (what, Vec::new()));
            known.extend(wrong);
        }
    }

    /// An answer with this status and `error`.
    fn error(&mut self, number: u8, what: &str, answer: &RawAnswer, (status, error): (u16, &str)) {
        let holds = answer.status == status && json_of(answer)["error"] == error;
        self.part(number, what, holds, || format!("{} {}", answer.status, answer.body_text()));
    }

    fn status(&mut self, number: u8, what: &str, answer: &RawAnswer, status: u16) {
        let holds = answer.status == status;
        self.part(number, what, holds, || format!("{} {}", answer.status, answer.body_text()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_forty_eight_cases_hold() {
    let world = World::with("access_minutes = 1\nrefresh_hours = 1\n", "").await;
    let client = world.client("partner", &["teams:read", "teams:write"]);
    let mut cases = Cases::default();
    // What takes time goes on beside the rest.
    let mut late = Cases::default();
    let soon = async {
        token_endpoint(&world, &client, &mut cases).await;
        answers(&world, &client, &mut cases).await;
        documents(&world, &mut cases).await;
        revocation(&world, &client, &mut cases).await;
        introspection(&world, &client, &mut cases).await;
        resource(&world, &client, &mut cases).await;
    };
    tokio::join!(soon, refreshing(&world, &client, &mut late));
    cases.also(late);
    let held = cases.0.values().filter(|(_, wrong)| wrong.is_empty()).count();
    println!("{held} of {} cases hold", cases.0.len());
    let wrong: Vec<_> = cases.0.iter().filter(|(_, (_, wrong))| !wrong.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(cases.0.keys().copied().collect::<Vec<_>>(), (1..=48).collect::<Vec<u8>>());
}

/// P01 to P12.
async fn token_endpoint(world: &World, client: &Client, cases: &mut Cases) {
    let basic = client.basic();
    let authorization = ("authorization", basic.as_str());
    let get = world.ask("GET", "/oauth/token", &[authorization], None).await;
    cases.error(1, "GET", &get, (405, "invalid_request"));
    cases.part(1, "Allow", get.field("allow") == Some("POST"), || get.head_text.clone());
    let body = json!({"grant_type": "client_credentials"}).to_string();
    let fields = [("content-type", "application/json"), authorization];
    let answer = world.post("/oauth/token", &fields, &body).await;
    cases.error(2, "a JSON body", &answer, (400, "invalid_request"));
    let query = format!("/oauth/token?{}", form(&[CREDENTIALS]));
    let answer = world.post(&query, &[FORM, authorization], &form(&[CREDENTIALS])).await;
    cases.error(3, "parameters in the query", &answer, (400, "invalid_request"));
    let answer = world.oauth(client, &[CREDENTIALS, CREDENTIALS]).await;
    cases.error(4, "a parameter twice", &answer, (400, "invalid_request"));
    let answer = world.post("/oauth/token", &[FORM], &form(&[CREDENTIALS])).await;
    cases.error(5, "no client", &answer, (401, "invalid_client"));
    let both = [CREDENTIALS, ("client_id", &client.id), ("client_secret", &client.secret)];
    let answer = world.oauth(client, &both).await;
    cases.error(6, "two ways to prove who asks", &answer, (400, "invalid_request"));
    let post = world.post("/oauth/token", &[FORM], &form(&both)).await;
    cases.status(6, "each of them alone", &post, 200);
    let wrong =
        world.oauth(&client.with_secret(&format!("{}x", client.secret)), &[CREDENTIALS]).await;
    cases.error(7, "a wrong secret", &wrong, (401, "invalid_client"));
    let unknown = Client { id: "abcdefghijkl".into(), secret: client.secret.clone() };
    let unknown = world.oauth(&unknown, &[CREDENTIALS]).await;
    cases.error(8, "an unknown client", &unknown, (401, "invalid_client"));
    let same = unknown.body == wrong.body && told(&unknown) == told(&wrong);
    cases.part(8, "the same answer as for a wrong secret", same, || told(&unknown).join("\n"));
    let answer = world.oauth(client, &[("grant_type", "whatever")]).await;
    cases.error(9, "a grant type there is not", &answer, (400, "unsupported_grant_type"));
    let answer = world.oauth(client, &[]).await;
    cases.error(9, "none", &answer, (400, "invalid_request"));
    for foreign in ["password", "authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"]
    {
        let answer = world.oauth(client, &[("grant_type", foreign), ("code", "x")]).await;
        cases.error(10, foreign, &answer, (400, "unsupported_grant_type"));
    }
    let answer = world.oauth(client, &[CREDENTIALS, ("scope", "teams:read teams:delete")]).await;
    cases.error(11, "a scope the client does not have", &answer, (400, "invalid_scope"));
    let first = json_of(&world.exchange(client).await);
    let token = first["refreshToken"].as_str().unwrap();
    let grown =
        [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", "all:delete")];
    let answer = world.oauth(client, &grown).await;
    cases.error(12, "a scope that grows with a refresh", &answer, (400, "invalid_scope"));
}

/// The fields of an answer but for what differs each time.
fn told(answer: &RawAnswer) -> Vec<String> {
    let lines = answer.head_text.lines().map(str::to_ascii_lowercase);
    lines.filter(|it| !it.starts_with("date:") && !it.starts_with("hubgate-request-id:")).collect()
}

/// P13 to P20.
async fn answers(world: &World, client: &Client, cases: &mut Cases) {
    let good = world.oauth(client, &[CREDENTIALS, ("scope", "teams:read")]).await;
    let bad = world.oauth(client, &[("grant_type", "x")]).await;
    for answer in [&good, &bad] {
        let no_store = answer.field("cache-control") == Some("no-store");
        cases.part(13, "Cache-Control: no-store", no_store, || answer.head_text.clone());
    }
    let pragma = good.field("pragma") == Some("no-cache");
    cases.part(14, "Pragma: no-cache", pragma, || good.head_text.clone());
    let refused = world.oauth(&client.with_secret("wrong"), &[CREDENTIALS]).await;
    let challenge = refused.field("www-authenticate").unwrap_or_default().starts_with("Basic ");
    cases.part(15, "401 with WWW-Authenticate", challenge, || refused.head_text.clone());
    let body = json_of(&good);
    let shape = body["token_type"] == "Bearer"
        && body["expires_in"].as_u64().is_some_and(|seconds| (58..=60).contains(&seconds))
        && body["scope"] == "teams:read"
        && body["access_token"].is_string()
        && body.get("refresh_token").is_none();
    cases.part(16, "the shape of RFC 6749 section 5.1", shape, || body.to_string());
    for answer in [&good, &bad] {
        let is_json = answer.field("content-type") == Some("application/json");
        let is_text = std::str::from_utf8(&answer.body).is_ok();
        cases.part(17, "JSON in UTF-8", is_json && is_text, || answer.head_text.clone());
    }
    let body = json_of(&bad);
    let description = body["error_description"].as_str().unwrap_or_default();
    let plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    let shape = !description.is_empty() && description.bytes().all(plain);
    cases.part(18, "an error of RFC 6749 section 5.2", shape, || body.to_string());
    let bootstrap = bootstrap_key(world);
    let answer = world.oauth(&bootstrap, &[CREDENTIALS]).await;
    cases.error(19, "a key that is for one thing", &answer, (400, "unauthorized_client"));
    let token = [("grant_type", "refresh_token"), ("refresh_token", "hgr_nonsense")];
    let answer = world.oauth(client, &token).await;
    cases.error(20, "no refresh token", &answer, (400, "invalid_grant"));
    let answer = world.oauth(client, &token[..1]).await;
    cases.error(20, "none at all", &answer, (400, "invalid_request"));
}

fn bootstrap_key(world: &World) -> Client {
    let output = world.gateway.run(&[
        "key",
        "bootstrap",
        "--tenant",
        "solarpark",
        "--role",
        "admin=Operator::solarpark",
    ]);
    client_in(&output)
}

/// The client a command made.
fn client_in(output: &std::process::Output) -> Client {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let secret = said.split_whitespace().find(|part| part.starts_with("hg_"));
    let secret = secret.unwrap_or_else(|| panic!("{output:?}")).to_owned();
    Client { id: secret.split('_').nth(1).unwrap().to_owned(), secret }
}

async fn pair_of(world: &World, client: &Client) -> (String, String) {
    let told = json_of(&world.exchange(client).await);
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    (text("accessToken"), text("refreshToken"))
}

async fn refresh(world: &World, client: &Client, token: &str) -> RawAnswer {
    world.oauth(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

/// P21 to P28.
async fn refreshing(world: &World, client: &Client, cases: &mut Cases) {
    let (late_access, late) = pair_of(world, client).await;
    let first = json_of(&refresh(world, client, &late).await);
    let used_at = tokio::time::Instant::now();
    successors(world, client, cases).await;
    let short = short_lived(world);
    let issued = json_of(&world.exchange(&short).await);
    endings(world, client, cases).await;

    tokio::time::sleep_until(used_at + Duration::from_secs(32)).await;
    let answer = refresh(world, client, &late).await;
    cases.error(21, "sent again after half a minute", &answer, (400, "invalid_grant"));
    for access in [&late_access, first["access_token"].as_str().unwrap()] {
        cases.status(21, "it ends the family", &world.team(access).await, 401);
    }
    let ends = issued["refreshTokenExpirationDate"].as_str().unwrap();
    let ends: jiff::Timestamp = ends.parse().unwrap();
    let left = ends.as_second() - jiff::Timestamp::now().as_second();
    assert!(left < 120, "{ends}");
    tokio::time::sleep(Duration::from_secs(u64::try_from(left.max(0)).unwrap() + 1)).await;
    cases.status(27, "beyond the end of all", &world.refresh(&token_of(&issued)).await, 401);
}

/// P22 to P24.
async fn successors(world: &World, client: &Client, cases: &mut Cases) {
    let (_, token) = pair_of(world, client).await;
    let one = json_of(&refresh(world, client, &token).await);
    let again = json_of(&refresh(world, client, &token).await);
    let same = one["access_token"] == again["access_token"]
        && one["refresh_token"] == again["refresh_token"]
        && one["refresh_token"].is_string();
    cases.part(22, "sent again at once, the same tokens", same, || again.to_string());

    let (_, token) = pair_of(world, client).await;
    let all = (0..100).map(|_| refresh(world, client, &token));
    let all = futures_util::future::join_all(all).await;
    let mut given: Vec<String> =
        all.iter().map(|answer| json_of(answer)["refresh_token"].to_string()).collect();
    given.sort();
    given.dedup();
    let one = given.len() == 1 && given[0].contains("hgr_");
    cases.part(23, "a hundred at once, one successor", one, || format!("{given:?}"));

    let thief = world.client("thief", &["teams:read"]);
    let (access, token) = pair_of(world, client).await;
    let answer = refresh(world, &thief, &token).await;
    cases.error(24, "another client's token", &answer, (400, "invalid_grant"));
    cases.status(24, "it ends the family", &world.team(&access).await, 401);
    let answer = refresh(world, client, &token).await;
    cases.error(24, "for its owner, too", &answer, (400, "invalid_grant"));
}

/// P25, P26, P28, and P44 from another process.
async fn endings(world: &World, client: &Client, cases: &mut Cases) {
    let (_, token) = pair_of(world, client).await;
    world.revoke(client, &token).await;
    let answer = refresh(world, client, &token).await;
    cases.error(25, "after it was taken back", &answer, (400, "invalid_grant"));

    let gone = world.client("gone", &["teams:read"]);
    let (access, token) = pair_of(world, &gone).await;
    let revoked = world.gateway.run(&["key", "revoke", "--tenant", "nordvolt", &gone.id]);
    assert!(revoked.status.success(), "{revoked:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    cases.status(26, "after its client was revoked", &world.refresh(&token).await, 401);
    let answer = refresh(world, &gone, &token).await;
    cases.error(26, "with its secret", &answer, (401, "invalid_client"));
    let answer = world.team(&access).await;
    cases.status(44, "and within two seconds from another process", &answer, 401);

    // Of proofs of possession there are none, and what a token is bound to is the secret: with that it ends.
    let told = json_of(&world.oauth(client, &[CREDENTIALS]).await);
    let metadata = world.ask("GET", "/.well-known/oauth-authorization-server", &[], None).await;
    let bearer = told["token_type"] == "Bearer"
        && json_of(&metadata).get("dpop_signing_alg_values_supported").is_none();
    cases.part(28, "no key of another kind is taken for one", bearer, || told.to_string());
    let rotating = world.client("rotating", &["teams:read"]);
    let (access, token) = pair_of(world, &rotating).await;
    world.rotate(&rotating).await;
    cases.status(28, "after another secret", &world.refresh(&token).await, 401);
    cases.status(28, "its access token, too", &world.team(&access).await, 401);
}

fn token_of(issued: &Value) -> String {
    issued["refreshToken"].as_str().unwrap().to_owned()
}

/// A client that ends in a minute, and its tokens with it.
fn short_lived(world: &World) -> Client {
    let output = world.gateway.run(&[
        "key",
        "create",
        "--tenant",
        "nordvolt",
        "--name",
        "short",
        "--role",
        "client=Operator::nordvolt",
        "--scope",
        "teams:read",
        "--expires",
        "1m",
    ]);
    client_in(&output)
}

fn unsigned(header: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": ISSUER, "aud": ISSUER, "sub": "client", "exp": 4_000_000_000_u32});
    format!("{}.{}.", part(header), part(&claims))
}

/// P29 to P38.
async fn resource(world: &World, client: &Client, cases: &mut Cases) {
    let told = json_of(&world.oauth(client, &[CREDENTIALS]).await);
    let access = told["access_token"].as_str().unwrap().to_owned();
    let given = tokio::time::Instant::now();
    let pair = json_of(&world.exchange(client).await);
    let challenge =
        |answer: &RawAnswer| answer.field("www-authenticate").unwrap_or_default().to_owned();
    let answer = world.ask("GET", "/teams/team-harbour", &[], None).await;
    cases.status(29, "no token", &answer, 401);
    let plain = challenge(&answer).starts_with("Bearer") && !challenge(&answer).contains("error");
    cases.part(29, "no error code", plain, || challenge(&answer));
    for bad in ["nonsense", "hga_", &access[..access.len() - 1], &format!("{access}x")] {
        let answer = world.team(bad).await;
        let holds = answer.status == 401 && challenge(&answer).contains("error=\"invalid_token\"");
        cases.part(30, "malformed", holds, || {
            format!("{bad}: {} {}", answer.status, challenge(&answer))
        });
    }
    let foreign = world.client_of("solarpark", "foreign", &["teams:read"]);
    let foreign = json_of(&world.oauth(&foreign, &[CREDENTIALS]).await);
    let answer = world.team(foreign["access_token"].as_str().unwrap()).await;
    cases.status(32, "another organisation's token sees nothing here", &answer, 404);
    let aud = unsigned(&json!({"alg": "ES256", "typ": "at+jwt"}));
    cases.status(32, "a token for another audience", &world.team(&aud).await, 401);
    cases.status(33, "a refresh token", &world.team(&token_of(&pair)).await, 401);
    for typ in ["JWT", "logout+jwt", "at+jwt"] {
        let token = unsigned(&json!({"alg": "RS256", "typ": typ}));
        cases.status(33, typ, &world.team(&token).await, 401);
    }
    let answer = world.team(&unsigned(&json!({"alg": "none", "typ": "at+jwt"}))).await;
    cases.status(34, "alg none", &answer, 401);
    let line = format!("Bearer {access}");
    let twice = [("authorization", line.as_str()), ("authorization", line.as_str())];
    let answer = world.ask("GET", "/teams/team-harbour", &twice, None).await;
    cases.status(35, "two lines", &answer, 400);
    let path = format!("/teams/team-harbour?access_token={access}");
    cases.status(36, "in the query", &world.ask("GET", &path, &[], None).await, 400);
    let both = world.get(&path, &access).await;
    cases.status(36, "in both places", &both, 400);
    let none = world.client("none", &["charges:read"]);
    let none = json_of(&world.oauth(&none, &[CREDENTIALS]).await);
    let answer = world.team(none["access_token"].as_str().unwrap()).await;
    cases.status(37, "insufficient scope", &answer, 403);
    let parts = ["error=\"insufficient_scope\"", "scope=\"teams:read\""];
    let holds = parts.iter().all(|part| challenge(&answer).contains(part));
    cases.part(37, "the scope that would do", holds, || challenge(&answer));
    let metadata = format!("resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource\"");
    let answer = world.team("nonsense").await;
    cases.part(38, "resource_metadata", challenge(&answer).contains(&metadata), || {
        challenge(&answer)
    });
    cases.status(31, "before its end", &world.team(&access).await, 200);
    tokio::time::sleep_until(given + Duration::from_secs(61)).await;
    let answer = world.team(&access).await;
    let holds = answer.status == 401 && challenge(&answer).contains("error=\"invalid_token\"");
    cases.part(31, "after its end", holds, || format!("{} {}", answer.status, challenge(&answer)));
    let asker = world.client("asker", &["tokens:read"]);
    let state = json_of(&world.introspect(&asker, &access).await);
    cases.part(48, "what has ended is not active", state == json!({"active": false}), || {
        state.to_string()
    });
}

/// P39 and P40.
async fn documents(world: &World, cases: &mut Cases) {
    let get = async |path: &str| world.ask("GET", path, &[], None).await;
    let whole = json_of(&get("/.well-known/oauth-protected-resource").await);
    cases.part(39, "RFC 9728", whole["resource"] == ISSUER, || whole.to_string());
    cases.part(39, "its issuer", whole["authorization_servers"] == json!([ISSUER]), || {
        whole.to_string()
    });
    cases.part(
        39,
        "in the header alone",
        whole["bearer_methods_supported"] == json!(["header"]),
        || whole.to_string(),
    );
    let below = json_of(&get("/.well-known/oauth-protected-resource/teams").await);
    let holds = below["resource"] == format!("{ISSUER}/teams");
    cases.part(39, "the very resource asked for", holds, || below.to_string());
    cases.status(
        39,
        "none where nothing is",
        &get("/.well-known/oauth-protected-resource/none").await,
        404,
    );
    let document = json_of(&get("/.well-known/oauth-authorization-server").await);
    cases.part(40, "RFC 8414", document["issuer"] == ISSUER, || document.to_string());
    // Only what there is: each endpoint it names answers.
    for name in ["token_endpoint", "revocation_endpoint", "introspection_endpoint"] {
        let url = document[name].as_str().unwrap_or_default();
        let path = url.strip_prefix(ISSUER).unwrap_or_default();
        let answer = world.post(path, &[FORM], "token=x&grant_type=x").await;
        cases.status(40, name, &answer, 401);
    }
    described_as_it_is(world, &document, cases).await;
    let grants =
        document["grant_types_supported"] == json!(["client_credentials", "refresh_token"]);
    cases.part(40, "what can be granted", grants, || document.to_string());
    let scopes = document["scopes_supported"] == json!(["teams:read"]);
    cases.part(40, "what can be asked for", scopes, || document.to_string());
    let elsewhere = [("host", "hub.localhost")];
    let answer =
        world.gateway.ask("GET /.well-known/oauth-authorization-server", &elsewhere, None).await;
    cases.status(40, "on its own host alone", &answer, 404);
}

/// What the repository describes is there, and nothing that is there is missing in it.
async fn described_as_it_is(world: &World, document: &Value, cases: &mut Cases) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/oauth.openapi.json");
    let described: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let described = described["paths"].as_object().unwrap();
    let endpoints = document.as_object().unwrap().iter();
    for (name, url) in endpoints.filter(|(name, _)| name.ends_with("_endpoint")) {
        let path = url.as_str().unwrap().strip_prefix(ISSUER).unwrap();
        cases.part(40, name, described.contains_key(path), || url.to_string());
    }
    for (path, methods) in described {
        let method = if methods.get("post").is_some() { "POST" } else { "GET" };
        let status = world.ask(method, path, &[], None).await.status;
        cases.part(40, path, ![404, 405].contains(&status), || status.to_string());
    }
}

/// P41 to P44.
async fn revocation(world: &World, client: &Client, cases: &mut Cases) {
    for token in ["nonsense", "hga_aaaaaaaaaaaaaaaa_x", ""] {
        let answer = world.revoke(client, token).await;
        let expected = if token.is_empty() { 400 } else { 200 };
        cases.status(41, "an unknown token", &answer, expected);
    }
    let other = world.client("other", &["teams:read"]);
    let pair = json_of(&world.exchange(client).await);
    let (access, refresh) = (pair["accessToken"].as_str().unwrap(), token_of(&pair));
    cases.status(42, "another client's token", &world.revoke(&other, &refresh).await, 200);
    cases.status(42, "it goes on", &world.team(access).await, 200);
    cases.status(43, "a refresh token", &world.revoke(client, &refresh).await, 200);
    cases.status(43, "its access token ends", &world.team(access).await, 401);
    let pair = json_of(&world.exchange(client).await);
    let access = pair["accessToken"].as_str().unwrap();
    cases.status(44, "at once on this node", &world.revoke(client, access).await, 200);
    cases.status(44, "at once on this node", &world.team(access).await, 401);
    let body = form(&[("token", access)]);
    let answer = world.post("/oauth/revoke", &[FORM], &body).await;
    cases.error(42, "without a client", &answer, (401, "invalid_client"));
}

/// P45 to P48.
async fn introspection(world: &World, client: &Client, cases: &mut Cases) {
    let access = json_of(&world.oauth(client, &[CREDENTIALS, ("scope", "teams:read")]).await);
    let access = access["access_token"].as_str().unwrap();
    let answer = world.post("/oauth/introspect", &[FORM], &form(&[("token", access)])).await;
    cases.error(45, "nobody asks", &answer, (401, "invalid_client"));
    let answer = world.introspect(client, access).await;
    cases.error(45, "a client that may not", &answer, (403, "insufficient_scope"));
    let asker = world.client("introspection", &["tokens:read"]);
    let state = json_of(&world.introspect(&asker, access).await);
    let holds = state["active"] == true
        && state["client_id"] == client.id
        && state["scope"] == "teams:read"
        && state["iss"] == ISSUER
        && state["exp"].as_i64() > Some(jiff::Timestamp::now().as_second());
    cases.part(48, "what counts is active until its end", holds, || state.to_string());
    let line = format!("Bearer {}", asker.secret);
    let fields = [FORM, ("authorization", line.as_str())];
    let answer = world.post("/oauth/introspect", &fields, &form(&[("token", access)])).await;
    cases.part(48, "asked with a bearer token, too", json_of(&answer) == state, || {
        answer.body_text()
    });
    for token in ["nonsense", "hga_aaaaaaaaaaaaaaaa_x", &client.secret] {
        let state = json_of(&world.introspect(&asker, token).await);
        cases.part(46, "exactly inactive", state == json!({"active": false}), || state.to_string());
    }
    let stranger = world.client_of("solarpark", "stranger", &["tokens:read"]);
    let state = json_of(&world.introspect(&stranger, access).await);
    cases.part(47, "no audience for others' tokens", state == json!({"active": false}), || {
        state.to_string()
    });
}
