//! The relying party against the testkit provider, over loopback HTTPS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubgate_testkit::openid_provider::{
    Algorithm, Behaviour, Client, DemoUser, OpenIdProvider, ProviderSettings,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{OpenIdRelyingParty, OutboundSettings};
use crate::authn::{
    AuthorizationRequest, CodeExchange, EndSession, Identity, RelyingParty as _, SignInError,
};
use crate::model::{
    Clock as _, Connection, ConnectionId, ConnectionKey, ManualClock, Secret, SystemClock, TenantId,
};

const REDIRECT: &str = "https://hub.example/.hubgate/callback/north/main";
/// Characters that only a form-urlencoded secret survives (RFC 6749 §2.3.1).
const SECRET: &str = "s:e%c+r t&é";
const NONCE: &str = "nonce-of-this-login-0123456789";

struct Bench {
    provider: OpenIdProvider,
    party: OpenIdRelyingParty,
    clock: Arc<ManualClock>,
    connection: Connection,
}

impl Bench {
    async fn new(algorithm: Algorithm) -> Self {
        let provider = OpenIdProvider::start(ProviderSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            host: String::from("127.0.0.1"),
            users: vec![DemoUser {
                subject: String::from("ada"),
                name: String::from("Ada Admin"),
                email: String::from("ada@north.example"),
            }],
            clients: vec![Client {
                id: String::from("hub:gate"),
                secret: SECRET.to_owned(),
                redirect_uris: Vec::new(),
            }],
            algorithm,
        })
        .await
        .unwrap();
        let connection = Connection {
            key: ConnectionKey {
                tenant: TenantId::parse("north").unwrap(),
                id: ConnectionId::parse("main").unwrap(),
            },
            display_name: String::from("North"),
            issuer: provider.issuer().to_owned(),
            client_id: String::from("hub:gate"),
            client_secret: Secret::new(SECRET.to_owned()),
            scopes: vec![String::from("openid"), String::from("profile")],
            email_domains: Vec::new(),
            ca_pem: Some(provider.ca_pem().to_owned()),
            enabled: true,
            by_platform: true,
        };
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let party = OpenIdRelyingParty::new(loopback(), Arc::clone(&clock) as _);
        Self { provider, party, clock, connection }
    }

    async fn started(&self) -> HashMap<String, String> {
        let url = self.start().await.unwrap();
        url::Url::parse(&url).unwrap().query_pairs().into_owned().collect()
    }

    async fn start(&self) -> Result<String, SignInError> {
        let request = AuthorizationRequest {
            redirect_uri: REDIRECT,
            state: "state",
            nonce: NONCE,
            challenge: &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier())),
        };
        self.party.authorization_url(&self.connection, request).await
    }

    /// Signs in as Ada while the provider behaves as `behaviour` says.
    async fn sign_in(&self, behaviour: Behaviour) -> Result<Identity, SignInError> {
        self.provider.behave(Behaviour::default());
        let url = self.start().await?;
        let back = self.provider.log_in(&url, "ada").unwrap();
        let back: HashMap<String, String> =
            url::Url::parse(&back).unwrap().query_pairs().into_owned().collect();
        self.provider.behave(behaviour);
        self.exchange(&back["code"], &verifier()).await
    }

    async fn exchange(&self, code: &str, verifier: &str) -> Result<Identity, SignInError> {
        let exchange = CodeExchange {
            redirect_uri: REDIRECT,
            code: &Secret::new(code.to_owned()),
            verifier: &Secret::new(verifier.to_owned()),
            nonce: &Secret::new(NONCE.to_owned()),
        };
        self.party.exchange(&self.connection, exchange).await
    }
}

fn verifier() -> String {
    "v".repeat(43)
}

fn loopback() -> OutboundSettings {
    OutboundSettings {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ca_pem: None,
        administered: false,
    }
}

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("no object") };
    members
}

fn claims(value: Value) -> Behaviour {
    Behaviour { claims: members(value), ..Behaviour::default() }
}

fn header(value: Value) -> Behaviour {
    Behaviour { header: members(value), ..Behaviour::default() }
}

#[tokio::test]
async fn signs_in_with_either_key_and_reads_the_person() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let bench = Bench::new(algorithm).await;
        let identity = bench.sign_in(Behaviour::default()).await.unwrap();
        assert_eq!(identity.issuer, bench.provider.issuer());
        assert_eq!(identity.subject, "ada");
        assert_eq!(identity.name.as_deref(), Some("Ada Admin"));
        assert!(identity.sid.is_some() && identity.auth_time.is_some());
        assert_eq!(identity.amr, ["pwd"]);
        assert_eq!(identity.id_token.expose().split('.').count(), 3);
    }
}

#[tokio::test]
async fn asks_with_openid_state_nonce_and_s256() {
    let bench = Bench::new(Algorithm::Es256).await;
    let asked = bench.started().await;
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["scope"], "openid profile");
    assert_eq!((asked["state"].as_str(), asked["nonce"].as_str()), ("state", NONCE));
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["redirect_uri"], REDIRECT);
}

#[tokio::test]
async fn refuses_claims_that_break_a_rule() {
    let bench = Bench::new(Algorithm::Es256).await;
    let now = SystemClock.now().seconds();
    let client = "hub:gate";
    let cases = [
        ("iss", claims(json!({ "iss": "https://evil.example" }))),
        ("iss slash", claims(json!({ "iss": format!("{}/", bench.provider.issuer()) }))),
        ("no iss", claims(json!({ "iss": null }))),
        ("aud", claims(json!({ "aud": "other" }))),
        ("no aud", claims(json!({ "aud": null }))),
        ("extra aud", claims(json!({ "aud": [client, "other"] }))),
        ("extra aud with azp", claims(json!({ "aud": [client, "other"], "azp": client }))),
        ("azp", claims(json!({ "azp": "other" }))),
        ("azp number", claims(json!({ "azp": 1 }))),
        ("no sub", claims(json!({ "sub": null }))),
        ("empty sub", claims(json!({ "sub": "" }))),
        ("long sub", claims(json!({ "sub": "s".repeat(256) }))),
        ("number sub", claims(json!({ "sub": 1 }))),
        ("no exp", claims(json!({ "exp": null }))),
        ("expired", claims(json!({ "exp": now - 61 }))),
        ("text exp", claims(json!({ "exp": (now + 300).to_string() }))),
        ("negative exp", claims(json!({ "exp": -1 }))),
        ("huge exp", claims(json!({ "exp": 1e300 }))),
        ("no iat", claims(json!({ "iat": null }))),
        ("iat ahead", claims(json!({ "iat": now + 120 }))),
        ("iat long ago", claims(json!({ "iat": now - 700 }))),
        ("nbf ahead", claims(json!({ "nbf": now + 120 }))),
        ("text nbf", claims(json!({ "nbf": "0" }))),
        ("no nonce", claims(json!({ "nonce": null }))),
        ("nonce", claims(json!({ "nonce": "other" }))),
        ("at_hash", claims(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }))),
        ("too large", claims(json!({ "groups": "g".repeat(20_000) }))),
    ];
    for (name, behaviour) in cases {
        let refused = bench.sign_in(behaviour).await;
        assert!(
            matches!(refused, Err(SignInError::IdToken(_) | SignInError::Code(_))),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn refuses_headers_and_signatures_that_break_a_rule() {
    let bench = Bench::new(Algorithm::Es256).await;
    let cases = [
        ("alg none", header(json!({ "alg": "none" }))),
        ("alg None", header(json!({ "alg": "None" }))),
        ("alg ES384", header(json!({ "alg": "ES384" }))),
        ("alg RS256 with an EC key", header(json!({ "alg": "RS256" }))),
        ("crit", header(json!({ "crit": ["exp"] }))),
        ("jku", header(json!({ "jku": "https://evil.example/jwks" }))),
        ("jwk", header(json!({ "jwk": {} }))),
        ("long kid", header(json!({ "kid": "k".repeat(129) }))),
        ("unknown kid", header(json!({ "kid": "other" }))),
        ("typ access token", header(json!({ "typ": "at+jwt" }))),
        ("typ logout token", header(json!({ "typ": "logout+jwt" }))),
        ("signature", Behaviour { bad_signature: true, ..Behaviour::default() }),
    ];
    for (name, behaviour) in cases {
        let refused = bench.sign_in(behaviour).await;
        assert!(
            matches!(refused, Err(SignInError::IdToken(_) | SignInError::Code(_))),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn refuses_the_client_secret_as_a_key() {
    let bench = Bench::new(Algorithm::Es256).await;
    let behaviour = Behaviour {
        header: members(json!({ "alg": "HS256", "kid": null })),
        hmac_key: Some(SECRET.as_bytes().to_vec()),
        ..Behaviour::default()
    };
    assert!(matches!(bench.sign_in(behaviour).await, Err(SignInError::IdToken(_))));
}

#[tokio::test]
async fn accepts_what_the_rules_leave_open() {
    let bench = Bench::new(Algorithm::Es256).await;
    let now = SystemClock.now().seconds();
    let cases = [
        ("aud as a list", claims(json!({ "aud": ["hub:gate"] }))),
        ("azp is us", claims(json!({ "azp": "hub:gate" }))),
        ("expired within the skew", claims(json!({ "exp": now - 30 }))),
        ("iat ahead within the skew", claims(json!({ "iat": now + 30 }))),
        ("no at_hash", claims(json!({ "at_hash": null }))),
        ("sub of 255", claims(json!({ "sub": "s".repeat(255) }))),
        ("typ JWT", header(json!({ "typ": "JWT" }))),
        ("no kid with one key", header(json!({ "kid": null }))),
    ];
    for (name, behaviour) in cases {
        let accepted = bench.sign_in(behaviour).await;
        assert!(accepted.is_ok(), "{name}: {accepted:?}");
    }
}

#[tokio::test]
async fn refuses_token_answers_that_are_none() {
    let bench = Bench::new(Algorithm::Es256).await;
    let status = |code: u16| Behaviour {
        status: HashMap::from([(String::from("/token"), code)]),
        ..Behaviour::default()
    };
    let without = |name: &str| Behaviour {
        token_response: members(json!({ name: null })),
        ..Behaviour::default()
    };
    for (name, behaviour) in [
        ("500", status(500)),
        ("400", status(400)),
        ("307", status(307)),
        ("no id_token", without("id_token")),
        ("no access_token", without("access_token")),
    ] {
        let refused = bench.sign_in(behaviour).await;
        assert!(
            matches!(refused, Err(SignInError::Code(_) | SignInError::IdToken(_))),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_works_once() {
    let bench = Bench::new(Algorithm::Es256).await;
    let back = bench.provider.log_in(&bench.start().await.unwrap(), "ada").unwrap();
    let code =
        url::Url::parse(&back).unwrap().query_pairs().into_owned().collect::<HashMap<_, _>>();
    let refused = bench.exchange(&code["code"], &"w".repeat(43)).await;
    assert_eq!(refused.unwrap_err(), SignInError::Code(String::from("invalid_grant")));
    assert!(bench.exchange(&code["code"], &verifier()).await.is_err());
}

#[tokio::test]
async fn a_new_key_is_fetched_at_once_but_only_once_a_minute() {
    let bench = Bench::new(Algorithm::Es256).await;
    bench.sign_in(Behaviour::default()).await.unwrap();
    assert_eq!(bench.provider.calls("/jwks"), 1);
    bench.provider.rotate_keys(Algorithm::Rs256).unwrap();
    bench.sign_in(Behaviour::default()).await.unwrap();
    assert_eq!(bench.provider.calls("/jwks"), 2);
    bench.provider.rotate_keys(Algorithm::Es256).unwrap();
    assert!(bench.sign_in(Behaviour::default()).await.is_err());
    assert_eq!(bench.provider.calls("/jwks"), 2);
    bench.clock.advance(Duration::from_secs(59));
    assert!(bench.sign_in(Behaviour::default()).await.is_err());
    bench.clock.advance(Duration::from_secs(1));
    bench.sign_in(Behaviour::default()).await.unwrap();
    assert_eq!(bench.provider.calls("/jwks"), 3);
}

#[tokio::test]
async fn metadata_is_kept_ten_minutes_and_a_day_through_an_outage() {
    let bench = Bench::new(Algorithm::Es256).await;
    let discovery = "/.well-known/openid-configuration";
    bench.start().await.unwrap();
    bench.clock.advance(Duration::from_secs(599));
    bench.start().await.unwrap();
    assert_eq!(bench.provider.calls(discovery), 1);
    bench.clock.advance(Duration::from_secs(1));
    bench.start().await.unwrap();
    assert_eq!(bench.provider.calls(discovery), 2);

    let down = HashMap::from([(String::from(discovery), 503)]);
    bench.provider.behave(Behaviour { status: down, ..Behaviour::default() });
    bench.clock.advance(Duration::from_hours(23));
    bench.start().await.unwrap();
    bench.clock.advance(Duration::from_hours(2));
    assert!(matches!(bench.start().await, Err(SignInError::Unreachable(_))));
    let asked = bench.provider.calls(discovery);
    assert!(bench.start().await.is_err());
    assert_eq!(bench.provider.calls(discovery), asked, "a failure is not retried at once");
}

#[tokio::test]
async fn refuses_metadata_that_breaks_a_rule() {
    let metadata = |value: Value| Behaviour { metadata: members(value), ..Behaviour::default() };
    let status = |code: u16| Behaviour {
        status: HashMap::from([(String::from("/.well-known/openid-configuration"), code)]),
        ..Behaviour::default()
    };
    for (name, behaviour) in [
        ("issuer", metadata(json!({ "issuer": "https://evil.example" }))),
        ("plain token endpoint", metadata(json!({ "token_endpoint": "http://127.0.0.1/" }))),
        ("script", metadata(json!({ "end_session_endpoint": "javascript:alert(1)" }))),
        ("redirect", status(302)),
        ("404", status(404)),
        ("too large", metadata(json!({ "padding": "p".repeat(300_000) }))),
    ] {
        let bench = Bench::new(Algorithm::Es256).await;
        bench.provider.behave(behaviour);
        let refused = bench.start().await;
        assert!(
            matches!(refused, Err(SignInError::Metadata(_) | SignInError::Unreachable(_))),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_issuer_parameter_is_compared_and_missed_where_announced() {
    let bench = Bench::new(Algorithm::Es256).await;
    let issuer = bench.connection.issuer.clone();
    let check = async |bench: &Bench, issuer: Option<&str>| {
        bench.party.check_response_issuer(&bench.connection, issuer).await
    };
    assert_eq!(check(&bench, Some(&issuer)).await, Ok(()));
    assert_eq!(check(&bench, None).await, Err(SignInError::Issuer));
    assert_eq!(check(&bench, Some(&format!("{issuer}/"))).await, Err(SignInError::Issuer));

    let silent = Bench::new(Algorithm::Es256).await;
    let unannounced = json!({ "authorization_response_iss_parameter_supported": null });
    silent.provider.behave(Behaviour { metadata: members(unannounced), ..Behaviour::default() });
    assert_eq!(check(&silent, None).await, Ok(()));
    assert_eq!(check(&silent, Some("https://evil.example")).await, Err(SignInError::Issuer));
}

#[tokio::test]
async fn never_connects_to_private_addresses_nor_trusts_unknown_certificates() {
    let bench = Bench::new(Algorithm::Es256).await;
    let request =
        AuthorizationRequest { redirect_uri: REDIRECT, state: "s", nonce: NONCE, challenge: "c" };
    let strict =
        OpenIdRelyingParty::new(OutboundSettings::default(), Arc::clone(&bench.clock) as _);
    assert!(strict.authorization_url(&bench.connection, request).await.is_err());

    let mut untrusting = bench.connection.clone();
    untrusting.ca_pem = None;
    let refused = bench.party.authorization_url(&untrusting, request).await;
    assert!(matches!(refused, Err(SignInError::Unreachable(_))), "{refused:?}");
    assert_eq!(bench.provider.calls("/.well-known/openid-configuration"), 0);
}

#[tokio::test]
async fn sign_out_carries_hint_client_and_way_back() {
    let bench = Bench::new(Algorithm::Es256).await;
    let end = EndSession {
        id_token: Some("the.id.token"),
        post_logout_redirect_uri: "https://hub.example/.hubgate/signed-out",
        state: "s",
    };
    let url = bench.party.end_session_url(&bench.connection, end).await.unwrap();
    let url = url::Url::parse(&url).unwrap();
    assert_eq!(url.path(), "/end-session");
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(query["id_token_hint"], "the.id.token");
    assert_eq!(query["client_id"], "hub:gate");
    assert_eq!(query["post_logout_redirect_uri"], end.post_logout_redirect_uri);
    assert_eq!(query["state"], "s");
}

#[tokio::test]
async fn many_callers_wait_for_one_fetch() {
    let bench = Bench::new(Algorithm::Es256).await;
    let starts = futures_util::future::join_all((0..20).map(|_| bench.start())).await;
    assert!(starts.iter().all(Result::is_ok));
    assert_eq!(bench.provider.calls("/.well-known/openid-configuration"), 1);
}
