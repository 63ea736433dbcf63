//! Reads an OpenAPI 3 document: only what routing needs, each thing with its place.
//!
//! Paths, methods, `operationId`, path parameters, security scopes, and whether there is a request body.
//! Everything else in it is for other readers and is passed over. `$ref` is followed for parameters, within
//! the document.

mod document;
mod yaml;

pub(super) use document::{Api, Operation, Requirement, read};
