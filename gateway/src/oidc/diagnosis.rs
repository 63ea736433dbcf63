//! Tries a connection out, step by step, and says which field is wrong: without a person who signs in.

use openidconnect::core::{CoreJwsSigningAlgorithm, CoreResponseType};
use openidconnect::{AuthorizationCode, PkceCodeVerifier, RequestTokenError, ResponseTypes};

use super::exchange;
use super::keys;
use super::metadata::{self, Metadata, MetadataError};
use super::outbound::{Outbound, OutboundError, OutboundSettings};
use super::provider::Known;
use crate::authn::SignInError;
use crate::model::{Connection, UnixNanos};

/// What one step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was tried: `metadata`, `issuer`, `endpoints`, `keys`, `algorithms` or `client`.
    pub name: &'static str,
    /// How it ended.
    pub end: StepEnd,
    /// What was found, for people.
    pub detail: String,
    /// The field of the connection that is wrong, where it is one.
    pub field: Option<&'static str>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// As it should be.
    Passed,
    /// It must be put right before anybody can sign in.
    Failed,
    /// The provider does not say; a sign-in will.
    Unknown,
}

/// A code no provider gave. Whether the client is known is told by how it is refused.
const NO_CODE: &str = "hubgate-connection-test";

/// 43 characters, as RFC 7636 §4.1 asks for; it proves nothing.
const NO_VERIFIER: &str = "hubgate-connection-test-hubgate-connection-test";

/// Tries `connection` out with fresh answers of its provider. It stops at the first failure.
pub(super) async fn diagnose(
    settings: &OutboundSettings,
    connection: &Connection,
    (redirect_uri, now): (&str, UnixNanos),
) -> Vec<Step> {
    let mut steps = Steps(Vec::new());
    // What fails is in the steps; how far it came is nothing to anybody.
    let _ = steps.walk(settings, connection, (redirect_uri, now)).await;
    steps.0
}

struct Steps(Vec<Step>);

/// A step failed; what follows would mean nothing.
struct Stopped;

impl Steps {
    fn passed(&mut self, name: &'static str, detail: impl Into<String>) {
        let (end, detail) = (StepEnd::Passed, detail.into());
        self.0.push(Step { name, end, detail, field: None });
    }

    fn failed(
        &mut self,
        (name, field): (&'static str, Option<&'static str>),
        detail: impl Into<String>,
    ) -> Stopped {
        self.0.push(Step { name, end: StepEnd::Failed, detail: detail.into(), field });
        Stopped
    }

    async fn walk(
        &mut self,
        settings: &OutboundSettings,
        connection: &Connection,
        (redirect_uri, now): (&str, UnixNanos),
    ) -> Result<(), Stopped> {
        let outbound = Outbound::new(settings.of(connection), connection.ca_pem.as_deref())
            .map_err(|error| self.failed(("metadata", None), error.to_string()))?;
        let metadata = self.metadata(&outbound, connection).await?;
        let keys = outbound.json(&metadata.keys).await;
        let keys =
            keys.map_err(|error| self.failed(("keys", None), unreached("jwks_uri", &error)))?;
        let keys = keys::parse(&keys)
            .map_err(|error| self.failed(("keys", None), format!("`jwks_uri`: {error}")))?;
        self.passed("keys", format!("{} keys can verify ID tokens", keys.keys().len()));
        self.algorithms(&metadata)?;
        let known = Known::tried(metadata, keys, now);
        self.client(&outbound, connection, (&known, redirect_uri)).await
    }

    async fn metadata(
        &mut self,
        outbound: &Outbound,
        connection: &Connection,
    ) -> Result<Metadata, Stopped> {
        let wrong = ("metadata", Some("issuer"));
        let Some(location) = metadata::location(&connection.issuer) else {
            return Err(self.failed(wrong, "an issuer is an `https` address without query"));
        };
        let bytes = outbound.json(&location).await;
        let bytes =
            bytes.map_err(|error| self.failed(wrong, unreached(location.as_str(), &error)))?;
        self.passed("metadata", format!("{location} answers"));
        let metadata =
            Metadata::parse(&bytes, &connection.issuer).map_err(|error| match error {
                MetadataError::Issuer => {
                    let told = said_issuer(&bytes);
                    self.failed(
                        ("issuer", Some("issuer")),
                        format!("the provider calls itself {told}"),
                    )
                }
                error => self.failed(("endpoints", None), format!("the metadata: {error}")),
            })?;
        self.passed("issuer", "the provider calls itself so, letter for letter");
        let code = ResponseTypes::new(vec![CoreResponseType::Code]);
        if !metadata.core.response_types_supported().contains(&code) {
            let detail = "the provider does not offer the authorization code flow";
            return Err(self.failed(("endpoints", None), detail));
        }
        self.passed("endpoints", "all are `https`, and the code flow with PKCE is offered");
        Ok(metadata)
    }

    fn algorithms(&mut self, metadata: &Metadata) -> Result<(), Stopped> {
        let accepted = [
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            CoreJwsSigningAlgorithm::RsaSsaPssSha256,
            CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            CoreJwsSigningAlgorithm::EdDsa,
        ];
        let offered = metadata.core.id_token_signing_alg_values_supported();
        if !offered.iter().any(|offered| accepted.contains(offered)) {
            let detail = "ID tokens must be signed with RS256, PS256, ES256 or EdDSA";
            return Err(self.failed(("algorithms", None), detail));
        }
        self.passed("algorithms", "ID tokens can be signed as the gateway wants them");
        Ok(())
    }

    /// Sends a code that nobody gave: a provider that knows the client says that the code is wrong (RFC 6749 §5.2).
    async fn client(
        &mut self,
        outbound: &Outbound,
        connection: &Connection,
        (known, redirect_uri): (&Known, &str),
    ) -> Result<(), Stopped> {
        let broken = |error: SignInError| error.to_string();
        let client = exchange::client(connection, known, redirect_uri).map_err(broken);
        let client = client.map_err(|error| self.failed(("client", None), error))?;
        let request = client.exchange_code(AuthorizationCode::new(NO_CODE.to_owned()));
        let request = request.map_err(|error| self.failed(("client", None), error.to_string()))?;
        let verifier = PkceCodeVerifier::new(NO_VERIFIER.to_owned());
        let answer = request.set_pkce_verifier(verifier).request_async(outbound).await;
        let (end, field, detail) = match &answer {
            Err(RequestTokenError::ServerResponse(answer)) => told(answer.error().as_ref()),
            Err(RequestTokenError::Request(error)) => {
                (StepEnd::Failed, None, unreached("the token endpoint", error))
            }
            // Tokens for no code at all: whatever this is, it is not a provider.
            Ok(_) => (StepEnd::Failed, None, String::from("the provider gives tokens for no code")),
            Err(_) => (StepEnd::Failed, None, String::from("the answer is no token response")),
        };
        self.0.push(Step { name: "client", end, detail, field });
        if end == StepEnd::Failed { Err(Stopped) } else { Ok(()) }
    }
}

/// What a refusal of the token endpoint tells of the client.
fn told(code: &str) -> (StepEnd, Option<&'static str>, String) {
    match code {
        "invalid_grant" => {
            (StepEnd::Passed, None, String::from("the provider knows the client and its secret"))
        }
        "invalid_client" => {
            let detail = "the provider does not know this client, or its secret is another one";
            (StepEnd::Failed, Some("client_secret"), String::from(detail))
        }
        "unauthorized_client" => {
            let detail = "the provider knows the client, and does not let it use the code flow";
            (StepEnd::Failed, Some("client_id"), String::from(detail))
        }
        other => {
            let code: String = other.chars().filter(char::is_ascii_graphic).take(60).collect();
            let detail = format!("the provider answered `{code}`; a sign-in will tell more");
            (StepEnd::Unknown, None, detail)
        }
    }
}

/// What the metadata says of its issuer, cut and quoted: it is a stranger's word.
fn said_issuer(bytes: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let said = value.get("issuer").and_then(serde_json::Value::as_str).unwrap_or_default();
    let said: String = said.chars().filter(char::is_ascii_graphic).take(200).collect();
    format!("`{said}`")
}

fn unreached(what: &str, error: &OutboundError) -> String {
    match error {
        OutboundError::Status(404) => format!("{what}: there is nothing at this address (404)"),
        error => format!("{what}: {error}"),
    }
}
