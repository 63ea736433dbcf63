//! Routes the gateway answers itself: tokens for an id and a secret in JSON, and what a credential is good for.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::admission::Pipeline;
use super::super::answer::Answer;
use super::super::asker::Asker;
use super::super::outcome::BodySource;
use super::super::recording::Trail;
use super::credential::credential;
use super::{ClientSecret, answers, silent};
use crate::authn::{Authenticated, ProvedClient};
use crate::authz::Partition;
use crate::model::{Dependency, Malformed, Refusal, Secret, TokenRefusal};
use crate::routing::{CanonicalRequest, OwnAnswer};

/// An id, a secret and room for what nobody reads.
const BODY_BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exchange {
    client_id: String,
    client_secret: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refresh {
    refresh_token: String,
}

/// What a body proved itself with.
#[derive(Debug)]
pub(in crate::pipeline) enum Presented {
    /// The client, by its secret.
    Client(ProvedClient),
    /// A refresh token.
    Refresh(Secret<String>),
}

impl Pipeline {
    /// Who asks, where the route is one for tokens: then what the body holds proves it, and nothing else of the request is
    /// asked about that. Whoever asks for a token may still send the one that is over.
    pub(in crate::pipeline) async fn presented(
        &self,
        trail: &mut Trail<'_>,
        request: &CanonicalRequest,
        body: &mut dyn BodySource,
    ) -> Result<Option<Authenticated>, Refusal> {
        let (client, presented) = match trail.route.as_ref().and_then(|route| route.answer()) {
            Some(OwnAnswer::Tokens) => {
                let asked: Exchange = read(request, body).await?;
                let Exchange { client_id: id, client_secret } = asked;
                let client = ClientSecret { id, secret: Secret::new(client_secret) };
                let client = self.proved(trail, (request.host(), &client)).await?;
                (client.clone(), Presented::Client(client))
            }
            Some(OwnAnswer::Refresh) => {
                let asked: Refresh = read(request, body).await?;
                let token = Secret::new(asked.refresh_token);
                let holder =
                    self.parts.issuing.tokens.holder(token.expose(), trail.arrival.at).await;
                // Here the refresh token is the credential.
                let client = holder.map_err(silent)?.ok_or(Refusal::CredentialInvalid)?;
                (client, Presented::Refresh(token))
            }
            Some(OwnAnswer::Credential { .. }) | None => return Ok(None),
        };
        trail.presented = Some(presented);
        Ok(Some(Authenticated::of_client(&client)))
    }

    /// What the gateway answers on a route of its own; the policies allowed it.
    pub(in crate::pipeline) async fn own_answer(
        &self,
        trail: &Trail<'_>,
        request: &CanonicalRequest,
        (own, asker, partition): (&OwnAnswer, &Asker, &Partition),
    ) -> Result<Answer, Refusal> {
        match (own, &trail.presented) {
            (OwnAnswer::Tokens, Some(Presented::Client(client))) => {
                Ok(answers::json(&self.give(trail, client, (None, true)).await?))
            }
            (OwnAnswer::Refresh, Some(Presented::Refresh(token))) => {
                let wish = (token.expose().as_str(), None);
                match self.renew(trail, request.host(), wish, None).await {
                    Ok(issued) => Ok(answers::json(&issued)),
                    Err(Refusal::Tokens(TokenRefusal::Grant)) => Err(Refusal::CredentialInvalid),
                    Err(refusal) => Err(refusal),
                }
            }
            (OwnAnswer::Credential { ids }, _) => credential(trail, ids, (asker, partition)),
            // A reload made another thing of the route while the body was read.
            _ => Err(Refusal::Unavailable(Dependency::DecisionPoint)),
        }
    }
}

async fn read<T: DeserializeOwned>(
    request: &CanonicalRequest,
    body: &mut dyn BodySource,
) -> Result<T, Refusal> {
    let bad = Refusal::Malformed(Malformed::Body);
    let media_type = request.headers().get(http::header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !request.has_body() || !essence.eq_ignore_ascii_case("application/json") {
        return Err(bad);
    }
    let read: Bytes = body.read(BODY_BYTES_MAX).await?;
    serde_json::from_slice(&read).map_err(|_| bad)
}
