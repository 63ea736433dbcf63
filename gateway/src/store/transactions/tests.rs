//! Tests of the open logins, on the real store.

use std::time::Duration;

use super::*;
use crate::model::{Clock as _, ConnectionId, ManualClock, OsEntropy, Secret, TenantId};
use crate::store::{SealKey, SqliteStore};

fn setup(folder: &tempfile::TempDir) -> (Arc<ManualClock>, Arc<StoredTransactions>) {
    let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1_800_000_000)));
    let store = SqliteStore::open(&folder.path().join("state.db"), clock.clone()).unwrap();
    let ring = KeyRing::new(vec![SealKey::new("a", Secret::new([1; 32])).unwrap()]).unwrap();
    let logins = StoredTransactions::new(Arc::new(store), ring, Arc::new(OsEntropy));
    (clock, Arc::new(logins))
}

fn login(state_key: &str, created: UnixNanos) -> LoginTransaction {
    LoginTransaction {
        state_key: state_key.into(),
        connection: ConnectionKey {
            tenant: TenantId::parse("nordvolt").unwrap(),
            id: ConnectionId::parse("main").unwrap(),
        },
        nonce: Secret::new("the-nonce".into()),
        verifier: Secret::new("the-verifier".into()),
        return_to: "/teams?x=1".into(),
        host: "portal.example".into(),
        browser: "00ff".into(),
        created,
    }
}

#[tokio::test]
async fn gives_a_login_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, logins) = setup(&folder);
    logins.put(login("aa", clock.now())).await.unwrap();
    assert!(logins.take("bb").await.unwrap().is_none());
    let taken = logins.take("aa").await.unwrap().unwrap();
    assert!(taken.nonce.matches(b"the-nonce") && taken.verifier.matches(b"the-verifier"));
    assert_eq!((&*taken.state_key, &*taken.return_to), ("aa", "/teams?x=1"));
    assert_eq!((&*taken.host, &*taken.browser), ("portal.example", "00ff"));
    assert_eq!(taken.connection.to_string(), "nordvolt/main");
    assert!(logins.take("aa").await.unwrap().is_none());
}

#[tokio::test]
async fn forgets_a_login_after_its_lifetime() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, logins) = setup(&folder);
    logins.put(login("aa", clock.now())).await.unwrap();
    logins.put(login("bb", clock.now())).await.unwrap();
    clock.advance(LOGIN_LIFETIME.saturating_sub(Duration::from_nanos(1)));
    assert!(logins.take("aa").await.unwrap().is_some());
    clock.advance(Duration::from_nanos(1));
    assert!(logins.take("bb").await.unwrap().is_none());
}

#[tokio::test]
async fn takes_no_login_by_what_is_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let (_, logins) = setup(&folder);
    for state in ["", "a/b", "../x", "å", &"a".repeat(200)] {
        assert!(logins.take(state).await.unwrap().is_none(), "{state}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_callbacks_with_one_state_one_gets_the_login() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, logins) = setup(&folder);
    logins.put(login("aa", clock.now())).await.unwrap();
    let callbacks: Vec<_> = (0..16)
        .map(|_| {
            let logins = Arc::clone(&logins);
            tokio::spawn(async move { logins.take("aa").await.unwrap().is_some() })
        })
        .collect();
    let mut taken = 0;
    for callback in callbacks {
        taken += usize::from(callback.await.unwrap());
    }
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn no_secret_of_a_login_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, logins) = setup(&folder);
    logins.put(login("aabbcc", clock.now())).await.unwrap();
    let bytes = std::fs::read(folder.path().join("state.db-wal")).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("aabbcc"));
    assert!(!holds("the-nonce") && !holds("the-verifier"));
}
