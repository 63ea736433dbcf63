//! What the way of a request ends in: forward, answer or refuse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::answer::Answer;
use super::live_binding::LiveBinding;
use crate::audit::Recorded;
use crate::authz::Permit;
use crate::model::{DecisionId, Refusal, ServiceId, SnapshotId, TenantId, UnixNanos};
use crate::routing::{CanonicalRequest, Route};

/// How a request came in: what the door knows and the head does not say.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The peer's address, from the socket.
    pub peer: SocketAddr,
    /// Whether TLS was spoken.
    pub secure: bool,
    /// Which version of it.
    pub tls_version: Option<&'static str>,
    /// The TLS server name, where one was sent.
    pub server_name: Option<Arc<str>>,
    /// When the head was complete.
    pub at: UnixNanos,
}

/// The body of a request, for the few routes whose resource is named in it.
#[async_trait::async_trait]
pub trait BodySource: Send {
    /// Reads the whole body, kept so that it can still be forwarded.
    ///
    /// # Errors
    /// [`Refusal::BodyTooLarge`] above `bytes_max`; [`Refusal::Malformed`] when it breaks off.
    async fn read(&mut self, bytes_max: usize) -> Result<bytes::Bytes, Refusal>;
}

/// The end of the way.
#[derive(Debug)]
pub enum Outcome {
    /// Allowed and recorded: send it upstream.
    Forward(Box<Forward>),
    /// One of the gateway's own pages or endpoints.
    Answer(Reply),
    /// Not served.
    Refuse(Refused),
}

/// Leave to send one request upstream: it exists only for a recorded permit (promise P5).
#[derive(Debug)]
pub struct Forward {
    pub(super) permit: Recorded<Permit>,
    pub(super) request: Arc<CanonicalRequest>,
    pub(super) assertion: http::HeaderValue,
    pub(super) binding: LiveBinding,
    pub(super) snapshot: SnapshotId,
    pub(super) fields: http::HeaderMap,
}

impl Forward {
    /// The decision this forwarding carries out.
    pub fn decision(&self) -> DecisionId {
        self.permit.decision()
    }

    /// The request as it was decided: the upstream head is written from this and nothing else.
    pub fn request(&self) -> &Arc<CanonicalRequest> {
        &self.request
    }

    /// The route.
    pub fn route(&self) -> &Arc<Route> {
        &self.binding.route
    }

    /// The organisation the request was decided in.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.binding.tenant.as_ref()
    }

    /// The snapshot whose services carry it out: the one the settings it was decided under came with.
    pub fn snapshot(&self) -> &SnapshotId {
        &self.snapshot
    }

    /// What a live stream stands on, to be asked about again while it lasts.
    pub fn live_binding(&self) -> LiveBinding {
        self.binding.clone()
    }

    /// What the answer tells of quotas, whatever the service says of its own.
    pub const fn fields(&self) -> &http::HeaderMap {
        &self.fields
    }

    /// The signed statement for the service.
    pub fn assertion(&self) -> &http::HeaderValue {
        &self.assertion
    }
}

/// A refusal and the record that tells of it.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The record; the person refused can quote it.
    pub decision: DecisionId,
    /// Whether a browser navigated here, so a page is the better answer.
    pub html: bool,
    /// Whom a person denied can turn to; for pages only.
    pub help: Option<Help>,
}

/// Whom a person denied can turn to, in their own organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// The organisation's name.
    pub organisation: String,
    /// The first few who may make the change that would allow it, as people know them. None is known where the
    /// list is empty.
    pub people: Vec<String>,
    /// Whether the person denied is one of those who may.
    pub yourself: bool,
}

/// An answer of the gateway's own and the record that tells of it.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The record.
    pub decision: DecisionId,
    /// What it tells of quotas.
    pub fields: http::HeaderMap,
}

/// What became of a decision: the second, linked record.
#[derive(Clone, Debug, Default)]
pub struct Enforcement {
    /// The organisation.
    pub tenant: Option<TenantId>,
    /// The service.
    pub service: Option<ServiceId>,
    /// The upstream address chosen last.
    pub upstream: Option<String>,
    /// Whether a byte of the request went upstream.
    pub first_byte_sent: bool,
    /// The status sent downstream; absent when nothing was.
    pub status: Option<u16>,
    /// Request body bytes read from downstream.
    pub bytes_in: u64,
    /// Response body bytes written downstream.
    pub bytes_out: u64,
    /// Attempts made upstream.
    pub attempts: u32,
    /// Why it ended early, where it did.
    pub ended_by: Option<&'static str>,
    /// Time since the head was complete.
    pub duration: Duration,
}
