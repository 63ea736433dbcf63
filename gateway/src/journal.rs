//! Puts decision records on disk durably, recovers after a crash, verifies, reads back.
//!
//! Floor 2. One shard (folder) per process, append-only segments, one hash chain per shard. It must
//! never take a record it could not write whole, and never change a line once written.

#[cfg(test)]
mod fixture;
mod flusher;
mod line;
mod recovery;
mod render;
mod segment;
mod shards;
mod tail;
mod verify;
mod writer;

pub use line::Line;
pub use recovery::RecoveryError;
pub use render::{Colour, Renderer, render_line, render_report};
pub use shards::ShardsError;
pub use tail::{Filter, Follow, Tail, TailError};
pub use verify::{
    Ending, Head, Problem, ProblemKind, Report, ShardReport, VerifyError, verify, verify_against,
};
pub use writer::{Journal, JournalError, JournalSettings};
