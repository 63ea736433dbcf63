//! The decision point (PDP): schema, policy set, index, decision with reasons.
//!
//! [`Pdp::decide`] answers one [`Question`] on one organisation's [`Partition`]. What is unknown is
//! denied: an unknown action, an unknown resource, a principal the action is not for, a `forbid`
//! that fails to evaluate. It must never read a clock, a file or another organisation's entities.
//!
//! Conditions are interpreted by Cedar's own evaluator. What is ours is only the choice of the
//! policies whose scope can match ([`Pdp::load`] indexes them); a differential test compares every
//! answer with Cedar's plain evaluation of the whole set.

mod access;
mod book;
mod cache;
mod cases;
mod checked;
mod context;
mod decision;
mod draft;
mod entity;
mod error;
mod evaluate;
mod explain;
mod forms;
mod index;
mod load;
mod made;
mod matrix;
mod mutants;
mod nodes;
mod partition;
mod pdp;
mod rule;
mod schema;
mod trial;
mod world;

pub use access::{AccessQuestion, AccessSet, AccessSetError};
pub use book::PolicyBook;
pub use cases::{CaseFailure, CaseFile, Expectation, PolicyCase, run_cases, uncovered};
pub use checked::{Checked, Checker};
pub use context::Facts;
pub use decision::{Decision, Denial, Permit};
pub use error::{EntityError, PolicyError};
pub use explain::{
    Change, ChangeTable, Explanation, Inquiry, Part, PolicyAccount, Records, Remedy, Seen, Truth,
    at_and_above,
};
pub use matrix::{
    CellChange, Matrix, MatrixError, Probe, ProbeColumn, ReviewFormat, Sample, Variant, between,
    changes,
};
pub use mutants::{Fate, Mutant, MutantTrial, Mutation, mutants};
pub use partition::{Partition, PartitionBuilder, PreparedPrincipal, Standing};
pub use pdp::{Pdp, Question, Written};
pub use schema::PolicySchema;
pub use trial::{CaseAnswer, Trial};
pub use world::Changes;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
