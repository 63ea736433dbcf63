//! Organisations: who they are, how their people sign in, who is a member (PIP).
//!
//! What every request may need of any organisation ([`Organisation`]) is in memory for all of them; their
//! [`Members`] only for those in use. Both are checked once and never change, so whoever holds one sees
//! one state of one organisation. Their resources are for `authz` to keep. Nothing here reads a file or
//! judges a request.

mod managed;
mod member;
mod members;
mod organisation;
mod pushed;
mod register;

pub use managed::{AdditionsUnread, ManagedParts, ManagedShape, NothingManaged, Stored};
pub use member::{Identity, Member, principal_entity};
pub use members::{MEMBERS_MAX, Members, person};
pub use organisation::{DirectoryError, Organisation, OrganisationData};
pub use pushed::{NothingPushed, PushedError, PushedResources};
pub use register::{Directory, RegisterError};

#[cfg(test)]
mod tests;
