//! The one integration binary: one file per behaviour.
#![expect(missing_docs, reason = "a test binary has no readers of its interface")]

mod architecture;
mod policies;
mod raw_socket;
mod support;
