//! The gateway as a child process before a recording upstream: what every behaviour test stands on.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod asking;
mod changes;
mod restart;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::recording_upstream::{Recorded, RecordingUpstream};

pub(crate) use asking::{OTHER_ROLE, decision_of, head, problem, problem_without_instance};

/// How long anything may take on a loaded machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway under test. Dropping it ends the process and removes its folder.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    folder: tempfile::TempDir,
    addresses: Addresses,
    upstream: RecordingUpstream,
    api_key: String,
    wishes: Wishes,
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    http: SocketAddr,
    https: SocketAddr,
    observe: SocketAddr,
}

/// What a test wants different from the usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// Appended to `gateway.toml`; `{upstream}` becomes the upstream's address.
    pub(crate) settings: String,
    /// Files written into the folder before the start: path and content.
    pub(crate) files: Vec<(String, String)>,
    /// Put in the place of the usual `[limits]`.
    pub(crate) limits: Option<String>,
    /// Environment of the process.
    pub(crate) environment: Vec<(String, String)>,
    /// Pieces of the usual settings, and what stands in their place.
    pub(crate) replacing: Vec<(&'static str, String)>,
}

/// The role and scopes of the usual key: everything on the demo organisation's main account.
const KEY_ROLE: &str = "admin=Operator::nordvolt";
const KEY_SCOPES: [&str; 1] = ["all:delete"];

impl Gateway {
    /// Starts one with the usual routes.
    pub(crate) async fn start() -> Self {
        Self::start_with(Wishes::default()).await
    }

    /// Starts one with what a test wants.
    pub(crate) async fn start_with(wishes: Wishes) -> Self {
        let upstream = RecordingUpstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy_data(folder.path());
        for (path, content) in &wishes.files {
            std::fs::write(folder.path().join(path), content).unwrap();
        }
        // A port that was free a moment ago can be taken; then another is tried.
        for _ in 0..5 {
            let addresses = free_addresses();
            let mut settings = settings(addresses, upstream.address(), &wishes);
            for (piece, other) in &wishes.replacing {
                assert!(settings.contains(piece), "`{piece}` is in the settings");
                settings = settings.replace(piece, other);
            }
            std::fs::write(folder.path().join("gateway.toml"), settings).unwrap();
            let mut child = spawn(folder.path(), &wishes);
            if ready(&mut child, addresses.observe).await {
                let api_key = String::new();
                let mut gateway = Self { child, folder, addresses, upstream, api_key, wishes };
                gateway.api_key = gateway.create_key("nordvolt", "test", KEY_ROLE, &KEY_SCOPES);
                return gateway;
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = std::fs::read_to_string(folder.path().join("stderr.txt")).unwrap_or_default();
        panic!("the gateway did not start:\n{log}");
    }

    /// The plain listener.
    pub(crate) fn http_addr(&self) -> SocketAddr {
        self.addresses.http
    }

    /// The TLS listener.
    pub(crate) fn https_addr(&self) -> SocketAddr {
        self.addresses.https
    }

    /// Health and metrics.
    pub(crate) fn observe_addr(&self) -> SocketAddr {
        self.addresses.observe
    }

    /// The host it serves.
    #[expect(clippy::unused_self, reason = "reads like the other facts of this gateway")]
    pub(crate) fn host(&self) -> &'static str {
        HOST
    }

    /// A key of the main account's administrator.
    pub(crate) fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Its folder: `gateway.toml`, `tenants/`, `policies/`, `log/`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The upstream.
    pub(crate) fn upstream(&self) -> &RecordingUpstream {
        &self.upstream
    }

    /// What the upstream saw of requests, byte for byte.
    pub(crate) fn upstream_requests(&self) -> Vec<Vec<u8>> {
        self.upstream.requests().into_iter().map(|request| request.bytes).collect()
    }

    /// What the upstream saw last.
    pub(crate) fn last_upstream_request(&self) -> Recorded {
        self.upstream.requests().pop().unwrap()
    }

    /// Runs the command line against this gateway's configuration.
    pub(crate) fn run(&self, arguments: &[&str]) -> std::process::Output {
        run_in(self.folder.path(), arguments)
    }

    /// Makes a key and returns it in clear.
    pub(crate) fn create_key(
        &self,
        tenant: &str,
        name: &str,
        role: &str,
        scopes: &[&str],
    ) -> String {
        let mut arguments = vec!["key", "create", "--tenant", tenant, "--name", name];
        arguments.extend(["--role", role]);
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        let output = self.run(&arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let word = said.split_whitespace().find(|word| word.starts_with("hg_"));
        word.unwrap_or_else(|| panic!("no key: {output:?}")).to_owned()
    }

    /// Sends bytes over a fresh plain connection and reads one answer.
    pub(crate) async fn send(&self, bytes: &[u8]) -> RawAnswer {
        self.try_send(bytes).await.unwrap()
    }

    /// As [`Gateway::send`], for connections that may be cut.
    pub(crate) async fn try_send(&self, bytes: &[u8]) -> anyhow::Result<RawAnswer> {
        let mut client = RawClient::connect(self.addresses.http, PATIENCE).await?;
        client.send(bytes).await?;
        client.read_answer(false).await
    }

    /// A `GET` with `key`, plain.
    pub(crate) async fn get(&self, path: &str, key: &str) -> RawAnswer {
        self.request("GET", path, key).await
    }

    /// A request without a body, plain.
    pub(crate) async fn request(&self, method: &str, path: &str, key: &str) -> RawAnswer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\r\n"
        );
        self.send(head.as_bytes()).await
    }

    /// Every line of the decision log, shard by shard.
    pub(crate) fn log_lines(&self) -> Vec<serde_json::Value> {
        log_lines(&self.folder.path().join("log"))
    }

    /// Waits until a log line satisfies `wanted`, and returns it.
    pub(crate) async fn wait_for_line(
        &self,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log_lines().into_iter().find(|line| wanted(line)) {
                return line;
            }
            assert!(Instant::now() < deadline, "no such line in the log");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The standard error of the process so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr.txt")).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The host the gateway under test serves.
pub(crate) const HOST: &str = "hub.localhost";

/// Waits until `done` holds.
pub(crate) async fn wait_until(what: &str, done: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Runs the command line against `gateway.toml` in `folder`.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_hubgate"))
        .args(arguments)
        .arg("--config")
        .arg(folder.join("gateway.toml"))
        .env("HUBGATE_DEMO_CLIENT_SECRET", "demo-secret")
        .output()
        .unwrap()
}

/// Copies the repository's policies, schema and organisations.
pub(crate) fn copy_data(folder: &Path) {
    for name in ["tenants", "policies", "schemas"] {
        copy_folder(&root().join(name), &folder.join(name));
    }
}

/// All lines of all shards under `folder`.
pub(crate) fn log_lines(folder: &Path) -> Vec<serde_json::Value> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        lines.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
    }
    lines
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn free_addresses() -> Addresses {
    let free = || free_address().unwrap();
    Addresses { http: free(), https: free(), observe: free() }
}

/// The usual settings.
const USUAL: &str = include_str!("support/gateway.toml");

fn settings(addresses: Addresses, upstream: SocketAddr, wishes: &Wishes) -> String {
    let Addresses { http, https, observe } = addresses;
    let limits = wishes.limits.clone().unwrap_or_else(|| {
        let generous = "{ requests = 100000, window_seconds = 1, burst = 100000 }";
        format!("[limits]\naddress = {generous}\ncredential = {generous}\n")
    });
    let more = wishes.settings.replace("{upstream}", &upstream.to_string());
    let filled = [
        ("<http>", http.to_string()),
        ("<https>", https.to_string()),
        ("<observe>", observe.to_string()),
        ("<upstream>", upstream.to_string()),
        ("<HOST>", HOST.to_owned()),
        ("<limits>", limits),
        ("<more>", more),
    ];
    filled.into_iter().fold(USUAL.to_owned(), |text, (name, value)| text.replace(name, &value))
}

fn spawn(folder: &Path, wishes: &Wishes) -> Child {
    // A restart goes on in the same file.
    let mut stderr = std::fs::OpenOptions::new();
    let stderr = stderr.create(true).append(true).open(folder.join("stderr.txt")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_hubgate"))
        .arg("serve")
        .arg("--config")
        .arg(folder.join("gateway.toml"))
        .env("HUBGATE_DEMO_CLIENT_SECRET", "demo-secret")
        .envs(wishes.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .context("hubgate serve")
        .unwrap()
}

async fn ready(child: &mut Child, observe: SocketAddr) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        if is_ready(observe).await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

async fn is_ready(observe: SocketAddr) -> bool {
    let Ok(mut client) = RawClient::connect(observe, PATIENCE).await else { return false };
    let head = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if client.send(head).await.is_err() {
        return false;
    }
    matches!(client.read_answer(false).await, Ok(answer) if answer.status == 200)
}
