//! The spans of one exchange at the door. The stages in between have theirs in `pipeline`.
//!
//! Without an exporter nobody wants them: they are then made of nothing and cost one look at a flag.

use http::{HeaderMap, HeaderValue};
use tracing::Span;

use crate::telemetry;

/// The whole exchange, and its forwarding.
#[derive(Debug)]
pub(super) struct Spans {
    exchange: Span,
    forward: Span,
}

impl Default for Spans {
    fn default() -> Self {
        Self { exchange: Span::none(), forward: Span::none() }
    }
}

impl Spans {
    /// An exchange begins; it goes on with the trace the caller's `fields` name.
    pub(super) fn begin(fields: &HeaderMap) -> Self {
        let exchange = tracing::debug_span!(target: "hubgate::proxy", "request");
        if !exchange.is_disabled() {
            telemetry::continue_trace(&exchange, fields);
        }
        Self { exchange, forward: Span::none() }
    }

    /// The whole exchange.
    pub(super) fn exchange(&self) -> Span {
        self.exchange.clone()
    }

    /// Forwarding begins.
    pub(super) fn forward(&mut self) {
        self.forward = tracing::debug_span!(
            target: "hubgate::proxy",
            parent: &self.exchange,
            "forward"
        );
    }

    /// What a service is told to be part of; none while nothing is exported.
    pub(super) fn traceparent(&self) -> Option<HeaderValue> {
        if self.forward.is_disabled() {
            return None;
        }
        telemetry::traceparent(&self.forward)
    }

    /// Everything is over.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}
