//! The administration door (PAP): its own listener, its own API, guarded by the same way as everything else.
//!
//! So far one thing comes in here: resources that the hub's own services push ([`Feeder`]). Every operation is a
//! file of its own. Nothing is written before the decision to allow it is on record.

mod begin;
mod feeder;
mod guard;
mod lines;
mod overlay;
mod problem;
mod progress;
mod push;
mod resume;
mod server;

pub use feeder::{FeedError, Feeder, FeederParts, recover};
pub use overlay::{Overlay, OverlayError, check_pushed};
pub use server::Administration;
