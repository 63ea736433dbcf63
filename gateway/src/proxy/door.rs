//! The door itself: listeners, and what its phases work with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::HttpServerOptions;
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::TlsSettings;
use pingora::protocols::http::v2::server::H2Options;
use pingora::protocols::tls::TlsRef;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service as ListeningService;

use super::arrival::ServerName;
use super::certificates::CertificateStore;
use super::generations::Generations;
use super::services::Service;
use super::watch::Watched;
use crate::pipeline::{Forward, Pipeline};
use crate::routing::HeadLimits;
use crate::telemetry::Metrics;

/// Limits the door itself holds.
#[derive(Clone, Debug)]
pub struct DoorLimits {
    /// Caps on the head.
    pub head: HeadLimits,
    /// Time for a whole head from its first byte (PX-60: 10 s).
    pub head_deadline: Duration,
    /// Longest silence of a client while its body is read.
    pub body_silence: Duration,
    /// Longest time a write to a client may stall.
    pub write_stall: Duration,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            head_deadline: Duration::from_secs(10),
            // A phone in a tunnel comes back within half a minute; a slow-loris does not get more.
            body_silence: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
        }
    }
}

/// Turns sessions into outcomes and carries them out.
#[derive(Debug)]
pub struct Door {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) services: Arc<Generations>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: DoorLimits,
}

/// Where the door listens.
#[derive(Debug)]
pub struct Listen {
    /// HTTPS addresses.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP addresses: only what was asked for.
    pub http: Vec<SocketAddr>,
    /// The certificate; needed for HTTPS.
    pub certificates: Option<Arc<CertificateStore>>,
}

/// A listener that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// HTTPS without a certificate.
    #[error("HTTPS needs a certificate")]
    NoCertificate,
    /// Pingora's.
    #[error("TLS listener: {0}")]
    Tls(Box<pingora::Error>),
}

impl Door {
    /// A door before `services`.
    pub fn new(
        pipeline: Arc<Pipeline>,
        services: Arc<Generations>,
        metrics: Arc<Metrics>,
        limits: DoorLimits,
    ) -> Self {
        Self { pipeline, services, metrics, limits }
    }

    /// The service a request goes to.
    pub(super) fn service(&self, forward: &Forward) -> Option<Arc<Service>> {
        self.services.find(forward.snapshot(), forward.route().service())
    }

    /// The Pingora service that listens.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(
        self,
        conf: &Arc<ServerConf>,
        listen: &Listen,
    ) -> Result<ListeningService<impl pingora::apps::ServerApp + Send + Sync + 'static>, ListenError>
    {
        let head_deadline = self.limits.head_deadline;
        let header_list_bytes_max = self.limits.head.head_bytes_max;
        let mut proxy: HttpProxy<Self> = http_proxy(conf, self);
        proxy.server_options = Some(server_options());
        proxy.h2_options = Some(h2_options(header_list_bytes_max));
        let app = Watched::new(proxy, head_deadline);
        let mut service = ListeningService::new(String::from("gateway"), app);
        for address in &listen.http {
            service.add_tcp(&address.to_string());
        }
        for address in &listen.https {
            let certificates = listen.certificates.as_ref().ok_or(ListenError::NoCertificate)?;
            let mut tls =
                TlsSettings::with_callbacks(Box::new(KeepServerName)).map_err(ListenError::Tls)?;
            tls.set_cert_resolver(Arc::clone(certificates) as _);
            tls.enable_h2();
            service.add_tls_with_settings(&address.to_string(), None, tls);
        }
        Ok(service)
    }
}

fn server_options() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    // PX-60: an idle HTTP/2 connection is closed like an idle HTTP/1.1 one.
    options.h2_idle_timeout = Some(Duration::from_mins(1));
    options
}

/// PX-61: 64 KiB of header list and 100 streams for each connection; h2's own reset limits stay.
fn h2_options(header_list_bytes_max: usize) -> H2Options {
    let mut options = H2Options::new();
    let bytes = u32::try_from(header_list_bytes_max).unwrap_or(u32::MAX);
    options.max_header_list_size(bytes);
    options.max_concurrent_streams(100);
    options
}

/// Keeps the TLS server name with the connection.
struct KeepServerName;

#[async_trait]
impl TlsAccept for KeepServerName {
    async fn handshake_complete_callback(
        &self,
        tls: &TlsRef,
    ) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        let name = tls.server_name()?.to_ascii_lowercase();
        Some(Arc::new(ServerName(Arc::from(name))))
    }
}
