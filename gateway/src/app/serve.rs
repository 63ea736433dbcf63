//! Serves until told to stop: puts the parts together, keeps them up to date, takes them down in order.

mod assemble;
mod convert;
mod counting;
mod feeding;
mod reloading;
mod stop;

use std::path::PathBuf;
use std::sync::Arc;

use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};

use crate::admin::OverlayError;
use crate::audit::{Event, SinkError};
use crate::config::{ConfigErrors, Loaded};
use crate::journal::JournalError;
use crate::limits::LimitError;
use crate::model::EntropyError;
use crate::proxy::{Door, ListenError, Observe, Readiness, ServiceError, SocketError, Sockets};
use crate::store::{KeyRingError, OpenError, StoreError};
use crate::telemetry::{self, TelemetryError};

use super::reload::{ReloadWatch, Reloader, WatchError, reload_on_hangup};
use super::secrets::SecretsError;
use super::self_signed::SelfSignedError;
use assemble::Gateway;
pub(super) use assemble::snapshot_parts;
use reloading::Live;
use stop::StopWatch;

/// Why the gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The files are wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The gateway's own secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The state store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The keys values in the store are sealed with.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The decision log.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The first record could not be written.
    #[error(transparent)]
    Record(#[from] SinkError),
    /// A limit that cannot be counted.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A service that cannot be served.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A file that a service names.
    #[error("`{file}`: {cause}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// The feeds in the state store.
    #[error("pushed resources: {0}")]
    Feed(#[from] StoreError),
    /// Pushed resources that do not fit the files.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The address a listener was given is taken or not this machine's.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The development certificate.
    #[error(transparent)]
    SelfSigned(#[from] SelfSignedError),
    /// Logging or export.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The metrics could not be registered.
    #[error("metrics: {0}")]
    Metrics(String),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The system gives no runtime.
    #[error("the runtime cannot be started")]
    Runtime(#[source] std::io::Error),
    /// A part contradicts itself; a mistake of the gateway's own.
    #[error("the gateway cannot be put together: {0}")]
    Assembly(String),
    /// The files cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
}

/// Serves what `loaded` says, until a signal ends it; takes changed files over meanwhile.
///
/// # Errors
/// [`ServeError`] when it cannot begin.
pub fn serve(loaded: &Loaded) -> Result<(), ServeError> {
    // This runtime owns what is shared and outlives the server, so the last records and spans get out.
    let core = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("hubgate-core")
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let entered = core.enter();
    let telemetry = telemetry::install(&convert::telemetry(&loaded.settings.telemetry))?;
    let open = Open::of(loaded)?;
    let gateway = Gateway::assemble(loaded, core.handle())?;
    let live = Arc::new(Live::new(&gateway, loaded, core.handle().clone()));
    let watch = watch(&gateway, &live, loaded, core.handle())?;
    gateway.event(Event::GatewayStarted, None)?;
    gateway.event(Event::ConfigLoaded, None)?;
    drop(entered);
    run(&gateway, loaded, open)?;
    drop(watch);
    if let Err(error) = gateway.event(Event::GatewayStopped, None) {
        tracing::error!(%error, "the stop is not in the decision log");
    }
    gateway.journal.close();
    drop(telemetry);
    drop(live);
    drop(gateway);
    core.shutdown_timeout(std::time::Duration::from_secs(3));
    Ok(())
}

/// The addresses, opened before anything else takes time or can fail.
struct Open {
    door: Sockets,
    observe: Sockets,
    admin: Sockets,
}

impl Open {
    fn of(loaded: &Loaded) -> Result<Self, SocketError> {
        let listen = &loaded.settings.listen;
        let https = listen.https.as_ref().map(|https| https.address);
        Ok(Self {
            door: Sockets::open(https.into_iter().chain(listen.http))?,
            observe: Sockets::open([listen.observe])?,
            admin: Sockets::open(listen.admin)?,
        })
    }
}

fn watch(
    gateway: &Gateway,
    live: &Arc<Live>,
    loaded: &Loaded,
    core: &tokio::runtime::Handle,
) -> Result<ReloadWatch, ServeError> {
    let reloader = Reloader::new(loaded.file.clone(), Arc::clone(live) as _);
    let reloader = Arc::new(reloader.knowing(loaded.organisations.clone()));
    gateway.follow(&reloader);
    let watch = ReloadWatch::start(reloader, &loaded.watched())?;
    core.spawn(reload_on_hangup(watch.bell()));
    Ok(watch)
}

fn run(gateway: &Gateway, loaded: &Loaded, open: Open) -> Result<(), ServeError> {
    let settings = &loaded.settings;
    let mut server = Server::new_with_opt_and_conf(None, server_conf(loaded));
    server.bootstrap();
    let door = Door::new(
        Arc::clone(&gateway.pipeline),
        Arc::clone(&gateway.services),
        Arc::clone(&gateway.metrics),
        convert::door_limits(&settings.listen.head),
    );
    let listening = door.listen(&server.configuration, &gateway.listen)?;
    server.add_service(open.door.under(listening));
    let readiness = Arc::new(Readiness::default());
    let observing = observe(gateway, &readiness).service(settings.listen.observe);
    server.add_service(open.observe.under(observing));
    if let Some(address) = settings.listen.admin {
        let api =
            feeding::administration(&gateway.pipeline, (&gateway.feeder, &gateway.desk), address)?;
        server.add_service(open.admin.under(api));
    }
    readiness.started();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        https = settings.listen.https.as_ref().map(|https| tracing::field::display(https.address)),
        http = settings.listen.http.map(tracing::field::display),
        observe = %settings.listen.observe,
        admin = settings.listen.admin.map(tracing::field::display),
        snapshot = %gateway.pipeline.snapshot().id(),
        "serving"
    );
    server.run(RunArgs { shutdown_signal: Box::new(StopWatch::new(readiness)) });
    gateway.keep_counts();
    Ok(())
}

fn observe(gateway: &Gateway, readiness: &Arc<Readiness>) -> Observe {
    let journal = Arc::clone(&gateway.journal);
    let pipeline = Arc::clone(&gateway.pipeline);
    Observe::new(
        Arc::clone(readiness),
        Arc::clone(&gateway.metrics),
        move || crate::audit::Sink::is_writable(&*journal),
        move |metrics| metrics.unrecorded(pipeline.record_failures(), pipeline.floods_unrecorded()),
    )
}

/// Two tries for a request: one retry. Pingora's own default is sixteen.
const TRIES_MAX: usize = 2;
/// Connections kept open to all services together: enough for two busy cores.
const POOL: usize = 512;
/// After the grace period the runtimes get this long to end.
const RUNTIME_STOP_SECONDS: u64 = 5;

fn server_conf(loaded: &Loaded) -> ServerConf {
    let listen = &loaded.settings.listen;
    // Pingora's defaults put both into a folder that everybody may write to.
    let own = loaded.settings.places.secrets_directory.as_path();
    let place = |name: &str| own.join(name).display().to_string();
    ServerConf {
        threads: listen.threads.get(),
        max_retries: TRIES_MAX,
        upstream_keepalive_pool_size: POOL,
        grace_period_seconds: Some(listen.grace.as_secs()),
        graceful_shutdown_timeout_seconds: Some(RUNTIME_STOP_SECONDS),
        pid_file: place("hubgate.pid"),
        upgrade_sock: place("upgrade.sock"),
        ..ServerConf::default()
    }
}
