//! Takes uploads of resources: in batches, each checked, kept and put in force as a whole.
//!
//! A batch is one transaction of the store together with the upload's own progress, so after any failure the
//! upload goes on exactly behind the last batch that counts. Writing runs to its end even if the client leaves.

mod batch;
mod replace;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use tokio::runtime::Handle;

use super::lines::{LINE_BYTES_MAX, Line, Lines, ReadError, change};
use super::overlay::{Overlay, OverlayError};
use crate::model::{
    Clock, DecisionId, EntityUid, Entropy, EntropyError, Source, TenantId, UnixNanos,
};
use crate::pipeline::Admitted;
use crate::store::{
    DirectoryObjects, FeedHead, Head, LineError, StoreError, Swap, Upload, UploadMode, UploadState,
    Writes,
};
use batch::Batch;
pub use replace::recover;

/// Lines of a batch. Large enough that checking and flushing cost little for each, small enough that other
/// writers of the store wait for some hundred milliseconds only.
const BATCH_LINES: usize = 5_000;

/// Bytes of a batch: what 5,000 usual lines come to, with room; long lines make shorter batches.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// Lines of an upload: as many as an organisation may have resources.
const LINES_MAX: u64 = 1_000_000;

/// Errors told of an upload; with 100 a person sees what is wrong, and they fit the store.
const ERRORS_MAX: usize = 100;

/// Longest reason of an error, in characters: a hundred of them fit one value of the store.
const REASON_CHARS_MAX: usize = 300;

/// How long an upload that may be resumed keeps its place without a sign of life: longer than a client takes to
/// come back after a restart, short enough that one which died does not block the feed for the day.
const IDLE_MAX: Duration = Duration::from_mins(15);

/// Why an upload did not go on. What was taken before stays.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The organisation has another upload under way.
    #[error("the organisation has another upload under way")]
    Busy,
    /// There is no such upload, or it is not the latest one any more.
    #[error("there is no such upload")]
    Unknown,
    /// It has ended.
    #[error("the upload has ended")]
    Ended(Box<Upload>),
    /// It does not go on where the client says.
    #[error("the upload goes on at byte {expected}, not {given}")]
    Offset {
        /// Where it goes on.
        expected: u64,
        /// What the client said.
        given: u64,
    },
    /// What allowed the upload does not allow it any more.
    #[error("the upload is not allowed any more")]
    Revoked,
    /// The client fell silent or left.
    #[error("the body broke off")]
    Broken,
    /// Another writer changed the feed in between.
    #[error("another writer has changed the feed")]
    Lost,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The resources in force could not be brought up to date.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// There is no randomness for an id.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Writing ended in a panic.
    #[error("writing the batch failed")]
    Panicked,
}

/// What a feeder works with.
#[derive(Debug)]
pub struct FeederParts {
    /// Where the objects are kept.
    pub objects: DirectoryObjects,
    /// What is in force.
    pub overlay: Arc<Overlay>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub entropy: Arc<dyn Entropy>,
    /// Outlives every connection.
    pub runtime: Handle,
}

/// Takes uploads of all organisations.
#[derive(Clone, Debug)]
pub struct Feeder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: FeederParts,
    running: Mutex<HashSet<TenantId>>,
}

/// An upload that is being read right now; gives its place back when dropped.
#[derive(Debug)]
struct Running {
    inner: Arc<Inner>,
    tenant: TenantId,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
    }
}

/// How an append ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The upload is complete with this body.
    Complete,
    /// More will come.
    More,
}

impl Feeder {
    /// Assembles it.
    pub fn new(parts: FeederParts) -> Self {
        Self(Arc::new(Inner { parts, running: Mutex::default() }))
    }

    /// Begins an upload that can be resumed; there is one at a time for each organisation, since each is checked
    /// against what the one before left.
    pub(super) async fn begin(
        &self,
        admitted: &Admitted,
        mode: UploadMode,
    ) -> Result<Upload, FeedError> {
        let _running = self.run(admitted.tenant())?;
        self.0.begin(admitted, mode, true).await
    }

    /// Takes a body: whole, in one go. If it breaks off, nothing of it can be resumed.
    pub(super) async fn push(
        &self,
        admitted: &Admitted,
        mode: UploadMode,
        body: Body,
    ) -> Result<Upload, FeedError> {
        let _running = self.run(admitted.tenant())?;
        let upload = self.0.begin(admitted, mode, false).await?;
        self.read(admitted, upload, Lines::of(body), Ending::Complete).await
    }

    /// Goes on with an upload at byte `offset`.
    pub(super) async fn append(
        &self,
        admitted: &Admitted,
        id: &str,
        offset: u64,
        (body, ending): (Body, Ending),
    ) -> Result<Upload, FeedError> {
        let tenant = admitted.tenant();
        let _running = self.run(tenant)?;
        let upload = self.upload(tenant, id).await?;
        if upload.state != UploadState::Open {
            return Err(FeedError::Ended(Box::new(upload)));
        }
        if upload.bytes != offset {
            return Err(FeedError::Offset { expected: upload.bytes, given: offset });
        }
        self.read(admitted, upload, Lines::of(body), ending).await
    }

    /// How far an upload is.
    pub(super) async fn upload(&self, tenant: &TenantId, id: &str) -> Result<Upload, FeedError> {
        let head = self.0.parts.objects.head(tenant).await?;
        head.feed.upload.filter(|upload| upload.id == id).ok_or(FeedError::Unknown)
    }

    /// Gives an upload up; what it has put in force stays.
    pub(super) async fn cancel(&self, tenant: &TenantId, id: &str) -> Result<Upload, FeedError> {
        let _running = self.run(tenant)?;
        let mut head = self.0.parts.objects.head(tenant).await?;
        let upload = head.feed.upload.as_mut().filter(|upload| upload.id == id);
        let upload = upload.ok_or(FeedError::Unknown)?;
        if upload.state != UploadState::Open {
            return Err(FeedError::Ended(Box::new(upload.clone())));
        }
        upload.state = UploadState::Cancelled;
        let ended = upload.clone();
        self.0.write(tenant, &mut head, &Writes::default()).await?;
        Ok(ended)
    }

    /// Of some nodes those that are kept, with who may change each.
    pub(super) async fn sources(
        &self,
        tenant: &TenantId,
        nodes: &[EntityUid],
    ) -> Result<BTreeMap<EntityUid, Source>, FeedError> {
        let kept = self.0.parts.objects.find(tenant, nodes).await?;
        Ok(kept.into_iter().map(|(uid, object)| (uid, object.source)).collect())
    }

    fn run(&self, tenant: &TenantId) -> Result<Running, FeedError> {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(tenant.clone()) {
            return Err(FeedError::Busy);
        }
        Ok(Running { inner: Arc::clone(&self.0), tenant: tenant.clone() })
    }

    /// Reads to the end, batch by batch.
    async fn read(
        &self,
        admitted: &Admitted,
        mut upload: Upload,
        mut lines: Lines,
        ending: Ending,
    ) -> Result<Upload, FeedError> {
        let mut number = upload.lines;
        loop {
            let (batch, last) = gather(&mut lines, &upload, &mut number, ending).await?;
            // P8: an upload takes as long as its client likes, a revocation counts at once.
            if !admitted.still_allowed().await {
                return Err(FeedError::Revoked);
            }
            let tenant = admitted.tenant();
            upload =
                self.settle(tenant, &upload.id, batch, last && ending == Ending::Complete).await?;
            if upload.state != UploadState::Open {
                lines.drain().await;
                return Ok(upload);
            }
            if last {
                return Ok(upload);
            }
        }
    }

    /// Takes a batch on the runtime that outlives the connection, so that a client which leaves in the middle
    /// cannot part what is kept from what is in force.
    async fn settle(
        &self,
        tenant: &TenantId,
        id: &str,
        batch: Batch,
        complete: bool,
    ) -> Result<Upload, FeedError> {
        let (inner, tenant, id) = (Arc::clone(&self.0), tenant.clone(), id.to_owned());
        let task = async move { inner.settle(&tenant, &id, batch, complete).await };
        self.0.parts.runtime.spawn(task).await.map_err(|_| FeedError::Panicked)?
    }
}

/// Reads lines until a batch is full or the body ends; tells which.
async fn gather(
    lines: &mut Lines,
    upload: &Upload,
    number: &mut u64,
    ending: Ending,
) -> Result<(Batch, bool), FeedError> {
    let mut batch = Batch::default();
    while batch.lines < BATCH_LINES as u64 && batch.bytes < BATCH_BYTES {
        let line = match lines.next().await {
            Err(ReadError::Broken) => return Err(FeedError::Broken),
            Err(ReadError::TooLong) => {
                let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                batch.refuse(LineError { line: Some(*number + 1), id: None, reason });
                return Ok((batch, true));
            }
            Ok(None) => return Ok((batch, true)),
            Ok(Some(line)) => line,
        };
        if !line.ended && ending == Ending::More {
            // Half a line, for all we know: the client sends it again from its beginning.
            return Ok((batch, true));
        }
        *number += 1;
        if *number > LINES_MAX {
            let reason = format!("an upload has at most {LINES_MAX} lines");
            batch.refuse(LineError { line: Some(*number), id: None, reason });
            return Ok((batch, true));
        }
        take(&mut batch, upload.mode, *number, &line);
    }
    Ok((batch, false))
}

fn take(batch: &mut Batch, mode: UploadMode, number: u64, line: &Line) {
    batch.lines += 1;
    batch.bytes += line.bytes;
    match change(mode, number, &line.text) {
        Ok(None) => {}
        Ok(Some(change)) => batch.add(number, change),
        Err(error) => batch.refuse(error),
    }
}

impl Inner {
    async fn begin(
        &self,
        admitted: &Admitted,
        mode: UploadMode,
        resumable: bool,
    ) -> Result<Upload, FeedError> {
        let tenant = admitted.tenant();
        let (objects, now) = (&self.parts.objects, self.parts.clock.now());
        // Holding the turn: an upload is not finished in two places at once.
        let turn = self.parts.overlay.turn(tenant).await;
        recover(objects, tenant).await?;
        let mut head = objects.head(tenant).await?;
        if head.feed.upload.as_ref().is_some_and(|upload| holds_the_place(upload, now)) {
            return Err(FeedError::Busy);
        }
        let mut random = [0; 10];
        self.parts.entropy.fill(&mut random)?;
        let upload = Upload {
            id: DecisionId::from_parts(now, random).to_string(),
            mode,
            resumable,
            state: UploadState::Open,
            bytes: 0,
            lines: 0,
            applied: 0,
            unchanged: 0,
            deleted: 0,
            failed: 0,
            errors: Vec::new(),
            by: admitted.credential().to_owned(),
            began: now,
            touched: now,
        };
        head.feed.upload = Some(upload.clone());
        self.write(tenant, &mut head, &Writes::default()).await?;
        replace::clear(objects, tenant, &mut head).await?;
        drop(turn);
        Ok(upload)
    }

    /// Writes the head and what goes with it.
    async fn write(
        &self,
        tenant: &TenantId,
        head: &mut Head,
        writes: &Writes,
    ) -> Result<(), FeedError> {
        match self.parts.objects.write(tenant, head.version, &head.feed, writes).await {
            Ok(Swap::Stored(version)) => {
                head.version = Some(version);
                Ok(())
            }
            Ok(Swap::Changed(_)) => Err(FeedError::Lost),
            Err(error) => self.look_again(tenant, head, error).await,
        }
    }

    /// After a failed write either is possible; the head tells which.
    async fn look_again(
        &self,
        tenant: &TenantId,
        head: &mut Head,
        error: StoreError,
    ) -> Result<(), FeedError> {
        let found = self.parts.objects.head(tenant).await?;
        if found.feed != head.feed {
            return Err(error.into());
        }
        head.version = found.version;
        Ok(())
    }
}

/// Whether an earlier upload keeps others out. One that cannot be resumed ended with its connection, and this
/// process has none for this organisation, or the caller would not be here.
fn holds_the_place(upload: &Upload, now: UnixNanos) -> bool {
    let idle = upload.touched.plus(IDLE_MAX) <= now;
    upload.state == UploadState::Open && upload.resumable && !idle
}

/// The feed's head with an upload that went on.
fn upload_of<'h>(head: &'h mut FeedHead, id: &str) -> Result<&'h mut Upload, FeedError> {
    let upload = head.upload.as_mut().filter(|upload| upload.id == id);
    let upload = upload.ok_or(FeedError::Lost)?;
    if upload.state == UploadState::Open { Ok(upload) } else { Err(FeedError::Lost) }
}
