//! Reads a request body before the decision, for the few that need it, so that it can still be forwarded.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::proxy::Session;

use crate::model::{Malformed, Refusal};
use crate::pipeline::BodySource;

/// Time for a whole body that is read before the decision: 64 KiB at the 1 KB/s of PX-60, and some.
const TOTAL_MAX: Duration = Duration::from_secs(70);

/// The body of a Pingora session. Pingora replays what was read, up to 64 KiB, when it goes upstream.
pub(super) struct SessionBody<'a> {
    session: &'a mut Session,
    continued: bool,
    silence_max: Duration,
}

impl<'a> SessionBody<'a> {
    /// Wraps a session. `expects_continue`: the client waits for leave to send (RFC 9110 §10.1.1).
    /// `silence_max` holds for both protocols: Pingora bounds the silence of HTTP/1.1 only.
    pub(super) fn new(
        session: &'a mut Session,
        expects_continue: bool,
        silence_max: Duration,
    ) -> Self {
        Self { session, continued: !expects_continue, silence_max }
    }

    async fn part(&mut self, deadline: tokio::time::Instant) -> Result<Option<Bytes>, Refusal> {
        let until = deadline.min(tokio::time::Instant::now() + self.silence_max);
        match tokio::time::timeout_at(until, self.session.read_request_body()).await {
            Ok(Ok(part)) => Ok(part),
            Ok(Err(_)) | Err(_) => Err(Refusal::Malformed(Malformed::Body)),
        }
    }

    /// Whether a waiting client has had its `100 Continue`.
    pub(super) fn continued(&self) -> bool {
        self.continued
    }
}

#[async_trait::async_trait]
impl BodySource for SessionBody<'_> {
    async fn read(&mut self, bytes_max: usize) -> Result<Bytes, Refusal> {
        let broken = |_| Refusal::Malformed(Malformed::Body);
        if !self.continued {
            self.session.write_continue_response().await.map_err(broken)?;
            self.continued = true;
        }
        self.session.enable_retry_buffering();
        let deadline = tokio::time::Instant::now() + TOTAL_MAX;
        let mut body = BytesMut::new();
        while let Some(part) = self.part(deadline).await? {
            if body.len().saturating_add(part.len()) > bytes_max {
                return Err(Refusal::BodyTooLarge);
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }
}
