//! Calls to a provider: checked address, verified TLS, one deadline, bounded answer, no redirect.

mod guard;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use url::Url;

pub use guard::OutboundSettings;

/// One provider's way out: its trust anchors and its own bulkhead (DI-12).
///
/// A connection is made per call. Sign-ins are rare beside requests, and a pool would be bound to the
/// runtime that first used it.
#[derive(Debug)]
pub(super) struct Outbound {
    guard: OutboundSettings,
    tls: Arc<rustls::ClientConfig>,
    calls: Semaphore,
}

/// All of one call: name, connection, TLS, answer, and the wait for a free place (DI-07).
const CALL_TIME_MAX: Duration = Duration::from_secs(5);
/// Largest answer body; the largest metadata seen in the field are about 10 KB.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Largest answer head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most calls to one provider at a time, so a slow one cannot take the whole gateway along.
const CALLS_MAX: usize = 8;

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutboundError {
    /// The URL is not one to call.
    #[error("the URL is not plain https")]
    Url,
    /// The name leads nowhere, or only where the gateway does not go.
    #[error("the address is refused: {0}")]
    Address(&'static str),
    /// No answer within five seconds.
    #[error("no answer in time")]
    Timeout,
    /// The network failed.
    #[error("the connection failed: {0}")]
    Connection(#[from] std::io::Error),
    /// HTTP failed, or the answer is too large.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// Not 200; redirects count here: none is followed (DI-04).
    #[error("the answer has status {0}")]
    Status(u16),
    /// Not JSON.
    #[error("the answer is no JSON document")]
    MediaType,
}

/// Why a way out could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutboundBuildError {
    /// The connection's own trust anchors are no certificates.
    #[error("`ca_pem` holds no readable certificate")]
    TrustAnchors,
    /// TLS could not be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Outbound {
    /// Builds the way to one provider. `ca_pem` adds trust anchors to the web's; nothing removes checks.
    pub(super) fn new(
        guard: OutboundSettings,
        ca_pem: Option<&str>,
    ) -> Result<Self, OutboundBuildError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for pem in guard.ca_pem.as_deref().into_iter().chain(ca_pem) {
            add_anchors(&mut roots, pem)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { guard, tls: Arc::new(tls), calls: Semaphore::new(CALLS_MAX) })
    }

    /// Fetches a JSON document.
    pub(super) async fn json(&self, url: &Url) -> Result<Bytes, OutboundError> {
        let request = http::Request::get(url.as_str())
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| OutboundError::Url)?;
        let (parts, body) = self.send(request).await?.into_parts();
        if parts.status != http::StatusCode::OK {
            return Err(OutboundError::Status(parts.status.as_u16()));
        }
        if !is_json(&parts.headers) {
            return Err(OutboundError::MediaType);
        }
        Ok(Bytes::from(body))
    }

    /// Makes one call, whatever its answer's status.
    pub(super) async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        tokio::time::timeout(CALL_TIME_MAX, self.send_undated(request))
            .await
            .map_err(|_| OutboundError::Timeout)?
    }

    async fn send_undated(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let _place = self.calls.acquire().await.map_err(|_| OutboundError::Timeout)?;
        let target = Target::of(&request)?;
        let addresses = self.guard.resolve(&target.host, target.port).await?;
        let stream = connect(&addresses).await?;
        let stream =
            TlsConnector::from(Arc::clone(&self.tls)).connect(target.name.clone(), stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(unreadable)?;
        let exchange = async {
            let answer = sender.send_request(dress(request)).await.map_err(unreadable)?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| OutboundError::Answer(error.to_string()))?;
            Ok(http::Response::from_parts(parts, body.to_bytes().to_vec()))
        };
        drive(connection, exchange).await
    }
}

/// Runs the connection beside the exchange, and no longer.
async fn drive<T>(
    connection: impl Future<Output = Result<(), hyper::Error>> + Send,
    exchange: impl Future<Output = Result<T, OutboundError>> + Send,
) -> Result<T, OutboundError> {
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = connection => {
            ended.map_err(unreadable)?;
            exchange.await
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over")]
fn unreadable(error: hyper::Error) -> OutboundError {
    OutboundError::Answer(error.to_string())
}

/// Where a call goes.
struct Target {
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl Target {
    fn of(request: &http::Request<Vec<u8>>) -> Result<Self, OutboundError> {
        let uri = request.uri();
        let authority = uri.authority().ok_or(OutboundError::Url)?;
        let has_user = authority.as_str().contains('@');
        if uri.scheme_str() != Some("https") || has_user {
            return Err(OutboundError::Url);
        }
        let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        let name = ServerName::try_from(host.clone()).map_err(|_| OutboundError::Url)?;
        Ok(Self { host, port: authority.port_u16().unwrap_or(443), name })
    }
}

/// Origin form and `Host`, as HTTP/1.1 wants them (RFC 9112 §3.2).
fn dress(request: http::Request<Vec<u8>>) -> http::Request<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    if let Some(Ok(host)) = authority.map(http::HeaderValue::try_from) {
        parts.headers.insert(http::header::HOST, host);
    }
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    parts.uri = http::Uri::try_from(path).unwrap_or_default();
    parts.version = http::Version::HTTP_11;
    http::Request::from_parts(parts, Full::new(Bytes::from(body)))
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, OutboundError> {
    Ok(TcpStream::connect(addresses).await?)
}

fn add_anchors(roots: &mut RootCertStore, pem: &str) -> Result<(), OutboundBuildError> {
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| OutboundBuildError::TrustAnchors)?;
        roots.add(certificate).map_err(|_| OutboundBuildError::TrustAnchors)?;
        added += 1;
    }
    if added == 0 { Err(OutboundBuildError::TrustAnchors) } else { Ok(()) }
}

fn is_json(headers: &http::HeaderMap) -> bool {
    let value = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["application/json", "application/jwk-set+json"]
        .iter()
        .any(|allowed| essence.eq_ignore_ascii_case(allowed))
}
