//! `[sign_in]`, `[outbound]`, `[limits]` and `[telemetry]`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section::Section;
use crate::model::network;

/// How long a sign-in lasts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "sign_in")]
pub(super) struct SignInFile {
    /// A session unused for this long ends. Never more than an hour (NIST SP 800-63B, AAL2).
    #[schemars(range(min = 1, max = 60))]
    session_idle_minutes: u32,
    /// A session ends after this long, used or not. Never more than a day (NIST SP 800-63B, AAL2).
    #[schemars(range(min = 1, max = 24))]
    session_absolute_hours: u32,
}

/// Which addresses the gateway itself may call: identity providers and their keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "outbound")]
pub(super) struct OutboundFile {
    /// Networks that are not public and may be called all the same, as `10.1.0.0/16`. Public addresses
    /// need no entry; private, loopback and link-local ones are refused unless listed here.
    allow: Vec<String>,
    /// PEM file with certificate authorities trusted for these calls besides the web's.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
    /// Whether `allow` and `ca_file` count for connections that organisations set up themselves with the
    /// administration API, too. Leave it off unless every organisation may look around in those networks.
    administered: bool,
    /// Name servers asked for the records that prove an e-mail domain, as `192.0.2.53:53`. Those of the
    /// system unless given.
    name_servers: Vec<String>,
}

/// How many requests are let in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "limits")]
pub(super) struct LimitsFile {
    /// Per address of the peer (IPv6: per /64), before authentication.
    address: LimitFile,
    /// Per session or API key, after authentication.
    credential: LimitFile,
}

/// One limit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "limit")]
pub(super) struct LimitFile {
    /// Requests per window.
    #[schemars(range(min = 1, max = 100_000_000))]
    requests: u32,
    /// The window.
    #[serde(default = "minute")]
    #[schemars(range(min = 1, max = 86_400))]
    window_seconds: u32,
    /// Requests that may come at once after a quiet time; `requests` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    burst: Option<u32>,
}

const fn minute() -> u32 {
    60
}

/// What the gateway tells about itself. The decision log is another thing and always on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "telemetry")]
pub(super) struct TelemetryFile {
    /// Where traces go: the URL of an OpenTelemetry collector (gRPC), as `http://127.0.0.1:4317`.
    /// Off unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    otlp_endpoint: Option<String>,
    /// How the program's own log lines look on standard error.
    log_format: LogFormat,
    /// The least important lines still written.
    log_level: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For collectors: one JSON object per line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// And what will become a failure.
    Warn,
    /// And what happened: started, reloaded, stopped.
    #[default]
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name, as filters spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Default for SignInFile {
    fn default() -> Self {
        Self { session_idle_minutes: 60, session_absolute_hours: 24 }
    }
}

impl Default for LimitsFile {
    /// An office of a hundred people behind one address stays under the first; one machine with one key
    /// at ten requests a second under the second.
    fn default() -> Self {
        let limit =
            |requests, burst| LimitFile { requests, window_seconds: 60, burst: Some(burst) };
        Self { address: limit(6_000, 1_000), credential: limit(1_200, 200) }
    }
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInSettings {
    /// Unused.
    pub session_idle: Duration,
    /// In all.
    pub session_absolute: Duration,
}

/// Which addresses the gateway itself may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundSettings {
    /// Networks allowed although they are not public.
    pub allow: Vec<IpNet>,
    /// More certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether both count for connections that organisations set up themselves.
    pub administered: bool,
    /// Name servers for proofs of e-mail domains; the system's where there are none.
    pub name_servers: Vec<SocketAddr>,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Requests per window.
    pub requests: NonZeroU32,
    /// The window.
    pub window: Duration,
    /// Requests at once.
    pub burst: NonZeroU32,
}

/// How many requests are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsSettings {
    /// Per peer address.
    pub address: LimitSettings,
    /// Per credential.
    pub credential: LimitSettings,
}

/// What the gateway tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// The collector for traces.
    pub otlp_endpoint: Option<url::Url>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
}

impl SignInFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> SignInSettings {
        let session_idle = Duration::from_secs(u64::from(self.session_idle_minutes) * 60);
        let session_absolute = Duration::from_secs(u64::from(self.session_absolute_hours) * 3600);
        if session_idle > session_absolute {
            section.wrong("session_idle_minutes", "longer than the whole session may last");
        }
        SignInSettings { session_idle, session_absolute }
    }
}

impl OutboundFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<OutboundSettings> {
        let allow = section.keep_all("allow", &self.allow, network);
        let ca_file = match &self.ca_file {
            Some(path) => Some(section.existing_file("ca_file", path)?),
            None => None,
        };
        let name_servers = section.keep_all("name_servers", &self.name_servers, |text| {
            text.parse::<SocketAddr>()
                .map_err(|_| "expected an address and a port, as `192.0.2.53:53`")
        });
        Some(OutboundSettings { allow, ca_file, administered: self.administered, name_servers })
    }
}

impl LimitsFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<LimitsSettings> {
        let address = self.address.settings(section, "address");
        let credential = self.credential.settings(section, "credential");
        Some(LimitsSettings { address: address?, credential: credential? })
    }
}

impl LimitFile {
    fn settings(&self, section: &mut Section<'_>, key: &str) -> Option<LimitSettings> {
        let burst = self.burst.unwrap_or(self.requests);
        let numbers = NonZeroU32::new(self.requests).zip(NonZeroU32::new(burst));
        let Some((requests, burst)) = numbers else {
            section.wrong(key, "a limit lets at least one request in");
            return None;
        };
        Some(LimitSettings {
            requests,
            window: Duration::from_secs(self.window_seconds.into()),
            burst,
        })
    }
}

impl TelemetryFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<TelemetrySettings> {
        let otlp_endpoint = match &self.otlp_endpoint {
            Some(text) => Some(section.keep("otlp_endpoint", endpoint(text))?),
            None => None,
        };
        let (log_format, log_level) = (self.log_format, self.log_level);
        Some(TelemetrySettings { otlp_endpoint, log_format, log_level })
    }
}

fn endpoint(text: &str) -> Result<url::Url, String> {
    let advice = "write `http://127.0.0.1:4317`";
    let url = url::Url::parse(text).map_err(|error| format!("`{text}`: {error}: {advice}"))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    if matches!(url.scheme(), "http" | "https") && plain {
        return Ok(url);
    }
    Err(format!("`{text}` is no address of a collector: {advice}"))
}
