//! Bounds the reading of organisations: how many at once, how many requests wait, and who goes first.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::{Clock, UnixNanos};

/// How long a request waits for its organisation to be read: a usual one takes milliseconds. What takes longer (a
/// million resources take some ten seconds) is read to its end all the same, for the requests that come later.
pub(in crate::pipeline) const WAIT_MAX: Duration = Duration::from_secs(5);

/// Organisations read at once: reading keeps a processor and the disk busy, and requests to the organisations in
/// memory need both.
const READS_MAX: usize = 2;

/// Requests that wait for a reading: each holds its head, at most 64 KiB, so these hold 64 MiB.
const WAITING_MAX: usize = 1_000;

/// Of those, requests to one organisation: one that is slow to read leaves places to the others.
const WAITING_EACH_MAX: usize = 250;

/// Of those, requests of nobody known: a tenth, so strangers cannot keep others from waiting.
const STRANGERS_MAX: usize = 100;

/// For whom an organisation is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Reader {
    /// Somebody with a credential that was verified.
    Known,
    /// Anybody: there is at most one reading for all strangers at a time.
    Stranger,
}

/// What all readings of a gateway share.
#[derive(Debug)]
pub(in crate::pipeline) struct Readers {
    clock: Arc<dyn Clock>,
    reads: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    strangers_waiting: Arc<Semaphore>,
    stranger: Arc<Semaphore>,
}

/// A place among those that wait; given back when dropped.
#[derive(Debug)]
pub(super) struct Waiting(
    #[expect(dead_code, reason = "held, not read")] [Option<OwnedSemaphorePermit>; 3],
);

/// The right to read one organisation; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(
    #[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>,
);

impl Readers {
    /// Nobody reads yet; failures are dated by `clock`.
    pub(in crate::pipeline) fn new(clock: Arc<dyn Clock>) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            clock,
            reads: places(READS_MAX),
            waiting: places(WAITING_MAX),
            strangers_waiting: places(STRANGERS_MAX),
            stranger: places(1),
        }
    }

    /// The places of one organisation.
    pub(super) fn places() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(WAITING_EACH_MAX))
    }

    /// The time.
    pub(super) fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    /// A place to wait at, where one is free; `each` are the organisation's own.
    pub(super) fn wait(&self, reader: Reader, each: &Arc<Semaphore>) -> Option<Waiting> {
        let place = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let strangers = match reader {
            Reader::Known => None,
            Reader::Stranger => Some(place(&self.strangers_waiting)?),
        };
        Some(Waiting([strangers, Some(place(&self.waiting)?), Some(place(each)?)]))
    }

    /// Lets one stranger on at a time. It is asked for before anything others wait for is taken.
    pub(super) async fn turn_of(&self, reader: Reader) -> Permit {
        match reader {
            Reader::Known => Permit(None),
            Reader::Stranger => acquire(&self.stranger).await,
        }
    }

    /// The right to read; in the order of asking.
    pub(super) async fn permit(&self) -> Permit {
        acquire(&self.reads).await
    }
}

async fn acquire(permits: &Arc<Semaphore>) -> Permit {
    // It fails only when the semaphore is closed, and nobody closes it.
    Permit(Arc::clone(permits).acquire_owned().await.ok())
}
