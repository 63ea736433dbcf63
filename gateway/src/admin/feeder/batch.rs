//! One batch: compared with what is kept, checked as a whole, kept and put in force.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{ERRORS_MAX, FeedError, Inner, REASON_CHARS_MAX, upload_of};
use crate::admin::overlay::Turn;
use crate::authz::{EntityError, Partition};
use crate::model::{Change, EntityUid, Source, TenantId};
use crate::store::{
    FeedHead, Head, LineError, StagedObject, StoredObject, Upload, UploadMode, UploadState, Writes,
};

/// Lines that were read and wait to be taken together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// What is asked for each object, last, with its line.
    changes: BTreeMap<EntityUid, (u64, Change)>,
    named: u64,
    faults: Faults,
}

/// What is wrong: all counted, the first ones kept.
#[derive(Debug, Default)]
pub(super) struct Faults {
    count: u64,
    told: Vec<LineError>,
}

impl Faults {
    pub(super) fn add(&mut self, mut error: LineError) {
        self.count += 1;
        if self.told.len() < ERRORS_MAX {
            error.reason = error.reason.chars().take(REASON_CHARS_MAX).collect();
            self.told.push(error);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ends `upload` with these.
    pub(super) fn end(self, upload: &mut Upload) {
        upload.state = UploadState::Refused;
        upload.failed = self.count;
        upload.errors = self.told;
    }
}

impl Batch {
    /// Adds what a line asks for. Of two lines about one object the later counts.
    pub(super) fn add(&mut self, line: u64, change: Change) {
        self.named += 1;
        let uid = uid_of(&change).clone();
        self.changes.insert(uid, (line, change));
    }

    /// Adds what is wrong with a line.
    pub(super) fn refuse(&mut self, error: LineError) {
        self.faults.add(error);
    }
}

fn uid_of(change: &Change) -> &EntityUid {
    match change {
        Change::Put(record) => &record.uid,
        Change::Delete(uid) => uid,
    }
}

/// What a batch comes to, beside what is kept.
#[derive(Debug, Default)]
struct Difference {
    changes: Vec<Change>,
    lines: HashMap<EntityUid, u64>,
    writes: Writes,
    /// Of the objects, those that are new.
    new: u64,
}

impl Inner {
    /// Takes a batch, or refuses it whole and ends the upload; `complete` ends it well.
    pub(super) async fn settle(
        self: Arc<Self>,
        tenant: &TenantId,
        id: &str,
        batch: Batch,
        complete: bool,
    ) -> Result<Upload, FeedError> {
        let turn = self.parts.overlay.turn(tenant).await;
        let (turn, resources) = self.catch_up(turn).await?;
        let mut head = self.parts.objects.head(tenant).await?;
        let mode = upload_of(&mut head.feed, id)?.mode;
        if !batch.faults.is_empty() {
            return self.refuse(tenant, head, id, batch.faults).await;
        }
        let empty = batch.changes.is_empty();
        if mode == UploadMode::Replace {
            let upload = self.stage(tenant, &mut head, id, batch).await?;
            if !complete {
                return Ok(upload);
            }
            return self.replace(turn, &resources, (tenant, head, id)).await;
        }
        let (lines, bytes, named) = (batch.lines, batch.bytes, batch.named);
        let found = self.compare(tenant, &resources, batch).await?;
        let difference = match found {
            Ok(difference) => difference,
            Err(faults) => return self.refuse(tenant, head, id, faults).await,
        };
        let changes = Arc::new(difference.changes);
        let after = match applied(&resources, &changes).await? {
            Ok(after) => after,
            Err(errors) => {
                let faults = faults(errors, |uid| difference.lines.get(uid).copied());
                return self.refuse(tenant, head, id, faults).await;
            }
        };
        let (put, gone) = (difference.writes.objects.len(), difference.writes.gone.len());
        let now = self.parts.clock.now();
        head.feed.advance(&changes, now);
        let revision = head.feed.revision;
        let mut writes = difference.writes;
        writes.objects.iter_mut().for_each(|object| object.revision = revision);
        head.feed.objects = (head.feed.objects + difference.new).saturating_sub(gone as u64);
        let upload = upload_of(&mut head.feed, id)?;
        upload.lines += lines;
        upload.bytes += bytes;
        upload.applied += put as u64;
        upload.deleted += gone as u64;
        upload.unchanged += named.saturating_sub((put + gone) as u64);
        upload.touched = now;
        if complete {
            upload.state = UploadState::Complete;
        }
        let upload = upload.clone();
        if !(empty && lines == 0 && !complete) {
            self.write(tenant, &mut head, &writes).await?;
        }
        if !changes.is_empty() {
            self.put_in_force(turn, (after, head.feed.digest)).await?;
        }
        Ok(upload)
    }

    /// Ends an upload with what is wrong; what it took before stays.
    pub(super) async fn refuse(
        &self,
        tenant: &TenantId,
        mut head: Head,
        id: &str,
        faults: Faults,
    ) -> Result<Upload, FeedError> {
        let now = self.parts.clock.now();
        let upload = upload_of(&mut head.feed, id)?;
        upload.touched = now;
        faults.end(upload);
        let after = upload.clone();
        self.write(tenant, &mut head, &Writes::default()).await?;
        Ok(after)
    }

    /// The organisation's resources, in force as the store has them.
    async fn catch_up(&self, turn: Turn) -> Result<(Turn, Arc<Partition>), FeedError> {
        let overlay = Arc::clone(&self.parts.overlay);
        let task = move || overlay.catch_up(&turn).map(|resources| (turn, resources));
        let task = tokio::task::spawn_blocking(task);
        Ok(task.await.map_err(|_| FeedError::Panicked)??)
    }

    /// Puts in force what is in the store now, while the feed is named by the digest.
    pub(super) async fn put_in_force(
        &self,
        turn: Turn,
        (after, digest): (Arc<Partition>, [u8; 32]),
    ) -> Result<(), FeedError> {
        let overlay = Arc::clone(&self.parts.overlay);
        let task = move || overlay.put_in_force(&turn, (after, &digest));
        let task = tokio::task::spawn_blocking(task);
        Ok(task.await.map_err(|_| FeedError::Panicked)??)
    }

    /// Keeps a batch of an upload that replaces all, until its end.
    async fn stage(
        &self,
        tenant: &TenantId,
        head: &mut Head,
        id: &str,
        batch: Batch,
    ) -> Result<Upload, FeedError> {
        let upload = upload_of(&mut head.feed, id)?;
        upload.lines += batch.lines;
        upload.bytes += batch.bytes;
        upload.touched = self.parts.clock.now();
        let after = upload.clone();
        let staged = batch.changes.into_values().filter_map(|(line, change)| match change {
            Change::Put(record) => Some(StagedObject { record, line }),
            Change::Delete(_) => None,
        });
        let writes = Writes { staged: staged.collect(), ..Writes::default() };
        self.write(tenant, head, &writes).await?;
        Ok(after)
    }

    /// What of a batch differs from what is kept, or who owns what it may not touch.
    async fn compare(
        &self,
        tenant: &TenantId,
        resources: &Partition,
        batch: Batch,
    ) -> Result<Result<Difference, Faults>, FeedError> {
        let uids: Vec<EntityUid> = batch.changes.keys().cloned().collect();
        let kept = self.parts.objects.find(tenant, &uids).await?;
        let (mut difference, mut faults) = (Difference::default(), Faults::default());
        for (uid, (line, change)) in batch.changes {
            let before = kept.get(&uid);
            if let Some(owner) = stranger(resources, &uid, before) {
                faults.add(owned(Some(line), &uid, owner));
                continue;
            }
            difference.add(line, uid, change, before);
        }
        Ok(if faults.is_empty() { Ok(difference) } else { Err(faults) })
    }
}

impl Difference {
    fn add(&mut self, line: u64, uid: EntityUid, change: Change, before: Option<&StoredObject>) {
        match (&change, before) {
            (Change::Put(record), Some(before)) if before.record == *record => return,
            (Change::Delete(_), None) => return,
            (Change::Put(record), _) => {
                self.new += u64::from(before.is_none());
                let record = record.clone();
                self.writes.objects.push(StoredObject { record, source: Source::Hub, revision: 0 });
            }
            (Change::Delete(uid), Some(_)) => self.writes.gone.push(uid.clone()),
        }
        self.lines.insert(uid, line);
        self.changes.push(change);
    }
}

/// Who else owns an object: what is in force without being kept comes from the organisation's files.
pub(super) fn stranger(
    resources: &Partition,
    uid: &EntityUid,
    kept: Option<&StoredObject>,
) -> Option<Source> {
    match kept {
        Some(object) => Some(object.source).filter(|source| *source != Source::Hub),
        None => resources.contains(uid).then_some(Source::File),
    }
}

pub(super) fn owned(line: Option<u64>, uid: &EntityUid, owner: Source) -> LineError {
    let reason = format!("owned by the source `{owner}`: only that may change it");
    LineError { line, id: Some(uid.to_string()), reason }
}

/// What the resources are after `changes`, before anything is written; or why they do not fit.
pub(super) async fn applied(
    resources: &Arc<Partition>,
    changes: &Arc<Vec<Change>>,
) -> Result<Result<Arc<Partition>, Vec<EntityError>>, FeedError> {
    if changes.is_empty() {
        return Ok(Ok(Arc::clone(resources)));
    }
    let (resources, changes) = (Arc::clone(resources), Arc::clone(changes));
    let task = tokio::task::spawn_blocking(move || resources.apply(&changes).map(Arc::new));
    task.await.map_err(|_| FeedError::Panicked)
}

/// What is wrong with the organisation after the changes, at the lines that did it.
pub(super) fn faults(errors: Vec<EntityError>, line: impl Fn(&EntityUid) -> Option<u64>) -> Faults {
    let mut told: Vec<LineError> = errors
        .into_iter()
        .map(|error| LineError {
            line: line(error.uid()),
            id: Some(error.uid().to_string()),
            reason: error.to_string(),
        })
        .collect();
    told.sort_by_key(|error| error.line.unwrap_or(u64::MAX));
    let mut faults = Faults::default();
    for error in told {
        faults.add(error);
    }
    faults
}

/// The counts an upload adds to a feed that it replaces.
pub(super) fn count_replaced(
    head: &mut FeedHead,
    id: &str,
    counts: [u64; 3],
) -> Result<(), FeedError> {
    let upload = upload_of(head, id)?;
    [upload.applied, upload.deleted, upload.unchanged] = counts;
    upload.state = UploadState::Finishing;
    Ok(())
}
