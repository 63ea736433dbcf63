//! The connection to a service for a tunnel. It reads nothing in the very moment it has written.
//!
//! Pingora 0.9.1 ends a tunnel at once, and without an error, when the 101 is there before it has looked at the
//! end of the request's (empty) body: both wait in one unordered `select!`. Here the answer is always seen one
//! turn later than what was written, so the end of the body comes first.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Makes `peer` one for a tunnel: with a connection of its own, which nobody uses after it.
pub(super) fn prepare(peer: &mut HttpPeer, connect_timeout: Duration) {
    static TUNNELS: AtomicU64 = AtomicU64::new(0);
    // Pingora pools by this key; one that never repeats is never found.
    peer.group_key = peer.group_key.wrapping_add(1 + TUNNELS.fetch_add(1, Ordering::Relaxed));
    peer.options.idle_timeout = Some(Duration::ZERO);
    peer.options.custom_l4 = Some(Arc::new(Connector { connect_timeout }));
}

/// Opens such connections.
#[derive(Debug)]
struct Connector {
    connect_timeout: Duration,
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Err(Error::explain(ErrorType::ConnectError, "no address of a tunnel"));
        };
        let connecting = TcpStream::connect(address);
        let stream = tokio::time::timeout(self.connect_timeout, connecting)
            .await
            .map_err(|_| Error::explain(ErrorType::ConnectTimedout, "no connection in time"))?
            .map_err(|error| Error::because(ErrorType::ConnectError, "no connection", error))?;
        let socket = TunnelSocket { stream, just_written: false };
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

#[derive(Debug)]
struct TunnelSocket {
    stream: TcpStream,
    just_written: bool,
}

impl VirtualSocket for TunnelSocket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // The live check and the time-outs find a peer that is gone.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for TunnelSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.just_written) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TunnelSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.just_written = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
