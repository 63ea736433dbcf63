//! One exchange: what Pingora carries from phase to phase for us, and the promise that its end is recorded.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::services::Service;
use super::spans::Spans;
use super::watch::Watch;
use crate::model::{DecisionId, Malformed, Refusal, UnixNanos};
use crate::pipeline::{Arrival, Enforcement, Forward, Pipeline};
use crate::routing::CanonicalRequest;
use crate::telemetry::Metrics;

/// One request on its way. Dropped without [`Exchange::complete`] (the kill switch, a client that vanished) it
/// records its end all the same.
pub struct Exchange {
    pipeline: Arc<Pipeline>,
    metrics: Arc<Metrics>,
    /// How it came in.
    pub(super) arrival: Arrival,
    head: Option<Result<Arc<CanonicalRequest>, Refusal>>,
    request: Option<Arc<CanonicalRequest>>,
    allowed: Option<(Box<Forward>, Arc<Service>)>,
    /// The decision, once there is one.
    pub(super) decision: Option<DecisionId>,
    /// What became of it.
    pub(super) enforcement: Enforcement,
    /// The address of the last attempt.
    pub(super) last_tried: Option<SocketAddr>,
    /// Whether the client already has its `100 Continue`.
    pub(super) continued: bool,
    /// The spans of the whole exchange and of its forwarding.
    pub(super) spans: Spans,
    outcome_due: bool,
    completed: bool,
}

impl Exchange {
    /// Before anything is known.
    pub(super) fn new(pipeline: Arc<Pipeline>, metrics: Arc<Metrics>) -> Self {
        let arrival = Arrival {
            peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            secure: false,
            tls_version: None,
            server_name: None,
            at: UnixNanos::default(),
        };
        Self {
            pipeline,
            metrics,
            arrival,
            head: None,
            request: None,
            allowed: None,
            decision: None,
            enforcement: Enforcement::default(),
            last_tried: None,
            continued: false,
            spans: Spans::default(),
            outcome_due: false,
            completed: false,
        }
    }

    /// The head is complete.
    pub(super) fn begin(&mut self, arrival: Arrival, head: Result<CanonicalRequest, Refusal>) {
        self.arrival = arrival;
        let head = head.map(Arc::new);
        self.request = head.as_ref().ok().cloned();
        self.head = Some(head);
    }

    /// The canonical request, once; without one the request is refused.
    pub(super) fn take_head(&mut self) -> Result<Arc<CanonicalRequest>, Refusal> {
        self.head.take().unwrap_or(Err(Refusal::Malformed(Malformed::RequestLine)))
    }

    /// The canonical request.
    pub(super) fn request(&self) -> Option<&Arc<CanonicalRequest>> {
        self.request.as_ref()
    }

    /// It was allowed and will be sent to `service`.
    pub(super) fn forward(&mut self, forward: Box<Forward>, service: Arc<Service>) {
        self.decision = Some(forward.decision());
        self.enforcement.tenant = forward.tenant().cloned();
        self.enforcement.service = Some(service.settings().id.clone());
        self.outcome_due = true;
        self.spans.forward();
        self.allowed = Some((forward, service));
    }

    /// The leave to forward, where there is one.
    pub(super) fn allowed(&self) -> Option<(&Forward, &Arc<Service>)> {
        self.allowed.as_ref().map(|(forward, service)| (&**forward, service))
    }

    /// It was refused: one record tells all of it.
    pub(super) fn refused(&mut self, decision: DecisionId) {
        self.decision = Some(decision);
    }

    /// The gateway answers it itself; the outcome is recorded like an upstream's.
    pub(super) fn answered(&mut self, decision: DecisionId) {
        self.decision = Some(decision);
        self.outcome_due = true;
    }

    /// An attempt at `address` begins.
    pub(super) fn attempt(&mut self, address: Option<SocketAddr>) {
        self.enforcement.attempts = self.enforcement.attempts.saturating_add(1);
        // A repeated attempt sends the body again; what counts is what the client sent.
        self.enforcement.bytes_in = 0;
        self.enforcement.upstream = address.map(|address| address.to_string());
        self.last_tried = address;
    }

    /// Whether another attempt may be made.
    pub(super) fn may_retry(&self, attempts_max: u32) -> bool {
        let wanted = self.allowed.as_ref().is_some_and(|(_, service)| service.settings().retry);
        wanted && self.enforcement.attempts < attempts_max
    }

    /// Records the end, once.
    pub(super) fn complete(&mut self) {
        if std::mem::replace(&mut self.completed, true) {
            return;
        }
        self.spans.end();
        self.enforcement.duration = self.pipeline.now().since(self.arrival.at);
        let Some(decision) = self.decision else { return };
        let service = self.allowed.as_ref().map(|(_, service)| service.settings().id.as_str());
        self.metrics.exchange(service, &self.enforcement_summary());
        if self.outcome_due {
            self.pipeline.complete(decision, &self.enforcement);
        }
    }

    fn enforcement_summary(&self) -> crate::telemetry::ExchangeEnd {
        crate::telemetry::ExchangeEnd {
            status: self.enforcement.status,
            ended_by: self.enforcement.ended_by,
            duration: self.enforcement.duration,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.completed && self.decision.is_some() {
            let revoked = Watch::current().is_some_and(|watch| watch.killed());
            self.enforcement.ended_by = Some(if revoked { "revoked" } else { "cut" });
            self.complete();
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("decision", &self.decision).finish_non_exhaustive()
    }
}
