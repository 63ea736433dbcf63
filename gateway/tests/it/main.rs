//! The one integration binary: one file per behaviour.

mod architecture;
mod policies;
mod raw_socket;
mod support;
