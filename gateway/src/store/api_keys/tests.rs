//! Tests of the kept API keys, on the real store, the feed read by hand.

use std::path::Path;

use super::*;
use crate::authn::{ApiKeyToken, IssuedApiKey, NewApiKey, Pepper};
use crate::model::{EntityUid, ManualClock, OsEntropy, RoleAssignment, Secret};
use crate::store::{SqliteStore, Watcher};

struct Process {
    keys: Arc<StoredApiKeys>,
    store: Arc<dyn StateStore>,
    watcher: Watcher,
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(UnixNanos::from_seconds(1_800_000_000)))
}

fn process(folder: &Path, clock: &Arc<ManualClock>) -> Process {
    let store: Arc<dyn StateStore> =
        Arc::new(SqliteStore::open(&folder.join("state.db"), clock.clone()).unwrap());
    let keys = Arc::new(StoredApiKeys::new(store.clone(), clock.clone()));
    let watcher = Watcher::new(store.clone(), clock.clone(), vec![keys.clone()]);
    Process { keys, store, watcher }
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn pepper() -> Pepper {
    Pepper::new(&Secret::new([7; 32]))
}

fn issue(owner: &str, clock: &ManualClock) -> IssuedApiKey {
    let wish = NewApiKey {
        tenant: tenant(owner),
        name: "billing".into(),
        roles: vec![RoleAssignment {
            role: "viewer".into(),
            on: EntityUid::parse("Operator::main").unwrap(),
        }],
        scopes: vec!["teams:read".into()],
        expires: None,
        networks: Vec::new(),
    };
    wish.issue(&pepper(), &OsEntropy, clock.now()).unwrap()
}

#[tokio::test]
async fn a_kept_key_is_found_and_still_proves_its_token() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (here, elsewhere) = (process(folder.path(), &clock), process(folder.path(), &clock));
    let issued = issue("nordvolt", &clock);
    here.keys.create(issued.key.clone()).await.unwrap();
    let found = elsewhere.keys.find(&issued.key.id).await.unwrap().unwrap();
    let token = ApiKeyToken::parse(issued.token.expose()).unwrap();
    assert!(token.proof(Some(&found), &pepper(), UnixNanos::from_seconds(1)).is_some());
    assert_eq!((&found.tenant, &found.roles), (&issued.key.tenant, &issued.key.roles));
    assert!(elsewhere.keys.find(&issue("nordvolt", &clock).key.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_revocation_is_in_force_here_at_once_and_elsewhere_after_the_feed() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut here = process(folder.path(), &clock);
    let mut elsewhere = process(folder.path(), &clock);
    here.watcher.poll().await.unwrap();
    elsewhere.watcher.poll().await.unwrap();
    let key = issue("nordvolt", &clock).key;
    here.keys.create(key.clone()).await.unwrap();
    for process in [&here, &elsewhere] {
        assert!(process.keys.find(&key.id).await.unwrap().unwrap().in_force(clock.now()));
        assert!(process.keys.cached(&key.id).is_some());
    }
    assert!(here.keys.revoke(&key.tenant, &key.id, clock.now()).await.unwrap());
    assert!(!here.keys.find(&key.id).await.unwrap().unwrap().in_force(clock.now()));
    assert!(elsewhere.keys.cached(&key.id).unwrap().in_force(clock.now()), "feed not read yet");
    elsewhere.watcher.poll().await.unwrap();
    assert!(elsewhere.keys.cached(&key.id).is_none());
    assert!(!elsewhere.keys.find(&key.id).await.unwrap().unwrap().in_force(clock.now()));
}

#[tokio::test]
async fn revokes_nothing_of_another_organisation() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let key = issue("nordvolt", &clock).key;
    here.keys.create(key.clone()).await.unwrap();
    assert!(!here.keys.revoke(&tenant("other"), &key.id, clock.now()).await.unwrap());
    assert!(here.keys.find(&key.id).await.unwrap().unwrap().in_force(clock.now()));
    let unknown = KeyId::parse("aaaaaaaaaaaa").unwrap();
    assert!(!here.keys.revoke(&key.tenant, &unknown, clock.now()).await.unwrap());
}

#[tokio::test]
async fn a_second_revocation_keeps_the_time_of_the_first() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let key = issue("nordvolt", &clock).key;
    here.keys.create(key.clone()).await.unwrap();
    let first = clock.now();
    assert!(here.keys.revoke(&key.tenant, &key.id, first).await.unwrap());
    clock.advance(std::time::Duration::from_secs(9));
    assert!(here.keys.revoke(&key.tenant, &key.id, clock.now()).await.unwrap());
    assert_eq!(here.keys.find(&key.id).await.unwrap().unwrap().revoked, Some(first));
}

#[tokio::test]
async fn no_two_keys_share_an_id_over_all_organisations() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let key = issue("nordvolt", &clock).key;
    here.keys.create(key.clone()).await.unwrap();
    let stolen = ApiKey { tenant: tenant("other"), ..key.clone() };
    assert_eq!(here.keys.create(stolen).await.unwrap_err(), CreateApiKeyError::IdTaken);
    assert_eq!(here.keys.find(&key.id).await.unwrap().unwrap().tenant, key.tenant);
}

#[tokio::test]
async fn lists_the_keys_of_one_organisation() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let key = issue("nordvolt", &clock).key;
        ids.push(key.id.clone());
        here.keys.create(key).await.unwrap();
    }
    here.keys.create(issue("other", &clock).key).await.unwrap();
    ids.sort();
    here.keys.revoke(&tenant("nordvolt"), &ids[0], clock.now()).await.unwrap();
    let listed = here.keys.list(&tenant("nordvolt")).await.unwrap();
    assert_eq!(listed.iter().map(|key| key.id.clone()).collect::<Vec<_>>(), ids);
    assert!(listed[0].revoked.is_some() && listed[1].revoked.is_none());
    assert!(here.keys.list(&tenant("nobody")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_record_moved_to_another_organisation_is_refused() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let here = process(folder.path(), &clock);
    let key = issue("nordvolt", &clock).key;
    let id = key.id.as_str();
    let (index, place) = located(&tenant("other"), Kind::ApiKey, id).unwrap();
    here.store.put(&index, b"other".to_vec(), None).await.unwrap();
    here.store.put(&place, serde_json::to_vec(&key).unwrap(), None).await.unwrap();
    assert_eq!(here.keys.find(&key.id).await.unwrap_err(), StoreUnavailable);
}
