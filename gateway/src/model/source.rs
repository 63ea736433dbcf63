//! Who owns an object of the directory.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an object of the directory comes from. Each has one source, and only its source may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The organisation's files.
    File,
    /// The administration API.
    Api,
    /// An identity provider's SCIM client.
    Scim,
    /// The hub's own services, by push.
    Hub,
}

impl Source {
    /// Its name in stored objects and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
            Self::Scim => "scim",
            Self::Hub => "hub",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
