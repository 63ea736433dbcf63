//! The administration door (PAP): its own listener, its own API, guarded by the same way as everything else.
//!
//! Resources that the hub's own services push ([`Feeder`]), questions that other services ask the decision point, and
//! everything an administrator changes ([`Desk`]). Every operation is a file of its own. Nothing is written before the
//! decision to allow it is on record.

mod api_client;
mod authzen;
mod authzen_metadata;
mod begin;
mod body;
mod change;
mod change_api_client;
mod change_member;
mod connections;
mod create_api_client;
mod create_member;
mod desk;
mod diff;
mod document;
mod domains;
mod end_session;
mod end_sessions;
mod evaluate;
mod evaluate_many;
mod event;
mod feeder;
mod guard;
mod lines;
mod list_api_clients;
mod list_events;
mod list_members;
mod list_own_events;
mod list_sessions;
mod member;
mod nodes;
mod operation;
mod overlay;
mod own_pages;
mod paging;
mod platform;
mod policies;
mod problem;
mod progress;
mod provisioning;
mod push;
mod remove_api_client;
mod remove_member;
mod resume;
mod rotate_api_client;
mod routes;
mod scim;
mod server;
mod show_api_client;
mod show_event;
mod show_member;
mod show_own_event;
mod txt;

pub use desk::{Desk, DeskParts};
pub use document::document;
pub use feeder::{FeedError, Feeder, FeederParts, recover};
pub use operation::{administration_scopes, scopes_of};
pub use overlay::{Overlay, OverlayError, check_pushed, with_additions};
pub use server::Administration;
pub use txt::{NameServers, TxtError, TxtRecords};
