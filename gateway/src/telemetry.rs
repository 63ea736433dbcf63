//! Installs exporters; everybody else emits through the facades (`tracing`, and [`Metrics`] at the door).
//!
//! Off by default: without a setting there is one line of log for people and the metrics listener.

mod logging;
mod metrics;
mod trace;

pub use logging::{LogFormat, TelemetryError, TelemetryGuard, TelemetrySettings, install};
pub use metrics::{ExchangeEnd, Metrics};
pub use trace::{continue_trace, traceparent};
