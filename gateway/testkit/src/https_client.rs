//! One HTTPS request over a connection of its own: what the demo and the demo hub need, and no more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

/// The whole exchange must end within this; everything is on loopback.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest body read; the demo's largest page is a few kilobytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Sends requests to one address whatever host they name, so no resolver is needed.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
}

impl HttpsClient {
    /// Takes the address to connect to and whom to trust there.
    pub const fn new(address: SocketAddr, config: Arc<rustls::ClientConfig>) -> Self {
        Self { address, config }
    }

    /// Sends a request; its URI is absolute, its `Host` is filled in from there.
    ///
    /// # Errors
    /// When the exchange fails, takes too long or brings too large a body.
    pub async fn send(&self, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        tokio::time::timeout(EXCHANGE_TIMEOUT, self.exchange(request))
            .await
            .context("the exchange took too long")?
    }

    /// Gets a page without credentials.
    ///
    /// # Errors
    /// As [`HttpsClient::send`].
    pub async fn fetch(&self, uri: &str) -> anyhow::Result<Response<Bytes>> {
        self.send(Request::builder().uri(uri).body(Bytes::new())?).await
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        let uri = request.uri().clone();
        let authority = uri.authority().context("the URI has no host")?.clone();
        let name = ServerName::try_from(String::from(authority.host()))?;
        let stream = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("connecting to {}", self.address))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(name, stream).await.context("TLS handshake")?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        *request.uri_mut() = Uri::try_from(target)?;
        if !request.headers().contains_key(http::header::HOST) {
            request.headers_mut().insert(http::header::HOST, authority.as_str().try_into()?);
        }
        let answer = sender.send_request(request.map(Full::new)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        connection.abort();
        let body = body.map_err(|error| anyhow::anyhow!("reading the body: {error}"))?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}
