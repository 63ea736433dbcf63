//! The two records of a request: what was decided, and what came of it.
//!
//! Field names are a contract (`docs/reference/decision-record.md`); a name is never reused for another
//! meaning. No field may be added that could hold a body, a query value, a cookie or a token.
#![expect(clippy::ref_option_ref, reason = "serde hands fields over by reference")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Pseudonym, QueryKeys, RecordBody, text};
use crate::model::{
    ActionId, AuthMethod, ConnectionId, DecisionId, EntityUid, RouteId, Scopes, ServiceId,
    SnapshotId, TenantId, UnixNanos,
};

/// What the gateway decided about one request, written before anything is done about it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DecisionRecord<'a> {
    /// The decision: a `UUIDv7`. The outcome and the upstream's assertion name it.
    #[schemars(with = "String")]
    pub id: DecisionId,
    /// When, in nanoseconds since 1970-01-01T00:00:00Z. `seq` orders, not time.
    #[schemars(with = "u64")]
    pub ts: UnixNanos,
    /// The gateway that decided.
    #[serde(serialize_with = "text::word")]
    pub node: &'a str,
    /// Its build.
    #[serde(serialize_with = "text::word")]
    pub build: &'a str,
    /// The snapshot of policies, directory and configuration it decided under.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub snapshot: Option<&'a SnapshotId>,
    /// The trace of the request, W3C `traceparent`.
    #[serde(serialize_with = "text::traceparent", skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<&'a str>,
    /// Who asked.
    pub who: Who<'a>,
    /// From where.
    pub from: Source<'a>,
    /// For what.
    pub what: What<'a>,
    /// With what result.
    pub decision: Verdict<'a>,
}

/// Who asked, as far as it is known.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Who<'a> {
    /// The organisation.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<&'a TenantId>,
    /// The Cedar principal, `User::ada`.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub principal: Option<&'a EntityUid>,
    /// The person, `<connection>:<keyed hash of issuer and subject>`.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub person: Option<&'a Pseudonym>,
    /// The credential's handle: SHA-256 of the session id, or the public id of the key.
    #[serde(serialize_with = "text::handle", skip_serializing_if = "Option::is_none")]
    pub credential: Option<&'a str>,
    /// How the principal proved who it is: `none`, `session`, `api_key`.
    #[serde(serialize_with = "text::method")]
    #[schemars(with = "String")]
    pub method: AuthMethod,
}

impl Who<'_> {
    /// Nobody known yet: the request was refused before authentication.
    pub const UNKNOWN: Self = Self {
        tenant: None,
        principal: None,
        person: None,
        credential: None,
        method: AuthMethod::None,
    };
}

/// From where the request came.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Source<'a> {
    /// The peer of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub peer: Option<SocketAddr>,
    /// The protocol: `h1` or `h2`.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'a str>,
    /// The TLS version, where there is TLS.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub tls: Option<&'a str>,
    /// The server name asked for in the TLS handshake.
    #[serde(serialize_with = "text::host", skip_serializing_if = "Option::is_none")]
    pub server_name: Option<&'a str>,
    /// `User-Agent`, cut to 256 bytes.
    #[serde(serialize_with = "text::agent", skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<&'a str>,
}

/// What was asked for. Everything is optional: a malformed request may have nothing readable.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct What<'a> {
    /// The method.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// The authority.
    #[serde(serialize_with = "text::host", skip_serializing_if = "Option::is_none")]
    pub authority: Option<&'a str>,
    /// The canonical path, cut to 1024 bytes.
    #[serde(serialize_with = "text::path", skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    /// The keys of the query; never a value.
    #[serde(skip_serializing_if = "QueryKeys::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub query: QueryKeys<'a>,
    /// The route that matched.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub route: Option<&'a RouteId>,
    /// The Cedar action.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub action: Option<&'a ActionId>,
    /// The Cedar resource.
    // A client may name it, so an API key can be pasted there too.
    #[serde(serialize_with = "text::resource", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub resource: Option<&'a EntityUid>,
    /// For a list: the SHA-256 of the access set the service was told, in hexadecimal. It follows from
    /// snapshot, principal and action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub access: Option<AccessDigest>,
    /// For a body with ids: the SHA-256 of the access sets the service was told to compare them with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub body_access: Option<AccessDigest>,
    /// For a question of another service: what it said of the request it asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedFacts<'a>>,
    /// What else the request named, each with its own decision: at most 64. With a denial among them, that is
    /// the decision on the request.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(with = "Option<Vec<Also>>")]
    pub also: &'a [Also],
}

/// A further question about a request, and its decision.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Also {
    /// The Cedar action.
    #[serde(serialize_with = "text::one_shown")]
    #[schemars(with = "String")]
    pub action: ActionId,
    /// The Cedar resource.
    #[serde(serialize_with = "text::one_resource")]
    #[schemars(with = "String")]
    pub resource: EntityUid,
    /// Allowed or not.
    pub effect: Effect,
    /// The reason code of the decision point.
    pub reason: &'static str,
    /// The policies that decided, the first two of them: so that 64 of these fit into a record.
    #[serde(serialize_with = "text::few_policies", skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub policies: Vec<Arc<str>>,
}

/// The facts of a request that another service asked about.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct AskedFacts<'a> {
    /// The connection the subject signed in by.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub connection: Option<&'a ConnectionId>,
    /// The API scopes the operation accepts.
    #[serde(serialize_with = "text::scopes")]
    #[schemars(with = "Vec<String>")]
    pub scopes: &'a Scopes,
    /// Where the subject's request came from.
    #[schemars(with = "String")]
    pub source: IpAddr,
}

/// The SHA-256 of an access set as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessDigest([u8; 32]);

impl AccessDigest {
    /// Digests the JSON of an access set.
    pub fn of(told: &str) -> Self {
        Self(Sha256::digest(told.as_bytes()).into())
    }
}

impl Serialize for AccessDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            let _ = std::fmt::Write::write_fmt(&mut hex, format_args!("{byte:02x}"));
        }
        serializer.serialize_str(&hex)
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The policies allow it; an outcome record follows.
    Allow,
    /// The policies do not allow it.
    Deny,
    /// No decision could be made; nothing was forwarded.
    Error,
    /// Refused before or beside the policies: malformed, unknown, unauthenticated, too many.
    Refuse,
}

impl Effect {
    /// Its name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
            Self::Refuse => "refuse",
        }
    }
}

/// The decision and what led to it.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Verdict<'a> {
    /// Allowed or not.
    pub effect: Effect,
    /// The reason code: of the decision point, or of the refusal.
    #[serde(serialize_with = "text::word")]
    pub reason: &'a str,
    /// The policies that decided.
    #[serde(serialize_with = "text::policies", skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub determining: &'a [Arc<str>],
    /// The policies that could not be evaluated.
    #[serde(serialize_with = "text::policies", skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub erring: &'a [Arc<str>],
    /// The quota the deciding policy named.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub quota: Option<&'a str>,
    /// Whether the decision came from the cache.
    pub cached: bool,
    /// How long it took to decide, in microseconds.
    pub evaluation_us: u64,
}

impl<'a> Verdict<'a> {
    /// A refusal that no policy was asked about.
    pub const fn refused(reason: &'a str) -> Self {
        Self {
            effect: Effect::Refuse,
            reason,
            determining: &[],
            erring: &[],
            quota: None,
            cached: false,
            evaluation_us: 0,
        }
    }
}

/// What came of an allowed request. Exactly one follows every `allow`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct OutcomeRecord<'a> {
    /// The decision this is the outcome of.
    #[schemars(with = "String")]
    pub decision_id: DecisionId,
    /// When it ended, in nanoseconds since 1970-01-01T00:00:00Z.
    #[schemars(with = "u64")]
    pub ts: UnixNanos,
    /// The organisation, so an outcome can be found without its decision.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<&'a TenantId>,
    /// The service.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub service: Option<&'a ServiceId>,
    /// The address that served the last attempt.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub upstream: Option<&'a str>,
    /// Whether a first byte went to an upstream.
    pub first_byte_sent: bool,
    /// The status the client got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// From the end of the request head to the end of the answer, in microseconds.
    pub duration_us: u64,
    /// Attempts on upstreams, the first included.
    pub attempts: u32,
    /// Why it ended early (`client_aborted`, `upstream_failed`, `revoked`, …); absent when complete.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub aborted: Option<&'a str>,
}

impl DecisionRecord<'_> {
    /// Encodes the record.
    pub fn encode(&self) -> RecordBody {
        RecordBody::encode("decision", self)
    }
}

impl OutcomeRecord<'_> {
    /// Encodes the record.
    pub fn encode(&self) -> RecordBody {
        RecordBody::encode("outcome", self)
    }
}

#[cfg(test)]
mod tests;
