//! `hubgate policy`: tests policies, shows what they come to, and tells why they answer as they do.
//!
//! Nothing here serves or writes but what `--output` names.

mod matrix;
mod mutants;
mod test;

use std::io::Write;
use std::path::Path;

use clap::Subcommand;

use super::cli::CommandError;

pub(super) use matrix::check_reviewed;

/// What is to be done with the policies.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Asks the decisions kept beside the policies, and says which come out otherwise.
    Test(test::TestArguments),
    /// Shows who may do what: actions by roles, computed from the policies.
    Matrix(matrix::MatrixArguments),
}

/// Why a policy command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PolicyCommandError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
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
            Self::Test(arguments) => arguments.run(file, out),
            Self::Matrix(arguments) => arguments.run(file, out),
        }
    }
}
