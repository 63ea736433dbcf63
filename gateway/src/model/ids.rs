//! Identifiers as types of their own, so one cannot be taken for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A text that is no identifier of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is no {kind}: {rule}")]
pub struct IdError {
    input: String,
    kind: &'static str,
    rule: &'static str,
}

/// Longest slug: 63, so an organisation can become one DNS label (RFC 1035 §2.3.4).
const SLUG_BYTES_MAX: usize = 63;
const SLUG_RULE: &str = "1 to 63 of a-z, 0-9, `-` and `_`, starting with a letter or digit";

fn is_slug(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let starts_well =
        text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= SLUG_BYTES_MAX && starts_well && text.bytes().all(allowed)
}

/// Longest action name; generous for `area:verb` and operation ids.
const ACTION_BYTES_MAX: usize = 128;
const ACTION_RULE: &str = "1 to 128 of letters, digits, `-`, `_`, `.` and `:`";

fn is_action(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    !text.is_empty() && text.len() <= ACTION_BYTES_MAX && text.bytes().all(allowed)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads an identifier.
            ///
            /// # Errors
            /// [`IdError`] naming the text and the rule it breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if $check(text) {
                    return Ok(Self(Arc::from(text)));
                }
                // A hostile text is cut, so an error line stays an error line.
                let input = text.chars().take(80).collect();
                Err(IdError { input, kind: $kind, rule: $rule })
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                String::from(&*id.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }
    };
}

id!(
    /// An organisation: the partition every decision is confined to.
    TenantId, "organisation id", is_slug, SLUG_RULE
);
id!(
    /// An identity-provider connection, unique within its organisation.
    ConnectionId, "connection id", is_slug, SLUG_RULE
);
id!(
    /// The public half of an API key.
    KeyId, "key id", is_slug, SLUG_RULE
);
id!(
    /// The public half of the tokens that follow from one use of a client's secret.
    FamilyId, "token family id", is_slug, SLUG_RULE
);
id!(
    /// A member of an organisation, as its administrator named it.
    MemberId, "member id", is_slug, SLUG_RULE
);
id!(
    /// A service behind the gateway; also the audience of its assertions.
    ServiceId, "service name", is_slug, SLUG_RULE
);
id!(
    /// A route of the table, unique in the configuration.
    RouteId, "route id", is_action, ACTION_RULE
);
id!(
    /// A Cedar action: the backend's operation as `area:verb`.
    ActionId, "action", is_action, ACTION_RULE
);

/// One decision and its record: a `UUIDv7` (RFC 9562 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(uuid::Uuid);

impl DecisionId {
    /// Makes an id from the time and 74 random bits.
    pub fn from_parts(now: super::UnixNanos, random: [u8; 10]) -> Self {
        let millis = now.nanos() / 1_000_000;
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one snapshot: SHA-256 over everything a decision under it depends on, as 64 hex digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(Arc<str>);

impl SnapshotId {
    /// Takes a SHA-256 digest.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        use fmt::Write as _;
        let mut hex = String::with_capacity(64);
        for byte in digest {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Self(Arc::from(hex))
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_slugs() {
        for text in ["a", "nordvolt", "north-1", "0x_y"] {
            assert_eq!(TenantId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn rejects_what_is_no_slug() {
        let long = "a".repeat(64);
        for text in ["", "-a", "A", "a.b", "a/b", "å", "a b", &long] {
            assert!(TenantId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_names_input_and_rule() {
        let message = TenantId::parse("A b").unwrap_err().to_string();
        assert!(message.starts_with("`A b` is no organisation id: 1 to 63"), "{message}");
    }
}
