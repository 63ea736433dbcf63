//! `make browser`: one sign-in with a real browser at a certified OpenID provider, from end to end.
//!
//! Neither the browser nor the provider is ours; both run as processes of their own.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use hubgate_testkit::certificates::Authority;
use hubgate_testkit::demo_hub::{DemoHub, Verifier};
use hubgate_testkit::ports::free_address;
use hubgate_testkit::stage::{
    CLIENT_SECRET, PROVIDER_HOST, ProviderPlace, SERVICES, Stage, StageSettings,
};
use tokio::net::TcpListener;

/// Signs in with a real browser.
#[derive(Debug, Parser)]
struct Arguments {
    /// The gateway to run; `hubgate` beside this program unless given.
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// The root of the repository.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    repository: PathBuf,
    /// The browser.
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/chromium")]
    chromium: PathBuf,
}

const ORGANISATION: &str = "nordvolt";
const CONNECTION: &str = "demo";
const USER: &str = "ada";
/// A page that is not for everybody.
const PROTECTED_PATH: &str = "/api/v1/teams/team-harbour";
/// The whole visit takes seconds; a loaded build machine may need many.
const VISIT_PATIENCE: Duration = Duration::from_mins(3);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let scripts = arguments.repository.join("gateway/tests/browser").canonicalize()?;
    let files = tempfile::tempdir()?;
    let provider = FutureProvider::new(files.path())?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let stage = prepare(&arguments, &provider, listener.local_addr()?)?;
    let _provider = provider.start(&scripts, &stage.hub_url())?;
    let keys = format!("{}/.hubgate/jwks.json", stage.hub_url());
    let _hub = DemoHub::start(listener, Verifier::new(stage.client()?, &keys, &SERVICES))?;
    let mut gateway = stage.start()?;
    gateway.wait_until_ready().await?;
    let visited = visit(&scripts, &stage, &arguments.chromium).await?;
    if !visited {
        println!("what the gateway said:");
        println!("{}", std::fs::read_to_string(stage.gateway_output())?);
    }
    gateway.stop().await?;
    Ok(if visited { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn prepare(
    arguments: &Arguments,
    provider: &FutureProvider,
    service: SocketAddr,
) -> anyhow::Result<Stage> {
    let beside = std::env::current_exe()?.with_file_name("hubgate");
    Stage::prepare(StageSettings {
        binary: arguments.gateway.clone().unwrap_or(beside).canonicalize()?,
        repository: arguments.repository.clone(),
        gateway: SocketAddr::from(([127, 0, 0, 1], 0)),
        provider: Some(provider.place.clone()),
        service,
        threads: 0,
        requests_per_minute: None,
    })
}

/// A provider whose address is chosen and whose certificate is made, before it runs.
struct FutureProvider {
    place: ProviderPlace,
    port: u16,
    certificate: PathBuf,
    key: PathBuf,
}

impl FutureProvider {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let port = free_address()?.port();
        let authority = Authority::new()?;
        let leaf = authority.leaf(&[PROVIDER_HOST])?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, leaf.certificate_pem())?;
        std::fs::write(&key, leaf.key_pem())?;
        let issuer = format!("https://{PROVIDER_HOST}:{port}");
        let place = ProviderPlace { issuer, ca_pem: authority.pem().into() };
        Ok(Self { place, port, certificate, key })
    }

    /// Starts it with the gateway at `hub` as its client, and waits until it listens.
    fn start(&self, scripts: &Path, hub: &str) -> anyhow::Result<Ended> {
        let callback = format!("{hub}/.hubgate/callback/{ORGANISATION}/{CONNECTION}");
        let mut child = Command::new("node")
            .arg("provider.mjs")
            .current_dir(scripts)
            .env("ISSUER_HOST", PROVIDER_HOST)
            .env("ISSUER_PORT", self.port.to_string())
            .env("TLS_CERT", &self.certificate)
            .env("TLS_KEY", &self.key)
            .env("CLIENT_ID", format!("hubgate-{ORGANISATION}"))
            .env("CLIENT_SECRET", CLIENT_SECRET)
            .env("REDIRECT_URIS", callback)
            .env("POST_LOGOUT_URIS", format!("{hub}/.hubgate/signed-out"))
            .env("USERS", USER)
            // It ends when its standard input does, also when this process is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the provider with node")?;
        let output = child.stdout.take().context("the provider has no output")?;
        let ended = Ended(child);
        let mut lines = std::io::BufReader::new(output).lines();
        for line in lines.by_ref() {
            if line?.contains("\"issuer\"") {
                // What it says later must have a reader, or saying it would end it.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(ended);
            }
        }
        anyhow::bail!("the provider ended before it listened")
    }
}

/// A process that is ended when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends the browser on its way; whether every step came out right.
async fn visit(scripts: &Path, stage: &Stage, chromium: &Path) -> anyhow::Result<bool> {
    let mut browser = tokio::process::Command::new("node")
        .args(["--import", "./loopback.mjs", "sign-in.mjs"])
        .current_dir(scripts)
        .env("GATEWAY_URL", stage.hub_url())
        .env("ORGANISATION", ORGANISATION)
        .env("EXPECTED_SUBJECT", USER)
        .env("PROTECTED_PATH", PROTECTED_PATH)
        .env("CHROMIUM", chromium)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting the browser with node")?;
    let status = tokio::time::timeout(VISIT_PATIENCE, browser.wait())
        .await
        .context("the visit does not end")??;
    Ok(status.success())
}
