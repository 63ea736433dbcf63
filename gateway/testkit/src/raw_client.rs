//! A client that writes the bytes it is given, valid or not, and reads what comes back.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A plain or TLS stream.
trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// One connection. Everything it does ends within its patience.
pub struct RawClient {
    stream: Pin<Box<dyn Stream>>,
    patience: Duration,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for RawClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawClient").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// Status code; 0 when there was no status line.
    pub status: u16,
    /// The head as text.
    pub head_text: String,
    /// The body without framing.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The first value of the field `name`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    /// All values of the field `name`, in their order.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head_text
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The body as text, whatever it holds.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl RawClient {
    /// Connects without TLS.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(address: SocketAddr, patience: Duration) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::pin(stream), patience, buffer: Vec::new() })
    }

    /// Connects with TLS, asking for `server_name`.
    ///
    /// # Errors
    /// When nobody listens or the certificate is not trusted.
    pub async fn connect_tls(
        address: SocketAddr,
        server_name: &str,
        config: Arc<rustls::ClientConfig>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let name = ServerName::try_from(String::from(server_name))?;
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let handshake = tokio_rustls::TlsConnector::from(config).connect(name, stream);
        let stream = tokio::time::timeout(patience, handshake).await?.context("TLS handshake")?;
        Ok(Self { stream: Box::pin(stream), patience, buffer: Vec::new() })
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the peer has closed, or takes too long to read.
    pub async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(self.patience, writing).await.context("writing took too long")??;
        Ok(())
    }

    /// Reads until the peer closes; gives what came by then, also when patience ran out.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let patience = self.patience;
        let reading = async { while self.fill().await.is_ok_and(|more| more) {} };
        let _ = tokio::time::timeout(patience, reading).await;
        std::mem::take(&mut self.buffer)
    }

    /// Reads one answer: its head, and a body of `Content-Length` or chunks.
    ///
    /// # Errors
    /// When the peer closes or patience runs out before the answer is whole.
    pub async fn read_answer(&mut self, to_head: bool) -> anyhow::Result<RawAnswer> {
        let patience = self.patience;
        tokio::time::timeout(patience, self.answer(to_head)).await.context("no answer in time")?
    }

    /// Waits for the peer to close without another byte; `false` when it does not, or sends some.
    pub async fn is_closed(&mut self) -> bool {
        let patience = self.patience;
        let reading = self.fill();
        match tokio::time::timeout(patience, reading).await {
            Ok(Ok(more)) => !more,
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }

    /// Reads at least one byte more and gives everything read so far and not yet taken.
    ///
    /// # Errors
    /// When the peer closes or patience runs out.
    pub async fn read_some(&mut self) -> anyhow::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            let patience = self.patience;
            let more =
                tokio::time::timeout(patience, self.fill()).await.context("nothing came")??;
            anyhow::ensure!(more, "the peer closed");
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn answer(&mut self, to_head: bool) -> anyhow::Result<RawAnswer> {
        let head = self.take_until(b"\r\n\r\n").await.context("reading a head")?;
        let head_text = String::from_utf8_lossy(&head).into_owned();
        let status = head_text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let mut answer = RawAnswer { status, head_text, body: Vec::new() };
        if to_head || matches!(status, 100..=199 | 204 | 304) {
            return Ok(answer);
        }
        if answer.field("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks().await?;
        } else if let Some(length) = answer.field("content-length") {
            let length = length.parse().context("reading Content-Length")?;
            answer.body = self.take(length).await?;
        }
        Ok(answer)
    }

    async fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_until(b"\r\n").await.context("reading a chunk size")?;
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16)?;
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend(chunk.iter().take(size));
        }
    }

    async fn take_until(&mut self, end: &[u8]) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len()).await;
            }
            anyhow::ensure!(self.fill().await?, "the peer closed");
        }
    }

    async fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        while self.buffer.len() < length {
            anyhow::ensure!(self.fill().await?, "the peer closed");
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn fill(&mut self) -> std::io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}
