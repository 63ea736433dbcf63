//! The records: what the log says of a decision, of its outcome, of an event, of itself.
//!
//! Field names are a contract (`docs/reference/decision-record.md`); a name is never reused for another
//! meaning. No field may be added that could hold a body, a query value, a cookie or a token.

use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ChainHash, Pseudonym, QueryKeys, RecordBody, text};
use crate::model::{
    ActionId, AuthMethod, ConnectionKey, DecisionId, EntityUid, KeyId, RouteId, ServiceId,
    SnapshotId, TenantId, UnixNanos,
};

/// What the gateway decided about one request, written before anything is done about it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DecisionRecord<'a> {
    /// The decision: a UUIDv7. The outcome and the upstream's assertion name it.
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
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub snapshot: Option<&'a SnapshotId>,
    /// The trace of the request, W3C `traceparent`.
    #[serde(
        serialize_with = "text::traceparent",
        skip_serializing_if = "Option::is_none"
    )]
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
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<&'a TenantId>,
    /// The Cedar principal, `User::ada`.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub principal: Option<&'a EntityUid>,
    /// The person, `<connection>:<keyed hash of issuer and subject>`.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub person: Option<&'a Pseudonym>,
    /// The credential's handle: SHA-256 of the session id, or the public id of the key.
    #[serde(
        serialize_with = "text::handle",
        skip_serializing_if = "Option::is_none"
    )]
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
    #[serde(
        serialize_with = "text::maybe_word",
        skip_serializing_if = "Option::is_none"
    )]
    pub protocol: Option<&'a str>,
    /// The TLS version, where there is TLS.
    #[serde(
        serialize_with = "text::maybe_word",
        skip_serializing_if = "Option::is_none"
    )]
    pub tls: Option<&'a str>,
    /// The server name asked for in the TLS handshake.
    #[serde(serialize_with = "text::host", skip_serializing_if = "Option::is_none")]
    pub server_name: Option<&'a str>,
    /// `User-Agent`, cut to 256 bytes.
    #[serde(
        serialize_with = "text::agent",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_agent: Option<&'a str>,
}

/// What was asked for. Everything is optional: a malformed request may have nothing readable.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct What<'a> {
    /// The method.
    #[serde(
        serialize_with = "text::maybe_word",
        skip_serializing_if = "Option::is_none"
    )]
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
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub route: Option<&'a RouteId>,
    /// The Cedar action.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub action: Option<&'a ActionId>,
    /// The Cedar resource.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub resource: Option<&'a EntityUid>,
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
    #[serde(
        serialize_with = "text::policies",
        skip_serializing_if = "<[_]>::is_empty"
    )]
    #[schemars(with = "Option<Vec<String>>")]
    pub determining: &'a [Arc<str>],
    /// The policies that could not be evaluated.
    #[serde(
        serialize_with = "text::policies",
        skip_serializing_if = "<[_]>::is_empty"
    )]
    #[schemars(with = "Option<Vec<String>>")]
    pub erring: &'a [Arc<str>],
    /// The quota the deciding policy named.
    #[serde(
        serialize_with = "text::maybe_word",
        skip_serializing_if = "Option::is_none"
    )]
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
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<&'a TenantId>,
    /// The service.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub service: Option<&'a ServiceId>,
    /// The address that served the last attempt.
    #[serde(
        serialize_with = "text::maybe_word",
        skip_serializing_if = "Option::is_none"
    )]
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
    #[serde(
        serialize_with = "text::maybe_word",
        skip_serializing_if = "Option::is_none"
    )]
    pub aborted: Option<&'a str>,
}

/// What happened besides requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person signed in.
    SignIn,
    /// A sign-in was refused.
    SignInFailed,
    /// A person signed out.
    SignOut,
    /// An API key was made.
    KeyCreated,
    /// An API key was revoked.
    KeyRevoked,
    /// A configuration came into force.
    ConfigLoaded,
    /// A configuration was refused; the last good one stays.
    ConfigRejected,
    /// The gateway began to serve.
    GatewayStarted,
    /// The gateway stopped serving.
    GatewayStopped,
}

/// An event.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct EventRecord<'a> {
    /// The event's own id, a UUIDv7.
    #[schemars(with = "String")]
    pub id: DecisionId,
    /// When, in nanoseconds since 1970-01-01T00:00:00Z.
    #[schemars(with = "u64")]
    pub ts: UnixNanos,
    /// The gateway it happened on.
    #[serde(serialize_with = "text::word")]
    pub node: &'a str,
    /// Its build.
    #[serde(serialize_with = "text::word")]
    pub build: &'a str,
    /// What happened.
    pub event: Event,
    /// The organisation.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<&'a TenantId>,
    /// Who did it, as a Cedar principal.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub principal: Option<&'a EntityUid>,
    /// The person, as a pseudonym.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub person: Option<&'a Pseudonym>,
    /// The connection a sign-in went through.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub connection: Option<&'a ConnectionKey>,
    /// The public id of the key.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub key: Option<&'a KeyId>,
    /// The SHA-256 of the session id.
    #[serde(
        serialize_with = "text::handle",
        skip_serializing_if = "Option::is_none"
    )]
    pub session: Option<&'a str>,
    /// The snapshot that came into force, or that stayed.
    #[serde(
        serialize_with = "text::shown",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub snapshot: Option<&'a SnapshotId>,
    /// The peer of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub peer: Option<SocketAddr>,
    /// A reason code, where something failed.
    #[serde(
        serialize_with = "text::maybe_word",
        skip_serializing_if = "Option::is_none"
    )]
    pub reason: Option<&'a str>,
    /// A sentence for people, cut to 512 bytes: the gateway's own words, never a provider's.
    #[serde(
        serialize_with = "text::detail",
        skip_serializing_if = "Option::is_none"
    )]
    pub detail: Option<&'a str>,
}

impl<'a> EventRecord<'a> {
    /// An event of which only place and time are known; fill in the rest by struct update.
    pub const fn of(
        event: Event,
        id: DecisionId,
        ts: UnixNanos,
        node: &'a str,
        build: &'a str,
    ) -> Self {
        Self {
            id,
            ts,
            node,
            build,
            event,
            tenant: None,
            principal: None,
            person: None,
            connection: None,
            key: None,
            session: None,
            snapshot: None,
            peer: None,
            reason: None,
            detail: None,
        }
    }
}

/// What the log says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalEvent {
    /// A process opened a shard. First record of every shard; pins the shards before it.
    Opened,
    /// More shards pinned than fit into `opened`.
    Linked,
    /// The torn tail of an earlier process was cut.
    Recovered,
    /// Writing works again after a failure.
    Resumed,
    /// The process closed the shard in order; nothing follows.
    Closed,
}

/// A record the journal writes about itself.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct JournalRecord<'a> {
    /// When, in nanoseconds since 1970-01-01T00:00:00Z.
    #[schemars(with = "u64")]
    pub ts: UnixNanos,
    /// The gateway.
    #[serde(serialize_with = "text::word")]
    pub node: &'a str,
    /// Its build.
    #[serde(serialize_with = "text::word")]
    pub build: &'a str,
    /// What happened.
    pub event: JournalEvent,
    /// The shard it is about.
    #[serde(serialize_with = "text::word")]
    pub shard: &'a str,
    /// The ends of earlier shards, which cannot be cut or replaced from here on.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub links: &'a [Link],
    /// Bytes cut from a torn tail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_bytes: Option<u64>,
    /// Segments that end in a torn line, because a failed write could not be undone.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub torn_segments: &'a [u32],
    /// Records refused while the log could not be written. None of their requests was forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<u64>,
}

/// The end of a shard as a later one saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
pub struct Link {
    /// The shard.
    pub shard: String,
    /// The number of its last record.
    pub seq: u64,
    /// The hash of its last record.
    #[serde(with = "hex")]
    #[schemars(with = "String")]
    pub hash: ChainHash,
    /// Whether its process was still writing, so that more may follow.
    pub live: bool,
}

mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::ChainHash;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(super) fn serialize<S: Serializer>(hash: &ChainHash, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ChainHash, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        ChainHash::parse(&text).ok_or_else(|| D::Error::custom("not a hash"))
    }
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

impl EventRecord<'_> {
    /// Encodes the record.
    pub fn encode(&self) -> RecordBody {
        RecordBody::encode("event", self)
    }
}

impl JournalRecord<'_> {
    /// Encodes the record.
    pub fn encode(&self) -> RecordBody {
        RecordBody::encode("journal", self)
    }
}

#[cfg(test)]
mod tests;
