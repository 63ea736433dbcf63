//! W3C Trace Context: the caller's trace goes on through the gateway and upstream.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue};
use opentelemetry::propagation::Extractor;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

struct Fields<'a>(&'a HeaderMap);

impl Extractor for Fields<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Makes `span` a part of the trace the request names, where it names one.
pub fn continue_trace(span: &tracing::Span, request: &HeaderMap) {
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Fields(request))
    });
    // Without an exporter there is nothing to attach to.
    let _ = span.set_parent(parent);
}

/// The `traceparent` that names `span`; none while nothing is exported, and the caller's then goes on as it is.
pub fn traceparent(span: &tracing::Span) -> Option<HeaderValue> {
    let mut fields = HashMap::new();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut fields);
    });
    fields.get("traceparent").and_then(|value| HeaderValue::from_str(value).ok())
}
