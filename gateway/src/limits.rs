//! Rate limits: how much one peer address and one credential may ask, and how often a secret may be tried.
//!
//! Floor 1, pure: GCRA by `governor` over a store of our own that cannot grow without bound.

mod attempts;
mod limiter;
mod plans;
mod quotas;
mod states;

pub use attempts::AttemptLimiter;
pub use limiter::{Limit, LimitError, LimitSettings, Limiter, Remaining, network};
pub use plans::{Plan, Plans};
pub use quotas::{Count, KeptCounts, NoCount, Quota, QuotaKey, Quotas, Standing};
pub use states::KEYS_MAX;
