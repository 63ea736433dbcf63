//! Tests of the authenticator, over stores in memory.

use std::sync::atomic::Ordering;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::authn::memory::Memory;
use crate::authn::{NewApiKey, NewSession, TokenLifetimes, TokensParts, set_session_cookie};
use crate::model::{ConnectionId, Entropy, EntropyError, OsEntropy, PersonId, Secret, TenantId};

/// A world with one session and one key, both made at second 1000.
struct World {
    memory: Arc<Memory>,
    authenticator: Authenticator,
    session: SessionId,
    token: String,
}

const MADE: u64 = 1000;

fn at(seconds: u64) -> UnixNanos {
    UnixNanos::from_seconds(seconds)
}

fn tenant() -> TenantId {
    TenantId::parse("nordvolt").unwrap()
}

async fn world() -> World {
    let memory = Arc::new(Memory::default());
    let pepper = Pepper::new(&Secret::new([7; 32]));
    let id = SessionId::generate(&OsEntropy).unwrap();
    let session = Session {
        key: id.key(),
        person: PersonId {
            tenant: tenant(),
            connection: ConnectionId::parse("main").unwrap(),
            issuer: "https://idp.example".into(),
            subject: "s-1".into(),
        },
        display_name: "Ada Admin".into(),
        created: at(MADE),
        last_seen: at(MADE),
        provider_session: None,
        active: None,
        csrf: Secret::new("c".into()),
    };
    Sessions::create(&*memory, NewSession { session, id_token: None }).await.unwrap();
    let wish = NewApiKey {
        tenant: tenant(),
        name: "billing".into(),
        roles: Vec::new(),
        scopes: Vec::new(),
        expires: Some(at(5000)),
        networks: Vec::new(),
    };
    let issued = wish.issue(&pepper, &OsEntropy, at(MADE)).unwrap();
    ApiKeys::create(&*memory, issued.key).await.unwrap();
    let tokens = Arc::new(Tokens::new(TokensParts {
        keys: memory.clone(),
        families: memory.clone(),
        pepper: pepper.clone(),
        entropy: Arc::new(OsEntropy),
        lifetimes: TokenLifetimes::default(),
    }));
    let authenticator = Authenticator::new(
        memory.clone(),
        memory.clone(),
        (pepper, tokens),
        SessionLimits::default(),
    );
    World { memory, authenticator, session: id, token: issued.token.expose().clone() }
}

impl World {
    async fn ask(&self, lines: &[(HeaderName, &str)], now: u64) -> Result<Authenticated, Refusal> {
        let headers: HeaderMap = lines
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        self.authenticator.authenticate(&headers, at(now)).await
    }

    fn cookie(&self) -> String {
        set_session_cookie(&self.session).split(';').next().unwrap().to_owned()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

#[tokio::test]
async fn knows_a_person_by_the_session_cookie() {
    let world = world().await;
    let found = world.ask(&[(COOKIE, &world.cookie())], MADE + 1).await.unwrap();
    assert_eq!(found.method(), AuthMethod::Session);
    assert_eq!(found.principal().tenant(), Some(&tenant()));
    assert_eq!(found.principal().entity(), None, "no membership yet, so no entity");
    assert_eq!(found.credential_handle(), world.session.key().to_string());
    assert!(!format!("{found:?}").contains(world.session.expose()));
    let member = found.with_member(Some(MemberId::parse("ada").unwrap()));
    assert_eq!(member.principal().entity().unwrap().to_string(), "User::ada");
}

#[tokio::test]
async fn knows_a_machine_by_its_key() {
    let world = world().await;
    for scheme in ["Bearer ", "bearer ", "BEARER  "] {
        let line = format!("{scheme}{}", world.token);
        let found = world.ask(&[(AUTHORIZATION, &line)], MADE + 1).await.unwrap();
        assert_eq!(found.method(), AuthMethod::ApiKey, "{scheme}");
        assert_eq!(found.credential_handle(), found.api_key().unwrap().id.as_str());
        assert!(found.session().is_none());
    }
}

#[tokio::test]
async fn knows_nobody_without_a_credential() {
    let world = world().await;
    for lines in [vec![], vec![(COOKIE, "theirs=1")]] {
        let found = world.ask(&lines, MADE).await.unwrap();
        assert_eq!(found.principal(), &Principal::Anonymous);
        assert_eq!(found.credential_handle(), "");
    }
}

#[tokio::test]
async fn refuses_what_is_no_credential_of_ours() {
    let world = world().await;
    let stranger = SessionId::generate(&OsEntropy).unwrap();
    let stranger = set_session_cookie(&stranger).split(';').next().unwrap().to_owned();
    let tampered = world.bearer().replace("hg_", "hg_x");
    let pepper = Pepper::new(&Secret::new([8; 32]));
    let foreign = NewApiKey {
        tenant: tenant(),
        name: "n".into(),
        roles: Vec::new(),
        scopes: Vec::new(),
        expires: None,
        networks: Vec::new(),
    };
    let foreign = foreign.issue(&pepper, &OsEntropy, at(MADE)).unwrap();
    let foreign = format!("Bearer {}", foreign.token.expose());
    let lines = [
        (AUTHORIZATION, "Basic dTpw"),
        (AUTHORIZATION, "Bearer"),
        (AUTHORIZATION, "Bearer "),
        (AUTHORIZATION, ""),
        (AUTHORIZATION, "Bearer eyJhbGciOiJub25lIn0.e30."),
        (AUTHORIZATION, &world.token),
        (AUTHORIZATION, &tampered),
        (AUTHORIZATION, &foreign),
        (COOKIE, "__Host-hubgate=short"),
        (COOKIE, &stranger),
    ];
    for line in lines {
        let text = format!("{line:?}");
        let refusal = world.ask(&[line], MADE + 1).await.unwrap_err();
        assert_eq!(refusal, Refusal::CredentialInvalid, "{text}");
    }
}

/// Gives every key the same id, and the secret it is told.
#[derive(Debug)]
struct SameId(u8);

impl Entropy for SameId {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let filler = if bytes.len() == 32 { self.0 } else { 0 };
        bytes.fill(filler);
        Ok(())
    }
}

#[tokio::test]
async fn refuses_another_secret_under_a_known_id() {
    let world = world().await;
    let wish = NewApiKey {
        tenant: tenant(),
        name: "n".into(),
        roles: Vec::new(),
        scopes: Vec::new(),
        expires: None,
        networks: Vec::new(),
    };
    let pepper = Pepper::new(&Secret::new([7; 32]));
    let [kept, forged] =
        [1, 2].map(|secret| wish.clone().issue(&pepper, &SameId(secret), at(MADE)).unwrap());
    assert_eq!(kept.key.id, forged.key.id);
    ApiKeys::create(&*world.memory, kept.key).await.unwrap();
    let [kept, forged] = [kept.token, forged.token].map(|t| format!("Bearer {}", t.expose()));
    world.ask(&[(AUTHORIZATION, &kept)], MADE).await.unwrap();
    let refusal = world.ask(&[(AUTHORIZATION, &forged)], MADE).await.unwrap_err();
    assert_eq!(refusal, Refusal::CredentialInvalid);
}

#[tokio::test]
async fn refuses_expired_and_revoked_keys() {
    let world = world().await;
    let bearer = world.bearer();
    world.ask(&[(AUTHORIZATION, &bearer)], 4999).await.unwrap();
    let refusal = world.ask(&[(AUTHORIZATION, &bearer)], 5000).await.unwrap_err();
    assert_eq!(refusal, Refusal::CredentialInvalid);
    let id = ApiKeyToken::parse(&world.token).unwrap().id().clone();
    world.memory.revoke(&tenant(), &id, at(2000)).await.unwrap();
    let refusal = world.ask(&[(AUTHORIZATION, &bearer)], 2000).await.unwrap_err();
    assert_eq!(refusal, Refusal::CredentialInvalid);
}

#[tokio::test]
async fn refuses_sessions_past_their_limits() {
    let world = world().await;
    let cookie = world.cookie();
    world.ask(&[(COOKIE, &cookie)], MADE + 3599).await.unwrap();
    let refusal = world.ask(&[(COOKIE, &cookie)], MADE + 3600).await.unwrap_err();
    assert_eq!(refusal, Refusal::CredentialInvalid);
}

#[tokio::test]
async fn refuses_two_credentials_at_once() {
    let world = world().await;
    let (cookie, bearer) = (world.cookie(), world.bearer());
    let repeated = Refusal::Malformed(Malformed::Repeated);
    let placement = Refusal::Malformed(Malformed::CredentialPlacement);
    let auth = |value| (AUTHORIZATION, value);
    let cases = [
        (vec![auth(&*bearer), auth(&*bearer)], &repeated),
        (vec![auth("Basic x"), auth(&*bearer)], &repeated),
        (vec![auth(&*bearer), (COOKIE, &*cookie)], &placement),
        (vec![auth("Basic x"), (COOKIE, &*cookie)], &placement),
        (vec![auth(&*bearer), (COOKIE, &*cookie), (COOKIE, &*cookie)], &placement),
        (vec![auth(&*bearer), (COOKIE, "__Host-hubgate=x")], &placement),
    ];
    for (lines, refusal) in cases {
        assert_eq!(&world.ask(&lines, MADE).await.unwrap_err(), refusal, "{lines:?}");
    }
}

#[tokio::test]
async fn takes_a_tossed_cookie_for_no_session() {
    let world = world().await;
    let cookie = world.cookie();
    let lines = [(COOKIE, &*cookie), (COOKIE, "__Host-hubgate=tossed")];
    let found = world.ask(&lines, MADE).await.unwrap();
    assert_eq!(found.principal(), &Principal::Anonymous);
}

#[tokio::test]
async fn a_silent_store_refuses_and_ends_streams() {
    let world = world().await;
    let (cookie, bearer) = (world.cookie(), world.bearer());
    let person = world.ask(&[(COOKIE, &cookie)], MADE).await.unwrap();
    world.memory.silent.store(true, Ordering::Relaxed);
    for line in [(COOKIE, &*cookie), (AUTHORIZATION, &*bearer)] {
        let refusal = world.ask(&[line], MADE).await.unwrap_err();
        assert_eq!(refusal, Refusal::Unavailable(Dependency::Store));
    }
    assert!(world.authenticator.renewed(&person, at(MADE)).await.is_none());
}

#[tokio::test]
async fn notes_a_use_at_most_once_a_minute() {
    let world = world().await;
    let cookie = world.cookie();
    world.ask(&[(COOKIE, &cookie)], MADE + 59).await.unwrap();
    assert!(world.memory.touched.lock().unwrap().is_empty());
    world.ask(&[(COOKIE, &cookie)], MADE + 60).await.unwrap();
    assert_eq!(*world.memory.touched.lock().unwrap(), [at(MADE + 60)]);
}

#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let world = world().await;
    let person = world.ask(&[(COOKIE, &world.cookie())], MADE).await.unwrap();
    let machine = world.ask(&[(AUTHORIZATION, &world.bearer())], MADE).await.unwrap();
    let nobody = world.ask(&[], MADE).await.unwrap();
    let valid = async |who, now| world.authenticator.renewed(who, at(now)).await.is_some();
    assert!(valid(&person, MADE + 3599).await && !valid(&person, MADE + 3600).await);
    assert!(valid(&machine, 4999).await && !valid(&machine, 5000).await);
    assert!(valid(&nobody, MADE).await);
    let id = machine.api_key().unwrap().id.clone();
    world.memory.revoke(&tenant(), &id, at(MADE)).await.unwrap();
    Sessions::remove(&*world.memory, &world.session.key()).await.unwrap();
    assert!(!valid(&machine, MADE).await && !valid(&person, MADE).await);
}

#[tokio::test]
async fn a_use_is_noted_once_a_minute_and_only_of_who_has_the_secret() {
    let world = world().await;
    let mut wrong = world.bearer();
    wrong.pop();
    for (credential, now) in [
        (world.bearer(), MADE),
        (world.bearer(), MADE + 59),
        (wrong, MADE + 60),
        (world.bearer(), MADE + 61),
        (world.bearer(), MADE + 62),
        (world.bearer(), MADE - 100),
    ] {
        drop(world.ask(&[(AUTHORIZATION, &credential)], now).await);
    }
    let noted = world.memory.used.lock().unwrap().clone();
    assert_eq!(noted, [at(MADE), at(MADE + 61), at(MADE - 100)], "also when the clock steps back");
}
