//! Reads one request from a connection, keeping every byte.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Recorded, Shared, lock};

/// Longest head the upstream reads: above anything the gateway may forward.
const HEAD_BYTES_MAX: usize = 1024 * 1024;
/// Longest body it keeps.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Buffered bytes of one connection.
pub(super) struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
    number: usize,
    shared: Arc<Shared>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(super) const fn new(stream: S, number: usize, shared: Arc<Shared>) -> Self {
        Self { stream, buffer: Vec::new(), number, shared }
    }

    /// Gives up the buffered bytes, for a protocol that follows HTTP on the same connection.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(super) const fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Reads a head, with the empty line that ends it. `None` at the end of the connection.
    pub(super) async fn head(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut end = None;
        while end.is_none() {
            end = find(&self.buffer, b"\r\n\r\n");
            if end.is_none() && (self.buffer.len() > HEAD_BYTES_MAX || !self.fill().await?) {
                return Ok(None);
            }
        }
        let length = end.map_or(0, |at| at + 4);
        Ok(Some(self.take(length)))
    }

    /// Reads the body that belongs to `head` and joins both.
    pub(super) async fn request(&mut self, head: Vec<u8>) -> std::io::Result<Recorded> {
        let head_text = String::from_utf8_lossy(&head).into_owned();
        let mut request = Recorded {
            connection: self.number,
            bytes: head,
            head_text,
            body: Vec::new(),
            complete: false,
        };
        let chunked = request
            .fields("transfer-encoding")
            .iter()
            .any(|value| value.to_ascii_lowercase().contains("chunked"));
        let length = request.field("content-length").and_then(|value| value.parse().ok());
        request.complete = if chunked {
            self.chunks(&mut request).await?
        } else {
            self.span(&mut request, length.unwrap_or(0)).await?
        };
        Ok(request)
    }

    async fn span(&mut self, request: &mut Recorded, length: usize) -> std::io::Result<bool> {
        let complete = self.wait_for(length).await?;
        let bytes = self.take(length);
        request.bytes.extend_from_slice(&bytes);
        request.body.extend_from_slice(&bytes);
        Ok(complete)
    }

    async fn chunks(&mut self, request: &mut Recorded) -> std::io::Result<bool> {
        loop {
            let Some(line) = self.line().await? else {
                return Ok(false);
            };
            request.bytes.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line);
            let digits = text.split([';', '\r']).next().unwrap_or_default().trim();
            let Ok(size) = usize::from_str_radix(digits, 16) else {
                return Ok(false);
            };
            if size == 0 {
                return self.trailers(request).await;
            }
            if size > BODY_BYTES_MAX || !self.wait_for(size + 2).await? {
                return Ok(false);
            }
            let chunk = self.take(size + 2);
            request.bytes.extend_from_slice(&chunk);
            request.body.extend(chunk.iter().take(size));
        }
    }

    async fn trailers(&mut self, request: &mut Recorded) -> std::io::Result<bool> {
        loop {
            let Some(line) = self.line().await? else {
                return Ok(false);
            };
            request.bytes.extend_from_slice(&line);
            if line == b"\r\n" {
                return Ok(true);
            }
        }
    }

    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                return Ok(Some(self.take(at + 2)));
            }
            if self.buffer.len() > HEAD_BYTES_MAX || !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn wait_for(&mut self, length: usize) -> std::io::Result<bool> {
        while self.buffer.len() < length {
            if length > BODY_BYTES_MAX || !self.fill().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Reads more; `false` at the end of the connection.
    pub(super) async fn fill(&mut self) -> std::io::Result<bool> {
        let before = self.buffer.len();
        let count = self.stream.read_buf(&mut self.buffer).await?;
        if let Some(stream) = lock(&self.shared.streams).get_mut(self.number) {
            stream.extend(self.buffer.iter().skip(before));
        }
        Ok(count > 0)
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
