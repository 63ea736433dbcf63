//! A bare Pingora pass-through with a rustls listener: what the gateway is measured against.
//!
//! It forwards everything to one upstream and decides nothing. Same crate versions as the gateway.

use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use clap::Parser;
use pingora::listeners::TlsAccept;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::upstreams::peer::HttpPeer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Forwards everything to one upstream.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen, with TLS.
    #[arg(long)]
    listen: SocketAddr,
    /// Where to forward to, without TLS.
    #[arg(long)]
    upstream: SocketAddr,
    /// The certificate as PEM.
    #[arg(long)]
    certificate: PathBuf,
    /// Its key as PEM.
    #[arg(long)]
    key: PathBuf,
    /// Worker threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> anyhow::Result<()> {
    // Pingora would install another provider; the first one stays.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    anyhow::ensure!(installed.is_ok(), "a cryptography provider is installed already");
    let arguments = Arguments::parse();
    let certificate = Certificate::read(&arguments)?;
    let conf = ServerConf {
        threads: arguments.threads,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare(arguments.upstream));
    let mut tls = TlsSettings::with_callbacks(Box::new(NoCallbacks))?;
    tls.set_cert_resolver(Arc::new(certificate));
    tls.enable_h2();
    service.add_tls_with_settings(&arguments.listen.to_string(), None, tls);
    server.add_service(service);
    server.run(RunArgs::default());
    Ok(())
}

struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora::Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.0, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(1));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        peer.options.write_timeout = Some(Duration::from_secs(30));
        peer.options.idle_timeout = Some(Duration::from_mins(1));
        Ok(Box::new(peer))
    }
}

struct NoCallbacks;

#[async_trait]
impl TlsAccept for NoCallbacks {}

#[derive(Debug)]
struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let open = |path: &PathBuf| {
            File::open(path).map(BufReader::new).with_context(|| path.display().to_string())
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_reader_iter(open(&arguments.certificate)?).collect();
        let key = PrivateKeyDer::from_pem_reader(open(&arguments.key)?)?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)?;
        Ok(Self(Arc::new(CertifiedKey::new(chain?, key))))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
