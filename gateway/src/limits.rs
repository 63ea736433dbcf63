//! Rate limits: how much one peer address and one credential may ask.
//!
//! Floor 1, pure: GCRA by `governor` over a store of our own that cannot grow without bound.

mod limiter;
mod states;

pub use limiter::{Limit, LimitError, LimitSettings, Limiter, Remaining};
pub use states::KEYS_MAX;
