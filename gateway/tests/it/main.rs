//! The one integration binary: one file per behaviour.

mod api_keys;
mod architecture;
mod audit_chain;
mod cli;
mod decisions;
mod header_hygiene;
mod kill;
mod limits;
mod policies;
mod raw_socket;
mod support;
