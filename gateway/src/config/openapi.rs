//! Reads an OpenAPI 3 document: only what routing needs, each thing with its place.
//!
//! Paths, methods, `operationId`, path and query parameters, security scopes, whether there is a request body,
//! and which of its properties hold ids. Everything else in it is for other readers and is passed over. `$ref`
//! is followed for parameters and bodies, within the document.

mod document;
mod ids;
mod yaml;

pub(super) use document::{Api, Operation, Requirement, read};
pub(super) use ids::{IdProperty, names_objects};
