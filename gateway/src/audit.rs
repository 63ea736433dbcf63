//! The decision record: content, bytes, hashes, redaction. Pure.
//!
//! Floor 1. What may be said about a request is decided here, by type: no field can carry a body, a
//! query value, a cookie or a token. It must never open a file; [`Sink`] is implemented by `journal`.

mod body;
mod chain;
mod event;
#[cfg(test)]
mod memory;
mod notice;
mod pseudonym;
mod record;
mod schema;
mod sink;
mod text;

pub use body::RecordBody;
pub(crate) use body::is_hostile;
pub use chain::{ChainHash, LineError, Sealed, inspect, seal};
pub use event::{Actor, AuditEvent, AuditEvents, EventAction, FieldChange, Item, NotKept};
#[cfg(test)]
pub(crate) use memory::MemorySink;
pub use notice::{Event, EventRecord, JournalEvent, JournalRecord, Link};
pub use pseudonym::{Pseudonym, PseudonymKey};
pub use record::{
    AccessDigest, Also, AskedFacts, DecisionRecord, Effect, OutcomeRecord, Source, Verdict, What,
    Who,
};
pub use schema::decision_record_schema;
pub use sink::{Durability, Receipt, Recorded, Sink, SinkError};
pub use text::QueryKeys;
