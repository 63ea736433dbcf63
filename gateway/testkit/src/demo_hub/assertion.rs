//! Verifies the gateway's assertion the way any backend can: with the published keys and a JWT library.

use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::https_client::HttpsClient;

/// Why an assertion is not accepted.
#[derive(Debug)]
pub enum AssertionError {
    /// The request came around the gateway, or the gateway sent none.
    Missing,
    /// No key of that id is published.
    UnknownKey,
    /// The signature, the audience or the time does not hold.
    Invalid(jsonwebtoken::errors::Error),
}

impl std::fmt::Display for AssertionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => write!(f, "no assertion: this service is reached through the gateway"),
            Self::UnknownKey => write!(f, "the assertion is signed with an unknown key"),
            Self::Invalid(error) => write!(f, "the assertion does not hold: {error}"),
        }
    }
}

impl std::error::Error for AssertionError {}

/// An unknown key id asks the gateway for its keys at most this often, so a flood of nonsense stays ours.
const REFETCH_PAUSE: Duration = Duration::from_secs(1);

/// Checks assertions for one service.
#[derive(Debug)]
pub struct Verifier {
    client: HttpsClient,
    jwks_uri: String,
    audiences: Vec<String>,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    set: Option<JwkSet>,
    fetched: Option<Instant>,
}

impl Verifier {
    /// Takes the keys' address and the service's own names, one of which must be the assertion's audience.
    pub fn new(client: HttpsClient, jwks_uri: &str, audiences: &[&str]) -> Self {
        Self {
            client,
            jwks_uri: jwks_uri.into(),
            audiences: audiences.iter().map(|name| String::from(*name)).collect(),
            keys: Mutex::new(Keys::default()),
        }
    }

    /// Gives the claims of a valid assertion.
    ///
    /// # Errors
    /// [`AssertionError`] saying what does not hold.
    pub async fn verify(&self, token: Option<&str>) -> Result<Map<String, Value>, AssertionError> {
        let token = token.ok_or(AssertionError::Missing)?;
        let header = jsonwebtoken::decode_header(token).map_err(AssertionError::Invalid)?;
        let key = self.key(header.kid.as_deref()).await.ok_or(AssertionError::UnknownKey)?;
        // RFC 8725 §3.1: the algorithm is ours to name, never the token's.
        let algorithm = match header.alg {
            Algorithm::ES256 => Algorithm::ES256,
            _ => Algorithm::EdDSA,
        };
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&self.audiences);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        validation.leeway = 5;
        jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation)
            .map(|token| token.claims)
            .map_err(AssertionError::Invalid)
    }

    async fn key(&self, kid: Option<&str>) -> Option<DecodingKey> {
        let kid = kid?;
        let mut keys = self.keys.lock().await;
        let known = keys.set.as_ref().is_some_and(|set| set.find(kid).is_some());
        if !known && keys.fetched.is_none_or(|at| at.elapsed() > REFETCH_PAUSE) {
            keys.fetched = Some(Instant::now());
            let fetched = self.client.fetch(&self.jwks_uri).await.ok()?;
            keys.set = serde_json::from_slice(fetched.body()).ok();
        }
        DecodingKey::from_jwk(keys.set.as_ref()?.find(kid)?).ok()
    }
}
