//! An organisation's snapshot: tree, members, resources (PIP).
//!
//! [`Organisation::build`] checks everything once; after that the value never changes, so whoever
//! holds it sees one state of one organisation. It must never read a file or judge a request.

mod member;
mod organisation;
mod pushed;
mod register;
mod tree;

pub use member::{Identity, Member, principal_entity};
pub use organisation::{DirectoryError, Organisation, OrganisationData};
pub use pushed::{NothingPushed, PushedError, PushedResources};
pub use register::{Directory, RegisterError};

#[cfg(test)]
mod tests;
