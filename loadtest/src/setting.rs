//! Brings up what a run needs around the gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hubgate_testkit::stage::{NewKey, ProviderPlace, Stage, StageSettings};
use tokio::net::TcpStream;

use crate::Places;

/// Above what any machine sends in a minute: the limits are looked up, never reached.
const REQUESTS_PER_MINUTE: u32 = 100_000_000;
/// A small server starts in milliseconds; a loaded machine may need longer.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// The key the load is sent with.
pub(crate) const LOAD_KEY: NewKey<'static> = NewKey {
    organisation: "nordvolt",
    name: "load",
    roles: &["operations_manager=Operator::nordvolt"],
    scopes: &["all:write"],
};

/// Prepares a gateway in front of `service`.
pub(crate) fn stage(
    places: &Places,
    service: SocketAddr,
    provider: Option<ProviderPlace>,
    threads: u32,
) -> anyhow::Result<Stage> {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let binary = match &places.gateway {
        Some(path) => path.clone(),
        None => beside("hubgate")?,
    };
    anyhow::ensure!(binary.is_file(), "no gateway at {}: build it first", binary.display());
    Stage::prepare(StageSettings {
        binary: binary.canonicalize()?,
        repository: places.repository.clone(),
        gateway: loopback,
        provider,
        service,
        threads,
        requests_per_minute: Some(REQUESTS_PER_MINUTE),
    })
}

/// The program `name` beside this one.
pub(crate) fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.is_file(), "no {}: build the workspace first", path.display());
    Ok(path)
}

/// A helper process that is killed when dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts `command` and waits until it listens on `address`.
    ///
    /// # Errors
    /// When it ends, or does not listen in time.
    pub(crate) async fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().context("starting a process")?;
        let mut running = Self(child);
        let deadline = Instant::now() + START_PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = running.0.try_wait()? {
                anyhow::bail!("a process ended with {status} before it listened on {address}");
            }
            anyhow::ensure!(Instant::now() < deadline, "nobody listens on {address}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(running)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
