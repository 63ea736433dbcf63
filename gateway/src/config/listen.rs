//! `[listen]`: where the gateway listens, and how much it takes from a client.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::route::host;
use super::section::Section;

/// Where the gateway listens and how much it takes from a client.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "listen")]
pub(super) struct ListenFile {
    /// Address and port for HTTPS (HTTP/2 and HTTP/1.1), as `0.0.0.0:8443` or `[::]:8443`.
    /// Needs `[listen.tls]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<String>,
    /// Address and port for HTTP without TLS, for a load balancer on the same machine or a test.
    /// Nothing listens without TLS unless this is set. Session cookies need HTTPS in front.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    /// Address and port for health (`/livez`, `/readyz`) and metrics (`/metrics`).
    /// Loopback unless told otherwise: whoever reaches it reads the metrics.
    observe: String,
    /// Address and port for the administration API, by which the hub's services push resources. Off unless
    /// set. Plain HTTP, so keep it on loopback or behind something that speaks TLS: it is sent API keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    /// Host name that people administer on, as `admin.example.com`: sessions count on `admin` under this name
    /// only. What stands in front of `admin` speaks TLS for it. Without it `admin` is for API keys alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_host: Option<String>,
    /// The certificate of `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsFile>,
    /// What a request head may cost.
    head: HeadFile,
    /// Largest request body, where the route does not say otherwise.
    #[schemars(range(min = 0, max = 1_099_511_627_776_i64))]
    body_bytes_max: u64,
    /// Worker threads; 0 means one per processor.
    #[schemars(range(min = 0, max = 1024))]
    threads: u32,
    /// How long a stop waits for requests under way.
    #[schemars(range(min = 0, max = 3600))]
    grace_seconds: u32,
}

/// The certificate of the HTTPS listener. Changed files are taken over without a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "listen.tls")]
pub(super) struct TlsFile {
    /// PEM file with the certificate and its chain, the server's own first.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    /// PEM file with the private key of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Makes a certificate at start for the hosts of the routes. For development: browsers warn.
    self_signed: bool,
}

/// What a request head may cost. A head beyond it is refused before any other work.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "listen.head")]
pub(super) struct HeadFile {
    /// Time for the whole head to arrive; then the connection is closed.
    #[schemars(range(min = 1, max = 60))]
    deadline_seconds: u32,
    /// Largest head: request line and all fields (431).
    #[schemars(range(min = 1024, max = 1_048_576))]
    bytes_max: u32,
    /// Largest field: name and value (431).
    #[schemars(range(min = 256, max = 1_048_576))]
    field_bytes_max: u32,
    /// Most fields (431).
    #[schemars(range(min = 8, max = 256))]
    fields_max: u32,
    /// Longest path with query (414).
    #[schemars(range(min = 128, max = 65_536))]
    target_bytes_max: u32,
    /// Largest cookie field (431).
    #[schemars(range(min = 256, max = 65_536))]
    cookie_bytes_max: u32,
}

/// 10 MiB: a photo of a receipt fits, an endless upload does not.
const BODY_BYTES_MAX: u64 = 10 * 1024 * 1024;

impl Default for ListenFile {
    fn default() -> Self {
        Self {
            https: None,
            http: None,
            observe: "127.0.0.1:9464".to_owned(),
            admin: None,
            admin_host: None,
            tls: None,
            head: HeadFile::default(),
            body_bytes_max: BODY_BYTES_MAX,
            threads: 0,
            // Longer than most requests, shorter than the 30 s most supervisors wait before they kill.
            grace_seconds: 20,
        }
    }
}

impl Default for HeadFile {
    /// The figures of requirement PX-62; ten seconds let a slow phone in and a slow attack out.
    fn default() -> Self {
        Self {
            deadline_seconds: 10,
            bytes_max: 64 * 1024,
            field_bytes_max: 16 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
            cookie_bytes_max: 4 * 1024,
        }
    }
}

/// Where the gateway listens and how much it takes from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// HTTPS, with its certificate.
    pub https: Option<HttpsSettings>,
    /// HTTP without TLS, where asked for.
    pub http: Option<SocketAddr>,
    /// Health and metrics.
    pub observe: SocketAddr,
    /// The administration API, where asked for.
    pub admin: Option<SocketAddr>,
    /// The host people administer on, lower case, if they may.
    pub admin_host: Option<String>,
    /// What a head may cost.
    pub head: HeadSettings,
    /// Largest body, where the route does not say otherwise.
    pub body_bytes_max: u64,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// How long a stop waits for requests under way.
    pub grace: Duration,
}

/// The HTTPS listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate.
    pub certificate: CertificateSource,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// From PEM files.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// Made at start, for development.
    SelfSigned,
}

/// What a request head may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadSettings {
    /// Time for the whole head to arrive.
    pub deadline: Duration,
    /// Largest head.
    pub head_bytes_max: usize,
    /// Largest field.
    pub field_bytes_max: usize,
    /// Most fields.
    pub fields_max: usize,
    /// Longest target.
    pub target_bytes_max: usize,
    /// Largest cookie field.
    pub cookie_bytes_max: usize,
}

impl ListenFile {
    pub(super) fn settings(self, section: &mut Section<'_>) -> Option<ListenSettings> {
        if self.https.is_none() && self.http.is_none() {
            let help = "set `https = \"0.0.0.0:8443\"`, or `http` for plain HTTP".to_owned();
            section.wrong_with_help("https", "nothing to listen on", Some(help));
        }
        let http = self.http.as_deref().and_then(|text| address(section, "http", text));
        let observe = address(section, "observe", &self.observe);
        let admin = self.admin.as_deref().and_then(|text| address(section, "admin", text));
        let admin_host = self.admin_host.as_deref().and_then(|text| match host(text) {
            Ok(host) => Some(host),
            Err(message) => {
                section.wrong("admin_host", message);
                None
            }
        });
        if admin_host.is_some() && admin.is_none() {
            section.wrong("admin_host", "people need `admin`, the listener it is a name of");
        }
        let https = self.https.as_deref().and_then(|text| address(section, "https", text));
        let certificate = match (self.tls, self.https.is_some()) {
            (Some(tls), true) => tls.source(section),
            (None, true) => {
                let help = "give `certificate` and `key`, or `self_signed = true` for development";
                let message = "`https` needs a certificate";
                section.wrong_with_help("tls", message, Some(help.to_owned()));
                None
            }
            (Some(_), false) => {
                section.wrong("tls", "a certificate without an `https` listener");
                None
            }
            (None, false) => None,
        };
        let https = https.zip(certificate);
        Some(ListenSettings {
            https: https.map(|(address, certificate)| HttpsSettings { address, certificate }),
            http,
            observe: observe?,
            admin,
            admin_host,
            head: self.head.settings(section),
            body_bytes_max: self.body_bytes_max,
            threads: threads(self.threads),
            grace: Duration::from_secs(self.grace_seconds.into()),
        })
    }
}

fn address(section: &mut Section<'_>, key: &str, text: &str) -> Option<SocketAddr> {
    let read = text.parse().map_err(|_| {
        format!("`{text}` is no address with port: write `127.0.0.1:8080` or `[::1]:8080`")
    });
    section.keep(key, read)
}

fn threads(asked: u32) -> NonZeroUsize {
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    usize::try_from(asked).ok().and_then(NonZeroUsize::new).unwrap_or(processors)
}

impl TlsFile {
    fn source(self, section: &mut Section<'_>) -> Option<CertificateSource> {
        match (self.certificate, self.key, self.self_signed) {
            (None, None, true) => Some(CertificateSource::SelfSigned),
            (Some(certificate), Some(key), false) => {
                let certificate = section.existing_file("tls.certificate", &certificate);
                let key = section.existing_file("tls.key", &key);
                Some(CertificateSource::Files { certificate: certificate?, key: key? })
            }
            (_, _, true) => {
                section.wrong("tls.self_signed", "either certificate files or a self-signed one");
                None
            }
            (certificate, _, false) => {
                let missing = if certificate.is_some() { "tls.key" } else { "tls.certificate" };
                section.wrong(missing, "required, but missing");
                None
            }
        }
    }
}

impl HeadFile {
    fn settings(&self, section: &mut Section<'_>) -> HeadSettings {
        if self.field_bytes_max > self.bytes_max {
            section.wrong("head.field_bytes_max", "a field larger than the head it stands in");
        }
        if self.target_bytes_max > self.bytes_max {
            section.wrong("head.target_bytes_max", "a target larger than the head it stands in");
        }
        let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        HeadSettings {
            deadline: Duration::from_secs(self.deadline_seconds.into()),
            head_bytes_max: size(self.bytes_max),
            field_bytes_max: size(self.field_bytes_max),
            fields_max: size(self.fields_max),
            target_bytes_max: size(self.target_bytes_max),
            cookie_bytes_max: size(self.cookie_bytes_max),
        }
    }
}
