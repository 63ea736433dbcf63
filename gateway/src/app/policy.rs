//! `hubgate policy`: tells why the policies answer as they do, and who may do what.
//!
//! Nothing here serves or writes.

mod desk;
mod explain;
mod story;
mod what_can;
mod who_can;

use std::io::Write;
use std::path::Path;

use clap::Subcommand;

use crate::authz::{AccessSetError, EntityError};

use super::cli::CommandError;

/// What is to be asked of the policies.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Tells why a request is allowed or denied, and the smallest change that would allow it.
    Explain(explain::ExplainArguments),
    /// Tells which members may do something, and which roles would let somebody.
    WhoCan(who_can::WhoCanArguments),
    /// Tells what somebody may do, and on which nodes.
    WhatCan(what_can::WhatCanArguments),
}

/// Why a policy command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PolicyCommandError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A record that does not fit the schema.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// An access set that cannot be computed.
    #[error(transparent)]
    Access(#[from] AccessSetError),
    /// The result has no JSON form.
    #[error("the result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl PolicyCommand {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        match self {
            Self::Explain(arguments) => arguments.run(file, out),
            Self::WhoCan(arguments) => arguments.run(file, out),
            Self::WhatCan(arguments) => arguments.run(file, out),
        }
    }
}
