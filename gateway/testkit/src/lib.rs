//! What tests and the demo stand the gateway between: upstreams that record, a demo hub, an OpenID provider,
//! certificates, clients that write raw bytes.
//!
//! Never linked into the product, and never depends on it: the gateway is a black box to this package.

pub mod browser;
pub mod certificates;
pub mod demo;
pub mod demo_hub;
pub mod https_client;
pub mod name_server;
pub mod openid_provider;
pub mod population;
pub mod ports;
pub mod raw_client;
pub mod recording_upstream;
pub mod stage;
pub mod websocket;
