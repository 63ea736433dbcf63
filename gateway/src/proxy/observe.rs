//! Health and metrics, on a listener of their own: loopback unless the configuration says otherwise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::{Response, StatusCode, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening::Service as ListeningService;

use crate::telemetry::Metrics;

/// Whether the gateway wants requests.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// The first snapshot is in force.
    pub fn started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// It is stopping: what runs ends, new requests should go elsewhere.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.started.load(Ordering::Acquire) && !self.draining.load(Ordering::Acquire)
    }
}

/// Answers `/livez`, `/readyz` and `/metrics`.
pub struct Observe {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    can_record: Box<dyn Fn() -> bool + Send + Sync>,
    refresh: Box<dyn Fn(&Metrics) + Send + Sync>,
}

impl std::fmt::Debug for Observe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observe").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Observe {
    /// `can_record` tells whether the decision log takes records; `refresh` brings gauges up to date.
    pub fn new(
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
        can_record: impl Fn() -> bool + Send + Sync + 'static,
        refresh: impl Fn(&Metrics) + Send + Sync + 'static,
    ) -> Self {
        Self { readiness, metrics, can_record: Box::new(can_record), refresh: Box::new(refresh) }
    }

    /// The Pingora service that listens at `address` on a thread of its own.
    pub fn service(self, address: SocketAddr) -> ObserveService {
        let mut listening = ListeningService::new(String::from("observe"), self);
        listening.threads = Some(1);
        listening.add_tcp(&address.to_string());
        ObserveService(listening)
    }
}

/// The listener of [`Observe`]. It goes on while the gateway drains, so that whoever asks is told "not
/// ready" and the metrics of the last requests can be fetched; it ends with the process.
pub struct ObserveService(ListeningService<Observe>);

impl std::fmt::Debug for ObserveService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ObserveService").finish_non_exhaustive()
    }
}

#[async_trait]
impl Service for ObserveService {
    async fn start_service(
        &mut self,
        listeners: Option<ListenFds>,
        _shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let (_never_sent, never) = tokio::sync::watch::channel(false);
        self.0.start_service(listeners, never, listeners_per_fd).await;
    }

    fn name(&self) -> &'static str {
        "observe"
    }

    fn threads(&self) -> Option<usize> {
        self.0.threads
    }
}

#[async_trait]
impl ServeHttp for Observe {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        match (head.method.as_str(), head.uri.path()) {
            ("GET", "/livez") => text(StatusCode::OK, "live\n"),
            ("GET", "/readyz") => self.ready(),
            ("GET", "/metrics") => {
                (self.refresh)(&self.metrics);
                reply(StatusCode::OK, "text/plain; version=0.0.4", self.metrics.render())
            }
            ("GET", _) => text(StatusCode::NOT_FOUND, "try /livez, /readyz or /metrics\n"),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n"),
        }
    }
}

impl Observe {
    fn ready(&self) -> Response<Vec<u8>> {
        if !self.readiness.is_ready() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or draining\n");
        }
        if !(self.can_record)() {
            let why = "not ready: the decision log takes no records\n";
            return text(StatusCode::SERVICE_UNAVAILABLE, why);
        }
        text(StatusCode::OK, "ready\n")
    }
}

fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    reply(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn reply(status: StatusCode, media_type: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = body.len();
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, media_type)
        .header(header::CONTENT_LENGTH, length)
        .header(header::CACHE_CONTROL, "no-store")
        .body(body)
        .unwrap_or_default()
}
