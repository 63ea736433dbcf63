//! Everything a gateway process needs, in a temporary directory, and the process itself.
//!
//! Used by the demo and the load tests. The gateway is the `hubgate` binary, run as a user would run it.

mod configuration;
mod folders;
mod process;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::https_client::HttpsClient;
use crate::ports::free_address;

pub use process::GatewayProcess;

/// The host the demo hub is served on.
pub const HUB_HOST: &str = "hub.localhost";
/// The host its Partner API is served on.
pub const PARTNER_HOST: &str = "partner-api.localhost";
/// The host of the demo's OpenID provider: a name every system's resolver knows.
pub const PROVIDER_HOST: &str = "localhost";
/// The issuer the demo organisations name; replaced by the provider's own.
const DEMO_ISSUER: &str = "https://id.localhost:9443";
/// The names of the service behind the gateway: the audiences of its assertions.
pub const SERVICES: [&str; 2] = ["hub", "partner-api"];
/// Where the demo organisations expect the client secret of their connection.
const CLIENT_SECRET_VARIABLE: &str = "HUBGATE_DEMO_CLIENT_SECRET";
/// The demo's client secret. It protects nothing: the provider is as much a demo as the client.
pub const CLIENT_SECRET: &str = "a-demo-secret-that-protects-nothing-at-all";

/// What differs between a demo, a load test and a crash test.
#[derive(Clone, Debug)]
pub struct StageSettings {
    /// The `hubgate` binary.
    pub binary: PathBuf,
    /// The root of the repository: policies, schemas and tenants are read from there.
    pub repository: PathBuf,
    /// Where the gateway listens; a free port when the port is 0.
    pub gateway: SocketAddr,
    /// The provider people sign in at; without one nobody can.
    pub provider: Option<ProviderPlace>,
    /// The service behind the gateway.
    pub service: SocketAddr,
    /// Worker threads; 0 means one per processor.
    pub threads: u32,
    /// Requests per minute let in per address and per credential; the defaults when absent.
    pub requests_per_minute: Option<u32>,
}

/// An OpenID provider that runs already.
#[derive(Clone, Debug)]
pub struct ProviderPlace {
    /// Its issuer.
    pub issuer: String,
    /// The certificate authority to trust there, as PEM.
    pub ca_pem: String,
}

/// A prepared directory. Dropping it removes the directory; stop the gateway first.
#[derive(Debug)]
pub struct Stage {
    settings: StageSettings,
    directory: TempDir,
    observe: SocketAddr,
    authority: Authority,
}

impl Stage {
    /// Writes certificates, organisations and configuration into a fresh directory.
    ///
    /// # Errors
    /// When something of the repository is missing or the directory cannot be written.
    pub fn prepare(mut settings: StageSettings) -> anyhow::Result<Self> {
        if settings.gateway.port() == 0 {
            settings.gateway = free_address()?;
        }
        let observe = free_address()?;
        let directory = tempfile::Builder::new().prefix("hubgate-").tempdir()?;
        let stage = Self { settings, directory, observe, authority: Authority::new()? };
        stage.write_certificates()?;
        stage.write_organisations()?;
        stage.write_configuration()?;
        Ok(stage)
    }

    /// The authority that signed the gateway's and the provider's certificates.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where the gateway listens.
    pub const fn gateway(&self) -> SocketAddr {
        self.settings.gateway
    }

    /// The hub as a browser sees it, without a slash at the end.
    pub fn hub_url(&self) -> String {
        format!("https://{HUB_HOST}:{}", self.settings.gateway.port())
    }

    /// The settings file.
    pub fn configuration(&self) -> PathBuf {
        self.path("gateway.toml")
    }

    /// The folder of the decision log.
    pub fn log_directory(&self) -> PathBuf {
        self.path("log")
    }

    /// What the gateway itself says, on standard output and error.
    pub fn gateway_output(&self) -> PathBuf {
        self.path("gateway.txt")
    }

    /// The gateway's certificate and its key, as PEM files.
    pub fn certificate_files(&self) -> (PathBuf, PathBuf) {
        (self.path("certificate.pem"), self.path("key.pem"))
    }

    /// The certificate to trust, for `curl --cacert`.
    pub fn certificate_authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A client that trusts the gateway and connects to it whatever host a request names.
    ///
    /// # Errors
    /// When the cryptography offers no usable protocol version.
    pub fn client(&self) -> anyhow::Result<HttpsClient> {
        let config = self.authority.client_config(&["http/1.1"])?;
        Ok(HttpsClient::new(self.settings.gateway, config))
    }

    /// Runs `hubgate` with `arguments` and the stage's configuration, to its end.
    ///
    /// # Errors
    /// When it fails; the message holds what it wrote to standard error.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output().context("running hubgate")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "hubgate {}: {errors}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Makes an API key of `organisation` and gives its secret, which is shown this once.
    ///
    /// # Errors
    /// When the gateway refuses, or shows no key.
    pub fn create_key(&self, key: &NewKey<'_>) -> anyhow::Result<String> {
        let mut arguments =
            vec!["key", "create", "--organisation", key.organisation, "--name", key.name];
        for role in key.roles {
            arguments.extend(["--role", role]);
        }
        for scope in key.scopes {
            arguments.extend(["--scope", scope]);
        }
        let shown = self.run(&arguments)?;
        shown
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .find(|word| word.starts_with("hg_"))
            .map(String::from)
            .context("`hubgate key create` showed no key")
    }

    /// Starts the gateway; it is not ready yet.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&self) -> anyhow::Result<GatewayProcess> {
        let output =
            std::fs::OpenOptions::new().create(true).append(true).open(self.gateway_output())?;
        let mut command = self.command(&["serve"]);
        command.stdout(output.try_clone()?).stderr(output).stdin(std::process::Stdio::null());
        GatewayProcess::start(command, self.observe, self.gateway_output())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.settings.binary);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.configuration())
            .env(CLIENT_SECRET_VARIABLE, CLIENT_SECRET);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write_certificates(&self) -> anyhow::Result<()> {
        let leaf = self.authority.leaf(&[
            HUB_HOST,
            PARTNER_HOST,
            "*.localhost",
            "localhost",
            "127.0.0.1",
        ])?;
        std::fs::write(self.certificate_authority(), self.authority.pem())?;
        std::fs::write(self.path("certificate.pem"), leaf.certificate_pem())?;
        folders::write_private(&self.path("key.pem"), leaf.key_pem())
    }

    fn write_organisations(&self) -> anyhow::Result<()> {
        for folder in ["policies", "schemas", "tenants"] {
            let source = self.settings.repository.join(folder);
            folders::copy(&source, &self.path(folder))
                .with_context(|| format!("copying {}", source.display()))?;
        }
        let Some(provider) = &self.settings.provider else {
            return Ok(());
        };
        std::fs::write(self.path("provider-ca.pem"), &provider.ca_pem)?;
        let (tenants, issuer) = (self.path("tenants"), &provider.issuer);
        folders::replace_in_files(&tenants, "connections.toml", DEMO_ISSUER, issuer)
    }

    fn write_configuration(&self) -> anyhow::Result<()> {
        let template = template(&self.settings.repository);
        let text = std::fs::read_to_string(&template)
            .with_context(|| format!("reading {}", template.display()))?;
        let derived = configuration::derive(&text, &self.settings, self.observe)?;
        std::fs::write(self.configuration(), derived)?;
        Ok(())
    }
}

/// The configuration every stage is derived from.
fn template(repository: &Path) -> PathBuf {
    repository.join("gateway/testkit/demo/gateway.toml")
}

/// An API key to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// The organisation.
    pub organisation: &'a str,
    /// Its name, for people.
    pub name: &'a str,
    /// Its roles, each as `role=Type::id`.
    pub roles: &'a [&'a str],
    /// Its scopes.
    pub scopes: &'a [&'a str],
}
