//! Audit events: what an organisation's administrators are shown of who changed what, and who came and went.
//!
//! The decision log is the evidence; this is what people read. No field holds a secret: whoever makes an event says
//! of a secret only that it changed.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{DecisionId, Entropy, EntropyError, TenantId, UnixNanos};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It is gone.
    Deleted,
    /// A person signed in.
    SignedIn,
    /// A person signed out, or was signed out.
    SignedOut,
    /// A refresh token was used a second time, or by another client: its tokens are taken back.
    TokenReused,
}

impl EventAction {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Updated,
        Self::Deleted,
        Self::SignedIn,
        Self::SignedOut,
        Self::TokenReused,
    ];

    /// Its name in events and filters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::TokenReused => "token_reused",
        }
    }
}

/// Who did it, as they were then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The Cedar principal, as `User::ada`.
    pub principal: String,
    /// The name shown to people.
    pub name: String,
}

/// What it was done to, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What it is: `member`, `api_client`, `connection`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The name shown to people.
    pub name: String,
}

/// One field that changed. A secret is told as `"(secret)"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// What it was; nothing, where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; nothing, where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEvent {
    /// Its id, which is also where a reading goes on. The later the event, the lower it sorts.
    pub id: String,
    /// When.
    pub at: UnixNanos,
    /// What was done.
    pub action: EventAction,
    /// By whom.
    pub actor: Actor,
    /// To what.
    pub item: Item,
    /// The node it belongs to, as `Operator::nordvolt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// SHA-256 of the item before, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// SHA-256 of the item after, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The decision that allowed it, in the decision log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
}

impl AuditEvent {
    /// An id for an event at `at`: stores list by key upwards, so the later the lower.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness.
    pub fn new_id(at: UnixNanos, entropy: &dyn Entropy) -> Result<String, EntropyError> {
        let mut random = [0_u8; 8];
        entropy.fill(&mut random)?;
        Ok(format!("{:016x}{:016x}", u64::MAX - at.nanos(), u64::from_be_bytes(random)))
    }

    /// Whether a text can be the id of an event.
    pub fn is_id(text: &str) -> bool {
        text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }
}

/// An event was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an audit event was not kept")]
pub struct NotKept;

/// Keeps events that no change of the administration API goes with: who came, and who went.
#[async_trait]
pub trait AuditEvents: Send + Sync + Debug {
    /// Keeps one.
    ///
    /// # Errors
    /// [`NotKept`].
    async fn note(&self, tenant: &TenantId, event: AuditEvent) -> Result<(), NotKept>;
}
