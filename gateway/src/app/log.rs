//! `hubgate log`: shows the decision log and proves it whole.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config::{self, Places};
use crate::journal::{
    Colour, Filter, Line, Renderer, Tail, TailError, VerifyError, render_report, verify,
};

use super::cli::{CommandError, wants_colour};

/// What is to be done with the log.
#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Shows the last records that match.
    Tail(TailArguments),
    /// Reads the whole log and checks every hash, number and link.
    Verify,
}

#[derive(Debug, Args)]
pub(super) struct TailArguments {
    /// How many records.
    #[arg(short = 'n', long, default_value_t = 20)]
    lines: usize,
    /// Goes on showing what comes, until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Records of this organisation only.
    #[arg(long, value_name = "ORGANISATION")]
    tenant: Option<String>,
    /// Records of this principal only, as `User::ada`.
    #[arg(long, value_name = "TYPE::ID")]
    principal: Option<String>,
    /// Decisions with this effect only.
    #[arg(long, value_parser = ["allow", "deny", "refuse", "error"])]
    effect: Option<String>,
    /// Records with this reason code only.
    #[arg(long)]
    reason: Option<String>,
    /// This decision and its outcome only; the beginning of the id is enough.
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// Records of this kind only.
    #[arg(long, value_parser = ["decision", "outcome", "event", "journal"])]
    kind: Option<String>,
    /// The records as they are written: one JSON object per line.
    #[arg(long)]
    json: bool,
    /// No colours, on a terminal too.
    #[arg(long)]
    plain: bool,
}

/// Why the log was not shown.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be read.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// It cannot be checked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It was checked, and something is wrong with it.
    #[error("the decision log is not intact")]
    NotIntact,
}

/// How often a followed log is looked at: quick for eyes, cheap for disks.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

impl LogCommand {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let places = config::places(file)?;
        match self {
            Self::Tail(arguments) => arguments.run(&places, out),
            Self::Verify => check(&places, out),
        }
    }
}

impl TailArguments {
    fn run(&self, places: &Places, out: &mut dyn Write) -> Result<(), CommandError> {
        let tail = Tail::new(&places.log_directory, self.filter(), self.lines);
        if !self.follow {
            let lines = tail.lines().map_err(LogError::from)?;
            return self.pen(&lines, out).write(&lines);
        }
        let (lines, mut follow) = tail.follow().map_err(LogError::from)?;
        let mut pen = self.pen(&lines, out);
        pen.write(&lines)?;
        loop {
            std::thread::sleep(FOLLOW_INTERVAL);
            pen.write(&follow.poll().map_err(LogError::from)?)?;
        }
    }

    fn filter(&self) -> Filter {
        Filter {
            tenant: self.tenant.clone(),
            principal: self.principal.clone(),
            effect: self.effect.clone(),
            reason: self.reason.clone(),
            decision: self.decision.clone(),
            kind: self.kind.clone(),
            since: None,
        }
    }

    /// Columns as wide as the first lines need; the usual ones where there are none to go by.
    fn pen<'o>(&self, lines: &[Line], out: &'o mut dyn Write) -> Pen<'o> {
        let colour = if self.plain { Colour::Never } else { terminal_colour() };
        let renderer =
            if lines.is_empty() { Renderer::new(colour) } else { Renderer::fitted(colour, lines) };
        Pen { renderer: (!self.json).then_some(renderer), out }
    }
}

fn terminal_colour() -> Colour {
    if wants_colour(&std::io::stdout()) { Colour::Always } else { Colour::Never }
}

/// Writes lines as records or for people.
struct Pen<'o> {
    renderer: Option<Renderer>,
    out: &'o mut dyn Write,
}

impl Pen<'_> {
    fn write(&mut self, lines: &[Line]) -> Result<(), CommandError> {
        for line in lines {
            match &mut self.renderer {
                Some(renderer) => writeln!(self.out, "{}", renderer.render(line))?,
                None => writeln!(self.out, "{}", line.json())?,
            }
        }
        Ok(self.out.flush()?)
    }
}

fn check(places: &Places, out: &mut dyn Write) -> Result<(), CommandError> {
    let report = verify(&places.log_directory).map_err(LogError::from)?;
    writeln!(out, "{}", render_report(&report, terminal_colour()))?;
    if report.is_intact() { Ok(()) } else { Err(LogError::NotIntact.into()) }
}
