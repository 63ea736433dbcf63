//! `[[service]]`: a backend behind the gateway.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ServiceId;
use crate::routing::Denials;

use super::operations::{OperationsFile, OperationsSettings};
use super::section::Section;

/// A backend behind the gateway.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "service")]
pub(super) struct ServiceFile {
    /// Its name; routes refer to it, and it is the audience of the assertions it receives.
    name: String,
    /// Where it listens: `127.0.0.1:9001`, `[::1]:9001` or `hub.internal:9001`. With several, requests
    /// go round and an address that fails its health check is left out.
    #[schemars(length(min = 1))]
    addresses: Vec<String>,
    /// Speaks TLS to the service. Absent: plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<ServiceTlsFile>,
    /// Asks each address whether it is well. Absent: an address counts as well until it fails to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health: Option<HealthFile>,
    /// Time to connect, TLS included (502).
    #[serde(default = "connect_timeout_ms")]
    #[schemars(range(min = 1, max = 600_000))]
    connect_timeout_ms: u32,
    /// Time until the answer begins, and the longest silence within it (504 while none has begun).
    #[serde(default = "first_byte_timeout_ms")]
    #[schemars(range(min = 1, max = 3_600_000))]
    first_byte_timeout_ms: u32,
    /// How long an unused connection is kept.
    #[serde(default = "idle_timeout_ms")]
    #[schemars(range(min = 1, max = 3_600_000))]
    idle_timeout_ms: u32,
    /// Request fields handed on besides the usual ones; a `*` at the end stands for the rest, as `x-acme-*`.
    /// `cookie` hands on every cookie but the gateway's own.
    #[serde(default)]
    forward_headers: Vec<String>,
    /// How a denial looks to the one denied, unless a route says otherwise.
    #[serde(default)]
    denied: DeniedName,
    /// The body of a refusal, for programs. All services of a host must say the same.
    #[serde(default)]
    errors: ErrorsName,
    /// The quota that requests of one credential count against, unless a route names another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota: Option<String>,
    /// Whether a request that may safely be repeated is tried once more at another address.
    #[serde(default)]
    retry: Retry,
    /// The HTTP version spoken to the service.
    #[serde(default)]
    http_version: HttpVersion,
    /// Routes made from OpenAPI documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operations: Vec<OperationsFile>,
}

/// The body of a refusal, for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorsName {
    /// A problem (RFC 9457): `type`, `title`, `status`, `detail`, `instance`, `code`.
    #[default]
    Problem,
    /// `{"status": "NOT_FOUND", "message": "…", "errorCode": "RESOURCE_NOT_FOUND"}`, as APIs have it that
    /// were there before.
    StatusMessageCode,
}

/// How a denial looks to the one denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DeniedName {
    /// 403 on what stands below a node the principal has a role on, and where a policy permits it and only a
    /// forbid stands in the way; elsewhere 404, exactly as if nothing were there: nobody learns what others
    /// have.
    #[default]
    OutsideHidden,
    /// Always 404, exactly as if nothing were there.
    Hidden,
    /// Always 403.
    Forbidden,
}

impl DeniedName {
    pub(super) const fn denials(self) -> Denials {
        match self {
            Self::OutsideHidden => Denials::OutsideHidden,
            Self::Hidden => Denials::Hidden,
            Self::Forbidden => Denials::Forbidden,
        }
    }
}

/// TLS to a service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "service.tls")]
pub(super) struct ServiceTlsFile {
    /// The name its certificate must bear. Required: without a name nothing could be verified.
    server_name: String,
    /// PEM file with the certificate authorities trusted for it, instead of the web's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
}

/// The health check of a service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "service.health")]
pub(super) struct HealthFile {
    /// Path asked with GET; an answer of 200 means well.
    path: String,
    /// Time between two questions.
    #[serde(default = "health_interval_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    interval_seconds: u32,
}

/// Whether a request is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    /// Once, at another address, when no byte has gone out or the method is idempotent.
    #[default]
    Once,
    /// Not at all.
    Never,
}

/// The HTTP version spoken to a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2, as gRPC needs it; without TLS by prior knowledge.
    #[serde(rename = "2")]
    Http2,
}

/// A second is long inside one data centre.
const fn connect_timeout_ms() -> u32 {
    1_000
}

/// Half a minute: beyond it people have pressed reload.
const fn first_byte_timeout_ms() -> u32 {
    30_000
}

/// A minute, as most servers keep theirs.
const fn idle_timeout_ms() -> u32 {
    60_000
}

/// Five seconds: a dead address is found before most people notice.
const fn health_interval_seconds() -> u32 {
    5
}

/// A backend behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Its name.
    pub name: ServiceId,
    /// Where it listens; never empty.
    pub addresses: Vec<Address>,
    /// TLS, where it speaks it.
    pub tls: Option<ServiceTls>,
    /// Its health check.
    pub health: Option<HealthCheck>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time until the answer begins, and the longest silence within it.
    pub first_byte_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Request fields handed on besides the usual ones.
    pub forward_headers: Vec<HeaderPattern>,
    /// The quota its requests count against, unless a route names another.
    pub quota: Option<Arc<str>>,
    /// How a denial looks, unless a route says otherwise.
    pub denials: Denials,
    /// The body of a refusal.
    pub errors: ErrorsName,
    /// Whether a request is tried again.
    pub retry: Retry,
    /// The HTTP version.
    pub http_version: HttpVersion,
    /// Where operations come from.
    pub operations: Vec<OperationsSettings>,
}

/// A host, by name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host: an IP address without brackets, or a name.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// The socket address, when the host is a number and needs no look-up.
    pub fn socket(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket() {
            Some(socket) => socket.fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// TLS to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTls {
    /// The name the certificate must bear; never empty.
    pub server_name: String,
    /// The authorities trusted instead of the web's.
    pub ca_file: Option<PathBuf>,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path asked.
    pub path: String,
    /// Time between two questions.
    pub interval: Duration,
}

/// A field name, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderPattern {
    /// This field, in lower case.
    Exact(String),
    /// Every field that begins so, in lower case.
    Prefix(String),
}

impl HeaderPattern {
    /// Whether the field `name` (lower case) is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

impl ServiceFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<ServiceSettings> {
        let name = section.keep("name", ServiceId::parse(&self.name));
        let addresses = section.keep_all("addresses", &self.addresses, address);
        let tls = match &self.tls {
            Some(tls) => Some(tls.settings(section)?),
            None => None,
        };
        let health = self.health.as_ref().map(|health| health.settings(section));
        let forward_headers = section.keep_all("forward_headers", &self.forward_headers, pattern);
        let mut operations = Vec::with_capacity(self.operations.len());
        for (index, file) in self.operations.iter().enumerate() {
            operations.extend(file.settings(&mut section.item("operations", index)));
        }
        let milliseconds = |count: u32| Duration::from_millis(count.into());
        Some(ServiceSettings {
            name: name?,
            addresses,
            tls,
            health,
            connect_timeout: milliseconds(self.connect_timeout_ms),
            first_byte_timeout: milliseconds(self.first_byte_timeout_ms),
            idle_timeout: milliseconds(self.idle_timeout_ms),
            forward_headers,
            quota: self.quota.as_deref().map(Arc::from),
            denials: self.denied.denials(),
            errors: self.errors,
            retry: self.retry,
            http_version: self.http_version,
            operations,
        })
    }
}

fn address(text: &str) -> Result<Address, String> {
    let wrong = |why: &str| format!("`{text}` is no address with port: {why}");
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return match socket.port() {
            0 => Err(wrong("port 0 means no port")),
            port => Ok(Address { host: socket.ip().to_string(), port }),
        };
    }
    let example = "write `127.0.0.1:9001` or `hub.internal:9001`";
    let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong(example))?;
    let port: u16 = port.parse().map_err(|_| wrong(example))?;
    if port == 0 || !is_host_name(host) {
        return Err(wrong(example));
    }
    Ok(Address { host: host.to_ascii_lowercase(), port })
}

/// A DNS host name (RFC 1123 §2.1): labels of letters, digits and inner hyphens.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.len() <= 253 && !all_digits && text.split('.').all(label)
}

impl ServiceTlsFile {
    fn settings(&self, section: &mut Section<'_>) -> Option<ServiceTls> {
        // Pingora takes an empty SNI for "do not verify the certificate".
        let is_ip = self.server_name.parse::<IpAddr>().is_ok();
        if !is_ip && !is_host_name(&self.server_name) {
            let message = format!("`{}` is no host name a certificate bears", self.server_name);
            section.wrong("tls.server_name", message);
            return None;
        }
        let ca_file = match &self.ca_file {
            Some(path) => Some(section.existing_file("tls.ca_file", path)?),
            None => None,
        };
        Some(ServiceTls { server_name: self.server_name.to_ascii_lowercase(), ca_file })
    }
}

impl HealthFile {
    fn settings(&self, section: &mut Section<'_>) -> HealthCheck {
        if !self.path.starts_with('/') || self.path.bytes().any(|byte| !byte.is_ascii_graphic()) {
            let message = format!("`{}` is no path: it starts with `/`", self.path);
            section.wrong("health.path", message);
        }
        let interval = Duration::from_secs(self.interval_seconds.into());
        HealthCheck { path: self.path.clone(), interval }
    }
}

fn pattern(text: &str) -> Result<HeaderPattern, String> {
    let (name, is_prefix) = match text.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (text, false),
    };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(allowed) {
        let rule = "lower-case letters, digits and `-`, with one `*` at the end at most";
        return Err(format!("`{text}` names no request field: {rule}"));
    }
    if is_reserved(name, is_prefix) {
        return Err(format!(
            "`{text}` is written by the gateway itself and never taken from a client"
        ));
    }
    Ok(if is_prefix {
        HeaderPattern::Prefix(name.to_owned())
    } else {
        HeaderPattern::Exact(name.to_owned())
    })
}

const COOKIE: &str = "cookie";

/// Fields that must never pass from a client to a service. A prefix that could reach one counts too.
fn is_reserved(name: &str, is_prefix: bool) -> bool {
    const RESERVED: [&str; 14] = [
        "authorization",
        "connection",
        "content-length",
        COOKIE,
        "forwarded",
        "host",
        "hubgate-",
        "proxy-",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-",
        "x-real-ip",
    ];
    // The forwarder takes the gateway's own out (AS-17); but cookies must be asked for by their full name.
    if name == COOKIE && !is_prefix {
        return false;
    }
    RESERVED.iter().any(|reserved| {
        let begins = reserved.ends_with('-') && name.starts_with(reserved);
        let reaches = is_prefix && reserved.starts_with(name);
        begins || reaches || *reserved == name
    })
}
