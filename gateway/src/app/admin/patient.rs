//! A connection whose answer is read even when the other side no longer reads.
//!
//! Who refuses a large body answers and closes before the body's end. The answer is there all the same, but hyper
//! looks no further once a write fails.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose writes wait for ever once the other side has closed: reading then tells how it ended.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    is_closed: bool,
}

impl<S> Patient<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, is_closed: false }
    }

    fn patiently<T>(
        &mut self,
        written: Poll<Result<T, Error>>,
        context: &Context<'_>,
    ) -> Poll<Result<T, Error>> {
        match &written {
            Poll::Ready(Err(error)) if is_closing(error) => {
                self.is_closed = true;
                // What came before the close is to be read now.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => written,
        }
    }
}

fn is_closing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
    )
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        if self.is_closed {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.patiently(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_closed {
            return Poll::Pending;
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.patiently(flushed, context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
