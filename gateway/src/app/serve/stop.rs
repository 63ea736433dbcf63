//! Signals: SIGTERM and SIGINT stop in order, with the grace period.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{SignalKind, signal};

use crate::proxy::Readiness;

/// Waits for a signal to stop, and tells the readiness endpoint first.
#[derive(Debug)]
pub(super) struct StopWatch {
    readiness: Arc<Readiness>,
}

impl StopWatch {
    pub(super) fn new(readiness: Arc<Readiness>) -> Self {
        Self { readiness }
    }
}

#[async_trait]
impl ShutdownSignalWatch for StopWatch {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::error!("signals cannot be listened to: stopping");
            return ShutdownSignal::GracefulTerminate;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.readiness.draining();
        tracing::info!("stopping: requests under way may end, new connections are refused");
        ShutdownSignal::GracefulTerminate
    }
}
