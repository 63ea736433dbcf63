//! Tests of tokens, over stores in memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::authn::memory::Memory;
use crate::authn::token_text::TokenText;
use crate::authn::{IssuedApiKey, NewApiKey};
use crate::model::{OsEntropy, Secret};

const MADE: u64 = 1_000_000;
const HOUR: u64 = 3_600;

struct World {
    memory: Arc<Memory>,
    tokens: Arc<Tokens>,
    issued: IssuedApiKey,
}

fn at(seconds: u64) -> UnixNanos {
    UnixNanos::from_seconds(MADE + seconds)
}

fn pepper() -> Pepper {
    Pepper::new(&Secret::new([7; 32]))
}

fn key(name: &str) -> IssuedApiKey {
    let wish = NewApiKey {
        tenant: TenantId::parse("nordvolt").unwrap(),
        name: name.into(),
        roles: Vec::new(),
        scopes: vec!["teams:read".into(), "teams:write".into()],
        expires: None,
        networks: Vec::new(),
    };
    wish.issue(&pepper(), &OsEntropy, at(0)).unwrap()
}

impl World {
    async fn new() -> Self {
        let memory = Arc::new(Memory::default());
        let issued = key("billing");
        memory.create_key(issued.key.clone()).await;
        let tokens = Arc::new(Tokens::new(TokensParts {
            keys: memory.clone(),
            families: memory.clone(),
            pepper: pepper(),
            entropy: Arc::new(OsEntropy),
            lifetimes: TokenLifetimes::default(),
        }));
        Self { memory, tokens, issued }
    }

    async fn client(&self, now: u64) -> Option<ProvedClient> {
        let (id, secret) = (self.issued.key.id.as_str(), self.issued.token.expose());
        self.tokens.client(id, secret, at(now)).await.unwrap()
    }

    async fn issue(&self, now: u64) -> Issued {
        let client = self.client(now).await.unwrap();
        self.tokens.issue(&client, (None, true), at(now)).await.unwrap()
    }

    async fn refresh(&self, token: &str, now: u64) -> Result<Issued, NoTokens> {
        self.tokens.refresh((token, None), (None, &|_| Ok(())), at(now)).await
    }

    async fn works(&self, access: &str, now: u64) -> bool {
        self.tokens.bearer(access, at(now)).await.unwrap().is_some()
    }

    fn change(&self, change: impl FnOnce(&mut ApiKey)) {
        let mut changed = self.issued.key.clone();
        change(&mut changed);
        self.memory.keys.lock().unwrap().insert(changed.id.clone(), Arc::new(changed));
    }
}

impl Memory {
    async fn create_key(&self, key: ApiKey) {
        ApiKeys::create(self, key).await.unwrap();
    }
}

fn access(issued: &Issued) -> &str {
    issued.pair.access.expose()
}

fn refresh(issued: &Issued) -> &str {
    issued.pair.refresh.as_ref().unwrap().0.expose()
}

#[tokio::test]
async fn an_access_token_counts_for_an_hour_and_a_refresh_token_for_a_day() {
    let world = World::new().await;
    let first = world.issue(0).await;
    assert_eq!(first.pair.access_until, at(HOUR));
    assert_eq!(first.pair.refresh.as_ref().unwrap().1, at(24 * HOUR));
    assert!(world.works(access(&first), HOUR - 1).await);
    assert!(!world.works(access(&first), HOUR).await);
    assert!(!world.works(refresh(&first), 1).await, "a refresh token opens nothing");
    let second = world.refresh(refresh(&first), 24 * HOUR - 1).await.unwrap();
    assert!(world.works(access(&second), 24 * HOUR).await);
    assert_eq!(world.refresh(refresh(&second), 48 * HOUR).await.unwrap_err(), NoTokens::Grant);
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_client_prove_nothing() {
    let world = World::new().await;
    let (id, secret) = (world.issued.key.id.as_str(), world.issued.token.expose().as_str());
    let other = key("other");
    for (id, secret) in [
        (id, other.token.expose().as_str()),
        (other.key.id.as_str(), secret),
        ("", secret),
        ("not an id", secret),
        (id, ""),
        (id, "hg_"),
    ] {
        assert!(world.tokens.client(id, secret, at(0)).await.unwrap().is_none(), "{id}");
    }
    assert!(world.client(0).await.is_some());
    world.memory.silent.store(true, Ordering::Relaxed);
    assert!(world.tokens.client(id, secret, at(0)).await.is_err());
}

#[tokio::test]
async fn the_same_refresh_token_gives_the_same_tokens_for_half_a_minute() {
    let world = World::new().await;
    let first = world.issue(0).await;
    let second = world.refresh(refresh(&first), 10).await.unwrap();
    let again = world.refresh(refresh(&first), 40).await.unwrap();
    assert!(again.again && !second.again);
    assert_eq!((access(&second), refresh(&second)), (access(&again), refresh(&again)));
    assert_eq!(second.pair.access_until, again.pair.access_until);
    assert_ne!(access(&first), access(&second));
    assert!(world.works(access(&first), 41).await, "the one before goes on for its hour");

    let used = world.refresh(refresh(&first), 41).await.unwrap_err();
    assert!(matches!(used, NoTokens::Used { .. }), "{used:?}");
    assert!(!world.works(access(&second), 42).await, "the family has ended");
    assert_eq!(world.refresh(refresh(&second), 42).await.unwrap_err(), NoTokens::Grant);
}

#[tokio::test]
async fn an_older_refresh_token_ends_the_family_and_a_made_up_one_does_not() {
    let world = World::new().await;
    let first = world.issue(0).await;
    let mut last = world.refresh(refresh(&first), 1).await.unwrap();
    for n in 2..200 {
        last = world.refresh(refresh(&last), n / 10).await.unwrap();
    }
    // Of the same family, with the right checksum, made by somebody who has no pepper.
    let made_up = TokenText { prefix: "hgr_", id_chars: 16 };
    let made_up = made_up.write(first.family.as_str(), &"A".repeat(43));
    assert_eq!(world.refresh(&made_up, 20).await.unwrap_err(), NoTokens::Grant);
    assert!(world.works(access(&last), 20).await);
    let used = world.refresh(refresh(&first), 20).await.unwrap_err();
    assert!(matches!(used, NoTokens::Used { .. }), "{used:?}");
    assert!(!world.works(access(&last), 21).await);
}

#[tokio::test]
async fn a_hundred_at_once_get_one_successor() {
    let world = World::new().await;
    let first = world.issue(0).await;
    let token = refresh(&first).to_owned();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (tokens, token) = (Arc::clone(&world.tokens), token.clone());
        asked.spawn(async move {
            let issued = tokens.refresh((&token, None), (None, &|_| Ok(())), at(1)).await.unwrap();
            (access(&issued).to_owned(), refresh(&issued).to_owned(), issued.again)
        });
    }
    let answers = asked.join_all().await;
    let mut different: Vec<_> = answers.iter().map(|(a, r, _)| (a, r)).collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 1);
    assert_eq!(answers.iter().filter(|(_, _, again)| !again).count(), 1);
}

#[tokio::test]
async fn another_client_s_refresh_token_ends_its_family() {
    let world = World::new().await;
    let first = world.issue(0).await;
    let other = key("other");
    world.memory.create_key(other.key.clone()).await;
    let (id, secret) = (other.key.id.as_str(), other.token.expose());
    let thief = world.tokens.client(id, secret, at(1)).await.unwrap().unwrap();
    let wish = (refresh(&first), None);
    let refused = world.tokens.refresh(wish, (Some(&thief), &|_| Ok(())), at(1)).await;
    assert!(matches!(refused.unwrap_err(), NoTokens::Used { .. }));
    assert!(!world.works(access(&first), 2).await);
    let owner = world.client(2).await.unwrap();
    let second = world.issue(2).await;
    let wish = (refresh(&second), None);
    assert!(world.tokens.refresh(wish, (Some(&owner), &|_| Ok(())), at(3)).await.is_ok());
}

#[tokio::test]
async fn tokens_end_with_the_client_and_with_the_secret_they_were_given_for() {
    type Change = fn(&mut ApiKey);
    let world = World::new().await;
    let first = world.issue(0).await;
    let cases: [(&str, Change); 4] = [
        ("disabled", |key| key.disabled = true),
        ("revoked", |key| key.revoked = Some(at(1))),
        ("expired", |key| key.expires = Some(at(2))),
        ("another organisation's", |key| key.tenant = TenantId::parse("other").unwrap()),
    ];
    for (name, change) in cases {
        world.change(change);
        assert!(!world.works(access(&first), 2).await, "{name}");
        assert_eq!(world.refresh(refresh(&first), 2).await.unwrap_err(), NoTokens::Grant, "{name}");
        world.change(|_| ());
        assert!(world.works(access(&first), 2).await, "{name}");
    }
    let with = (&pepper(), &OsEntropy as &dyn Entropy);
    let rotated = world.issued.key.rotated(Duration::from_mins(1), with, at(10)).unwrap();
    world.memory.create_key(rotated.key).await;
    assert!(world.works(access(&first), 69).await, "the secret before still counts");
    assert!(!world.works(access(&first), 70).await);
    assert_eq!(world.refresh(refresh(&first), 70).await.unwrap_err(), NoTokens::Grant);
}

#[tokio::test]
async fn a_family_ends_however_often_it_is_refreshed() {
    let world = World::new().await;
    let mut issued = world.issue(0).await;
    let mut now = 0;
    let ends = 30 * 24 * HOUR;
    while now + 23 * HOUR < ends {
        now += 23 * HOUR;
        issued = world.refresh(refresh(&issued), now).await.unwrap();
    }
    assert_eq!(issued.pair.refresh.as_ref().unwrap().1, at(ends));
    issued = world.refresh(refresh(&issued), ends - 1).await.unwrap();
    assert_eq!(issued.pair.access_until, at(ends));
    assert!(!world.works(access(&issued), ends).await);
    assert_eq!(world.refresh(refresh(&issued), ends).await.unwrap_err(), NoTokens::Grant);
}

#[tokio::test]
async fn scopes_are_narrowed_and_never_grow() {
    let world = World::new().await;
    let client = world.client(0).await.unwrap();
    let only = |scope: &str| Some(vec![String::from(scope)]);
    let wish = (only("teams:delete"), true);
    assert_eq!(world.tokens.issue(&client, wish, at(0)).await.unwrap_err(), NoTokens::Scope);
    let first = world.tokens.issue(&client, (only("teams:read"), true), at(0)).await.unwrap();
    let scopes = async |access: &str, now| {
        world.tokens.bearer(access, at(now)).await.unwrap().unwrap().key.scopes.clone()
    };
    assert_eq!(scopes(access(&first), 1).await, ["teams:read"]);
    let grown = (refresh(&first), only("teams:write"));
    let grown = world.tokens.refresh(grown, (None, &|_| Ok(())), at(1)).await;
    assert_eq!(grown.unwrap_err(), NoTokens::Scope);
    let second = world.refresh(refresh(&first), 1).await.unwrap();
    assert_eq!(scopes(access(&second), 1).await, ["teams:read"]);
    // The same value each time, so that what is worked out for it is found again.
    let bearer = async || world.tokens.bearer(access(&second), at(1)).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&bearer().await.key, &bearer().await.key));
    // What the client loses, its tokens lose; what it gets, they do not.
    world.change(|key| key.scopes = vec!["teams:write".into()]);
    assert!(scopes(access(&second), 2).await.is_empty());
}

#[tokio::test]
async fn a_client_that_is_not_welcome_keeps_its_refresh_token() {
    let world = World::new().await;
    let first = world.issue(0).await;
    let unwelcome = |_: &ApiKey| Err(Refusal::AddressNotAllowed);
    let wish = (refresh(&first), None);
    let refused = world.tokens.refresh(wish, (None, &unwelcome), at(1)).await.unwrap_err();
    assert_eq!(refused, NoTokens::Unwelcome(Refusal::AddressNotAllowed));
    assert!(!world.refresh(refresh(&first), 2).await.unwrap().again);
}

#[tokio::test]
async fn tokens_are_taken_back_by_their_client_alone() {
    let world = World::new().await;
    let first = world.issue(0).await;
    let other = key("other");
    world.memory.create_key(other.key.clone()).await;
    let (id, secret) = (other.key.id.as_str(), other.token.expose());
    let foreign = world.tokens.client(id, secret, at(1)).await.unwrap().unwrap();
    let owner = world.client(1).await.unwrap();
    assert_eq!(world.tokens.revoke(access(&first), &foreign).await, Ok(None));
    assert_eq!(world.tokens.revoke("nonsense", &owner).await, Ok(None));
    assert!(world.works(access(&first), 1).await);
    let family = Some(first.family.clone());
    assert_eq!(world.tokens.revoke(refresh(&first), &owner).await, Ok(family));
    assert!(!world.works(access(&first), 1).await, "the access token dies with it");
    assert_eq!(world.tokens.revoke(refresh(&first), &owner).await, Ok(None));
}

#[tokio::test]
async fn keys_for_one_purpose_get_no_tokens() {
    let world = World::new().await;
    let changes: [fn(&mut ApiKey); 2] = [|key| key.bootstrap = true, |key| key.emergency = true];
    for change in changes {
        world.change(change);
        let client = world.client(0).await.unwrap();
        let refused = world.tokens.issue(&client, (None, true), at(0)).await;
        assert_eq!(refused.unwrap_err(), NoTokens::Kind);
    }
}

#[tokio::test]
async fn what_is_kept_and_shown_holds_no_token() {
    let world = World::new().await;
    let first = world.issue(0).await;
    let second = world.refresh(refresh(&first), 1).await.unwrap();
    let families = world.memory.families.lock().unwrap();
    let kept = serde_json::to_string(&*families.values().next().unwrap().0).unwrap();
    let shown = format!("{kept} {:?} {second:?} {:?}", families.values().next(), world.tokens);
    for token in [access(&first), refresh(&first), access(&second), refresh(&second)] {
        let secret = token.get(21..60).unwrap();
        assert!(!shown.contains(secret), "{shown}");
    }
    let read: TokenFamily = serde_json::from_str(&kept).unwrap();
    assert_eq!(read.id, first.family);
}
