//! Tests of the watcher, over a feed told by hand.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::model::ManualClock;
use crate::store::{Batch, Entry, Key, Kind, Prefix, Swap, Versioned};

/// Answers `changes` from a script and notes what was asked; everything else is closed.
#[derive(Debug, Default)]
struct Feed {
    answers: Mutex<VecDeque<Result<Changes, StoreError>>>,
    asked: Mutex<Vec<u64>>,
}

#[async_trait]
impl StateStore for Feed {
    async fn get(&self, _: &Key) -> Result<Option<Versioned>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn put(&self, _: &Key, _: Vec<u8>, _: Option<UnixNanos>) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    async fn compare_and_swap(
        &self,
        _: &Key,
        _: Option<u64>,
        _: Vec<u8>,
        _: Option<UnixNanos>,
    ) -> Result<Swap, StoreError> {
        Err(StoreError::Closed)
    }
    async fn swap_all(&self, _: Batch) -> Result<Swap, StoreError> {
        Err(StoreError::Closed)
    }
    async fn get_all(&self, _: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn delete(&self, _: &Key, _: Option<u64>) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }
    async fn scan(&self, _: &Prefix, _: Option<&Key>, _: usize) -> Result<Vec<Entry>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn changes(&self, after: u64, _: usize) -> Result<Changes, StoreError> {
        self.asked.lock().unwrap().push(after);
        self.answers.lock().unwrap().pop_front().unwrap_or(Err(StoreError::Closed))
    }
    async fn sweep(&self) -> Result<usize, StoreError> {
        Err(StoreError::Closed)
    }
}

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Follower for Notes {
    fn changed(&self, change: &Change) {
        self.add(format!("changed {}", change.seq));
    }
    fn reset(&self) {
        self.add("reset".into());
    }
    fn synced(&self, at: UnixNanos) {
        self.add(format!("synced {}", at.seconds()));
    }
}

fn since(seqs: std::ops::Range<u64>) -> Changes {
    let key = Key::index(Kind::Session, "x").unwrap();
    Changes::Since(seqs.map(|seq| Change { seq, key: key.clone() }).collect())
}

fn setup(answers: Vec<Result<Changes, StoreError>>) -> (Arc<Feed>, Arc<Notes>, Watcher) {
    let feed = Arc::new(Feed { answers: Mutex::new(answers.into()), asked: Mutex::default() });
    let notes = Arc::new(Notes::default());
    let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(7)));
    let watcher = Watcher::new(feed.clone(), clock, vec![notes.clone()]);
    (feed, notes, watcher)
}

#[tokio::test]
async fn starts_at_the_head_and_goes_on_from_there() {
    let answers = vec![Ok(Changes::Lost { head: 40 }), Ok(since(41..43)), Ok(since(0..0))];
    let (feed, notes, mut watcher) = setup(answers);
    for _ in 0..3 {
        watcher.poll().await.unwrap();
    }
    assert_eq!(*feed.asked.lock().unwrap(), [u64::MAX, 40, 42]);
    let told = ["reset", "synced 7", "changed 41", "changed 42", "synced 7", "synced 7"];
    assert_eq!(notes.taken(), told);
}

#[tokio::test]
async fn reads_on_while_pages_are_full_before_it_calls_copies_fresh() {
    let page = PAGE as u64;
    let answers = vec![Ok(Changes::Lost { head: 0 }), Ok(since(1..page + 1)), Ok(since(0..0))];
    let (feed, notes, mut watcher) = setup(answers);
    watcher.poll().await.unwrap();
    notes.taken();
    watcher.poll().await.unwrap();
    assert_eq!(*feed.asked.lock().unwrap(), [u64::MAX, 0, page]);
    let told = notes.taken();
    assert_eq!(told.len(), PAGE + 1);
    assert_eq!(told.last().unwrap(), "synced 7");
}

#[tokio::test]
async fn calls_nothing_fresh_when_the_feed_was_not_read() {
    let answers = vec![
        Err(StoreError::Timeout),
        Ok(Changes::Lost { head: 5 }),
        Err(StoreError::Timeout),
        Ok(since(6..7)),
        Ok(Changes::Lost { head: 2 }),
    ];
    let (feed, notes, mut watcher) = setup(answers);
    assert!(watcher.poll().await.is_err());
    assert_eq!(notes.taken(), [""; 0]);
    watcher.poll().await.unwrap();
    assert!(watcher.poll().await.is_err());
    watcher.poll().await.unwrap();
    watcher.poll().await.unwrap();
    assert_eq!(*feed.asked.lock().unwrap(), [u64::MAX, u64::MAX, 5, 5, 6]);
    let told = ["reset", "synced 7", "changed 6", "synced 7", "reset", "synced 7"];
    assert_eq!(notes.taken(), told);
}
