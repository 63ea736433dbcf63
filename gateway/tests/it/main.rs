//! The one integration binary: one file per behaviour.

mod admin_cli;
mod api_keys;
mod architecture;
mod audit_chain;
mod body_ids;
mod cli;
mod decisions;
mod explaining;
mod feeds;
mod front_door;
mod header_hygiene;
mod kill;
mod limits;
mod login;
mod operations;
mod oracle;
mod policies;
mod questions;
mod raw_socket;
mod reload;
mod shutdown;
mod streams;
mod support;
mod systems;
mod telemetry;
mod upstreams;
