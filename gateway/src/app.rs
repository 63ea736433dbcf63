//! Assembles everything from settings: serves, reloads, drains; the command-line verbs.
//!
//! Floor 5. It must never decide about a request.

mod admin;
mod check;
mod cli;
mod feed;
mod keys;
mod log;
mod moment;
mod policy;
mod reload;
mod routes;
mod secrets;
mod self_signed;
mod serve;

pub use admin::{AdminClientError, AdminError, AdminProblem};
pub use cli::{Cli, CommandError, run};
pub use feed::FeedCommandError;
pub use keys::KeyError;
pub use log::LogError;
pub use policy::PolicyCommandError;
pub use reload::{
    Apply, ApplyError, Bell, ReloadStatus, ReloadWatch, Reloader, WatchError, reload_on_hangup,
};
pub use routes::RoutesError;
pub use secrets::{Rotation, SecretsError, prepare_secrets, rotate_assertion_key};
pub use self_signed::{SelfSignedError, self_signed_certificate};
pub use serve::{ServeError, serve};
