//! The comparison: the gateway's ways of deciding against a bare proxy, in alternating rounds.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use hubgate_testkit::ports::free_address;
use hubgate_testkit::stage::{HUB_HOST, Stage};

use crate::Places;
use crate::cpu;
use crate::generator::{Connections, Shot};
use crate::report::{Measured, Report, Round};
use crate::setting::{self, LOAD_KEY, Running};

/// How the comparison is run.
#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    #[command(flatten)]
    places: Places,
    /// Rounds; every scenario once per round.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds each scenario is measured per round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections kept alive.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Worker threads of both proxies.
    #[arg(long, default_value_t = 2)]
    threads: u32,
    /// Where the result is kept as JSON.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

/// Long enough to fill caches and pools, and to open upstream connections.
const WARM_UP: Duration = Duration::from_millis(300);

/// What is measured: a request, and the process that serves it.
struct Scenario {
    name: &'static str,
    shot: Shot,
    expected: u16,
    process: u32,
    connections: Connections,
}

/// Runs the comparison and prints the table.
pub(crate) async fn run(arguments: &CompareArguments) -> anyhow::Result<ExitCode> {
    let backend_address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("backend").arg(backend_address.to_string());
    let _backend = Running::start(command, backend_address).await?;
    let sign_in = crate::session::Provider::start(&arguments.places.repository).await?;
    let place = Some(sign_in.place());
    let stage = setting::stage(&arguments.places, backend_address, place, arguments.threads)?;
    let (bare, bare_address) = start_bare(&stage, backend_address, arguments.threads).await?;
    let key = stage.create_key(&LOAD_KEY)?;
    let mut gateway = stage.start()?;
    gateway.wait_until_ready().await?;
    let session = sign_in.session(&stage).await?;
    let token = exchange(&stage, &key).await?;

    let mut scenarios = Vec::new();
    let config = stage.authority().client_config(&["http/1.1"])?;
    for Plan { name, credential, path, expected, through } in plans(&key, &token, &session) {
        let (address, process) = match through {
            Through::Bare => (bare_address, bare.id()),
            Through::Gateway => (stage.gateway(), gateway.id()),
        };
        let mut connections =
            Connections::open(address, HUB_HOST, &config, arguments.connections).await?;
        let port = stage.gateway().port();
        let shot = Shot { path: path.into(), host: HUB_HOST.into(), port, credential };
        // A connection that never sends a request is closed after ten seconds.
        connections.run(&shot, WARM_UP).await?.all_are(expected)?;
        scenarios.push(Scenario { name, shot, expected, process, connections });
    }
    let report = measure(&mut scenarios, arguments).await?;
    drop(scenarios);
    gateway.stop().await?;
    println!("{report}");
    println!("\nKept in {}", report.keep(&arguments.results)?.display());
    Ok(ExitCode::SUCCESS)
}

enum Through {
    Bare,
    Gateway,
}

struct Plan {
    name: &'static str,
    credential: Option<(&'static str, String)>,
    path: &'static str,
    expected: u16,
    through: Through,
}

/// The first is what the others are divided by.
fn plans(key: &str, token: &str, session: &str) -> Vec<Plan> {
    let plan = |name, credential: (&'static str, String), path, expected, through| Plan {
        name,
        credential: Some(credential),
        path,
        expected,
        through,
    };
    let bearer = || ("Authorization", format!("Bearer {key}"));
    let token = ("Authorization", format!("Bearer {token}"));
    let cookie = ("Cookie", format!("__Host-hubgate={session}"));
    let (own, foreign) = ("/api/v1/teams/team-harbour", "/api/v1/teams/team-meadow");
    vec![
        plan("bare Pingora", bearer(), own, 200, Through::Bare),
        plan("API key, decision, record", bearer(), own, 200, Through::Gateway),
        plan("access token, decision, record", token, own, 200, Through::Gateway),
        plan("session, decision, record", cookie, own, 200, Through::Gateway),
        plan("denied", bearer(), foreign, 404, Through::Gateway),
    ]
}

/// An access token for the key, got the way its clients get one.
async fn exchange(stage: &Stage, key: &str) -> anyhow::Result<String> {
    let id = key.split('_').nth(1).unwrap_or_default();
    let body = serde_json::json!({"clientId": id, "clientSecret": key}).to_string();
    let request = http::Request::post(format!("{}/api/v1/auth/token", stage.hub_url()))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(bytes::Bytes::from(body))?;
    let answer = stage.client()?.send(request).await?;
    anyhow::ensure!(answer.status().is_success(), "no token: {}", answer.status());
    let told: serde_json::Value = serde_json::from_slice(answer.body())?;
    let token = told.get("accessToken").and_then(serde_json::Value::as_str);
    Ok(token.context("an answer without a token")?.to_owned())
}

async fn start_bare(
    stage: &Stage,
    backend: std::net::SocketAddr,
    threads: u32,
) -> anyhow::Result<(Running, std::net::SocketAddr)> {
    let address = free_address()?;
    let (certificate, key) = stage.certificate_files();
    let mut command = Command::new(setting::beside("bare")?);
    command
        .args(["--listen", &address.to_string(), "--upstream", &backend.to_string()])
        .args(["--threads", &threads.to_string()])
        .arg("--certificate")
        .arg(certificate)
        .arg("--key")
        .arg(key);
    Ok((Running::start(command, address).await?, address))
}

async fn measure(
    scenarios: &mut [Scenario],
    arguments: &CompareArguments,
) -> anyhow::Result<Report> {
    let duration = Duration::from_secs(arguments.seconds);
    let mut report = Report::new(scenarios.iter().map(|scenario| scenario.name));
    for number in 0..arguments.rounds {
        let mut round = Vec::with_capacity(scenarios.len());
        for scenario in scenarios.iter_mut() {
            let measured = scenario.round(duration).await?;
            eprint_progress(number, scenario.name, &measured);
            round.push(measured);
        }
        report.add(Round(round));
    }
    Ok(report)
}

impl Scenario {
    async fn round(&mut self, duration: Duration) -> anyhow::Result<Measured> {
        self.connections.run(&self.shot, WARM_UP).await?.all_are(self.expected)?;
        let before = cpu::used(self.process)?;
        let tally = self.connections.run(&self.shot, duration).await?;
        let used = cpu::used(self.process)?.saturating_sub(before);
        tally.all_are(self.expected)?;
        Ok(Measured::new(used, duration, &tally))
    }
}

#[expect(clippy::print_stderr, reason = "progress must not mix with the table")]
fn eprint_progress(round: usize, name: &str, measured: &Measured) {
    eprintln!("round {}  {name:28} {:7.1} µs", round + 1, measured.cpu_us);
}
