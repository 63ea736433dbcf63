//! Tests of the embedded store: the contract, and what only a file can do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::model::{ManualClock, TenantId};
use crate::store::contract::keeps_the_contract;
use crate::store::{CHANGES_KEPT, Kind};

struct Folder {
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1_800_000_000)));
        Self { clock, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("state/gateway.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.file(), self.clock.clone()).unwrap()
    }
}

fn key(id: &str) -> Key {
    Key::of(&TenantId::parse("nordvolt").unwrap(), Kind::ApiKey, id).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    let folder = Folder::new();
    keeps_the_contract(Arc::new(folder.open()), &folder.clock).await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = Folder::new();
    let version = folder.open().put(&key("a"), b"x".to_vec(), None).await.unwrap();
    let again = folder.open();
    assert_eq!(again.get(&key("a")).await.unwrap().unwrap().version, version);
    assert!(again.put(&key("a"), b"y".to_vec(), None).await.unwrap() > version);
}

#[tokio::test]
async fn two_handles_see_each_other_s_writes_and_changes() {
    let folder = Folder::new();
    let (one, two) = (folder.open(), folder.open());
    let Changes::Lost { head } = one.changes(u64::MAX, 1).await.unwrap() else { panic!("head") };
    let version = two.put(&key("a"), b"x".to_vec(), None).await.unwrap();
    assert_eq!(one.get(&key("a")).await.unwrap().unwrap().version, version);
    let Changes::Since(changes) = one.changes(head, 10).await.unwrap() else { panic!("lost") };
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].seq, &changes[0].key), (version, &key("a")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_handles_wins_each_swap() {
    let folder = Folder::new();
    let stores = [folder.open(), folder.open()];
    let first = stores[0].put(&key("n"), 0_u64.to_be_bytes().to_vec(), None).await.unwrap();
    assert!(first > 0);
    let adders = stores.map(|store| {
        tokio::spawn(async move {
            let mut added = 0_u64;
            while added < 50 {
                let found = store.get(&key("n")).await.unwrap().unwrap();
                let count = u64::from_be_bytes(found.value.try_into().unwrap()) + 1;
                let value = count.to_be_bytes().to_vec();
                let expected = Some(found.version);
                let swap = store.compare_and_swap(&key("n"), expected, value, None).await.unwrap();
                added += u64::from(matches!(swap, Swap::Stored(_)));
            }
        })
    });
    for adder in adders {
        adder.await.unwrap();
    }
    let count = folder.open().get(&key("n")).await.unwrap().unwrap().value;
    assert_eq!(u64::from_be_bytes(count.try_into().unwrap()), 100, "a lost or doubled swap");
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let folder = Folder::new();
    let opened: Vec<bool> = std::thread::scope(|scope| {
        let open = || SqliteStore::open(&folder.file(), folder.clock.clone()).is_ok();
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(opened, [true; 6]);
}

#[tokio::test]
async fn only_its_user_may_read_the_files() {
    let folder = Folder::new();
    std::fs::create_dir(folder.folder.path().join("state")).unwrap();
    std::fs::write(folder.file(), b"").unwrap();
    std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = folder.open();
    store.put(&key("a"), b"x".to_vec(), None).await.unwrap();
    let mut seen = 0;
    for file in std::fs::read_dir(folder.file().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        seen += 1;
    }
    assert_eq!(seen, 3, "the file, its log and the log's index");
}

#[test]
fn refuses_a_file_of_a_newer_program() {
    let folder = Folder::new();
    drop(folder.open());
    let connection = rusqlite::Connection::open(folder.file()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&folder.file(), folder.clock.clone()).unwrap_err();
    assert!(matches!(error, OpenError::TooNew { found: 99, known: 1, .. }), "{error}");
}

#[test]
fn refuses_what_is_no_database_and_no_place_for_one() {
    let folder = Folder::new();
    std::fs::create_dir(folder.folder.path().join("state")).unwrap();
    std::fs::write(folder.file(), "no database ".repeat(100)).unwrap();
    let error = SqliteStore::open(&folder.file(), folder.clock.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
    let below_a_file = folder.file().join("x.db");
    let error = SqliteStore::open(&below_a_file, folder.clock.clone()).unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error}");
}

#[tokio::test]
async fn a_feed_trimmed_too_far_is_lost() {
    let folder = Folder::new();
    let store = folder.open();
    let first = store.put(&key("a"), b"x".to_vec(), None).await.unwrap();
    let connection = rusqlite::Connection::open(folder.file()).unwrap();
    let head = first + CHANGES_KEPT + 10;
    connection
        .execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'change'", [head.cast_signed()])
        .unwrap();
    let last = store.put(&key("b"), b"x".to_vec(), None).await.unwrap();
    assert_eq!(last, head + 1);
    store.sweep().await.unwrap();
    assert_eq!(store.changes(first, 10).await.unwrap(), Changes::Lost { head: last });
    connection.execute("DELETE FROM change", []).unwrap();
    assert_eq!(store.changes(first, 10).await.unwrap(), Changes::Lost { head: last });
    assert_eq!(store.changes(last, 10).await.unwrap(), Changes::Since(Vec::new()));
}

#[tokio::test]
async fn a_change_of_a_kind_it_does_not_know_empties_the_copies() {
    let folder = Folder::new();
    let store = folder.open();
    let Changes::Lost { head } = store.changes(u64::MAX, 1).await.unwrap() else { panic!("head") };
    let connection = rusqlite::Connection::open(folder.file()).unwrap();
    connection.execute("INSERT INTO change (key) VALUES ('nordvolt/newer/x')", []).unwrap();
    let next = head + 1;
    assert_eq!(store.changes(head, 10).await.unwrap(), Changes::Lost { head: next });
    assert_eq!(store.changes(next, 10).await.unwrap(), Changes::Since(Vec::new()));
}

#[tokio::test]
async fn a_failed_write_is_told_and_the_next_one_works() {
    let folder = Folder::new();
    let store = folder.open();
    store.put(&key("a"), b"x".to_vec(), None).await.unwrap();
    let connection = rusqlite::Connection::open(folder.file()).unwrap();
    connection
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .unwrap();
    let error = store.put(&key("b"), b"x".to_vec(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    connection.execute_batch("DROP TRIGGER full").unwrap();
    store.put(&key("b"), b"x".to_vec(), None).await.unwrap();
    assert!(store.get(&key("a")).await.unwrap().is_some());
}
