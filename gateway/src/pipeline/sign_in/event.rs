//! What the flow tells the log.

use crate::model::{ConnectionKey, MemberId, PersonId};

/// A change of who is signed in. Session handles are SHA-256 of the cookie, as in decision records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInEvent {
    /// A login was started at a provider.
    Started {
        /// The connection.
        connection: ConnectionKey,
    },
    /// A person signed in.
    SignedIn {
        /// The person.
        person: PersonId,
        /// The member they are; `None` gives no authority.
        member: Option<MemberId>,
        /// The new session.
        session: String,
        /// The session of the same browser that ended with it.
        replaced: Option<String>,
    },
    /// A person signed out.
    SignedOut {
        /// The person.
        person: PersonId,
        /// The session that ended.
        session: String,
    },
}

impl SignInEvent {
    /// Its name in records. A contract: never reused.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "sign_in_started",
            Self::SignedIn { .. } => "signed_in",
            Self::SignedOut { .. } => "signed_out",
        }
    }
}
