//! Reads files, reports every error at once with file, key and line, yields each module's settings.
//!
//! Floor 4. It must never start anything, write a file or read a clock.

mod certificate;
mod document;
mod gateway;
mod guards;
mod listen;
mod load;
mod places;
mod problem;
mod resource;
mod route;
mod route_settings;
mod secrets;
mod section;
mod service;
mod shape;
mod suggest;
#[cfg(test)]
mod tests;

pub use gateway::Settings;
pub use guards::{
    LimitSettings, LimitsSettings, LogFormat, LogLevel, OutboundSettings, SignInSettings,
    TelemetrySettings,
};
pub use listen::{CertificateSource, HeadSettings, HttpsSettings, ListenSettings};
pub use load::{Loaded, load};
pub use places::{Places, PolicyPlaces};
pub use problem::{ConfigErrors, Problem};
pub use route_settings::{BodyRule, LogClass, ResourceRule, RouteSettings, Stream};
pub use secrets::{
    ASSERTION_FILE, AssertionKey, AssertionKeys, PEPPER_FILE, PUBLISH_DELAY, RETIRE_DELAY,
    SEAL_FILE, SealKey, Secrets,
};
pub use service::{
    Address, HeaderPattern, HealthCheck, HttpVersion, Retry, ServiceSettings, ServiceTls,
};
