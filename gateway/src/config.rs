//! Reads files, reports every error at once with file, key and line, yields each module's settings.
//!
//! Floor 4. It must never start anything, write a file or read a clock.

mod certificate;
mod changes;
mod document;
mod gateway;
mod guards;
mod kept;
mod listen;
mod load;
mod named_ids;
mod navigation;
mod openapi;
mod operations;
mod organisations;
mod origin;
mod places;
mod platform;
mod policies;
mod problem;
mod quotas;
mod reference;
mod resource;
mod resources;
mod route;
mod route_errors;
mod secrets;
mod section;
mod service;
mod shape;
mod source;
mod suggest;
mod survey;
mod tenants;
#[cfg(test)]
mod tests;
mod tokens;

pub use gateway::Settings;
pub use guards::{
    LimitSettings, LimitsSettings, LogFormat, LogLevel, OutboundSettings, SignInSettings,
    TelemetrySettings,
};
pub use kept::KeptFiles;
pub use listen::{CertificateSource, HeadSettings, HttpsSettings, ListenSettings};
pub use load::{
    Loaded, RouteNote, load, load_after, load_with, places, policies, unmapped_operations,
};
pub use navigation::NavigationSettings;
pub use operations::{OperationsSettings, Unmapped};
pub use organisations::{Organisations, PolicyFiles};
pub use places::{Places, PolicyPlaces};
pub use policies::{
    CASES_FOLDER, PROBE_FILE, REVIEWED_FILE, read_cases, read_own_policies, read_policies,
    read_probe,
};
pub use problem::{ConfigErrors, Problem};
pub use reference::{settings_reference, settings_schema};
pub use secrets::{
    ASSERTION_FILE, AssertionKey, AssertionKeys, PEPPER_FILE, PUBLISH_DELAY, RETIRE_DELAY,
    SEAL_FILE, SealKey, Secrets,
};
pub use service::{
    Address, ErrorsName, HeaderPattern, HealthCheck, HttpVersion, Retry, ServiceSettings,
    ServiceTls,
};
pub use source::FileSource;
pub use suggest::nearest_name;
pub use survey::Sizes;
pub use tenants::{FileProblem, TenantData, Variables, read_tenant, read_tenants};
pub use tokens::{IssuerSettings, TokensSettings};
