//! Takes changed files over while the gateway serves: whole, or not at all (promise P10).
//!
//! A change is read, checked and built off the request path, on a thread of its own, then handed over as
//! one value. What is wrong leaves the last good state in force, and says which file, key and line.

mod debounce;
mod files;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::config::{self, ConfigErrors, Loaded, Organisations};

use debounce::Debounce;
use files::WatchedFiles;

/// Puts a new state in force, at once and as a whole.
pub trait Apply: Send + Sync + Debug {
    /// Replaces the state in force by `loaded`.
    ///
    /// # Errors
    /// [`ApplyError`]; the state in force is then the one before.
    fn apply(&self, loaded: Loaded) -> Result<(), ApplyError>;

    /// Told that the files as they are now were refused, and why.
    fn rejected(&self, why: &str);
}

/// Why a well-formed state was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Something in it contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A setting that only a restart can change.
    #[error("`{key}` takes effect at the next start only")]
    NeedsRestart {
        /// The setting.
        key: &'static str,
    },
    /// Something outside the files failed.
    #[error("{0}")]
    Failed(String),
}

/// How reloading has gone so far: for readiness, metrics and people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Changes put in force.
    pub applied: u64,
    /// Changes refused.
    pub refused: u64,
    /// Why the files as they are now are not in force; one line per problem. `None` when they are.
    pub problem: Option<String>,
}

/// Reads the files again and hands the result over.
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
    apply: Arc<dyn Apply>,
    status: Mutex<ReloadStatus>,
    /// The organisations as they were last found without fault.
    checked: Mutex<Option<Organisations>>,
}

impl Reloader {
    /// Reloads the settings `file` into `apply`.
    pub fn new(file: PathBuf, apply: Arc<dyn Apply>) -> Self {
        Self { file, apply, status: Mutex::default(), checked: Mutex::default() }
    }

    /// Starts from organisations that were read and checked: what stays as it is, is not checked again.
    #[must_use]
    pub fn knowing(self, organisations: Organisations) -> Self {
        Self { checked: Mutex::new(Some(organisations)), ..self }
    }

    /// How it has gone so far.
    pub fn status(&self) -> ReloadStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads everything anew and puts it in force; the places to watch from now on when that worked.
    pub fn reload(&self) -> Option<Vec<PathBuf>> {
        let mut before = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = config::load_after(&self.file, before.as_ref()).map_err(ApplyError::from);
        let outcome = loaded.and_then(|loaded| {
            let watched = loaded.watched();
            *before = Some(loaded.organisations.clone());
            self.apply.apply(loaded).map(|()| watched)
        });
        drop(before);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(watched) => {
                status.applied += 1;
                status.problem = None;
                tracing::info!(file = %self.file.display(), "configuration reloaded");
                Some(watched)
            }
            Err(error) => {
                status.refused += 1;
                status.problem = Some(error.to_string());
                log_refusal(&error);
                self.apply.rejected(&error.to_string());
                None
            }
        }
    }
}

fn log_refusal(error: &ApplyError) {
    let ApplyError::Config(errors) = error else {
        tracing::error!(%error, "configuration not taken over; the last good one stays in force");
        return;
    };
    for problem in errors.problems() {
        tracing::error!(
            file = %problem.file().display(),
            line = problem.line(),
            key = problem.key(),
            message = problem.message(),
            advice = problem.advice(),
            "configuration not taken over; the last good one stays in force"
        );
    }
}

/// A running watch over the files. Ends when dropped.
#[derive(Debug)]
pub struct ReloadWatch {
    bell: Bell,
    thread: Option<JoinHandle<()>>,
}

/// What wakes the reloading thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// A watched file changed, or somebody asked.
    Changed,
    /// The gateway stops.
    Stop,
}

/// Asks for a reload. Cheap to clone; asking twice before the first is served is asking once.
#[derive(Clone, Debug)]
pub struct Bell(SyncSender<Signal>);

impl Bell {
    /// Asks for a reload soon.
    pub fn ring(&self) {
        // A full channel holds a ring that has not been heard yet; a closed one has nobody to hear.
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.0.try_send(Signal::Changed)
        {}
    }
}

/// Files are not watched: only an asked-for reload takes changes over.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system gave no watch.
    #[error("files cannot be watched")]
    Notify(#[from] notify::Error),
    /// The system gave no thread.
    #[error("the reloading thread cannot be started")]
    Thread(#[source] std::io::Error),
}

impl ReloadWatch {
    /// Watches `places` and reloads when they change.
    ///
    /// # Errors
    /// [`WatchError`] when the system gives no watch or no thread.
    pub fn start(reloader: Arc<Reloader>, places: &[PathBuf]) -> Result<Self, WatchError> {
        // One waiting signal is enough: a reload reads everything.
        let (sender, receiver) = sync_channel(1);
        let bell = Bell(sender);
        let mut eyes = Eyes::open(bell.clone())?;
        eyes.look_at(places);
        let run = move || watch(&reloader, &mut eyes, &receiver);
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(run);
        Ok(Self { bell, thread: Some(thread.map_err(WatchError::Thread)?) })
    }

    /// Asks for a reload by hand: the signal handler holds one.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }
}

impl Drop for ReloadWatch {
    fn drop(&mut self) {
        // Waits for a reload under way; a refused send means that the thread has ended.
        let stopped = self.bell.0.send(Signal::Stop);
        if let (Ok(()), Some(thread)) = (stopped, self.thread.take())
            && thread.join().is_err()
        {
            tracing::error!("the reloading thread panicked");
        }
    }
}

/// Rings on SIGHUP, for ever.
///
/// # Errors
/// The system's, when the signal cannot be listened to.
pub async fn reload_on_hangup(bell: Bell) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup())?;
    while hangups.recv().await.is_some() {
        bell.ring();
    }
    Ok(())
}

fn watch(reloader: &Reloader, eyes: &mut Eyes, signals: &Receiver<Signal>) {
    let start = Instant::now();
    let mut debounce = Debounce::default();
    loop {
        let signal = match debounce.wait(start.elapsed()) {
            Some(wait) => signals.recv_timeout(wait),
            None => signals.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match signal {
            Ok(Signal::Changed) => debounce.changed(start.elapsed()),
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if debounce.is_due(start.elapsed()) {
            debounce = Debounce::default();
            if let Some(places) = reloader.reload() {
                eyes.look_at(&places);
            }
        }
    }
}

/// The system's watch on the folders that hold the files.
#[derive(Debug)]
struct Eyes {
    watcher: RecommendedWatcher,
    files: Arc<Mutex<WatchedFiles>>,
    folders: Vec<(PathBuf, bool)>,
}

impl Eyes {
    fn open(bell: Bell) -> Result<Self, WatchError> {
        let files = Arc::new(Mutex::new(WatchedFiles::default()));
        let seen = Arc::clone(&files);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let files = seen.lock().unwrap_or_else(PoisonError::into_inner);
            // A watch that lost events may have lost ours.
            if event.is_err() || event.is_ok_and(|event| files.concerns(&event)) {
                bell.ring();
            }
        })?;
        Ok(Self { watcher, files, folders: Vec::new() })
    }

    /// Watches `places` from now on, and nothing else.
    fn look_at(&mut self, places: &[PathBuf]) {
        let files = WatchedFiles::new(places);
        let folders = files.folders();
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        for (folder, _) in self.folders.iter().filter(|old| !folders.contains(old)) {
            // It may be gone, and its watch with it.
            drop(self.watcher.unwatch(folder));
        }
        // A folder that was replaced since has a new identity: watch again, known or not.
        for (folder, below) in &folders {
            let mode = if *below { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            if let Err(error) = self.watcher.watch(folder, mode) {
                warn_unwatched(folder, &error);
            }
        }
        self.folders = folders;
    }
}

fn warn_unwatched(folder: &Path, error: &notify::Error) {
    tracing::warn!(folder = %folder.display(), %error, "folder not watched; send SIGHUP to reload");
}

/// A burst of events within this time is one change: editors write, rename and touch.
const QUIET: Duration = Duration::from_millis(200);

/// Steady change is taken over all the same after this time.
const WAIT_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
