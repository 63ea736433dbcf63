//! What every `StateStore` must do, written once. A new implementation calls [`keeps_the_contract`] from one
//! test with a store of its own, on a clock the test moves.

use std::sync::Arc;
use std::time::Duration;

use super::{
    BATCH_MAX, Batch, Change, Changes, Key, Kind, Prefix, Put, StateStore, StoreError, Swap,
    VALUE_BYTES_MAX,
};
use crate::model::{Clock as _, ManualClock, TenantId};

/// Runs every clause against an empty `store` that reads `clock`.
pub(super) async fn keeps_the_contract(store: Arc<dyn StateStore>, clock: &ManualClock) {
    reads_what_was_written(&*store).await;
    swaps_only_what_it_expects(&*store).await;
    never_uses_a_version_twice(&*store).await;
    forgets_what_expired(&*store, clock).await;
    deletes_once(&*store).await;
    writes_a_batch_whole_or_not_at_all(&*store).await;
    checks_what_else_a_batch_expects(&*store).await;
    refuses_batches_that_no_store_takes(&*store).await;
    lists_by_prefix_in_pages(&*store).await;
    tells_every_change_in_order(&*store).await;
    says_when_the_feed_does_not_reach(&*store).await;
    refuses_values_too_large(&*store).await;
    one_of_many_swaps_wins(&store).await;
    one_of_many_takers_gets_it(&store).await;
    sweeps_what_expired(&*store, clock).await;
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn key(id: &str) -> Key {
    Key::of(&tenant("contract"), Kind::Session, id).unwrap()
}

async fn read(store: &dyn StateStore, key: &Key) -> Option<Vec<u8>> {
    store.get(key).await.unwrap().map(|found| found.value)
}

async fn feed(store: &dyn StateStore, after: u64) -> Vec<Change> {
    match store.changes(after, 1000).await.unwrap() {
        Changes::Since(changes) => changes,
        Changes::Lost { head } => panic!("lost, head {head}"),
    }
}

async fn head(store: &dyn StateStore) -> u64 {
    match store.changes(u64::MAX, 1).await.unwrap() {
        Changes::Lost { head } => head,
        Changes::Since(changes) => panic!("a feed that reaches the end of numbers: {changes:?}"),
    }
}

async fn reads_what_was_written(store: &dyn StateStore) {
    let place = key("written");
    assert_eq!(store.get(&place).await.unwrap(), None);
    let first = store.put(&place, b"one".to_vec(), None).await.unwrap();
    let found = store.get(&place).await.unwrap().unwrap();
    assert_eq!((found.version, &*found.value), (first, &b"one"[..]));
    let second = store.put(&place, vec![0, 255, 0], None).await.unwrap();
    assert!(second > first);
    assert_eq!(read(store, &place).await.unwrap(), [0, 255, 0]);
    let elsewhere = Key::of(&tenant("elsewhere"), Kind::Session, "written").unwrap();
    assert_eq!(read(store, &elsewhere).await, None, "another organisation's");
    let other = Key::of(&tenant("contract"), Kind::Login, "written").unwrap();
    assert_eq!(read(store, &other).await, None, "another kind");
}

async fn swaps_only_what_it_expects(store: &dyn StateStore) {
    let place = key("swapped");
    let swap = |expected, value: &'static [u8]| {
        store.compare_and_swap(&place, expected, value.to_vec(), None)
    };
    assert_eq!(swap(Some(1), b"x").await.unwrap(), Swap::Changed(None));
    let Swap::Stored(first) = swap(None, b"one").await.unwrap() else { panic!("not stored") };
    assert_eq!(swap(None, b"x").await.unwrap(), Swap::Changed(Some(first)));
    assert_eq!(swap(Some(first + 1), b"x").await.unwrap(), Swap::Changed(Some(first)));
    assert_eq!(read(store, &place).await.unwrap(), b"one");
    let Swap::Stored(second) = swap(Some(first), b"two").await.unwrap() else {
        panic!("not stored")
    };
    assert!(second > first);
    assert_eq!(swap(Some(first), b"x").await.unwrap(), Swap::Changed(Some(second)));
    assert_eq!(read(store, &place).await.unwrap(), b"two");
}

async fn never_uses_a_version_twice(store: &dyn StateStore) {
    let place = key("again");
    let first = store.put(&place, b"one".to_vec(), None).await.unwrap();
    assert!(store.delete(&place, None).await.unwrap());
    let second = store.put(&place, b"one".to_vec(), None).await.unwrap();
    assert_ne!(first, second);
    let stale = store.compare_and_swap(&place, Some(first), b"x".to_vec(), None).await.unwrap();
    assert_eq!(stale, Swap::Changed(Some(second)));
}

async fn forgets_what_expired(store: &dyn StateStore, clock: &ManualClock) {
    let (place, prefix) = (key("expiring"), Prefix::of(&tenant("contract"), Kind::Session));
    let end = clock.now().plus(Duration::from_secs(10));
    let version = store.put(&place, b"x".to_vec(), Some(end)).await.unwrap();
    clock.advance(Duration::from_nanos(9_999_999_999));
    assert!(read(store, &place).await.is_some());
    clock.advance(Duration::from_nanos(1));
    assert!(read(store, &place).await.is_none(), "its end is over already");
    let listed = store.scan(&prefix, None, 1000).await.unwrap();
    assert!(listed.iter().all(|entry| entry.key != place));
    assert!(!store.delete(&place, None).await.unwrap());
    let stale = store.compare_and_swap(&place, Some(version), b"y".to_vec(), None).await.unwrap();
    assert_eq!(stale, Swap::Changed(None));
    let anew = store.compare_and_swap(&place, None, b"y".to_vec(), None).await.unwrap();
    assert!(matches!(anew, Swap::Stored(_)));
    clock.advance(Duration::from_secs(1000));
    assert_eq!(read(store, &place).await.unwrap(), b"y", "written anew without an end");
}

async fn deletes_once(store: &dyn StateStore) {
    let place = key("deleted");
    let version = store.put(&place, b"x".to_vec(), None).await.unwrap();
    assert!(!store.delete(&place, Some(version + 1)).await.unwrap());
    assert!(read(store, &place).await.is_some());
    assert!(store.delete(&place, Some(version)).await.unwrap());
    assert!(!store.delete(&place, Some(version)).await.unwrap());
    assert!(!store.delete(&place, None).await.unwrap());
    assert_eq!(read(store, &place).await, None);
}

async fn writes_a_batch_whole_or_not_at_all(store: &dyn StateStore) {
    let (guard, one, two) = (key("batch-guard"), key("batch-one"), key("batch-two"));
    store.put(&two, b"old".to_vec(), None).await.unwrap();
    let batch = |expected, value: &[u8]| Batch {
        guard: guard.clone(),
        expected,
        value: value.to_vec(),
        checks: Vec::new(),
        puts: vec![put(one.clone(), value.to_vec())],
        deletes: vec![two.clone(), key("batch-never-there")],
    };
    let refused = store.swap_all(batch(Some(1), b"x")).await.unwrap();
    assert_eq!(refused, Swap::Changed(None));
    let before = store.get_all(&[guard.clone(), one.clone(), two.clone()]).await.unwrap();
    let values: Vec<_> = before.into_iter().map(|found| found.map(|found| found.value)).collect();
    assert_eq!(values, [None, None, Some(b"old".to_vec())], "nothing of it was done");
    let start = head(store).await;
    let Swap::Stored(first) = store.swap_all(batch(None, b"a")).await.unwrap() else {
        panic!("not stored")
    };
    let after = store.get_all(&[two.clone(), one.clone(), guard.clone()]).await.unwrap();
    let values: Vec<_> = after.into_iter().map(|found| found.map(|found| found.value)).collect();
    assert_eq!(values, [None, Some(b"a".to_vec()), Some(b"a".to_vec())]);
    let changes = feed(store, start).await;
    let keys: Vec<&Key> = changes.iter().map(|change| &change.key).collect();
    assert_eq!(keys, [&two, &one, &guard], "each change is in the feed, the guard's last");
    assert_eq!(changes.last().unwrap().seq, first);
    assert_eq!(store.swap_all(batch(None, b"b")).await.unwrap(), Swap::Changed(Some(first)));
    assert_eq!(read(store, &one).await.unwrap(), b"a");
}

async fn checks_what_else_a_batch_expects(store: &dyn StateStore) {
    let (guard, seen, absent) = (key("checks-guard"), key("checks-seen"), key("checks-absent"));
    let version = store.put(&seen, b"x".to_vec(), None).await.unwrap();
    let batch = |checks| Batch {
        guard: guard.clone(),
        expected: None,
        value: b"new".to_vec(),
        checks,
        puts: vec![put(absent.clone(), b"new".to_vec())],
        deletes: vec![seen.clone()],
    };
    for wrong in
        [(seen.clone(), None), (seen.clone(), Some(version + 1)), (absent.clone(), Some(1))]
    {
        let refused = store.swap_all(batch(vec![wrong])).await.unwrap();
        assert_eq!(refused, Swap::Changed(None));
        assert_eq!(store.get(&guard).await.unwrap(), None);
        assert!(read(store, &seen).await.is_some());
    }
    let right = vec![(seen.clone(), Some(version)), (absent.clone(), None)];
    assert!(matches!(store.swap_all(batch(right)).await.unwrap(), Swap::Stored(_)));
    assert_eq!(
        (read(store, &seen).await, read(store, &absent).await),
        (None, Some(b"new".to_vec()))
    );
}

const fn put(key: Key, value: Vec<u8>) -> Put {
    Put { key, value, expiry: None }
}

async fn refuses_batches_that_no_store_takes(store: &dyn StateStore) {
    let guard = key("refused-guard");
    let of = |puts: Vec<Put>, deletes: Vec<Key>| Batch {
        guard: guard.clone(),
        expected: None,
        value: Vec::new(),
        checks: Vec::new(),
        puts,
        deletes,
    };
    let large = of(vec![put(key("refused"), vec![0; VALUE_BYTES_MAX + 1])], Vec::new());
    let foreign = Key::of(&tenant("elsewhere"), Kind::Session, "x").unwrap();
    let scattered = of(vec![put(foreign, Vec::new())], Vec::new());
    let many = of(Vec::new(), vec![key("refused"); BATCH_MAX + 1]);
    assert!(matches!(store.swap_all(large).await, Err(StoreError::TooLarge { .. })));
    assert!(matches!(store.swap_all(scattered).await, Err(StoreError::Scattered)));
    assert!(matches!(store.swap_all(many).await, Err(StoreError::TooMany { .. })));
    assert_eq!(store.get(&guard).await.unwrap(), None);
    let keys = vec![key("refused"); BATCH_MAX + 1];
    assert!(matches!(store.get_all(&keys).await, Err(StoreError::TooMany { .. })));
}

async fn lists_by_prefix_in_pages(store: &dyn StateStore) {
    let listed = tenant("listed");
    for other in ["liste", "listed-", "listed0"] {
        let place = Key::of(&tenant(other), Kind::ApiKey, "x").unwrap();
        store.put(&place, b"other".to_vec(), None).await.unwrap();
    }
    let login = Key::of(&listed, Kind::Login, "x").unwrap();
    store.put(&login, b"other".to_vec(), None).await.unwrap();
    for id in ["c", "a", "e", "b", "d"] {
        let place = Key::of(&listed, Kind::ApiKey, id).unwrap();
        store.put(&place, id.into(), None).await.unwrap();
    }
    let prefix = Prefix::of(&listed, Kind::ApiKey);
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = store.scan(&prefix, after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for entry in &page {
            assert_eq!(entry.versioned.value, entry.key.id().as_bytes());
            ids.push(entry.key.id().to_owned());
        }
    }
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
}

async fn tells_every_change_in_order(store: &dyn StateStore) {
    let (one, two) = (key("feed-one"), key("feed-two"));
    let start = head(store).await;
    assert_eq!(feed(store, start).await, []);
    let first = store.put(&one, b"x".to_vec(), None).await.unwrap();
    let second = store.put(&two, b"x".to_vec(), None).await.unwrap();
    store.compare_and_swap(&one, Some(first + 99), b"x".to_vec(), None).await.unwrap();
    store.delete(&one, Some(first)).await.unwrap();
    store.delete(&one, None).await.unwrap();
    let changes = feed(store, start).await;
    let keys: Vec<&Key> = changes.iter().map(|change| &change.key).collect();
    assert_eq!(keys, [&one, &two, &one], "what changed nothing is no change");
    assert_eq!((changes[0].seq, changes[1].seq), (first, second));
    assert!(changes.is_sorted_by(|a, b| a.seq < b.seq));
    assert_eq!(feed(store, second).await, changes[2..]);
    let Changes::Since(page) = store.changes(start, 2).await.unwrap() else { panic!("lost") };
    assert_eq!(page, changes[..2]);
}

async fn says_when_the_feed_does_not_reach(store: &dyn StateStore) {
    let head = head(store).await;
    assert_eq!(store.changes(head, 10).await.unwrap(), Changes::Since(Vec::new()));
    let ahead = store.changes(head + 1, 10).await.unwrap();
    assert_eq!(ahead, Changes::Lost { head }, "a store put back from a copy");
}

async fn refuses_values_too_large(store: &dyn StateStore) {
    let place = key("large");
    store.put(&place, vec![7; VALUE_BYTES_MAX], None).await.unwrap();
    let refused = store.put(&place, vec![8; VALUE_BYTES_MAX + 1], None).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }));
    assert_eq!(read(store, &place).await.unwrap(), vec![7; VALUE_BYTES_MAX]);
}

async fn one_of_many_swaps_wins(store: &Arc<dyn StateStore>) {
    let place = key("raced");
    let first = store.put(&place, b"0".to_vec(), None).await.unwrap();
    let racers = (0..16_u8).map(|n| {
        let (store, place) = (Arc::clone(store), place.clone());
        tokio::spawn(
            async move { store.compare_and_swap(&place, Some(first), vec![n], None).await },
        )
    });
    let mut winners = Vec::new();
    for (n, racer) in racers.collect::<Vec<_>>().into_iter().enumerate() {
        if matches!(racer.await.unwrap().unwrap(), Swap::Stored(_)) {
            winners.push(n);
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(usize::from(read(&**store, &place).await.unwrap()[0]), winners[0]);
}

async fn one_of_many_takers_gets_it(store: &Arc<dyn StateStore>) {
    let place = key("taken");
    let version = store.put(&place, b"x".to_vec(), None).await.unwrap();
    let takers = (0..16).map(|_| {
        let (store, place) = (Arc::clone(store), place.clone());
        tokio::spawn(async move { store.delete(&place, Some(version)).await })
    });
    let mut got = 0;
    for taker in takers.collect::<Vec<_>>() {
        got += usize::from(taker.await.unwrap().unwrap());
    }
    assert_eq!(got, 1);
}

async fn sweeps_what_expired(store: &dyn StateStore, clock: &ManualClock) {
    let kept = key("swept-not");
    let end = clock.now().plus(Duration::from_secs(1));
    store.put(&key("swept"), b"x".to_vec(), Some(end)).await.unwrap();
    store.put(&kept, b"x".to_vec(), Some(end.plus(Duration::from_secs(5)))).await.unwrap();
    clock.advance(Duration::from_secs(2));
    let before = head(store).await;
    store.sweep().await.unwrap();
    assert!(read(store, &kept).await.is_some());
    assert_eq!(feed(store, before).await, [], "expiring is no change");
}
