//! `make demo`: a gateway, an OpenID provider and a hub on this machine, and four requests to try.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use hubgate_testkit::demo::{self, DEMO_KEY, DemoProvider, Person};
use hubgate_testkit::demo_hub::{DemoHub, Verifier};
use hubgate_testkit::stage::{SERVICES, Stage, StageSettings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Shows Hubgate on this machine. Ctrl-C ends everything and removes what it made.
#[derive(Debug, Parser)]
struct Arguments {
    /// The gateway to run; `hubgate` beside this program unless given.
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// The root of the repository.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    repository: PathBuf,
    /// The port of the gateway; 0 takes a free one.
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// The port of the OpenID provider; 0 takes a free one.
    #[arg(long, default_value_t = 9443)]
    provider_port: u16,
    /// Sends the four requests, prints what came of them and ends; fails when one differs.
    #[arg(long)]
    check: bool,
}

impl Arguments {
    /// A check runs beside whatever else runs on the machine.
    const fn port(&self, asked: u16) -> u16 {
        if self.check { 0 } else { asked }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let people = demo::people(&arguments.repository.join("tenants"))?;
    let provider = DemoProvider::start(arguments.port(arguments.provider_port), &people).await?;
    let (listener, stage) = prepare(&arguments, &provider).await?;
    let keys = format!("{}/.hubgate/jwks.json", stage.hub_url());
    let _hub = DemoHub::start(listener, Verifier::new(stage.client()?, &keys, &SERVICES))?;
    let key = stage.create_key(&DEMO_KEY)?;
    let mut gateway = stage.start()?;
    gateway.wait_until_ready().await?;
    let outcome = if arguments.check {
        check(&stage, &key).await?
    } else {
        welcome(&stage, &key, &people);
        wait_for_the_end().await?;
        println!("\nStopping.");
        ExitCode::SUCCESS
    };
    gateway.stop().await?;
    Ok(outcome)
}

/// Chooses addresses and writes the temporary directory.
async fn prepare(
    arguments: &Arguments,
    provider: &DemoProvider,
) -> anyhow::Result<(TcpListener, Stage)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let stage = Stage::prepare(StageSettings {
        binary: gateway_binary(arguments.gateway.as_deref())?,
        repository: arguments.repository.clone(),
        gateway: SocketAddr::from(([127, 0, 0, 1], arguments.port(arguments.port))),
        provider: Some(provider.place()),
        service: listener.local_addr()?,
        threads: 0,
        requests_per_minute: None,
    })?;
    Ok((listener, stage))
}

fn gateway_binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("hubgate"),
    };
    anyhow::ensure!(path.is_file(), "no gateway at {}: build it first", path.display());
    path.canonicalize().context("finding the gateway")
}

async fn check(stage: &Stage, key: &str) -> anyhow::Result<ExitCode> {
    let client = stage.client()?;
    let mut outcome = ExitCode::SUCCESS;
    for trial in demo::trials() {
        let status = trial.run(&client, &stage.hub_url(), key).await?;
        let verdict = if status == trial.expected { "as it must be" } else { "WRONG" };
        println!("{:3}  {:32}{verdict}", status.as_u16(), trial.shows);
        if status != trial.expected {
            println!("     expected {}: {}", trial.expected.as_u16(), trial.because);
            outcome = ExitCode::FAILURE;
        }
    }
    Ok(outcome)
}

async fn wait_for_the_end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Everything a newcomer needs on one screen, in 80 columns where names allow.
fn welcome(stage: &Stage, key: &str, people: &[Person]) {
    println!("\nHubgate is up: {}\n", stage.hub_url());
    println!("Paste this into another terminal:\n");
    println!("    HUB={}", stage.hub_url());
    println!("    CA={}", stage.certificate_authority().display());
    println!("    KEY={key}\n");
    println!("The key may run operations on all of {}. Four requests:\n", DEMO_KEY.organisation);
    for (trial, number) in demo::trials().iter().zip(1..) {
        println!("{number}.  {}: {}", trial.expected.as_u16(), trial.shows);
        println!("    {}", trial.because);
        println!("    {trial}\n");
    }
    println!("In a browser, open this and sign in (the certificates are the demo's own, so it");
    println!("warns twice):\n");
    println!("    {}/api/v1/teams\n", stage.hub_url());
    println!("Give the organisation, then choose one of its people:\n");
    for person in people {
        let roles = person.roles.join(", ");
        let roles = if roles.is_empty() { "no role yet" } else { roles.as_str() };
        println!("    {:8}{:18}{:12}{roles}", person.subject, person.name, person.organisation);
    }
    println!("\nEvery decision is on record in {}", stage.log_directory().display());
    println!("Watch them come:\n");
    let binary = std::env::current_exe().unwrap_or_default().with_file_name("hubgate");
    println!("    {} log tail --follow \\", binary.display());
    println!("      --config {}\n", stage.configuration().display());
    println!("What the gateway itself says: {}", stage.gateway_output().display());
    println!("\nCtrl-C stops everything and removes the temporary directory.");
}
