//! What can go wrong in a store, and how it reaches those who know no store.

use crate::authn::StoreUnavailable;

/// Why an operation on the store failed. After a failed write the caller must not assume either outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// More operations are waiting than the store can take.
    #[error("the state store has too many operations waiting")]
    Overloaded,
    /// No answer in time.
    #[error("the state store did not answer in time")]
    Timeout,
    /// The store is closed.
    #[error("the state store is closed")]
    Closed,
    /// The value is larger than any value may be.
    #[error("a value of {bytes} bytes is more than the {max} a store keeps")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
    /// More entries than can be read or written together.
    #[error("{entries} entries are more than the {max} a store takes together")]
    TooMany {
        /// How many.
        entries: usize,
        /// The most allowed.
        max: usize,
    },
    /// Entries of several organisations cannot be written together.
    #[error("entries of several organisations cannot be written together")]
    Scattered,
    /// What was read makes no sense.
    #[error("the entry `{key}` cannot be read: {cause}")]
    Damaged {
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The store itself failed.
    #[error("the state store failed: {0}")]
    Failed(String),
}

impl From<StoreError> for StoreUnavailable {
    /// Writes the cause to the log, since a refusal carries none.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a store operation failed");
        Self
    }
}
