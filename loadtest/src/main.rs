//! Load tests of the gateway as a black box: a comparison with a bare proxy, a crash test, a great push.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

mod backend;
mod compare;
mod cpu;
mod crash;
mod decision_log;
mod generator;
mod push;
mod report;
mod session;
mod setting;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Load tests of the gateway, from outside.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Compares the gateway with a bare proxy of the same versions: CPU and latency per request.
    Compare(compare::CompareArguments),
    /// Kills the gateway under load again and again, and looks for requests without a record.
    Crash(crash::CrashArguments),
    /// Pushes a million resources through the gateway, which is killed in the middle.
    Push(push::PushArguments),
    /// Serves the trivial backend both proxies stand before. Started by `compare`.
    #[command(hide = true)]
    Backend {
        /// Where to listen.
        listen: SocketAddr,
    },
}

/// What every run needs to find.
#[derive(Clone, Debug, Args)]
struct Places {
    /// The gateway to run; `hubgate` beside this program unless given.
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// The root of the repository.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
    repository: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().verb {
        Verb::Compare(arguments) => compare::run(&arguments).await,
        Verb::Crash(arguments) => crash::run(&arguments).await,
        Verb::Push(arguments) => push::run(&arguments).await,
        Verb::Backend { listen } => backend::serve(listen).await,
    }
}
