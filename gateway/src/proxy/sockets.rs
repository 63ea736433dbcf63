//! Listening sockets, opened before anything is served on them.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("`{address}` cannot be listened on")]
pub struct SocketError {
    /// The address.
    pub address: SocketAddr,
    /// Why: taken, or not this machine's.
    #[source]
    pub source: std::io::Error,
}

/// Open sockets: who connects before the gateway serves waits for it instead of being turned away, and
/// "ready" is never said while an address is still to be had. Pingora on its own tries a taken address for
/// half a minute, meanwhile answers on the others, and then gives up by panic.
#[derive(Debug)]
pub struct Sockets {
    open: Vec<(SocketAddr, TcpListener)>,
}

impl Sockets {
    /// Opens one at each address.
    ///
    /// # Errors
    /// [`SocketError`] for the first address that cannot be had.
    pub fn open(addresses: impl IntoIterator<Item = SocketAddr>) -> Result<Self, SocketError> {
        let open_one = |address: SocketAddr| {
            let listener = TcpListener::bind(address)?;
            // Pingora hands it to tokio, which asks for that.
            listener.set_nonblocking(true)?;
            Ok((address, listener))
        };
        let open = addresses
            .into_iter()
            .map(|address| open_one(address).map_err(|source| SocketError { address, source }))
            .collect::<Result<_, _>>()?;
        Ok(Self { open })
    }

    /// `service`, listening on these.
    pub fn under<S: Service>(self, service: S) -> OnSockets<S> {
        OnSockets { sockets: self, service }
    }
}

/// A service that finds its addresses already open.
#[derive(Debug)]
pub struct OnSockets<S> {
    sockets: Sockets,
    service: S,
}

#[async_trait]
impl<S: Service> Service for OnSockets<S> {
    async fn start_service(
        &mut self,
        listeners: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        if let Some(table) = &listeners {
            for (address, listener) in self.sockets.open.drain(..) {
                // From here on the table owns the descriptor, as it owns one Pingora opened.
                table.lock().add(address.to_string(), listener.into_raw_fd());
            }
        }
        self.service.start_service(listeners, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }
}
