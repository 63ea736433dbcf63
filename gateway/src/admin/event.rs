//! Audit events as the administration API shows them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::{AuditEvent, FieldChange};
use crate::model::UnixNanos;

/// Something that happened, as it was then.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventBody {
    /// When, in UTC (RFC 3339).
    #[schema(example = "2026-11-22T10:15:30.123Z")]
    timestamp: String,
    /// Its id; also a cursor.
    id: String,
    /// `created`, `updated`, `deleted`, `signed_in`, `signed_out` or `token_reused`.
    action: &'static str,
    /// Who did it.
    user: UserBody,
    /// What it was done to.
    item: ItemBody,
    /// The node it belongs to, as `Operator::nordvolt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    /// What changed, field by field. A secret is told as `(secret)`.
    #[schema(value_type = Vec<FieldChangeBody>)]
    changes: Vec<FieldChange>,
    /// SHA-256 of the item before, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// SHA-256 of the item after, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// The decision that allowed it, in the decision log.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
}

/// Who did something, as they were then.
#[derive(Debug, Serialize, ToSchema)]
struct UserBody {
    /// The Cedar principal.
    #[schema(example = "User::ada")]
    principal: String,
    /// The name shown to people.
    name: String,
}

/// What something was done to, as it was then.
#[derive(Debug, Serialize, ToSchema)]
struct ItemBody {
    /// What it is: `member`, `api_client`, `connection`.
    kind: String,
    /// Its id.
    id: String,
    /// The name shown to people.
    name: String,
}

/// One field that changed.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what events hold")]
pub(super) struct FieldChangeBody {
    /// The field.
    field: String,
    /// What it was; not there for a field that is new.
    #[schema(value_type = Value, required = false)]
    before: Option<serde_json::Value>,
    /// What it is; not there for a field that is gone.
    #[schema(value_type = Value, required = false)]
    after: Option<serde_json::Value>,
}

impl EventBody {
    pub(super) fn of(event: AuditEvent) -> Self {
        let AuditEvent { id, at, action, actor, item, parent, changes, before, after, decision } =
            event;
        Self {
            timestamp: timestamp(at),
            id,
            action: action.name(),
            user: UserBody { principal: actor.principal, name: actor.name },
            item: ItemBody { kind: item.kind, id: item.id, name: item.name },
            parent,
            changes,
            before,
            after,
            decision: decision.map(|id| id.to_string()),
        }
    }
}

/// A time as people and programs read it (RFC 3339), to the millisecond.
pub(super) fn timestamp(at: UnixNanos) -> String {
    let millis = i64::try_from(at.nanos() / 1_000_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| at.nanos().to_string(), |at| format!("{at:.3}"))
}
