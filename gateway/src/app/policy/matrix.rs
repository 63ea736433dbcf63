//! `hubgate policy matrix`: who may do what, shown, written or compared with what was reviewed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::PolicyCommandError;
use crate::app::cli::{CommandError, wants_colour};
use crate::authz::{Matrix, Pdp, Probe, ReviewFormat, changes};
use crate::config::{self, Loaded, PROBE_FILE, REVIEWED_FILE};

/// The arguments of `hubgate policy matrix`.
#[derive(Debug, Args)]
pub(in crate::app) struct MatrixArguments {
    /// The form; for a person at a terminal unless said.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes to this file instead of standard output.
    #[arg(long, short, value_name = "FILE", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Compares with this reviewed matrix (`.md`, `.csv` or `.json`), shows the cells that differ, and fails
    /// if any does.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

/// A form of the matrix.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A table for a terminal.
    Text,
    /// Comma-separated values.
    Csv,
    /// For programs.
    Json,
    /// Tables, the form that is reviewed.
    Markdown,
    /// A picture on one sheet.
    Svg,
    /// A page to look at and to print.
    Html,
}

/// Most differences shown: after these a person reads the new matrix, not the list.
const CHANGES_SHOWN_MAX: usize = 200;

impl MatrixArguments {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let files = config::policies(file)?;
        let Some(probe) = &files.probe else {
            let place = files.places.policies.join(PROBE_FILE);
            let message = format!("there is no `{}` to compute a matrix on", place.display());
            return Err(PolicyCommandError::Usage(message).into());
        };
        let matrix = compute(&files.pdp, probe)?;
        if let Some(reviewed) = &self.check {
            return compare(&matrix, reviewed, out);
        }
        let coloured = self.output.is_none() && wants_colour(&std::io::stdout());
        let text = match self.format {
            Format::Text => matrix.to_text(coloured),
            Format::Csv => matrix.to_csv(),
            Format::Json => matrix.to_json(),
            Format::Markdown => matrix.to_markdown(),
            Format::Svg => matrix.to_svg(),
            Format::Html => matrix.to_html(),
        };
        match &self.output {
            Some(file) => std::fs::write(file, text).map_err(|source| {
                let (file, what) = (file.display().to_string(), "cannot be written");
                PolicyCommandError::File { file, what, source }.into()
            }),
            None => Ok(out.write_all(text.as_bytes())?),
        }
    }
}

/// Compares the policies of `loaded` with the reviewed matrix beside them, where there is one.
pub(in crate::app) fn check_reviewed(
    loaded: &Loaded,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let policies = &loaded.settings.policy.policies;
    let reviewed = policies.join(REVIEWED_FILE);
    if !reviewed.exists() {
        return Ok(());
    }
    let Some(probe) = &loaded.organisations.book.probe else {
        let message = format!("`{}` is there, but no `{PROBE_FILE}`", reviewed.display());
        return Err(PolicyCommandError::NotAsExpected(message).into());
    };
    compare(&compute(&loaded.organisations.pdp, probe)?, &reviewed, out)
}

fn compute(pdp: &Pdp, probe: &Probe) -> Result<Matrix, PolicyCommandError> {
    Matrix::compute(pdp, probe).map_err(|faults| {
        PolicyCommandError::NotAsExpected(format!("`{PROBE_FILE}`: {}", faults.join("; ")))
    })
}

fn compare(matrix: &Matrix, reviewed: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
    let file = reviewed.display().to_string();
    let (format, fresh) = match reviewed.extension().and_then(|extension| extension.to_str()) {
        Some("md") => (ReviewFormat::Markdown, matrix.to_markdown()),
        Some("csv") => (ReviewFormat::Csv, matrix.to_csv()),
        Some("json") => (ReviewFormat::Json, matrix.to_json()),
        _ => {
            let message =
                format!("`{file}` cannot be compared: its name must end in .md, .csv or .json");
            return Err(PolicyCommandError::Usage(message).into());
        }
    };
    let kept = std::fs::read_to_string(reviewed).map_err(|source| PolicyCommandError::File {
        file: file.clone(),
        what: "cannot be read",
        source,
    })?;
    if kept == fresh {
        let cells = matrix.cell_count();
        return Ok(writeln!(out, "{:<14} {cells} cells, as reviewed in {file}", "matrix")?);
    }
    let differing = changes(matrix, &kept, format)
        .map_err(|error| PolicyCommandError::NotAsExpected(format!("`{file}` {error}")))?;
    for change in differing.iter().take(CHANGES_SHOWN_MAX) {
        writeln!(out, "{change}")?;
    }
    if differing.len() > CHANGES_SHOWN_MAX {
        writeln!(out, "and {} more", differing.len() - CHANGES_SHOWN_MAX)?;
    }
    let message = match differing.len() {
        0 => format!("the policies say what `{file}` says, but its text is not what is made today"),
        1 => format!("1 cell is not as reviewed in `{file}`"),
        count => format!("{count} cells are not as reviewed in `{file}`"),
    };
    Err(PolicyCommandError::NotAsExpected(message).into())
}
