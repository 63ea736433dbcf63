//! Canonical request and route table: host + method + path to operation.
//!
//! [`CanonicalRequest`] is promise P1: the request is parsed once, what is not already canonical is
//! refused, and everything after it (policy, limits, log, upstream head) reads only that value.
//! [`RouteTable`] says which declared route it takes, [`Matched`] which object it is about.
//!
//! Pure: no sockets, no clock, no Pingora. Requirement ids (`PX-07`) are those of
//! `docs/security/proxy-attacks.md`.

mod authority;
mod bytes;
mod facts;
mod fields;
mod head;
mod head_limits;
mod json;
mod named;
mod request;
mod resource;
mod route;
mod table;
mod target;
mod template;
#[cfg(test)]
mod testing;

pub use fields::{is_dropped_field, is_hop_by_hop_field, is_reserved_field};
pub use head::RawHead;
pub use head_limits::HeadLimits;
pub use named::{AlsoRule, BodyIds, FURTHER_MAX, Further, NamedIds, Occurs};
pub use request::{CanonicalRequest, Protocol, Upgrade};
pub use resource::{Matched, Parameters, Place};
pub use route::{
    BodyRule, Denials, LogClass, OwnAnswer, ResourceRule, Route, RouteSettings, Stream,
};
pub use table::{RouteError, RouteTable};
pub use template::{is_gateway_path, is_token_path, parameters};
