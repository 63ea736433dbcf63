//! Relying party over the network: discovery, keys, code flow, logout.
//!
//! Every outbound call goes through `outbound`, which dials checked addresses only, never skips TLS,
//! follows no redirect and reads a bounded answer within a deadline. Every document is read by `document`,
//! which refuses what two readers could understand differently. Fences the crate `openidconnect`.

mod diagnosis;
mod document;
mod exchange;
mod id_token;
mod keys;
mod metadata;
mod outbound;
mod provider;
mod relying_party;
#[cfg(test)]
mod tests;

pub use diagnosis::{Step, StepEnd};
pub use outbound::OutboundSettings;
pub use relying_party::OpenIdRelyingParty;
