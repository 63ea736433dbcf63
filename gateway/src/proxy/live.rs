//! Live streams stay bound to what allowed them: when it is gone, the stream is cut (promise P8).

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::watch::Watch;
use crate::pipeline::{Forward, LiveBinding, Pipeline};
use crate::routing::Stream;

/// Well inside the two seconds of P8, and cheap: a session look-up and a decision for each open stream.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Watches a WebSocket or event stream; every other exchange is over before it matters. False when nobody
/// could end the stream: then it must not begin.
#[must_use]
pub(super) fn watch(pipeline: &Arc<Pipeline>, forward: &Forward) -> bool {
    if forward.route().stream() == Stream::None {
        return true;
    }
    let Some(watch) = Watch::current() else { return false };
    let binding = forward.live_binding();
    let check = check(Arc::clone(pipeline), binding, Arc::downgrade(&watch));
    drop(tokio::spawn(check));
    true
}

async fn check(pipeline: Arc<Pipeline>, binding: LiveBinding, watch: Weak<Watch>) {
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        // The exchange is over when nobody holds its watch.
        let Some(watch) = watch.upgrade() else { return };
        if !pipeline.still_allowed(&binding).await {
            tracing::info!(target: "hubgate::proxy", "a live stream lost its permit and is cut");
            watch.kill();
            return;
        }
    }
}
