//! How far an organisation's feed has come: one small value, swapped with every batch.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Change, EntityUid, UnixNanos};

/// The head of one organisation's feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedHead {
    /// Grows with each batch that changed an object.
    pub revision: u64,
    /// How many objects there are.
    pub objects: u64,
    /// SHA-256 over all changes there ever were, in order: names the present state.
    pub digest: [u8; 32],
    /// When an object was last changed.
    pub changed: Option<UnixNanos>,
    /// The latest upload: the open one, or how the last one ended.
    pub upload: Option<Upload>,
    /// What this head will say when the upload that is [`UploadState::Finishing`] is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
}

/// Where a feed stands once an upload is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// The revision.
    pub revision: u64,
    /// How many objects there are then.
    pub objects: u64,
    /// The digest.
    pub digest: [u8; 32],
    /// When the last object was changed.
    pub changed: Option<UnixNanos>,
}

/// What an upload does with its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadMode {
    /// Each line is written; what is not named stays. In force batch by batch.
    Merge,
    /// Afterwards there is what the upload names and nothing else. In force as a whole, at the end.
    Replace,
    /// Each line names an object to delete. In force batch by batch.
    Delete,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// More may come.
    Open,
    /// Everything was received and checked, and is being written. It cannot be refused any more.
    Finishing,
    /// Everything is in force.
    Complete,
    /// A batch was refused; the ones before it stay in force.
    Refused,
    /// The client gave it up, or it was idle too long.
    Cancelled,
}

/// Why a line was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineError {
    /// The line, from 1. Absent where an object that the batch does not name would break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The object, where the line names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// One upload and its progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// What it does.
    pub mode: UploadMode,
    /// Whether it outlives its connection.
    pub resumable: bool,
    /// How far it is.
    pub state: UploadState,
    /// Bytes taken for good: where a resumed upload goes on. Always the end of a line.
    pub bytes: u64,
    /// Lines taken for good.
    pub lines: u64,
    /// Objects written because they were new or different.
    pub applied: u64,
    /// Lines that changed nothing.
    pub unchanged: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Lines and objects found faulty in the batch that was refused; all are counted, not all are in `errors`.
    pub failed: u64,
    /// What is wrong with them, the first ones.
    pub errors: Vec<LineError>,
    /// The key that began it.
    pub by: String,
    /// When it began.
    pub began: UnixNanos,
    /// When something was last taken.
    pub touched: UnixNanos,
}

impl FeedHead {
    /// Counts one batch of changes at `now`: a new revision, unless there are none.
    pub fn advance(&mut self, changes: &[Change], now: UnixNanos) {
        if changes.is_empty() {
            return;
        }
        self.revision = self.revision.saturating_add(1);
        self.changed = Some(now);
        let mut hash = Sha256::new();
        hash.update(self.digest);
        for change in changes {
            match change {
                // A record is plain data with text keys: it always has a JSON form.
                Change::Put(record) => {
                    let text = serde_json::to_vec(record).unwrap_or_default();
                    hash.update([1]);
                    hash.update((text.len() as u64).to_be_bytes());
                    hash.update(text);
                }
                Change::Delete(uid) => hash_gone(&mut hash, uid),
            }
        }
        self.digest = hash.finalize().into();
    }
}

fn hash_gone(hash: &mut Sha256, uid: &EntityUid) {
    let text = uid.to_string();
    hash.update([2]);
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}
