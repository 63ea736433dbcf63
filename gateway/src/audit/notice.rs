//! The other records: events besides requests, and what the log says of itself.
//!
//! The same rules hold as for decisions: names are a contract, no field can hold a secret.
#![expect(clippy::ref_option_ref, reason = "serde hands fields over by reference")]

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ChainHash, Pseudonym, RecordBody, text};
use crate::model::{ConnectionKey, DecisionId, EntityUid, KeyId, SnapshotId, TenantId, UnixNanos};

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
    /// An API client was given tokens for its secret.
    TokensIssued,
    /// It was given new ones for a refresh token.
    TokensRefreshed,
    /// It gave tokens back.
    TokensRevoked,
    /// A refresh token was used a second time, or by another client: its tokens were taken back.
    TokenReused,
    /// An API key was made.
    KeyCreated,
    /// An API key was revoked.
    KeyRevoked,
    /// Something was changed with the administration API.
    Changed,
    /// Somebody of the platform got into an organisation in an emergency.
    BreakGlass,
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
    /// The event's own id, a `UUIDv7`.
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
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<&'a TenantId>,
    /// Who did it, as a Cedar principal.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub principal: Option<&'a EntityUid>,
    /// The person, as a pseudonym.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub person: Option<&'a Pseudonym>,
    /// The connection a sign-in went through.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub connection: Option<&'a ConnectionKey>,
    /// The public id of the key.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub key: Option<&'a KeyId>,
    /// The SHA-256 of the session id.
    #[serde(serialize_with = "text::handle", skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// The snapshot that came into force, or that stayed.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub snapshot: Option<&'a SnapshotId>,
    /// The peer of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub peer: Option<SocketAddr>,
    /// What was changed: its kind.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub item_kind: Option<&'a str>,
    /// What was changed: its id.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub item: Option<&'a str>,
    /// How it was changed: `created`, `updated` or `deleted`.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub change: Option<&'a str>,
    /// SHA-256 of what was there before, in hex.
    #[serde(serialize_with = "text::handle", skip_serializing_if = "Option::is_none")]
    pub before: Option<&'a str>,
    /// SHA-256 of what is there now, in hex.
    #[serde(serialize_with = "text::handle", skip_serializing_if = "Option::is_none")]
    pub after: Option<&'a str>,
    /// The audit event that tells of it.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub audit_event: Option<&'a str>,
    /// The decision that allowed it.
    #[serde(serialize_with = "text::shown", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub decision: Option<&'a DecisionId>,
    /// A reason code, where something failed.
    #[serde(serialize_with = "text::maybe_word", skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// A sentence for people, cut to 512 bytes: the gateway's own words, never a provider's.
    #[serde(serialize_with = "text::detail", skip_serializing_if = "Option::is_none")]
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
            item_kind: None,
            item: None,
            change: None,
            before: None,
            after: None,
            audit_event: None,
            decision: None,
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

mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::ChainHash;

    pub(super) fn serialize<S: Serializer>(hash: &ChainHash, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ChainHash, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        ChainHash::parse(&text).ok_or_else(|| D::Error::custom("not a hash"))
    }
}
