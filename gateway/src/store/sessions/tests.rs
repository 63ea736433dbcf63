//! Tests of the kept sessions, on the real store, the feed read by hand.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::authn::SessionId;
use crate::model::{ConnectionId, EntityUid, ManualClock, OsEntropy};
use crate::store::{SealKey, SqliteStore, Watcher};

/// One process: a handle on the file, its sessions, and its reading of the feed.
struct Process {
    sessions: Arc<StoredSessions>,
    watcher: Watcher,
}

fn ring(byte: u8) -> KeyRing {
    KeyRing::new(vec![SealKey::new("a", Secret::new([byte; 32])).unwrap()]).unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(UnixNanos::from_seconds(1_800_000_000)))
}

fn sealed_process(folder: &Path, clock: &Arc<ManualClock>, byte: u8) -> Process {
    let store: Arc<dyn StateStore> =
        Arc::new(SqliteStore::open(&folder.join("state.db"), clock.clone()).unwrap());
    let sessions = Arc::new(StoredSessions::new(
        store.clone(),
        ring(byte),
        Arc::new(OsEntropy),
        clock.clone(),
        SessionLimits::default(),
    ));
    let watcher = Watcher::new(store, clock.clone(), vec![sessions.clone()]);
    Process { sessions, watcher }
}

fn process(folder: &Path, clock: &Arc<ManualClock>) -> Process {
    sealed_process(folder, clock, 1)
}

fn tenant() -> TenantId {
    TenantId::parse("nordvolt").unwrap()
}

fn new_session(clock: &ManualClock) -> NewSession {
    let session = Session {
        key: SessionId::generate(&OsEntropy).unwrap().key(),
        person: PersonId {
            tenant: tenant(),
            connection: ConnectionId::parse("main").unwrap(),
            issuer: "https://idp.example".into(),
            subject: "s-1".into(),
        },
        display_name: "Ada Admin".into(),
        created: clock.now(),
        last_seen: clock.now(),
        provider_session: Some("sid".into()),
        active: None,
        csrf: Secret::new("the-csrf-token".into()),
    };
    NewSession { session, id_token: Some(Secret::new("the-id-token".into())) }
}

#[tokio::test]
async fn a_kept_session_is_found_in_memory_here_and_in_the_store_elsewhere() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut here = process(folder.path(), &clock);
    let mut elsewhere = process(folder.path(), &clock);
    here.watcher.poll().await.unwrap();
    elsewhere.watcher.poll().await.unwrap();
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new.clone()).await.unwrap();
    assert!(here.sessions.cached(&key).is_some());
    here.watcher.poll().await.unwrap();
    assert!(here.sessions.cached(&key).is_some(), "its own change does not push it out");
    assert!(elsewhere.sessions.cached(&key).is_none());
    let found = elsewhere.sessions.find(&key).await.unwrap().unwrap();
    assert_eq!((found.key, &found.person), (key, &new.session.person));
    assert_eq!(found.provider_session.as_deref(), Some("sid"));
    assert!(found.csrf.matches(b"the-csrf-token"));
    assert!(elsewhere.sessions.cached(&key).is_some());
    let token = elsewhere.sessions.id_token(&key).await.unwrap().unwrap();
    assert!(token.matches(b"the-id-token"));
}

#[tokio::test]
async fn an_ended_session_is_gone_here_at_once_and_elsewhere_after_the_feed() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut here = process(folder.path(), &clock);
    let mut elsewhere = process(folder.path(), &clock);
    here.watcher.poll().await.unwrap();
    elsewhere.watcher.poll().await.unwrap();
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new).await.unwrap();
    elsewhere.sessions.find(&key).await.unwrap().unwrap();
    here.sessions.remove(&key).await.unwrap();
    assert!(here.sessions.find(&key).await.unwrap().is_none());
    assert!(elsewhere.sessions.cached(&key).is_some(), "the feed was not read yet");
    elsewhere.watcher.poll().await.unwrap();
    assert!(elsewhere.sessions.find(&key).await.unwrap().is_none());
    assert!(elsewhere.sessions.id_token(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn without_the_feed_an_ended_session_lives_two_seconds_elsewhere_at_most() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let mut elsewhere = process(folder.path(), &clock);
    elsewhere.watcher.poll().await.unwrap();
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new).await.unwrap();
    elsewhere.sessions.find(&key).await.unwrap().unwrap();
    here.sessions.remove(&key).await.unwrap();
    clock.advance(Duration::from_millis(2001));
    assert!(elsewhere.sessions.find(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_use_is_noted_everywhere_and_keeps_the_token() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut here = process(folder.path(), &clock);
    let mut elsewhere = process(folder.path(), &clock);
    here.watcher.poll().await.unwrap();
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new).await.unwrap();
    elsewhere.watcher.poll().await.unwrap();
    elsewhere.sessions.find(&key).await.unwrap().unwrap();
    clock.advance(Duration::from_mins(1));
    here.sessions.touch(&key, clock.now()).await.unwrap();
    here.watcher.poll().await.unwrap();
    assert_eq!(here.sessions.cached(&key).unwrap().last_seen, clock.now());
    elsewhere.watcher.poll().await.unwrap();
    assert_eq!(elsewhere.sessions.find(&key).await.unwrap().unwrap().last_seen, clock.now());
    assert!(here.sessions.id_token(&key).await.unwrap().unwrap().matches(b"the-id-token"));
    clock.advance(Duration::from_secs(3599));
    assert!(elsewhere.sessions.find(&key).await.unwrap().is_some(), "kept by its use");
    clock.advance(Duration::from_secs(1));
    assert!(elsewhere.sessions.find(&key).await.unwrap().is_none(), "idle for an hour");
}

#[tokio::test]
async fn a_use_does_not_bring_back_an_ended_session() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new).await.unwrap();
    here.sessions.remove(&key).await.unwrap();
    here.sessions.touch(&key, clock.now()).await.unwrap();
    assert!(here.sessions.find(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn no_use_keeps_a_session_beyond_its_absolute_limit() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new).await.unwrap();
    for _ in 0..48 {
        assert!(here.sessions.find(&key).await.unwrap().is_some());
        clock.advance(Duration::from_mins(30));
        here.sessions.touch(&key, clock.now()).await.unwrap();
    }
    assert!(here.sessions.find(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn neither_id_nor_secrets_are_in_the_file() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let id = SessionId::generate(&OsEntropy).unwrap();
    let mut new = new_session(&clock);
    new.session.key = id.key();
    here.sessions.create(new).await.unwrap();
    let mut bytes = std::fs::read(folder.path().join("state.db")).unwrap();
    bytes.extend(std::fs::read(folder.path().join("state.db-wal")).unwrap());
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&id.key().to_string()), "the record was looked for in the wrong place");
    for secret in [id.expose(), "the-csrf-token", "the-id-token"] {
        assert!(!holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_session_sealed_under_another_key_refuses() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let stranger = sealed_process(folder.path(), &clock, 2);
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new).await.unwrap();
    assert_eq!(stranger.sessions.find(&key).await.unwrap_err(), StoreUnavailable);
    assert_eq!(stranger.sessions.id_token(&key).await.unwrap_err(), StoreUnavailable);
}

#[tokio::test]
async fn notes_tell_of_one_organisation_s_sessions_only() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let mut other = new_session(&clock);
    other.session.person.tenant = TenantId::parse("other").unwrap();
    let stays = other.session.key;
    here.sessions.create(other).await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..3 {
        let new = new_session(&clock);
        keys.push(new.session.key);
        here.sessions.create(new).await.unwrap();
    }
    keys.sort_unstable();
    let told = here.sessions.notes(&tenant(), None, 9).await.unwrap();
    assert_eq!(told.iter().map(|note| note.key).collect::<Vec<_>>(), keys);
    let rest = here.sessions.notes(&tenant(), Some(&keys[0]), 1).await.unwrap();
    assert_eq!(rest, told[1..2]);
    assert_eq!(here.sessions.note(&tenant(), &keys[2]).await.unwrap().as_ref(), told.last());
    assert_eq!(here.sessions.note(&tenant(), &stays).await.unwrap(), None);
    assert_eq!(here.sessions.end_of(&told[0]), told[0].created.plus(Duration::from_hours(1)));
}

#[tokio::test]
async fn the_node_worked_in_is_kept_and_a_session_that_ended_stays_ended() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut here = process(folder.path(), &clock);
    let mut elsewhere = process(folder.path(), &clock);
    here.watcher.poll().await.unwrap();
    elsewhere.watcher.poll().await.unwrap();
    let new = new_session(&clock);
    let key = new.session.key;
    here.sessions.create(new).await.unwrap();
    elsewhere.sessions.find(&key).await.unwrap().unwrap();
    let node = EntityUid::parse("Operator::east").unwrap();
    here.sessions.work_in(&key, Some(&node)).await.unwrap();
    assert_eq!(here.sessions.cached(&key).unwrap().active.as_ref(), Some(&node));
    elsewhere.watcher.poll().await.unwrap();
    let found = elsewhere.sessions.find(&key).await.unwrap().unwrap();
    assert_eq!(found.active.as_ref(), Some(&node));
    assert!(found.csrf.matches(b"the-csrf-token"));
    elsewhere.sessions.touch(&key, clock.now()).await.unwrap();
    assert_eq!(
        elsewhere.sessions.cached(&key).unwrap().active.as_ref(),
        Some(&node),
        "a use keeps it"
    );
    here.sessions.remove(&key).await.unwrap();
    here.sessions.work_in(&key, Some(&node)).await.unwrap();
    assert!(here.sessions.find(&key).await.unwrap().is_none());
}
