//! SCIM 2.0 messages (RFC 7643, RFC 7644) as values: read, filtered, changed, shown. It stores and serves nothing.
//!
//! Fences the crate `scim_v2`, which reads the grammar of filters.

mod attribute;
mod document;
mod error;
mod filter;
mod kind;
mod list;
mod patch;
mod path;
mod projection;
mod schema;
#[cfg(test)]
mod tests;

pub use document::{Document, GroupReference, MEMBERS_MAX, ReadOnly};
pub use error::ScimError;
pub use filter::Filter;
pub use kind::Kind;
pub use list::{Page, list_response};
pub use patch::patch;
pub use projection::Projection;
pub use schema::{resource_type, resource_types, schema, schemas, service_provider_config};
