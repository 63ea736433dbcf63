//! An organisation's connection to its identity provider.

use std::fmt;

use super::{ConnectionId, Secret, TenantId};

/// Names a connection over all organisations: tenant first, as in every key.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ConnectionKey {
    /// The organisation that owns the connection.
    pub tenant: TenantId,
    /// The connection within it.
    pub id: ConnectionId,
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}

/// How people of one organisation sign in: one client registration at one OpenID provider.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub key: ConnectionKey,
    /// Shown on the sign-in page.
    pub display_name: String,
    /// The issuer, byte for byte as its metadata says it (OpenID Connect Discovery 1.0 §4.3).
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Our client secret there.
    pub client_secret: Secret<String>,
    /// Scopes asked for besides `openid`.
    pub scopes: Vec<String>,
    /// E-mail domains, lower case, that choose this connection. They never grant membership.
    pub email_domains: Vec<String>,
    /// PEM certificates trusted for this provider besides the web's; set by the platform only.
    pub ca_pem: Option<String>,
    /// A disabled connection starts and finishes no sign-in.
    pub enabled: bool,
    /// It was set up by the platform, in a file: only then is it trusted with what the platform opened for providers of
    /// its own (DI-06).
    pub by_platform: bool,
}
