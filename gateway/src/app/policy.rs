//! `hubgate policy`: tests policies, shows what they come to, and tells why they answer as they do.
//!
//! Nothing here serves or writes but what `--output` names.

mod desk;
mod explain;
mod matrix;
mod mutants;
mod recorded;
mod story;
mod test;
mod what_can;
mod who_can;

use std::io::Write;
use std::path::Path;

use clap::Subcommand;

use crate::authz::{AccessSetError, EntityError};

use super::cli::CommandError;

pub(super) use matrix::check_reviewed;

/// What is to be done with the policies, or asked of them.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Asks the decisions kept beside the policies, and says which come out otherwise.
    Test(test::TestArguments),
    /// Shows who may do what: actions by roles, computed from the policies.
    Matrix(matrix::MatrixArguments),
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
    /// A file that was named cannot be read or written.
    #[error("`{file}` {what}")]
    File {
        /// The file.
        file: String,
        /// What cannot be done with it.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Everything was looked at, and something is not as it must be; it was told in the output.
    #[error("{0}")]
    NotAsExpected(String),
}

impl PolicyCommand {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        match self {
            Self::Explain(arguments) => arguments.run(file, out),
            Self::WhoCan(arguments) => arguments.run(file, out),
            Self::WhatCan(arguments) => arguments.run(file, out),
            Self::Test(arguments) => arguments.run(file, out),
            Self::Matrix(arguments) => arguments.run(file, out),
        }
    }
}
