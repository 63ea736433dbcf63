//! Connections and e-mail domains as the administration API keeps them; client secrets lie here sealed.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::key::Kind;
use super::record::{located, open, seal};
use super::seal::KeyRing;
use crate::model::{Connection, ConnectionId, ConnectionKey, Entropy, Secret, TenantId, UnixNanos};

/// The field a client secret is sealed for.
const CLIENT_SECRET: &str = "client_secret";

/// A connection as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredConnection {
    /// Its name within the organisation.
    pub id: ConnectionId,
    /// Shown on the sign-in page.
    pub display_name: String,
    /// The issuer, byte for byte.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Our client secret there, sealed.
    pub sealed_secret: String,
    /// Scopes asked for besides `openid`.
    pub scopes: Vec<String>,
    /// A disabled connection starts and finishes no sign-in.
    pub enabled: bool,
    /// When it was made.
    pub created: UnixNanos,
    /// When it was last changed.
    pub changed: UnixNanos,
    /// When its secret was last changed.
    pub secret_changed: UnixNanos,
}

/// An e-mail domain somebody says is the organisation's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredDomain {
    /// The domain, lower case.
    pub name: String,
    /// What the proof in the DNS must say.
    pub token: String,
    /// The connection its people sign in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// When the proof was found; a domain without one leads nobody anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<UnixNanos>,
    /// When it was made.
    pub created: UnixNanos,
}

impl StoredConnection {
    /// Seals a client secret for the connection `id` of an organisation.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it cannot be sealed.
    pub fn seal_secret(
        ring: &KeyRing,
        (tenant, id): (&TenantId, &ConnectionId),
        secret: &Secret<String>,
        entropy: &dyn Entropy,
    ) -> Result<String, StoreError> {
        let (_, place) = located(tenant, Kind::Connection, id.as_str())?;
        seal(ring, entropy, &place, (CLIENT_SECRET, secret))
    }

    /// The connection, its secret opened. No domain leads to it yet.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the seal does not open.
    pub fn opened(&self, ring: &KeyRing, tenant: &TenantId) -> Result<Connection, StoreError> {
        let (_, place) = located(tenant, Kind::Connection, self.id.as_str())?;
        let client_secret = open(ring, &place, CLIENT_SECRET, &self.sealed_secret)?;
        Ok(Connection { client_secret, ..self.without_secret(tenant) })
    }

    /// The connection with an empty secret, for what shows or checks it and signs nobody in.
    pub fn without_secret(&self, tenant: &TenantId) -> Connection {
        Connection {
            key: ConnectionKey { tenant: tenant.clone(), id: self.id.clone() },
            display_name: self.display_name.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: Secret::new(String::new()),
            scopes: self.scopes.clone(),
            email_domains: Vec::new(),
            // Only the platform may trust further authorities (DI-06).
            ca_pem: None,
            enabled: self.enabled,
            by_platform: false,
        }
    }
}
