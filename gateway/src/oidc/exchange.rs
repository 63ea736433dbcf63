//! The code against tokens, at the token endpoint of the connection that the login was started for.

use std::pin::Pin;

use openidconnect::core::{CoreClient, CoreTokenResponse};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RequestTokenError,
};

use crate::authn::{CodeExchange, SignInError};
use crate::model::Connection;

use super::document;
use super::outbound::{Outbound, OutboundError};
use super::provider::{Known, Provider};

/// An OpenID client with what discovery sets.
pub(super) type ReadyClient = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The client of one connection. Its default authentication is `client_secret_basic` with id and secret
/// form-urlencoded (RFC 6749 §2.3.1).
pub(super) fn client(
    connection: &Connection,
    known: &Known,
    redirect_uri: &str,
) -> Result<ReadyClient, SignInError> {
    let redirect = RedirectUrl::new(redirect_uri.to_owned())
        .map_err(|error| SignInError::Metadata(error.to_string()))?;
    Ok(CoreClient::from_provider_metadata(
        known.metadata.core.clone(),
        ClientId::new(connection.client_id.clone()),
        Some(ClientSecret::new(connection.client_secret.expose().clone())),
    )
    .set_redirect_uri(redirect))
}

/// Exchanges the code. It is sent once: after an answer that was lost, the code may be spent (T-17).
pub(super) async fn tokens(
    provider: &Provider,
    client: &ReadyClient,
    exchange: CodeExchange<'_>,
) -> Result<CoreTokenResponse, SignInError> {
    client
        .exchange_code(AuthorizationCode::new(exchange.code.expose().clone()))
        .map_err(|error| SignInError::Metadata(error.to_string()))?
        .set_pkce_verifier(PkceCodeVerifier::new(exchange.verifier.expose().clone()))
        .request_async(&provider.outbound)
        .await
        .map_err(|error| match error {
            RequestTokenError::Request(OutboundError::Timeout | OutboundError::Connection(_)) => {
                SignInError::Unreachable(String::from("the token endpoint gave no answer"))
            }
            RequestTokenError::Request(error) => SignInError::Code(error.to_string()),
            // The error's code alone: descriptions are a stranger's words.
            RequestTokenError::ServerResponse(answer) => {
                let code = answer.error().to_string();
                SignInError::Code(code.chars().filter(char::is_ascii_graphic).take(60).collect())
            }
            RequestTokenError::Parse(..) => {
                SignInError::Code(String::from("the answer is no token response"))
            }
            RequestTokenError::Other(reason) => SignInError::Code(reason),
        })
}

/// The way out as the client library wants it.
impl<'c> AsyncHttpClient<'c> for Outbound {
    type Error = OutboundError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, OutboundError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.send(request).await?;
            let status = answer.status();
            if status.is_server_error() || status.is_redirection() {
                return Err(OutboundError::Status(status.as_u16()));
            }
            // The client library would take the last of two members of one name.
            document::parse(answer.body()).map_err(|_| OutboundError::MediaType)?;
            Ok(answer)
        })
    }
}
