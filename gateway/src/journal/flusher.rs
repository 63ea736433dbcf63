//! Group commit: one thread that waits for the disk, so that no async thread does.
//!
//! Whoever waits while the disk is busy shares the next flush. It must never flush a failed segment
//! twice: after an error the kernel may have forgotten the pages (`PostgreSQL`, 2018).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::segment::Segment;

/// What a waiter is told.
pub(super) type Flushed = Result<(), String>;

#[derive(Debug, Default)]
struct Queue {
    /// Segments with unflushed lines, oldest first, each once.
    dirty: Vec<Arc<dyn Segment>>,
    waiters: Vec<oneshot::Sender<Flushed>>,
    stopping: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Rounds that failed since start.
    failures: AtomicU64,
    wake: Condvar,
}

/// Called with the message when a flush fails, before the waiters learn of it.
type OnError = Box<dyn Fn(&str) + Send>;

/// The flushing thread.
#[derive(Debug)]
pub(super) struct Flusher {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Flusher {
    /// Starts the thread. It flushes at once for waiters, and every `period` for everybody else.
    pub(super) fn start(period: Duration, on_error: OnError) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("journal-flush".into())
            .spawn(move || run(&theirs, period, &on_error))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Notes that `segment` has unflushed lines. Idempotent.
    pub(super) fn mark(&self, segment: &Arc<dyn Segment>) {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.dirty.iter().any(|known| Arc::ptr_eq(known, segment)) {
            queue.dirty.push(Arc::clone(segment));
        }
    }

    /// How many rounds have failed. Who compares it before appending and after waiting sees also the failure
    /// of a round that took the line in between, which its own round has nothing more to flush of.
    pub(super) fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Acquire)
    }

    /// Asks for a flush of everything marked so far.
    pub(super) fn request(&self) -> oneshot::Receiver<Flushed> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.stopping {
            // The dropped sender tells the waiter that nobody will flush.
            return receiver;
        }
        queue.waiters.push(sender);
        drop(queue);
        self.shared.wake.notify_one();
        receiver
    }

    /// Flushes what is left and ends the thread.
    pub(super) fn stop(&self) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).stopping = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there was already told to the waiters by their dropped senders.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, period: Duration, on_error: &OnError) {
    loop {
        let (dirty, waiters, stopping) = next(shared, period);
        // All are tried: one bad segment must not leave the others unflushed.
        let results: Vec<_> = dirty.iter().map(|segment| segment.sync()).collect();
        let flushed: Flushed =
            results.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string());
        if let Err(message) = &flushed {
            shared.failures.fetch_add(1, Ordering::Release);
            on_error(message);
        }
        for waiter in waiters {
            // A waiter that went away needs no answer.
            let _ = waiter.send(flushed.clone());
        }
        if stopping {
            return;
        }
    }
}

type Work = (Vec<Arc<dyn Segment>>, Vec<oneshot::Sender<Flushed>>, bool);

fn next(shared: &Shared, period: Duration) -> Work {
    let queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = |queue: &mut Queue| queue.waiters.is_empty() && !queue.stopping;
    let (mut queue, _) =
        shared.wake.wait_timeout_while(queue, period, idle).unwrap_or_else(PoisonError::into_inner);
    (std::mem::take(&mut queue.dirty), std::mem::take(&mut queue.waiters), queue.stopping)
}
