//! The command line: what may be typed, and how errors and exit codes answer it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, ConfigErrors, Loaded};

use super::admin::{AdminCommand, AdminError};
use super::check::check;
use super::feed::{FeedCommand, FeedCommandError};
use super::keys::{KeyCommand, KeyError};
use super::log::{LogCommand, LogError};
use super::policy::{PolicyCommand, PolicyCommandError};
use super::routes::{RoutesArguments, RoutesError};
use super::serve::{ServeError, serve};

/// A policy-driven authorization and identity gateway.
#[derive(Debug, Parser)]
#[command(name = "hubgate", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serves until SIGTERM or SIGINT; takes changed files over meanwhile. SIGHUP reloads by hand.
    Serve(Config),
    /// Reads everything the gateway would serve, and tells every error. Nothing is started or written.
    Check {
        #[command(flatten)]
        config: Config,
        /// One line per error: `file:line: key: message`.
        #[arg(long)]
        plain: bool,
    },
    /// Lists the routes: operation, action, resource, scopes.
    Routes {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        arguments: RoutesArguments,
    },
    /// Makes, lists and revokes API keys; rotates the gateway's signing key.
    Key {
        #[command(flatten)]
        config: Config,
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Tells what the hub pushed into the directory.
    Feed {
        #[command(flatten)]
        config: Config,
        #[command(subcommand)]
        command: FeedCommand,
    },
    /// Shows and verifies the decision log.
    Log {
        #[command(flatten)]
        config: Config,
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Tests the policies, shows what they come to, and tells why they answer as they do.
    Policy {
        #[command(flatten)]
        config: Config,
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Asks a running gateway's administration API to do something, over HTTP.
    Admin(AdminCommand),
    /// Says which version this is.
    Version,
}

#[derive(Debug, Args)]
struct Config {
    /// The settings file.
    #[arg(long, short, value_name = "FILE", default_value = "gateway.toml", global = true)]
    config: PathBuf,
}

impl Config {
    fn load(&self) -> Result<Loaded, CommandError> {
        Ok(config::load(&self.config)?)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The files are wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// About the administration API.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// About feeds.
    #[error(transparent)]
    Feed(#[from] FeedCommandError),
    /// About API keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// About the decision log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// About routes.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// About the policies.
    #[error(transparent)]
    Policy(#[from] PolicyCommandError),
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The result could not be written.
    #[error("the result cannot be written")]
    Output(#[from] std::io::Error),
}

/// Wrong usage or configuration, as `sysexits.h` numbers it.
const EX_USAGE: u8 = 64;

/// The administration API was not reached, or failed: asking again may help.
const UNREACHED: u8 = 2;

/// Runs the command line `arguments`; results go to `out`, errors to `err`.
pub fn run<A>(arguments: A, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode
where
    A: IntoIterator<Item: Into<std::ffi::OsString> + Clone>,
{
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            drop(write!(err, "{}", usage(&error, &std::io::stderr())));
            return ExitCode::from(EX_USAGE);
        }
        // Asked-for help and version.
        Err(error) => {
            return match write!(out, "{}", usage(&error, &std::io::stdout())) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    let plain = matches!(cli.verb, Verb::Check { plain: true, .. });
    match cli.run(out, err) {
        Ok(()) => ExitCode::SUCCESS,
        // Who closed the pipe has seen enough: `hubgate log tail | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell when standard error itself is gone.
            drop(report(&error, plain, err));
            exit_code(&error)
        }
    }
}

impl Cli {
    fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), CommandError> {
        match self.verb {
            Verb::Serve(config) => Ok(serve(&config.load()?)?),
            Verb::Check { config, .. } => check(&config.load()?, out),
            Verb::Routes { config, arguments } => arguments.run(&config.config, out),
            Verb::Key { config, command } => command.run(&config.config, out),
            Verb::Feed { config, command } => command.run(&config.config, out),
            Verb::Log { config, command } => command.run(&config.config, out),
            Verb::Policy { config, command } => command.run(&config.config, out),
            Verb::Admin(command) => command.run(out, err),
            Verb::Version => Ok(writeln!(out, "hubgate {}", env!("CARGO_PKG_VERSION"))?),
        }
    }
}

/// Help and usage errors, coloured where a person reads them.
fn usage(error: &clap::Error, stream: &impl IsTerminal) -> String {
    let text = error.render();
    if wants_colour(stream) { text.ansi().to_string() } else { text.to_string() }
}

/// Whether what goes to `stream` may hold escape sequences: on a terminal, unless they were turned off.
pub(super) fn wants_colour(stream: &impl IsTerminal) -> bool {
    // https://no-color.org: set and not empty means no colours.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && stream.is_terminal()
}

fn is_broken_pipe(error: &CommandError) -> bool {
    matches!(error, CommandError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &CommandError) -> ExitCode {
    match error {
        CommandError::Config(_)
        | CommandError::Key(KeyError::Usage(_))
        | CommandError::Feed(FeedCommandError::Tenant(_))
        | CommandError::Routes(_)
        | CommandError::Policy(PolicyCommandError::Usage(_)) => ExitCode::from(EX_USAGE),
        CommandError::Admin(error) if error.is_usage() => ExitCode::from(EX_USAGE),
        CommandError::Admin(error) if !error.is_refusal() => ExitCode::from(UNREACHED),
        _ => ExitCode::FAILURE,
    }
}

/// Problems in files are drawn with their lines; other errors are a line with their causes.
fn report(error: &CommandError, plain: bool, err: &mut dyn Write) -> std::io::Result<()> {
    if let CommandError::Config(errors) = error {
        if plain {
            return writeln!(err, "{errors}");
        }
        for report in errors.reports() {
            writeln!(err, "{report:?}")?;
        }
        let count = errors.problems().len();
        let noun = if count == 1 { "error" } else { "errors" };
        return writeln!(err, "{count} {noun}; nothing was changed");
    }
    match error {
        CommandError::Admin(AdminError::Refused(problem)) => return problem.write(err),
        CommandError::Admin(AdminError::RefusedPlainly(problem)) => {
            return err.write_all(&problem.body);
        }
        _ => {}
    }
    write!(err, "hubgate: {error}")?;
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        write!(err, ": {source}")?;
        cause = source.source();
    }
    writeln!(err)
}
