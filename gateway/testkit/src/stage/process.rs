//! The gateway as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A start takes well under a second; a loaded build machine may need many.
const READY_PATIENCE: Duration = Duration::from_mins(1);
/// A drain ends by itself; longer than this it hangs.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at whether it is ready or gone.
const PAUSE: Duration = Duration::from_millis(20);

/// A running gateway. Dropping it kills the process.
#[derive(Debug)]
pub struct GatewayProcess {
    child: Child,
    observe: SocketAddr,
    output: PathBuf,
}

impl GatewayProcess {
    pub(super) fn start(
        mut command: Command,
        observe: SocketAddr,
        output: PathBuf,
    ) -> anyhow::Result<Self> {
        let child = command.spawn().context("starting the gateway")?;
        Ok(Self { child, observe, output })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the gateway says it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; the message holds the last lines it wrote.
    pub async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("the gateway ended with {status}:\n{}", self.last_lines());
            }
            if is_ready(self.observe).await.unwrap_or(false) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::bail!("the gateway is not ready after {READY_PATIENCE:?}:\n{}", self.last_lines())
    }

    /// Kills it at once, as a crash would, and waits for its end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits; kills it when it hangs.
    ///
    /// # Errors
    /// When it had to be killed, or the system refuses.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let id = self.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("sending SIGTERM")?;
        let deadline = Instant::now() + STOP_PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.kill()?;
        anyhow::bail!("the gateway did not end within {STOP_PATIENCE:?}")
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.len().saturating_sub(20);
        lines.get(start..).unwrap_or_default().join("\n")
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_ready(observe: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(observe).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {observe}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0_u8; 12];
    let reading = stream.read_exact(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(2), reading).await;
    Ok(matches!(read, Ok(Ok(_))) && answer.ends_with(b" 200"))
}
