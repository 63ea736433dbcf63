//! State that outlives a request: the `StateStore` trait, SQLite, and what is kept in it.
//!
//! Every key starts with the organisation ([`Key`]). Values hold hashes of secrets; what must be read back is
//! sealed ([`KeyRing`]). In front of the store stand memory caches that a change empties exactly: at once in
//! the process that made it, and through the change feed ([`watch()`]) in every other.

mod answered;
mod api_keys;
mod cache;
#[cfg(test)]
mod contract;
mod error;
mod feed_head;
mod key;
mod managed;
mod managed_connections;
mod managed_parts;
mod objects;
mod organisations;
mod policies;
mod provisioning;
mod pushed;
mod quota_counts;
mod record;
mod seal;
mod sessions;
mod sqlite;
mod state;
mod token_families;
mod transactions;
mod watch;

pub use answered::{ANSWERED_KEPT, Answered};
pub use api_keys::StoredApiKeys;
pub use error::StoreError;
pub use feed_head::{FeedHead, Goal, LineError, Upload, UploadMode, UploadState};
pub use key::{Key, KeyError, Kind, Prefix};
pub use managed::{
    EVENTS_KEPT, ManagedChange, ManagedHead, ManagedObjects, ManagedState, ObjectWrite, PROFILE,
    Profile, StoredMember, StoredPeople, StoredShape,
};
pub use managed_connections::{StoredConnection, StoredDomain};
pub use managed_parts::StoredParts;
pub use objects::{DirectoryObjects, Head, PAGE, Place, StagedObject, StoredObject, Writes};
pub use organisations::StoredOrganisation;
pub use policies::{ChangeState, Hand, PolicyChange, PolicyWrite, StoredPolicy, source_name};
pub use provisioning::{
    GroupRoles, PROVISIONING, Provisioning, StoredGroup, StoredUser, SubjectFrom, index_id,
    membership_id,
};
pub use pushed::StoredResources;
pub use quota_counts::StoredCounts;
pub use seal::{KeyRing, KeyRingError, SealKey, SealedError};
pub use sessions::{SessionNote, StoredSessions};
pub use sqlite::{OpenError, SqliteStore};
pub use state::{
    BATCH_MAX, Batch, CHANGES_KEPT, Change, Changes, Entry, Put, StateStore, Swap, VALUE_BYTES_MAX,
    Versioned,
};
pub use token_families::StoredTokenFamilies;
pub use transactions::StoredTransactions;
pub use watch::{Follower, POLL_INTERVAL, TRUST_MAX, Watcher, watch};
