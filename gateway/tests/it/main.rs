//! The one integration binary: one file per behaviour.

mod architecture;
mod login;
mod policies;
mod raw_socket;
mod support;
