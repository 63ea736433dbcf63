//! The log for people, and OTLP export of the same spans.

use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is exported, and how much is said.
#[derive(Clone, Debug, Default)]
pub struct TelemetrySettings {
    /// The OTLP/gRPC collector, such as `http://127.0.0.1:4317`; absent, nothing is exported.
    pub otlp_endpoint: Option<String>,
    /// How log lines look.
    pub format: LogFormat,
    /// The level, or a filter such as `hubgate=debug`; absent, `info`.
    pub level: Option<String>,
}

/// Telemetry that cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is no filter.
    #[error("`{level}` is no log level: {source}")]
    Level {
        /// The text.
        level: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The exporter could not be built.
    #[error("OTLP exporter: {0}")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Installed before.
    #[error("telemetry is installed already: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Flushes what is still to be exported when it is dropped. Keep it until the server has stopped.
#[derive(Debug)]
pub struct TelemetryGuard(Option<SdkTracerProvider>);

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            // A collector that is gone must not hold the process up.
            let _ = provider.shutdown_with_timeout(Duration::from_secs(3));
        }
    }
}

/// Installs logging and, when asked for, OTLP export. Call it inside the runtime that outlives the server:
/// the exporter's connection belongs to it.
///
/// # Errors
/// [`TelemetryError`].
pub fn install(settings: &TelemetrySettings) -> Result<TelemetryGuard, TelemetryError> {
    let provider = settings.otlp_endpoint.as_deref().map(provider).transpose()?;
    let spans = provider.as_ref().map(|provider| {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        tracing_opentelemetry::layer().with_tracer(provider.tracer("hubgate")).with_filter(
            tracing_subscriber::filter::Targets::new()
                .with_target("hubgate", tracing::Level::DEBUG),
        )
    });
    let ansi = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_ansi(ansi).with_writer(std::io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(filter(settings.level.as_deref())?);
    tracing_subscriber::registry().with(spans).with(lines).try_init()?;
    Ok(TelemetryGuard(provider))
}

/// Pingora logs each client that goes away as an error; the decision log tells of those.
const QUIET: &str = "pingora=warn,pingora_core=warn,pingora_proxy=off,h2=warn,rustls=warn";

fn filter(level: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let level = level.unwrap_or("info");
    EnvFilter::try_new(format!("{QUIET},{level}"))
        .map_err(|source| TelemetryError::Level { level: level.to_owned(), source })
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(Duration::from_secs(3))
        .build()?;
    let resource = Resource::builder().with_service_name("hubgate").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
