//! The end of an upload that replaces everything: checked as a whole, then written, in force at once.
//!
//! What was uploaded waits in the store, where it counts for nothing. When the upload is complete, the whole
//! difference is checked. If it holds, the feed's head says `finishing`, and from then on it cannot fail any
//! more: the writing may take many transactions, and if the process dies among them, the next one writes on
//! from the beginning, with the same result, before it serves.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::{applied, count_replaced, faults, owned, stranger};
use super::{FeedError, Inner};
use crate::admin::overlay::Turn;
use crate::authz::Partition;
use crate::model::{Change, EntityUid, Source, TenantId};
use crate::store::{
    DirectoryObjects, Goal, Head, StagedObject, StoreError, StoredObject, Swap, Upload,
    UploadState, Writes,
};

/// Everything that a complete upload changes.
#[derive(Debug, Default)]
struct Whole {
    changes: Vec<Change>,
    lines: HashMap<EntityUid, u64>,
    faults: super::batch::Faults,
    put: u64,
    new: u64,
    gone: u64,
    unchanged: u64,
}

impl Inner {
    /// Puts what was uploaded in the place of everything the hub has pushed.
    pub(super) async fn replace(
        &self,
        turn: Turn,
        resources: &Arc<Partition>,
        (tenant, mut head, id): (&TenantId, Head, &str),
    ) -> Result<Upload, FeedError> {
        let whole = self.whole(tenant, resources).await?;
        if !whole.faults.is_empty() {
            return self.refuse(tenant, head, id, whole.faults).await;
        }
        let changes = Arc::new(whole.changes);
        let after = match applied(resources, &changes).await? {
            Ok(after) => after,
            Err(errors) => {
                let faults = faults(errors, |uid| whole.lines.get(uid).copied());
                return self.refuse(tenant, head, id, faults).await;
            }
        };
        count_replaced(&mut head.feed, id, [whole.put, whole.gone, whole.unchanged])?;
        let mut goal = head.feed.clone();
        goal.advance(&changes, self.parts.clock.now());
        head.feed.goal = Some(Goal {
            revision: goal.revision,
            objects: (goal.objects + whole.new).saturating_sub(whole.gone),
            digest: goal.digest,
            changed: goal.changed,
        });
        self.write(tenant, &mut head, &Writes::default()).await?;
        let head = finish(&self.parts.objects, tenant, head).await?;
        if !changes.is_empty() {
            self.put_in_force(turn, (after, head.feed.digest)).await?;
        }
        head.feed.upload.ok_or(FeedError::Lost)
    }

    /// Compares everything uploaded with everything kept.
    async fn whole(&self, tenant: &TenantId, resources: &Partition) -> Result<Whole, FeedError> {
        let objects = &self.parts.objects;
        let mut whole = Whole::default();
        let mut after = None;
        loop {
            let (page, next) = objects.staged_page(tenant, after.as_ref()).await?;
            let uids: Vec<EntityUid> =
                page.iter().map(|staged| staged.record.uid.clone()).collect();
            let kept = objects.find(tenant, &uids).await?;
            for staged in page {
                let before = kept.get(&staged.record.uid);
                match stranger(resources, &staged.record.uid, before) {
                    Some(owner) => {
                        whole.faults.add(owned(Some(staged.line), &staged.record.uid, owner));
                    }
                    None => whole.put(staged, before),
                }
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        let mut after = None;
        loop {
            let (page, next) = objects.page(tenant, after.as_ref()).await?;
            for uid in absent(objects, tenant, page).await? {
                whole.gone += 1;
                whole.changes.push(Change::Delete(uid));
            }
            if next.is_none() {
                return Ok(whole);
            }
            after = next;
        }
    }
}

impl Whole {
    fn put(&mut self, staged: StagedObject, before: Option<&StoredObject>) {
        if before.is_some_and(|before| before.record == staged.record) {
            self.unchanged += 1;
            return;
        }
        self.put += 1;
        self.new += u64::from(before.is_none());
        self.lines.insert(staged.record.uid.clone(), staged.line);
        self.changes.push(Change::Put(staged.record));
    }
}

/// Of a page of objects, those of the hub that were not uploaded.
async fn absent(
    objects: &DirectoryObjects,
    tenant: &TenantId,
    page: Vec<StoredObject>,
) -> Result<Vec<EntityUid>, StoreError> {
    let own = page.into_iter().filter(|object| object.source == Source::Hub);
    let uids: Vec<EntityUid> = own.map(|object| object.record.uid).collect();
    let staged = objects.find_staged(tenant, &uids).await?;
    Ok(uids.into_iter().filter(|uid| !staged.contains_key(uid)).collect())
}

/// Finishes an upload that a process before this one left while it was being written. Nothing to do, otherwise.
///
/// # Errors
/// [`StoreError`]; it can be tried again.
pub async fn recover(objects: &DirectoryObjects, tenant: &TenantId) -> Result<(), StoreError> {
    let head = objects.head(tenant).await?;
    if head.feed.goal.is_some() {
        finish(objects, tenant, head).await?;
    }
    Ok(())
}

/// Writes everything that waits, and reaches the head's goal. May be repeated from anywhere in between.
async fn finish(
    objects: &DirectoryObjects,
    tenant: &TenantId,
    mut head: Head,
) -> Result<Head, StoreError> {
    let Some(goal) = head.feed.goal.clone() else { return Ok(head) };
    let mut after = None;
    loop {
        let (page, next) = objects.page(tenant, after.as_ref()).await?;
        let gone = absent(objects, tenant, page).await?;
        if !gone.is_empty() {
            step(objects, tenant, &mut head, &Writes { gone, ..Writes::default() }).await?;
        }
        if next.is_none() {
            break;
        }
        after = next;
    }
    let mut after = None;
    loop {
        let (page, next) = objects.staged_page(tenant, after.as_ref()).await?;
        let uids: Vec<EntityUid> = page.iter().map(|staged| staged.record.uid.clone()).collect();
        let kept = objects.find(tenant, &uids).await?;
        let differs = |staged: &StagedObject| {
            kept.get(&staged.record.uid).is_none_or(|kept| kept.record != staged.record)
        };
        let stored = |staged: StagedObject| StoredObject {
            record: staged.record,
            source: Source::Hub,
            revision: goal.revision,
        };
        let written: Vec<_> = page.into_iter().filter(differs).map(stored).collect();
        if !written.is_empty() {
            let writes = Writes { objects: written, ..Writes::default() };
            step(objects, tenant, &mut head, &writes).await?;
        }
        if next.is_none() {
            break;
        }
        after = next;
    }
    head.feed.revision = goal.revision;
    head.feed.objects = goal.objects;
    head.feed.digest = goal.digest;
    head.feed.changed = goal.changed;
    head.feed.goal = None;
    if let Some(upload) = &mut head.feed.upload {
        upload.state = UploadState::Complete;
    }
    step(objects, tenant, &mut head, &Writes::default()).await?;
    clear(objects, tenant, &mut head).await?;
    Ok(head)
}

/// Lets go of what an upload left waiting.
pub(super) async fn clear(
    objects: &DirectoryObjects,
    tenant: &TenantId,
    head: &mut Head,
) -> Result<(), StoreError> {
    loop {
        let (page, _) = objects.staged_page(tenant, None).await?;
        if page.is_empty() {
            return Ok(());
        }
        let unstaged = page.into_iter().map(|staged| staged.record.uid).collect();
        step(objects, tenant, head, &Writes { unstaged, ..Writes::default() }).await?;
    }
}

async fn step(
    objects: &DirectoryObjects,
    tenant: &TenantId,
    head: &mut Head,
    writes: &Writes,
) -> Result<(), StoreError> {
    match objects.write(tenant, head.version, &head.feed, writes).await? {
        Swap::Stored(version) => {
            head.version = Some(version);
            Ok(())
        }
        Swap::Changed(_) => {
            Err(StoreError::Failed(String::from("another process is writing the same push")))
        }
    }
}
