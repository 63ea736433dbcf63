//! A deadline for the request head and a kill switch for live streams, around Pingora's HTTP app.
//!
//! Pingora's read time-out starts anew with every byte (one byte a second lives for hours), and nothing
//! in a filter can end a tunnel from outside. Here the whole exchange runs beside both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use tokio::sync::Notify;

tokio::task_local! {
    static WATCH: Arc<Watch>;
}

/// Watches one exchange.
#[derive(Debug, Default)]
pub(super) struct Watch {
    head_complete: AtomicBool,
    head: Notify,
    kill: Notify,
    killed: AtomicBool,
}

impl Watch {
    /// The watch of the exchange this code runs in.
    pub(super) fn current() -> Option<Arc<Self>> {
        WATCH.try_with(Arc::clone).ok()
    }

    /// Disarms the head deadline.
    pub(super) fn head_complete(&self) {
        self.head_complete.store(true, Ordering::Release);
        self.head.notify_one();
    }

    /// Ends the exchange now, whatever it is doing.
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.kill.notify_one();
    }

    /// Whether the exchange was ended from outside.
    pub(super) fn killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    async fn expired(&self, deadline: Duration) {
        let disarmed = tokio::time::timeout(deadline, self.head.notified()).await.is_ok();
        if disarmed || self.head_complete.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }
}

/// Marks a connection that has carried a request, so its idle time does not count as a slow head.
#[derive(Debug)]
pub(super) struct Reused;

/// How long a connection may be quiet between requests: Pingora's own default for keep-alive.
const IDLE: Duration = Duration::from_mins(1);

/// Pingora's proxy app under watch.
#[derive(Debug)]
pub(super) struct Watched<A> {
    inner: Arc<A>,
    head_deadline: Duration,
}

impl<A> Watched<A> {
    /// Puts `inner` under watch: a head must be complete within `head_deadline`.
    pub(super) fn new(inner: A, head_deadline: Duration) -> Self {
        Self { inner: Arc::new(inner), head_deadline }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Watched<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let previous = session.take_connection_user_context();
        let deadline =
            if previous.is_some() { self.head_deadline + IDLE } else { self.head_deadline };
        session.set_connection_user_context(previous);
        let watch = Arc::new(Watch::default());
        let exchange =
            WATCH.scope(Arc::clone(&watch), self.inner.process_new_http(session, shutdown));
        tokio::select! {
            biased;
            done = exchange => done,
            () = watch.kill.notified() => None,
            () = watch.expired(deadline) => None,
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.inner.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.inner.server_options()
    }

    async fn http_cleanup(&self) {
        self.inner.http_cleanup().await;
    }
}
