//! What a sign-in needs from outside: a place for open logins, and a relying party over the network.
//!
//! The rules of the flow live in `pipeline::sign_in`; this file holds the values it passes and the two
//! traits it calls. It never does I/O.

use std::fmt::Debug;

use async_trait::async_trait;

use super::session::StoreUnavailable;
use crate::model::{Connection, ConnectionKey, Secret, UnixNanos};

/// One open login: what was asked, kept on the server until the provider's answer comes back.
///
/// It holds hashes of what the browser holds, never the values: who reads the store cannot finish a login.
#[derive(Clone, Debug)]
pub struct LoginTransaction {
    /// SHA-256 of the `state` parameter, 64 hex digits. The key in the store.
    pub state_key: String,
    /// The connection it was started for. Code and verifier go to no other (RFC 9700 §4.4).
    pub connection: ConnectionKey,
    /// The nonce the ID token must carry (OpenID Connect Core 1.0 §3.1.3.7 point 11).
    pub nonce: Secret<String>,
    /// The PKCE verifier (RFC 7636 §4.1).
    pub verifier: Secret<String>,
    /// Where the browser goes afterwards: path and query on the same host, already checked.
    pub return_to: String,
    /// The authority it was started on, as the client wrote it: the callback must come to the same.
    pub host: String,
    /// SHA-256 of the value of the transaction cookie, 64 hex digits: binds the login to the browser.
    pub browser: String,
    /// When it was started.
    pub created: UnixNanos,
}

/// Where open logins are kept. An implementation forgets a transaction after its lifetime.
#[async_trait]
pub trait LoginTransactions: Send + Sync + Debug {
    /// Keeps a transaction under its `state_key` for [`LOGIN_LIFETIME`].
    ///
    /// # Errors
    /// [`StoreUnavailable`] when it could not be kept.
    async fn put(&self, transaction: LoginTransaction) -> Result<(), StoreUnavailable>;

    /// Takes a transaction out, atomically: of two callers with one state, one gets it.
    ///
    /// # Errors
    /// [`StoreUnavailable`] when the store did not answer; nothing was taken then.
    async fn take(&self, state_key: &str) -> Result<Option<LoginTransaction>, StoreUnavailable>;
}

/// How long a login may stay open: ten minutes, long enough for a second factor, the bound of OC-03.
pub const LOGIN_LIFETIME: std::time::Duration = std::time::Duration::from_mins(10);

/// What the authorization request carries.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// Where the provider sends the browser back: one per connection.
    pub redirect_uri: &'a str,
    /// The state, in clear.
    pub state: &'a str,
    /// The nonce.
    pub nonce: &'a str,
    /// The PKCE challenge, method S256 (RFC 7636 §4.2).
    pub challenge: &'a str,
}

/// What the callback brought, together with what was kept for it.
#[derive(Clone, Copy, Debug)]
pub struct CodeExchange<'a> {
    /// The redirect URI of the authorization request, again (RFC 6749 §4.1.3).
    pub redirect_uri: &'a str,
    /// The code.
    pub code: &'a Secret<String>,
    /// The PKCE verifier.
    pub verifier: &'a Secret<String>,
    /// The nonce the ID token must carry.
    pub nonce: &'a Secret<String>,
}

/// What sign-out at the provider needs (OpenID Connect RP-Initiated Logout 1.0 §2).
#[derive(Clone, Copy, Debug)]
pub struct EndSession<'a> {
    /// The ID token of the session, as a hint whose session is meant.
    pub id_token: Option<&'a str>,
    /// Where the provider sends the browser back.
    pub post_logout_redirect_uri: &'a str,
    /// Comes back unchanged.
    pub state: &'a str,
}

/// The OpenID Connect client of one gateway, for every connection.
#[async_trait]
pub trait RelyingParty: Send + Sync + Debug {
    /// The URL that starts a login at the connection's provider.
    ///
    /// # Errors
    /// [`SignInError`] when the provider's metadata cannot be had or is refused.
    async fn authorization_url(
        &self,
        connection: &Connection,
        request: AuthorizationRequest<'_>,
    ) -> Result<String, SignInError>;

    /// Checks the `iss` parameter of an authorization response, of an error response too (RFC 9207 §2.4).
    ///
    /// # Errors
    /// [`SignInError::Issuer`] when it is another issuer's, or missing where the provider says it sends it.
    async fn check_response_issuer(
        &self,
        connection: &Connection,
        issuer: Option<&str>,
    ) -> Result<(), SignInError>;

    /// Exchanges the code and verifies the ID token.
    ///
    /// # Errors
    /// [`SignInError`] naming which of the two failed.
    async fn exchange(
        &self,
        connection: &Connection,
        exchange: CodeExchange<'_>,
    ) -> Result<Identity, SignInError>;

    /// The URL that signs out at the provider; `None` when it has none or cannot be reached.
    async fn end_session_url(&self, connection: &Connection, end: EndSession<'_>)
    -> Option<String>;
}

/// A verified ID token, as far as the gateway reads it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The issuer, byte for byte.
    pub issuer: String,
    /// The subject, byte for byte.
    pub subject: String,
    /// The token itself, for the hint at sign-out.
    pub id_token: Secret<String>,
    /// The session's name at the provider.
    pub sid: Option<String>,
    /// A name to show. Never identifies.
    pub name: Option<String>,
    /// An address to show. Never identifies (OpenID Connect Core 1.0 §5.7).
    pub email: Option<String>,
    /// When the person last proved who they are, seconds since 1970.
    pub auth_time: Option<u64>,
    /// The class of that proof.
    pub acr: Option<String>,
    /// The methods of that proof.
    pub amr: Vec<String>,
}

/// Why a sign-in could not be completed. The detail is for the gateway's log, never for a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The provider did not answer, or not in time, or too many calls to it are open.
    #[error("the identity provider cannot be reached: {0}")]
    Unreachable(String),
    /// The provider's metadata or keys break a rule.
    #[error("the identity provider's metadata is refused: {0}")]
    Metadata(String),
    /// The `iss` parameter of the authorization response is wrong or missing (RFC 9207).
    #[error("the authorization response is not from the connection's issuer")]
    Issuer,
    /// The token endpoint refused the code or answered nonsense.
    #[error("the code was not exchanged: {0}")]
    Code(String),
    /// The ID token breaks a rule.
    #[error("the ID token is refused: {0}")]
    IdToken(String),
}

impl SignInError {
    /// The short code shown to the reader and written in records. A contract: never reused.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "provider_unreachable",
            Self::Metadata(_) => "provider_metadata",
            Self::Issuer => "provider_issuer",
            Self::Code(_) => "provider_code",
            Self::IdToken(_) => "provider_id_token",
        }
    }
}
