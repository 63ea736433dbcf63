//! A closed-loop generator: each connection sends its next request when it has read the last answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One request, sent over and over.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    /// The path.
    pub path: String,
    /// The host named in TLS and in `Host`.
    pub host: String,
    /// The port named in `Host`.
    pub port: u16,
    /// A credential, as a field.
    pub credential: Option<(&'static str, String)>,
}

impl Shot {
    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .uri(&self.path)
            .header("Host", format!("{}:{}", self.host, self.port))
            .header("User-Agent", "hubgate-loadtest")
            .header("Accept", "application/json");
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        Ok(request.body(Full::new(Bytes::new()))?)
    }
}

/// Open connections to one proxy.
pub(crate) struct Connections {
    senders: Vec<SendRequest<Full<Bytes>>>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub failures: u64,
    /// Time from request to the end of its answer, in microseconds, of every answer.
    pub latencies_us: Vec<u32>,
}

impl Tally {
    /// How many requests were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Adds another run.
    pub(crate) fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.failures += other.failures;
        self.latencies_us.extend(other.latencies_us);
    }

    /// Checks that every request was answered with `expected`.
    ///
    /// # Errors
    /// Saying what else came.
    pub(crate) fn all_are(&self, expected: u16) -> anyhow::Result<()> {
        let others = self.statuses.keys().any(|status| *status != expected);
        anyhow::ensure!(
            self.failures == 0 && !others && self.answered() > 0,
            "expected {expected} only; statuses {:?}, {} failures",
            self.statuses,
            self.failures
        );
        Ok(())
    }
}

impl Connections {
    /// Opens `count` connections to `address`, asking for `host` in TLS.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(crate) async fn open(
        address: SocketAddr,
        host: &str,
        config: &Arc<rustls::ClientConfig>,
        count: usize,
    ) -> anyhow::Result<Self> {
        let mut senders = Vec::with_capacity(count);
        for _ in 0..count {
            let name = ServerName::try_from(String::from(host))?;
            let stream = TcpStream::connect(address).await.context("connecting")?;
            stream.set_nodelay(true)?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(name, stream).await.context("TLS handshake")?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            senders.push(sender);
        }
        Ok(Self { senders })
    }

    /// Sends `shot` over every connection for `duration`. A connection that breaks stays broken.
    ///
    /// # Errors
    /// When the request cannot be built.
    pub(crate) async fn run(&mut self, shot: &Shot, duration: Duration) -> anyhow::Result<Tally> {
        shot.request()?;
        let deadline = Instant::now() + duration;
        let mut running = JoinSet::new();
        for sender in self.senders.drain(..) {
            running.spawn(fire(sender, shot.clone(), deadline));
        }
        let mut tally = Tally::default();
        while let Some(finished) = running.join_next().await {
            let (sender, part) = finished?;
            self.senders.extend(sender);
            tally.add(part);
        }
        Ok(tally)
    }
}

/// Fires until the deadline; gives the connection back when it still works.
async fn fire(
    mut sender: SendRequest<Full<Bytes>>,
    shot: Shot,
    deadline: Instant,
) -> (Option<SendRequest<Full<Bytes>>>, Tally) {
    let mut tally = Tally::default();
    loop {
        let start = Instant::now();
        if start >= deadline {
            return (Some(sender), tally);
        }
        let Ok(status) = exchange(&mut sender, &shot).await else {
            tally.failures += 1;
            return (None, tally);
        };
        *tally.statuses.entry(status).or_default() += 1;
        let took = u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX);
        tally.latencies_us.push(took);
    }
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, shot: &Shot) -> anyhow::Result<u16> {
    sender.ready().await?;
    let answer = sender.send_request(shot.request()?).await?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await?;
    Ok(status)
}
