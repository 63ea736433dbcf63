//! Where records go, and the proof that one went.
//!
//! It must never hand out a [`Recorded`] before the sink took the record (promise P5).

use std::fmt::Debug;

use async_trait::async_trait;

use super::{ChainHash, DecisionRecord, Effect, RecordBody};
use crate::model::DecisionId;

/// How safe a record must be before the request goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// In the kernel's hands: survives the death of the process, not of the machine.
    #[default]
    CrashSafe,
    /// On the disk: survives power loss.
    Strict,
}

/// What the sink gives for a record it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The record's number in its shard.
    pub seq: u64,
    /// The hash of its line.
    pub hash: ChainHash,
}

/// Why a record was not taken. Whatever waited for it must not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Writing failed, and nothing is taken until a new segment can be opened.
    #[error("the decision log cannot be written: {0}")]
    Unwritable(String),
    /// The log was closed; the gateway is stopping.
    #[error("the decision log is closed")]
    Closed,
    /// The record is larger than a line may be.
    #[error("a record of {bytes} bytes is too large for the decision log")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The record could not be encoded.
    #[error("the record cannot be encoded")]
    Unencodable,
    /// A permit was to be proven by a record that does not say allow.
    #[error("the record does not say allow")]
    NotAllowed,
}

/// Takes records in order, durably.
#[async_trait]
pub trait Sink: Send + Sync + Debug {
    /// Appends; the bytes are in the kernel's hands when it returns. Short enough for an async thread.
    ///
    /// # Errors
    /// [`SinkError`]: the record is not in the log.
    fn append(&self, body: RecordBody) -> Result<Receipt, SinkError>;

    /// Appends and waits until the bytes are on the disk.
    ///
    /// # Errors
    /// [`SinkError`]: the record may be in the log, but nobody may rely on it.
    async fn append_strict(&self, body: RecordBody) -> Result<Receipt, SinkError>;

    /// Whether the next append is expected to succeed; readiness asks it.
    fn is_writable(&self) -> bool;
}

/// A value whose allow decision is in the log. Only [`Recorded::begin`] makes one.
#[derive(Debug)]
pub struct Recorded<T> {
    value: T,
    decision: DecisionId,
    receipt: Receipt,
}

impl<T> Recorded<T> {
    /// Writes the record with the durability asked for, then vouches for `value`.
    ///
    /// # Errors
    /// [`SinkError`]: not recorded, so not allowed; `value` is dropped.
    pub async fn begin(
        sink: &dyn Sink,
        record: &DecisionRecord<'_>,
        durability: Durability,
        value: T,
    ) -> Result<Self, SinkError> {
        if record.decision.effect != Effect::Allow {
            return Err(SinkError::NotAllowed);
        }
        let receipt = match durability {
            Durability::CrashSafe => sink.append(record.encode())?,
            Durability::Strict => sink.append_strict(record.encode()).await?,
        };
        Ok(Self { value, decision: record.id, receipt })
    }

    /// The value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The decision's id: the outcome record and the upstream name it.
    pub const fn decision(&self) -> DecisionId {
        self.decision
    }

    /// What the sink gave.
    pub const fn receipt(&self) -> Receipt {
        self.receipt
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemorySink, Source, Verdict, What, Who};
    use super::*;
    use crate::model::UnixNanos;

    fn record(effect: Effect) -> DecisionRecord<'static> {
        DecisionRecord {
            id: DecisionId::from_parts(UnixNanos::from_seconds(1), [1; 10]),
            ts: UnixNanos::from_seconds(1),
            node: "gw-1",
            build: "0.1.0",
            snapshot: None,
            traceparent: None,
            who: Who::UNKNOWN,
            from: Source::default(),
            what: What::default(),
            decision: Verdict { effect, ..Verdict::refused("permitted") },
        }
    }

    #[tokio::test]
    async fn vouches_only_after_the_sink_took_an_allow() {
        let sink = MemorySink::default();
        let allow = record(Effect::Allow);
        let recorded =
            Recorded::begin(&sink, &allow, Durability::CrashSafe, "permit").await.unwrap();
        assert_eq!((*recorded.value(), recorded.decision()), ("permit", allow.id));
        assert_eq!(sink.records().len(), 1);
        assert!(sink.strict().is_empty());
    }

    #[tokio::test]
    async fn strict_waits_for_the_disk() {
        let sink = MemorySink::default();
        let recorded =
            Recorded::begin(&sink, &record(Effect::Allow), Durability::Strict, ()).await.unwrap();
        assert_eq!(sink.strict(), [recorded.receipt().seq]);
    }

    #[tokio::test]
    async fn vouches_for_nothing_else() {
        let sink = MemorySink::default();
        for effect in [Effect::Deny, Effect::Error, Effect::Refuse] {
            let refused = Recorded::begin(&sink, &record(effect), Durability::CrashSafe, ()).await;
            assert_eq!(refused.unwrap_err(), SinkError::NotAllowed);
        }
        sink.fail(true);
        let unwritten =
            Recorded::begin(&sink, &record(Effect::Allow), Durability::CrashSafe, ()).await;
        assert!(matches!(unwritten.unwrap_err(), SinkError::Unwritable(_)));
        assert!(sink.records().is_empty());
    }
}
