//! The answer to a request of the administration API, kept for when the request is sent again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An answer that is given again when its request is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// SHA-256 over what was asked, in hex: the same key with another request is a mistake.
    pub request: String,
    /// Its status code.
    pub status: u16,
    /// Its body, without what is shown only once.
    pub body: String,
    /// Its `Location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Its `ETag`, where it is not the body's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// How long a request may be sent again: clients try for minutes, people come back the next day.
pub const ANSWERED_KEPT: Duration = Duration::from_hours(24);
