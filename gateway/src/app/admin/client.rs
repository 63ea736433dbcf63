//! The way to the API: one connection per call, verified TLS, bounded answers, no redirects.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::body::Content;
use super::connection::Connection;
use super::patient::Patient;

/// Largest answer: a page of a list is a hundredth of it.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a body that are read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum AdminClientError {
    /// The key would be seen on the way.
    #[error(
        "a key is not sent in clear to another machine: use `https`, or a tunnel to a local port"
    )]
    Clear,
    /// What `--ca` names is no certificate.
    #[error("the file of `--ca` holds no readable certificate")]
    Authorities,
    /// TLS could not be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// No such host.
    #[error("the name leads nowhere")]
    Name(#[source] std::io::Error),
    /// Nobody listens, or TLS failed.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// Nothing came or went for as long as `--timeout` says.
    #[error("nothing came for {} s", .0.as_secs())]
    Timeout(Duration),
    /// The body could not be read to its end.
    #[error("the body could not be read to its end")]
    Body(#[source] std::io::Error),
    /// What came is no answer.
    #[error("the answer cannot be read")]
    Http(#[source] hyper::Error),
    /// The answer is too large, or broke off.
    #[error("the answer broke off, or is larger than {} MiB", ANSWER_BYTES_MAX / 1024 / 1024)]
    Answer,
}

/// Sends requests.
#[derive(Debug)]
pub(super) struct Client<'c> {
    connection: &'c Connection,
}

type Outgoing = UnsyncBoxBody<Bytes, std::io::Error>;

impl<'c> Client<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// Sends one request and takes its whole answer. It must begin with the target alone: `/v1/…`.
    pub(super) async fn send(
        &self,
        head: Request<()>,
        content: Content,
    ) -> Result<Response<Vec<u8>>, AdminClientError> {
        let moved = Arc::new(AtomicU64::new(0));
        let request = dressed(head, content, &self.connection.url, &moved);
        let mut exchange = std::pin::pin!(self.exchange(request));
        let timeout = self.connection.timeout;
        let mut seen = 0;
        loop {
            if let Ok(answer) = tokio::time::timeout(timeout, exchange.as_mut()).await {
                return answer;
            }
            // A large body may take as long as it likes while it goes on.
            let now = moved.load(Ordering::Relaxed);
            if now == seen {
                return Err(AdminClientError::Timeout(timeout));
            }
            seen = now;
        }
    }

    async fn exchange(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<Vec<u8>>, AdminClientError> {
        let url = &self.connection.url;
        let stream = self.connected(url).await?;
        if url.scheme() == "https" {
            let tls = TlsConnector::from(Arc::new(self.tls()?));
            let nameless = || AdminClientError::Name(std::io::ErrorKind::InvalidInput.into());
            let name = name(url).ok_or_else(nameless)?;
            let stream = tls.connect(name, stream).await.map_err(AdminClientError::Connect)?;
            exchanged(stream, request).await
        } else {
            exchanged(stream, request).await
        }
    }

    async fn connected(&self, url: &Url) -> Result<TcpStream, AdminClientError> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(443);
        let found = tokio::net::lookup_host((host, port)).await.map_err(AdminClientError::Name)?;
        let addresses: Vec<SocketAddr> = found.collect();
        let is_here = addresses.iter().all(|address| address.ip().is_loopback());
        if url.scheme() != "https" && self.connection.key.is_some() && !is_here {
            return Err(AdminClientError::Clear);
        }
        TcpStream::connect(addresses.as_slice()).await.map_err(AdminClientError::Connect)
    }

    fn tls(&self) -> Result<rustls::ClientConfig, AdminClientError> {
        let mut roots = RootCertStore::empty();
        match &self.connection.ca {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|_| AdminClientError::Authorities)?;
                    roots.add(certificate).map_err(|_| AdminClientError::Authorities)?;
                }
            }
        }
        if roots.is_empty() {
            return Err(AdminClientError::Authorities);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(tls)
    }
}

fn name(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
        Host::Ipv6(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
    }
}

/// With the path of the API before the target, `Host` (RFC 9112 §3.2) and the body.
fn dressed(
    head: Request<()>,
    content: Content,
    url: &Url,
    moved: &Arc<AtomicU64>,
) -> Request<Outgoing> {
    let (mut parts, ()) = head.into_parts();
    let target = format!("{}{}", url.path().trim_end_matches('/'), parts.uri);
    if let Ok(target) = http::Uri::try_from(target) {
        parts.uri = target;
    }
    let authority = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    if let Ok(host) = HeaderValue::try_from(authority) {
        parts.headers.insert(header::HOST, host);
    }
    let whole = |bytes: Vec<u8>| {
        Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync()
    };
    let body = match content {
        Content::Nothing => whole(Vec::new()),
        Content::Bytes(bytes) => whole(bytes),
        Content::Stream(reader, length) => {
            if let Some(length) = length {
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            streamed(reader, Arc::clone(moved))
        }
    };
    Request::from_parts(parts, body)
}

/// Reads on a thread of its own, a few pieces ahead: files and terminals block.
fn streamed(mut reader: Box<dyn Read + Send>, moved: Arc<AtomicU64>) -> Outgoing {
    let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(4);
    std::thread::spawn(move || {
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let read = match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => {
                    piece.truncate(length);
                    Ok(Bytes::from(piece))
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    let pieces = stream::unfold(receiver, move |mut receiver| {
        let moved = Arc::clone(&moved);
        async move {
            let piece = receiver.recv().await?;
            moved.fetch_add(1, Ordering::Relaxed);
            Some((piece.map(Frame::data), receiver))
        }
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

async fn exchanged<S>(
    stream: S,
    request: Request<Outgoing>,
) -> Result<Response<Vec<u8>>, AdminClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(Patient::new(stream)))
            .await
            .map_err(AdminClientError::Http)?;
    let mut connection = std::pin::pin!(connection);
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(told)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| AdminClientError::Answer)?.to_bytes().to_vec();
        Ok(Response::from_parts(parts, body))
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // Whatever ended it, the answer may have come before: a refusal need not wait for the body's end.
        _ = &mut connection => exchange.await,
    }
}

/// Whose fault it is: the body's, or the connection's.
fn told(error: hyper::Error) -> AdminClientError {
    if !error.is_user() {
        return AdminClientError::Http(error);
    }
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        if let Some(source) = source.downcast_ref::<std::io::Error>() {
            let copy = std::io::Error::new(source.kind(), source.to_string());
            return AdminClientError::Body(copy);
        }
        cause = source.source();
    }
    AdminClientError::Http(error)
}
