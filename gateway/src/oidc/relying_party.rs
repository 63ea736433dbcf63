//! The relying party: every connection's provider behind the one trait the flow knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use openidconnect::core::{CoreAuthenticationFlow, CoreTokenResponse};
use openidconnect::{CsrfToken, Nonce, OAuth2TokenResponse as _, Scope, TokenResponse as _};

use crate::authn::{
    AuthorizationRequest, CodeExchange, EndSession, Identity, RelyingParty, SignInError,
};
use crate::model::{Clock, Connection, ConnectionKey};

use super::diagnosis::{self, Step};
use super::exchange;
use super::id_token::{self, Expected, IdTokenError};
use super::outbound::OutboundSettings;
use super::provider::{Known, Provider};

/// OpenID Connect's code flow with PKCE, for all connections.
#[derive(Debug)]
pub struct OpenIdRelyingParty {
    settings: OutboundSettings,
    clock: Arc<dyn Clock>,
    /// One per connection, so keys of two organisations never mix (DI-10).
    providers: Mutex<HashMap<ConnectionKey, Arc<Provider>>>,
}

impl OpenIdRelyingParty {
    /// Makes a relying party that goes where `settings` allow.
    pub fn new(settings: OutboundSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, providers: Mutex::default() }
    }

    /// Tries a connection out: whether its provider answers as it must, and knows the client. Nobody signs in.
    pub async fn diagnose(&self, connection: &Connection, redirect_uri: &str) -> Vec<Step> {
        let at = (redirect_uri, self.clock.now());
        diagnosis::diagnose(&self.settings, connection, at).await
    }

    fn provider(&self, connection: &Connection) -> Result<Arc<Provider>, SignInError> {
        let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = providers.get(&connection.key)
            && provider.is_of(connection)
        {
            return Ok(Arc::clone(provider));
        }
        let provider = Arc::new(Provider::new(&self.settings, connection)?);
        providers.insert(connection.key.clone(), Arc::clone(&provider));
        Ok(provider)
    }

    async fn known(&self, connection: &Connection) -> Result<Arc<Known>, SignInError> {
        self.provider(connection)?.known(self.clock.now()).await
    }

    /// Verifies the ID token; an unknown key is asked for once, at most once a minute.
    async fn identify(
        &self,
        connection: &Connection,
        tokens: &CoreTokenResponse,
        exchange: CodeExchange<'_>,
    ) -> Result<Identity, SignInError> {
        let token = tokens
            .id_token()
            .ok_or_else(|| SignInError::IdToken(String::from("the answer has none")))?;
        let provider = self.provider(connection)?;
        let known = provider.known(self.clock.now()).await?;
        let verify = |known: &Known| {
            let expected = Expected {
                connection,
                keys: &known.keys,
                nonce: exchange.nonce,
                access_token: tokens.access_token(),
                now: self.clock.now(),
            };
            id_token::verify(token, &expected)
        };
        let verdict = match verify(&known) {
            Err(IdTokenError::UnknownKey) => {
                verify(&*provider.known_beyond(&known, self.clock.now()).await?)
            }
            verdict => verdict,
        };
        verdict.map_err(|error| SignInError::IdToken(error.to_string()))
    }
}

#[async_trait]
impl RelyingParty for OpenIdRelyingParty {
    async fn authorization_url(
        &self,
        connection: &Connection,
        request: AuthorizationRequest<'_>,
    ) -> Result<String, SignInError> {
        let known = self.known(connection).await?;
        let client = exchange::client(connection, &known, request.redirect_uri)?;
        let state = request.state.to_owned();
        let nonce = request.nonce.to_owned();
        let scopes = connection.scopes.iter().filter(|scope| *scope != "openid");
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scopes(scopes.map(|scope| Scope::new(scope.clone())))
            // RFC 7636 §4.3. The method is never `plain`.
            .add_extra_param("code_challenge", request.challenge)
            .add_extra_param("code_challenge_method", "S256")
            .url();
        Ok(url.into())
    }

    async fn check_response_issuer(
        &self,
        connection: &Connection,
        issuer: Option<&str>,
    ) -> Result<(), SignInError> {
        let is_right = match issuer {
            // RFC 9207 §2.4: simple string comparison, also where the metadata does not announce it.
            Some(issuer) => issuer == connection.issuer,
            None => !self.known(connection).await?.metadata.sends_issuer,
        };
        if is_right { Ok(()) } else { Err(SignInError::Issuer) }
    }

    async fn exchange(
        &self,
        connection: &Connection,
        exchange: CodeExchange<'_>,
    ) -> Result<Identity, SignInError> {
        let provider = self.provider(connection)?;
        let known = provider.known(self.clock.now()).await?;
        let client = exchange::client(connection, &known, exchange.redirect_uri)?;
        let tokens = exchange::tokens(&provider, &client, exchange).await?;
        self.identify(connection, &tokens, exchange).await
    }

    async fn end_session_url(
        &self,
        connection: &Connection,
        end: EndSession<'_>,
    ) -> Option<String> {
        let known = self.known(connection).await.ok()?;
        let mut url = known.metadata.end_session.clone()?;
        let mut query = url.query_pairs_mut();
        if let Some(token) = end.id_token {
            query.append_pair("id_token_hint", token);
        }
        query
            .append_pair("client_id", &connection.client_id)
            .append_pair("post_logout_redirect_uri", end.post_logout_redirect_uri)
            .append_pair("state", end.state);
        drop(query);
        Some(url.into())
    }
}
