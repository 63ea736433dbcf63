//! An upstream that records every byte it is sent, and misbehaves when told to.
//!
//! It reads HTTP/1.1 from the socket with a parser of its own and never repairs anything, so a test sees
//! exactly what the gateway wrote.

mod answer;
mod connection;
mod reader;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

pub use answer::{Answer, Behaviour};

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The connection it came on, counted from 0.
    pub connection: usize,
    /// Head and body, byte for byte; a chunked body with its framing.
    pub bytes: Vec<u8>,
    /// The head as text, with the empty line that ends it.
    pub head_text: String,
    /// The body without framing.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Recorded {
    /// The first value of the field `name`, trimmed.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.every_field()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Every value of the field `name`, in order.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        self.every_field()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// Every field as name and trimmed value, in order.
    pub fn every_field(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.head_text.split("\r\n").skip(1);
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
    }

    /// The request line.
    pub fn request_line(&self) -> &str {
        self.head_text.split("\r\n").next().unwrap_or_default()
    }
}

/// The upstream. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct RecordingUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl RecordingUpstream {
    /// Listens on a free loopback port without TLS.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        Self::listen(None).await
    }

    /// Listens on a free loopback port with TLS.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start_tls(config: Arc<rustls::ServerConfig>) -> std::io::Result<Self> {
        Self::listen(Some(config.into())).await
    }

    async fn listen(tls: Option<tokio_rustls::TlsAcceptor>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new());
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what it does with every request from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// Every request so far, in the order their heads came.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.requests).clone()
    }

    /// Every byte of every connection so far, requests or not.
    pub fn streams(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.streams).clone()
    }

    /// Forgets the requests and streams seen so far; open connections go on.
    pub fn forget(&self) {
        lock(&self.shared.requests).clear();
        for stream in lock(&self.shared.streams).iter_mut() {
            stream.clear();
        }
        self.shared.changed.send_modify(|version| *version += 1);
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        lock(&self.shared.streams).len()
    }

    /// How many `WebSocket`s and event streams are open now.
    pub fn open_streams(&self) -> usize {
        self.shared.open_streams.load(Ordering::SeqCst)
    }

    /// Sends one event to every open event stream; returns how many there were.
    pub fn emit(&self, data: &str) -> usize {
        self.shared.events.send(String::from(data)).unwrap_or(0)
    }

    /// Waits until at least `count` requests were recorded, at most `patience`.
    ///
    /// # Errors
    /// When fewer came in time; the message lists their request lines.
    pub async fn wait_for(
        &self,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<Vec<Recorded>> {
        if self.wait_until(patience, |upstream| upstream.requests().len() >= count).await {
            return Ok(self.requests());
        }
        let seen: Vec<String> =
            self.requests().iter().map(|request| request.request_line().into()).collect();
        anyhow::bail!("{} of {count} requests came within {patience:?}: {seen:?}", seen.len())
    }

    /// Waits until exactly `count` `WebSocket`s and event streams are open, at most `patience`.
    ///
    /// # Errors
    /// When that does not come about in time.
    pub async fn wait_for_streams(&self, count: usize, patience: Duration) -> anyhow::Result<()> {
        if self.wait_until(patience, |upstream| upstream.open_streams() == count).await {
            return Ok(());
        }
        anyhow::bail!("{} streams are open, not {count}, after {patience:?}", self.open_streams())
    }

    async fn wait_until(&self, patience: Duration, reached: impl Fn(&Self) -> bool) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            while !reached(self) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(patience, waiting).await;
        reached(self)
    }
}

impl Drop for RecordingUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.closing.send_replace(true);
    }
}

/// What the listener and its connections share.
#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Recorded>>,
    streams: Mutex<Vec<Vec<u8>>>,
    open_streams: AtomicUsize,
    events: broadcast::Sender<String>,
    changed: watch::Sender<u64>,
    closing: watch::Sender<bool>,
}

/// Events an event stream may lag behind before it misses some; no test sends as many unread.
const EVENTS_QUEUED_MAX: usize = 1024;

impl Shared {
    fn new() -> Self {
        Self {
            behaviour: Mutex::new(Behaviour::Answer(Answer::default())),
            requests: Mutex::new(Vec::new()),
            streams: Mutex::new(Vec::new()),
            open_streams: AtomicUsize::new(0),
            events: broadcast::channel(EVENTS_QUEUED_MAX).0,
            changed: watch::channel(0).0,
            closing: watch::channel(false).0,
        }
    }

    fn behaviour(&self) -> Behaviour {
        lock(&self.behaviour).clone()
    }

    fn record(&self, request: Recorded) {
        lock(&self.requests).push(request);
        self.changed.send_modify(|version| *version += 1);
    }

    fn opened_stream(self: &Arc<Self>) -> OpenStream {
        self.open_streams.fetch_add(1, Ordering::SeqCst);
        self.changed.send_modify(|version| *version += 1);
        OpenStream(Arc::clone(self))
    }
}

/// Counts a WebSocket or event stream for as long as it lives.
struct OpenStream(Arc<Shared>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.send_modify(|version| *version += 1);
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    shared: Arc<Shared>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut streams = lock(&shared.streams);
            streams.push(Vec::new());
            streams.len() - 1
        };
        tokio::spawn(serve(stream, tls.clone(), number, Arc::clone(&shared)));
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<tokio_rustls::TlsAcceptor>,
    number: usize,
    shared: Arc<Shared>,
) {
    let mut closing = shared.closing.subscribe();
    let _ = stream.set_nodelay(true);
    match shared.behaviour() {
        Behaviour::CloseAfterAccept => return,
        Behaviour::ResetAfterAccept => {
            let _ = stream.set_zero_linger();
            return;
        }
        _ => {}
    }
    let serving = async {
        match tls {
            None => connection::serve(stream, number, &shared).await,
            Some(acceptor) => match acceptor.accept(stream).await {
                Ok(stream) => connection::serve(stream, number, &shared).await,
                Err(_) => Ok(()),
            },
        }
    };
    // A broken connection is what many tests provoke; what it carried is already recorded.
    tokio::select! {
        _ = serving => {}
        _ = closing.wait_for(|closed| *closed) => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
