//! The one integration binary: one file per behaviour.

mod architecture;
mod front_door;
mod login;
mod policies;
mod raw_socket;
mod reload;
mod shutdown;
mod streams;
mod support;
mod telemetry;
mod upstreams;
