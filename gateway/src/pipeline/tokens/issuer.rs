//! What tokens are given with, and who gives them, as OAuth clients know it.

use std::sync::Arc;

use crate::authn::Tokens;
use crate::limits::AttemptLimiter;

/// What tokens are given with.
#[derive(Debug)]
pub struct Issuing {
    /// Gives and takes them.
    pub tokens: Arc<Tokens>,
    /// Counts how often secrets are tried.
    pub attempts: AttemptLimiter,
    /// Who gives them; without one, there are no endpoints of OAuth.
    pub issuer: Option<Issuer>,
}

/// Who gives the tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    url: String,
    host: String,
    resource_metadata: Arc<str>,
}

impl Issuer {
    /// `url` is scheme, host and port without a slash at the end (RFC 8414 §2); `host` the host alone.
    pub fn new(url: String, host: String) -> Self {
        let resource_metadata = Arc::from(format!("{url}/.well-known/oauth-protected-resource"));
        Self { url, host, resource_metadata }
    }

    /// The identifier.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where the metadata of the resource on the same host are (RFC 9728 §3).
    pub const fn resource_metadata(&self) -> &Arc<str> {
        &self.resource_metadata
    }
}
