//! Asks the DNS for TXT records: by them an organisation proves that an e-mail domain is its own.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

/// Time for one name: a person waits for the answer.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(8);

/// Time for one question to one server.
const QUESTION_TIME: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxtError {
    /// There are no such records.
    #[error("there is no TXT record")]
    Nothing,
    /// The DNS did not answer, or said that it cannot.
    #[error("the DNS gave no answer: {0}")]
    Failed(String),
}

/// Finds TXT records.
#[async_trait]
pub trait TxtRecords: Debug + Send + Sync {
    /// The texts of all TXT records of `name`, each put together from its parts (RFC 7208 §3.3 reads them alike).
    ///
    /// # Errors
    /// [`TxtError`].
    async fn texts(&self, name: &str) -> Result<Vec<String>, TxtError>;
}

/// The DNS by way of name servers.
#[derive(Debug)]
pub struct NameServers {
    resolver: Option<TokioResolver>,
}

impl NameServers {
    /// Asks `servers`, or those of the system where none are named. Nothing is kept: whoever has just written a
    /// record wants it found.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let config = ResolverConfig::from_parts(None, Vec::new(), named(servers));
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
        };
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            (options.cache_size, options.timeout, options.attempts) = (0, QUESTION_TIME, 2);
            builder.build()
        });
        let resolver = resolver.inspect_err(|error| {
            tracing::warn!(%error, "there is no name server: no domain can be verified");
        });
        Self { resolver: resolver.ok() }
    }
}

fn named(servers: &[SocketAddr]) -> Vec<NameServerConfig> {
    let named = |server: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let at_port = |mut connection: ConnectionConfig| {
            connection.port = server.port();
            connection
        };
        let mut named = NameServerConfig::udp_and_tcp(server.ip());
        named.connections = connections.into_iter().map(at_port).collect();
        named
    };
    servers.iter().map(named).collect()
}

#[async_trait]
impl TxtRecords for NameServers {
    async fn texts(&self, name: &str) -> Result<Vec<String>, TxtError> {
        let none = || TxtError::Failed(String::from("there is no name server"));
        let resolver = self.resolver.as_ref().ok_or_else(none)?;
        // The last dot: no search list of the machine is tried.
        let found = tokio::time::timeout(LOOKUP_TIME_MAX, resolver.txt_lookup(format!("{name}.")));
        let found = match found.await {
            Err(_) => return Err(TxtError::Failed(String::from("no answer in time"))),
            Ok(Err(error)) if error.is_no_records_found() => return Err(TxtError::Nothing),
            Ok(Err(error)) => return Err(TxtError::Failed(error.to_string())),
            Ok(Ok(found)) => found,
        };
        let text = |record: &hickory_resolver::proto::rr::Record| match &record.data {
            RData::TXT(txt) => Some(txt.to_string()),
            _ => None,
        };
        Ok(found.answers().iter().filter_map(text).collect())
    }
}
