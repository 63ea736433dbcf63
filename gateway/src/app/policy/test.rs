//! `hubgate policy test`: the decisions kept beside the policies, asked and told.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use clap::Args;

use super::PolicyCommandError;
use super::mutants;
use crate::app::cli::{CommandError, wants_colour};
use crate::authz::{CaseAnswer, CaseFailure, CaseFile, Trial, uncovered};
use crate::config;

/// The arguments of `hubgate policy test`.
#[derive(Debug, Args)]
pub(in crate::app) struct TestArguments {
    /// Only cases whose file, name, action, principal, resource or policies hold this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Tells every case, not only those that come out otherwise.
    #[arg(long, short)]
    verbose: bool,
    /// Changes the policies, one mistake at a time, and tells which mistakes no case notices.
    #[arg(long, conflicts_with = "filter")]
    mutants: bool,
    /// How many mistakes in a hundred the cases must notice, at least.
    #[arg(long, value_name = "PERCENT", default_value_t = 90, requires = "mutants",
          value_parser = clap::value_parser!(u8).range(0..=100))]
    minimum: u8,
}

impl TestArguments {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let mut files = config::policies(file)?;
        if let Some(filter) = &self.filter {
            files.cases.iter_mut().for_each(|file| keep(file, filter));
        }
        let trial = Trial::prepare(files.pdp.schema(), &files.cases);
        let answers: Vec<CaseAnswer<'_>> = trial.answers(&files.pdp).collect();
        let mut failures = trial.faults().to_vec();
        failures.extend(answers.iter().filter_map(CaseAnswer::failure));
        if self.filter.is_none() {
            failures.extend(uncovered(&files.pdp, &files.cases));
        }
        let green = |text: &str| painted("32", text);
        if self.verbose {
            tell(&answers, out)?;
        }
        summary(&answers, out)?;
        for failure in &failures {
            writeln!(out, "{} {failure}", painted("31", "not as it must be:"))?;
        }
        if !failures.is_empty() {
            let message = match failures.len() {
                1 => "1 failure".to_owned(),
                count => format!("{count} failures"),
            };
            return Err(PolicyCommandError::NotAsExpected(message).into());
        }
        if answers.is_empty() {
            let message = "there is no such case".to_owned();
            return Err(PolicyCommandError::NotAsExpected(message).into());
        }
        writeln!(out, "{}", green(&format!("{} cases, all as expected", answers.len())))?;
        if self.mutants {
            return mutants::run(&files, &trial, self.minimum, out);
        }
        Ok(())
    }
}

pub(super) fn painted(code: &str, text: &str) -> String {
    if wants_colour(&std::io::stdout()) {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Leaves the cases that speak of `text`.
fn keep(file: &mut CaseFile, text: &str) {
    let name = file.name.clone();
    file.cases.retain(|case| {
        let named = [case.principal.to_string(), case.resource.to_string()];
        [name.as_str(), &case.name, case.action.as_str()]
            .into_iter()
            .chain(named.iter().map(String::as_str))
            .chain(case.about.iter().map(String::as_str))
            .any(|said| said.contains(text))
    });
}

/// Every case with its answer and the policies that gave it.
fn tell(answers: &[CaseAnswer<'_>], out: &mut dyn Write) -> std::io::Result<()> {
    let mut file = "";
    for answer in answers {
        if answer.file != file {
            file = answer.file;
            writeln!(out, "{file}")?;
        }
        let mark = if answer.fault.is_none() { "ok  " } else { "FAIL" };
        let effect = if answer.decision.allowed() { "allow" } else { "deny" };
        let deciding: Vec<&str> = answer.decision.determining().iter().map(|id| &**id).collect();
        let by = if deciding.is_empty() { "no policy".to_owned() } else { deciding.join(", ") };
        writeln!(out, "  {mark}  {}  ({effect} by {by})", answer.case.name)?;
    }
    Ok(())
}

/// A line for each file.
fn summary(answers: &[CaseAnswer<'_>], out: &mut dyn Write) -> std::io::Result<()> {
    let mut files: BTreeMap<&str, (usize, Vec<CaseFailure>)> = BTreeMap::new();
    for answer in answers {
        let (count, failures) = files.entry(answer.file).or_default();
        *count += 1;
        failures.extend(answer.failure());
    }
    let width = files.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    for (name, (count, failures)) in files {
        let failed = match failures.len() {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        writeln!(out, "{name:<width$}  {:>5} passed{failed}", count - failures.len())?;
    }
    Ok(())
}
