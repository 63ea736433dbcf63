//! The services behind the gateway: their addresses, health, time-outs and what they are sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pingora::lb::LoadBalancer;
use pingora::lb::health_check::{HttpHealthCheck, TcpHealthCheck};
use pingora::lb::selection::RoundRobin;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls_pki_types::CertificateDer;

use crate::model::{ServiceId, UnixNanos};

/// How the gateway speaks TLS to a service.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// The name sent and verified. Never empty: Pingora verifies nothing without one.
    pub server_name: String,
    /// Certificates trusted instead of the system's.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// How a service's health is asked for.
#[derive(Clone, Debug)]
pub enum HealthCheck {
    /// A TCP connection can be opened.
    Connect,
    /// `GET path` answers 200.
    Http {
        /// The path.
        path: String,
    },
}

/// One service.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// Its name, the audience of its assertions.
    pub id: ServiceId,
    /// Its addresses, resolved. Never empty.
    pub addresses: Vec<SocketAddr>,
    /// TLS towards it.
    pub tls: Option<UpstreamTls>,
    /// Health checks; absent, every address counts as healthy.
    pub health: Option<(HealthCheck, Duration)>,
    /// Time to open a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest silence of the service while an answer is awaited or read.
    pub read_timeout: Duration,
    /// Longest time a write may stall.
    pub write_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Further request fields it is sent, lower case; a trailing `*` makes a prefix.
    pub forward_fields: Vec<String>,
    /// Speaks HTTP/2 (needed for gRPC).
    pub http2: bool,
    /// A second attempt is made where nothing can have happened.
    pub retry: bool,
}

/// A service that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No address.
    #[error("service `{0}` has no address")]
    NoAddress(ServiceId),
    /// TLS without a name would verify nothing.
    #[error("service `{0}`: TLS needs a server name")]
    NoServerName(ServiceId),
    /// A trusted certificate is none.
    #[error("service `{service}`: trusted certificate unusable: {source}")]
    Authority {
        /// The service.
        service: ServiceId,
        /// Why.
        source: rustls::Error,
    },
    /// The addresses could not be balanced.
    #[error("service `{service}`: {source}")]
    Balance {
        /// The service.
        service: ServiceId,
        /// Why.
        source: std::io::Error,
    },
}

/// All services of one configuration.
#[derive(Default)]
pub struct Services {
    by_id: HashMap<ServiceId, Arc<Service>>,
    /// Held here only; health checks end when it is gone.
    alive: Arc<()>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}

impl Services {
    /// Builds the services.
    ///
    /// # Errors
    /// [`ServiceError`], the first one met.
    pub fn build(settings: Vec<ServiceSettings>) -> Result<Self, ServiceError> {
        let mut by_id = HashMap::new();
        for settings in settings {
            by_id.insert(settings.id.clone(), Arc::new(Service::build(settings)?));
        }
        Ok(Self { by_id, alive: Arc::new(()) })
    }

    /// A service by name.
    pub fn find(&self, id: &ServiceId) -> Option<&Arc<Service>> {
        self.by_id.get(id)
    }

    /// Starts the health checks; each ends by itself when these services are replaced.
    pub fn watch_health(&self, runtime: &tokio::runtime::Handle) {
        for service in self.by_id.values() {
            let Some((_, interval)) = service.settings.health.clone() else { continue };
            let alive = Arc::downgrade(&self.alive);
            let balancer = Arc::clone(&service.balancer);
            runtime.spawn(async move {
                while alive.strong_count() > 0 {
                    balancer.backends().run_health_check(true).await;
                    tokio::time::sleep(interval).await;
                }
            });
        }
    }
}

/// One service, ready to be sent requests.
pub struct Service {
    settings: ServiceSettings,
    balancer: Arc<LoadBalancer<RoundRobin>>,
    peers: HashMap<SocketAddr, Peer>,
    allowed: Vec<String>,
    allowed_prefixes: Vec<String>,
}

/// One address: how it is spoken to, and until when it is passed over.
struct Peer {
    template: HttpPeer,
    /// Nanoseconds since 1970; zero while no connection has failed.
    down_until: AtomicU64,
}

/// An address that did not take a connection is passed over this long, where there is another: longer than a
/// burst of requests, shorter than anybody waits for a service that is back.
const DOWN: Duration = Duration::from_secs(2);

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("id", &self.settings.id).finish_non_exhaustive()
    }
}

impl Service {
    fn build(settings: ServiceSettings) -> Result<Self, ServiceError> {
        let id = settings.id.clone();
        if settings.addresses.is_empty() {
            return Err(ServiceError::NoAddress(id));
        }
        let mut balancer =
            LoadBalancer::<RoundRobin>::try_from_iter(settings.addresses.iter().copied())
                .map_err(|source| ServiceError::Balance { service: id, source })?;
        let authorities = authorities(&settings)?;
        let peers: HashMap<_, _> = settings
            .addresses
            .iter()
            .map(|address| {
                let template = peer(&settings, *address, authorities.clone());
                (*address, Peer { template, down_until: AtomicU64::new(0) })
            })
            .collect();
        if let Some((check, _)) = &settings.health {
            set_health_check(&mut balancer, &settings, check, authorities);
        }
        let (prefixes, allowed): (Vec<_>, Vec<_>) =
            settings.forward_fields.iter().cloned().partition(|name| name.ends_with('*'));
        let allowed_prefixes =
            prefixes.into_iter().map(|name| name.trim_end_matches('*').to_owned()).collect();
        Ok(Self { settings, balancer: Arc::new(balancer), peers, allowed, allowed_prefixes })
    }

    /// Its settings.
    pub fn settings(&self) -> &ServiceSettings {
        &self.settings
    }

    /// The next healthy address that is neither `tried` nor just failed; then any healthy one; none when no
    /// address is healthy.
    pub(super) fn peer(&self, tried: Option<SocketAddr>, now: UnixNanos) -> Option<HttpPeer> {
        let is_up = |address: &SocketAddr| {
            let until = self.peers.get(address).map(|peer| peer.down_until.load(Ordering::Relaxed));
            until.is_some_and(|until| until <= now.nanos())
        };
        let address = self
            .select(|address| Some(address) != tried && is_up(&address))
            .or_else(|| self.select(|address| Some(address) != tried))
            .or_else(|| self.select(|_| true))?;
        self.peers.get(&address).map(|peer| peer.template.clone())
    }

    /// An address did not take a connection.
    pub(super) fn failed(&self, address: SocketAddr, now: UnixNanos) {
        if let Some(peer) = self.peers.get(&address) {
            peer.down_until.store(now.plus(DOWN).nanos(), Ordering::Relaxed);
        }
    }

    fn select(&self, accept: impl Fn(SocketAddr) -> bool) -> Option<SocketAddr> {
        // RoundRobin looks at each address once before it repeats itself.
        let iterations = self.settings.addresses.len().saturating_mul(2);
        let backend = self.balancer.select_with(b"", iterations, |backend, healthy| {
            healthy && backend.addr.as_inet().is_some_and(|address| accept(*address))
        })?;
        backend.addr.as_inet().copied()
    }

    /// Whether this service is sent the request field `name` (lower case) besides the standard ones.
    pub(super) fn wants_field(&self, name: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == name)
            || self.allowed_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

type Authorities = Option<Arc<[WrappedX509]>>;

fn authorities(settings: &ServiceSettings) -> Result<Authorities, ServiceError> {
    let Some(tls) = &settings.tls else { return Ok(None) };
    if tls.server_name.is_empty() {
        return Err(ServiceError::NoServerName(settings.id.clone()));
    }
    if tls.authorities.is_empty() {
        return Ok(None);
    }
    // Pingora's parser panics on what is no certificate, so each is tried here first.
    let mut store = rustls::RootCertStore::empty();
    for certificate in &tls.authorities {
        store
            .add(certificate.clone())
            .map_err(|source| ServiceError::Authority { service: settings.id.clone(), source })?;
    }
    let wrapped =
        tls.authorities.iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509)).collect();
    Ok(Some(wrapped))
}

fn peer(settings: &ServiceSettings, address: SocketAddr, authorities: Authorities) -> HttpPeer {
    let server_name = settings.tls.as_ref().map_or("", |tls| tls.server_name.as_str());
    let mut peer = HttpPeer::new(address, settings.tls.is_some(), server_name.to_owned());
    // Pingora pools connections by address and name but not by trusted CA or protocol.
    peer.group_key = group_key(settings);
    let options = &mut peer.options;
    options.connection_timeout = Some(settings.connect_timeout);
    // TLS included: the handshake gets what TCP left of it.
    options.total_connection_timeout = Some(settings.connect_timeout);
    options.read_timeout = Some(settings.read_timeout);
    options.write_timeout = Some(settings.write_timeout);
    options.idle_timeout = Some(settings.idle_timeout);
    options.ca = authorities;
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    if settings.http2 {
        options.alpn = ALPN::H2;
    }
    peer
}

fn group_key(settings: &ServiceSettings) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    settings.id.hash(&mut hasher);
    settings.http2.hash(&mut hasher);
    for certificate in settings.tls.iter().flat_map(|tls| &tls.authorities) {
        certificate.as_ref().hash(&mut hasher);
    }
    hasher.finish()
}

fn set_health_check(
    balancer: &mut LoadBalancer<RoundRobin>,
    settings: &ServiceSettings,
    check: &HealthCheck,
    authorities: Authorities,
) {
    let server_name = settings.tls.as_ref().map_or("", |tls| tls.server_name.as_str());
    match check {
        HealthCheck::Connect => balancer.set_health_check(TcpHealthCheck::new()),
        HealthCheck::Http { path } => {
            let host = if server_name.is_empty() { "localhost" } else { server_name };
            let mut check = HttpHealthCheck::new(host, settings.tls.is_some());
            if let Ok(uri) = path.parse() {
                check.req.set_uri(uri);
            }
            check.peer_template.options.ca = authorities;
            if settings.http2 {
                check.peer_template.options.alpn = ALPN::H2;
            }
            balancer.set_health_check(Box::new(check));
        }
    }
}
