//! The one integration binary: one file per behaviour.

mod architecture;
