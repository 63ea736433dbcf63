//! Hubgate: a policy-driven authorization and identity gateway.
//!
//! Modules stand on floors and import from lower floors only; `docs/architecture.md` draws the map and
//! `tests/it/architecture.rs` holds it. The way of a request is [`pipeline`].

pub mod admin;
pub mod app;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod config;
pub mod directory;
pub mod journal;
pub mod limits;
pub mod model;
pub mod oidc;
pub mod pipeline;
pub mod proxy;
pub mod rollout;
pub mod routing;
pub mod scim;
pub mod store;
pub mod telemetry;
