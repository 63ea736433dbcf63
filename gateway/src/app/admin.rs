//! `hubgate admin`: the administration API on the command line, over HTTP as any client of it.
//!
//! The commands are made from the document of this very build: an operation added there is a command. It must
//! never touch the store or the files of a gateway; what it may do is what its API key may.

mod api;
mod body;
mod call;
mod client;
mod command;
mod connection;
mod flat;
mod help;
mod operations;
mod patient;
mod problem;
mod screen;
mod shape;
mod show;
mod table;

use std::io::Write;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::cli::CommandError;
use crate::model::{Clock, Entropy, EntropyError, OsEntropy, SystemClock};
use api::{Operation, api};
use call::Call;
use client::Client;
use connection::Connection;
use screen::Screen;
use show::Answer;

pub use client::AdminClientError;
pub use problem::AdminProblem;

/// What was typed after `admin`.
#[derive(Debug)]
pub(super) struct AdminCommand {
    matches: ArgMatches,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The API said no, or failed.
    #[error("the answer was {}", .0.status)]
    Refused(Box<AdminProblem>),
    /// The same as it came, for programs.
    #[error("the answer was {}", .0.status)]
    RefusedPlainly(Box<AdminProblem>),
    /// The key would be seen on the way, or `--ca` is wrong.
    #[error("nothing was sent to `{url}`")]
    Unsent {
        /// Where to.
        url: String,
        /// Why.
        source: AdminClientError,
    },
    /// No answer came.
    #[error("no answer from `{url}`")]
    Unreached {
        /// Where it was tried.
        url: String,
        /// Why.
        source: AdminClientError,
    },
    /// Neither an answer nor a problem, a redirect mostly.
    #[error("the answer was {0}, which the API does not give: is `--url` right?")]
    Strange(http::StatusCode),
    /// JSON that is none.
    #[error("the answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// Pages that do not end, or are no list.
    #[error("the pages of the list do not end as they should")]
    Pages,
    /// The document of this build.
    #[error("the document of the administration API cannot be read")]
    Document,
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The system gives no runtime.
    #[error("the command cannot be started")]
    Runtime(#[source] std::io::Error),
}

/// Most pages `--all` follows: a hundred thousand things at a hundred a page.
const PAGES_MAX: usize = 1_000;

impl Args for AdminCommand {
    fn augment_args(command: Command) -> Command {
        // Read only when `admin` is asked for: the document takes longer than all other arguments.
        command.defer(|command| command::grown(command, api().ok()))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AdminCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { matches: matches.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.matches = matches.clone();
        Ok(())
    }
}

impl AdminCommand {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), CommandError> {
        let api = api()?;
        let unknown = || AdminError::Usage("name a command".to_owned());
        let (name, matches) = self.matches.subcommand().ok_or_else(unknown)?;
        // Before anything else: a key in the list of processes is one to revoke.
        let connection = Connection::of(matches, |name| std::env::var(name).ok(), err)?;
        if name == "operations" {
            return operations::list(api, matches.get_flag("json"), out);
        }
        let operation = api.by_command(name).ok_or_else(unknown)?;
        let visit = Visit { operation, matches, connection: &connection };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(AdminError::Runtime)?;
        let done = runtime.block_on(visit.made(out, err));
        // A thread may still wait for the standard input.
        runtime.shutdown_background();
        done
    }
}

/// One command that is an operation.
struct Visit<'a> {
    operation: &'static Operation,
    matches: &'a ArgMatches,
    connection: &'a Connection,
}

impl Visit<'_> {
    async fn made(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), CommandError> {
        let parts: (&dyn Clock, &dyn Entropy) = (&SystemClock, &OsEntropy);
        let mut call = Call::of(self.operation, self.matches, self.connection, parts)?;
        let content = call.content(self.matches)?;
        let sent = self.sent(&call, content).await;
        if let (Err(error), Some(key)) = (&sent, &call.idempotency_key)
            && error.may_be_done()
        {
            writeln!(err, "It may have been done. Repeat it safely: --idempotency-key {key}")?;
        }
        let answer = sent?;
        let status = answer.status().as_u16();
        if self.matches.get_flag("include") {
            write_head(&answer, out)?;
        }
        let mut answer = Answer::of(answer)?;
        let cursor = self.operation.cursor();
        if let (true, Some(cursor)) = (self.wants_all(), cursor) {
            self.follow(&mut call, &cursor.name, &mut answer).await?;
        }
        if self.matches.get_flag("json") {
            out.write_all(&answer.bytes)?;
        } else {
            answer.write(self.operation, status, Screen::of_output(), out)?;
        }
        out.flush()?;
        if let Some(next) = answer.cursor() {
            let option = cursor.map(|it| format!("--{} '{}'", it.option, screen::harmless(next)));
            let option = option.map_or_else(String::new, |it| format!(": {it}, or --all"));
            writeln!(err, "There is more{option}")?;
        }
        Ok(())
    }

    /// The answer, if it is a success.
    async fn sent(
        &self,
        call: &Call<'_>,
        content: body::Content,
    ) -> Result<http::Response<Vec<u8>>, AdminError> {
        let url = || self.connection.url.to_string();
        let sent = Client::new(self.connection).send(call.request()?, content).await;
        let answer = sent.map_err(|source| match source {
            AdminClientError::Clear | AdminClientError::Authorities => {
                AdminError::Unsent { url: url(), source }
            }
            source => AdminError::Unreached { url: url(), source },
        })?;
        let status = answer.status();
        if status.is_client_error() || status.is_server_error() {
            let problem = Box::new(AdminProblem::of(answer));
            let plainly = self.matches.get_flag("json");
            let refused = if plainly { AdminError::RefusedPlainly } else { AdminError::Refused };
            return Err(refused(problem));
        }
        if status.is_success() { Ok(answer) } else { Err(AdminError::Strange(status)) }
    }

    fn wants_all(&self) -> bool {
        self.matches.try_get_one::<bool>("all").is_ok_and(|it| it == Some(&true))
    }

    /// Takes the pages after the first one into it.
    async fn follow(
        &self,
        call: &mut Call<'_>,
        parameter: &str,
        all: &mut Answer,
    ) -> Result<(), AdminError> {
        let mut cursor = all.cursor().map(str::to_owned);
        for _ in 1..PAGES_MAX {
            let Some(at) = cursor else { break };
            call.go_on_at(parameter, &at);
            let page = Answer::of(self.sent(call, body::Content::Nothing).await?)?;
            cursor = page.cursor().map(str::to_owned);
            // A cursor that leads to itself would be followed for ever.
            if cursor.as_ref() == Some(&at) {
                return Err(AdminError::Pages);
            }
            all.lengthen(page)?;
        }
        if cursor.is_some() { Err(AdminError::Pages) } else { all.complete() }
    }
}

impl AdminError {
    /// Wrong usage: nothing was sent.
    pub(super) const fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::File { .. } | Self::Unsent { .. })
    }

    /// Whether the API said no, as opposed to not answering or failing.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(problem) | Self::RefusedPlainly(problem) => problem.is_refusal(),
            _ => false,
        }
    }

    fn may_be_done(&self) -> bool {
        !self.is_usage() && !self.is_refusal()
    }
}

/// Status and fields, as they came.
fn write_head(answer: &http::Response<Vec<u8>>, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{:?} {}", answer.version(), answer.status())?;
    for (name, value) in answer.headers() {
        let value = screen::harmless(&String::from_utf8_lossy(value.as_bytes()));
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests;
