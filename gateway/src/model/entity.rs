//! Entities as plain data: what the directory keeps and the decision point turns into Cedar.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A text that names no entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no entity: expected `Type::id`, both parts not empty, at most 256 bytes")]
pub struct EntityUidError(String);

/// Longest entity name in bytes: fits a log line, a header and an index key.
const UID_BYTES_MAX: usize = 256;

/// The name of an entity inside one organisation: a Cedar type and an id, written `Type::id`.
///
/// The organisation is not part of the name: a decision sees one partition only (promise P3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EntityUid {
    kind: Arc<str>,
    id: Arc<str>,
}

impl EntityUid {
    /// Names the entity `id` of type `kind`.
    ///
    /// # Errors
    /// [`EntityUidError`] when a part is empty, `kind` is no Cedar type name, the whole is too long,
    /// or the id holds a control character.
    pub fn new(kind: &str, id: &str) -> Result<Self, EntityUidError> {
        let kind_is_path = kind.split("::").all(is_identifier);
        let id_is_clean = !id.is_empty() && !id.chars().any(char::is_control);
        if kind_is_path && id_is_clean && kind.len() + id.len() <= UID_BYTES_MAX {
            return Ok(Self { kind: Arc::from(kind), id: Arc::from(id) });
        }
        Err(EntityUidError(format!("{kind}::{id}").chars().take(80).collect()))
    }

    /// Reads `Type::id`; the type may itself hold `::` (`Hub::Team::t-1`), so the id may not.
    ///
    /// # Errors
    /// As [`EntityUid::new`].
    pub fn parse(text: &str) -> Result<Self, EntityUidError> {
        let (kind, id) = text
            .rsplit_once("::")
            .ok_or_else(|| EntityUidError(text.chars().take(80).collect()))?;
        Self::new(kind, id)
    }

    /// The Cedar type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The same name, with the text of its type shared with `other`'s where they are of one type: of many
    /// names that are kept, most are of a few types.
    #[must_use]
    pub fn sharing_kind(mut self, other: &Self) -> Self {
        if self.kind == other.kind {
            self.kind = Arc::clone(&other.kind);
        }
        self
    }

    /// The id within its type.
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn is_identifier(part: &str) -> bool {
    let mut bytes = part.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl fmt::Display for EntityUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.kind, self.id)
    }
}

impl fmt::Debug for EntityUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<EntityUid> for String {
    fn from(uid: EntityUid) -> Self {
        uid.to_string()
    }
}

impl TryFrom<String> for EntityUid {
    type Error = EntityUidError;

    fn try_from(text: String) -> Result<Self, EntityUidError> {
        Self::parse(&text)
    }
}

/// One object of the directory: its name, its parents and the attributes policies read.
///
/// Attribute values follow Cedar's entity JSON: bool, integer, string, set, record, and
/// `{"__entity": {"type", "id"}}` / `{"__extn": {"fn", "arg"}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityRecord {
    /// Its name.
    pub uid: EntityUid,
    /// Its direct parents in the organisation's tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<EntityUid>,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

/// One change of an organisation's resources.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// There is such a resource from now on; it takes the place of one with the same name.
    Put(EntityRecord),
    /// There is no such resource from now on. There need not have been one.
    Delete(EntityUid),
}

/// A role given on a node of the tree; it reaches everything below that node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleAssignment {
    /// The role, as the schema's `roles` record spells it (`admin`, `support_agent`).
    pub role: String,
    /// The node.
    pub on: EntityUid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_type_and_id() {
        let uid = EntityUid::parse("Hub::Team::t-1").unwrap();
        assert_eq!((uid.kind(), uid.id()), ("Hub::Team", "t-1"));
        assert_eq!(uid.to_string(), "Hub::Team::t-1");
    }

    #[test]
    fn rejects_what_names_nothing() {
        let long = format!("Team::{}", "x".repeat(300));
        for text in ["", "Team", "Team::", "::x", "9Team::x", "Te am::x", "Team::a\nb", &long] {
            assert!(EntityUid::parse(text).is_err(), "{text}");
        }
    }
}
