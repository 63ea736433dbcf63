//! A listener whose connections somebody else serves: the administration API's.
//!
//! The sockets are Pingora's, so they are opened, drained and handed over like all others.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use pingora::services::listening::Service as ListeningService;

/// Serves one accepted connection: the stream, its peer, and whether the gateway drains.
type Serve = dyn Fn(Stream, SocketAddr, ShutdownWatch) -> BoxFuture<'static, ()> + Send + Sync;

/// Hands every connection of a listener over.
pub struct HandOver {
    serve: Box<Serve>,
}

impl std::fmt::Debug for HandOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandOver").finish_non_exhaustive()
    }
}

impl HandOver {
    /// Hands connections over to `serve`, which ends when the connection does.
    pub fn new(
        serve: impl Fn(Stream, SocketAddr, ShutdownWatch) -> BoxFuture<'static, ()>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { serve: Box::new(serve) }
    }

    /// The Pingora service named `name` that listens at `address`, on a thread of its own.
    pub fn service(self, name: &str, address: SocketAddr) -> ListeningService<Self> {
        let mut listening = ListeningService::new(name.to_owned(), self);
        listening.threads = Some(1);
        listening.add_tcp(&address.to_string());
        listening
    }
}

#[async_trait]
impl ServerApp for HandOver {
    async fn process_new(
        self: &Arc<Self>,
        session: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let digest = session.get_socket_digest();
        let peer = digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet().copied());
        let peer = peer.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        (self.serve)(session, peer, shutdown.clone()).await;
        // It was served to its end.
        None
    }
}
