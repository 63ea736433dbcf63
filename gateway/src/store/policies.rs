//! Base policies that the platform's administrators added, and changes of them on their way.
//!
//! They lie under the organisation that runs the platform, and hold for all organisations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{PolicySource, UnixNanos};

/// Some policies, as one file would have them, in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPolicy {
    /// What they are called: the id of the object.
    pub name: String,
    /// As they are written.
    pub text: String,
    /// The decisions they are tested with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<Value>,
    /// The change that put them in force.
    pub change: String,
    /// When.
    pub since: UnixNanos,
}

impl StoredPolicy {
    /// The policies as a source, named so that nobody looks for a file of the repository.
    pub fn source(&self) -> PolicySource {
        PolicySource { name: source_name(&self.name), text: self.text.clone() }
    }
}

/// What errors, records and lists call policies that were added by this name.
pub fn source_name(name: &str) -> String {
    format!("added/{name}.cedar")
}

/// What a change does with the policies of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyWrite {
    /// The policies; nothing where they go.
    pub text: Option<String>,
    /// The decisions they are tested with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<Value>,
}

/// Somebody who had a hand in a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hand {
    /// The principal.
    pub principal: String,
    /// Shown to people.
    pub name: String,
    /// When.
    pub at: UnixNanos,
}

/// Where a change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeState {
    /// It waits for somebody's approval.
    Open,
    /// It was approved, and put in force.
    Approved,
    /// It was taken back or refused.
    Closed,
}

impl ChangeState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Approved, Self::Closed];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Closed => "closed",
        }
    }
}

/// A change of policies. What it says never changes: another wish is another change, with an approval of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// Its id; the latest sorts first.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// Why.
    pub reason: String,
    /// Where it is followed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The policies, by name.
    pub policies: BTreeMap<String, PolicyWrite>,
    /// Who proposed it.
    pub proposed: Hand,
    /// What tells the people behind the proposal from others: none of them may approve it.
    pub people: Vec<String>,
    /// Where it stands.
    pub state: ChangeState,
    /// Who ended it, one way or the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Hand>,
    /// What they said of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}
