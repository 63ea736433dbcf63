//! The administration door (PAP): its own listener, its own API, guarded by the same way as everything else.
//!
//! So far two things come in here: resources that the hub's own services push ([`Feeder`]), and questions that other
//! services ask the decision point. Every operation is a file of its own. Nothing is written before the decision to allow it is on record.

mod authzen;
mod authzen_metadata;
mod begin;
mod document;
mod evaluate;
mod evaluate_many;
mod feeder;
mod guard;
mod lines;
mod operation;
mod overlay;
mod problem;
mod progress;
mod push;
mod resume;
mod server;

pub use document::document;
pub use feeder::{FeedError, Feeder, FeederParts, recover};
pub use operation::scopes_of;
pub use overlay::{Overlay, OverlayError, check_pushed};
pub use server::Administration;
