//! A provider's metadata, as far as it is believed (OpenID Connect Discovery 1.0).

use openidconnect::core::CoreProviderMetadata;
use serde_json::Value;
use url::Url;

use super::document;

/// Checked metadata.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    /// What the OpenID client reads.
    pub core: CoreProviderMetadata,
    /// Where its keys are.
    pub keys: Url,
    /// Where one signs out.
    pub end_session: Option<Url>,
    /// Whether authorization responses carry `iss` (RFC 9207 §3).
    pub sends_issuer: bool,
}

/// Why metadata is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    /// No JSON, or not of the right shape.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Another issuer's.
    #[error("its `issuer` is not the connection's")]
    Issuer,
    /// An endpoint that nobody may be sent to.
    #[error("`{0}` is missing or not plain https")]
    Endpoint(&'static str),
    /// No PKCE with SHA-256.
    #[error("`code_challenge_methods_supported` lacks S256")]
    Challenge,
}

/// Where the metadata of an issuer is: the issuer without a last `/`, and the well-known path
/// (Discovery 1.0 §4). `None` when the issuer is not https, or has a query or fragment (§3).
pub(super) fn location(issuer: &str) -> Option<Url> {
    let url = plain_https(issuer)?;
    if url.query().is_some() {
        return None;
    }
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()
}

impl Metadata {
    /// Reads metadata that was fetched for `issuer`.
    pub(super) fn parse(bytes: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        let value = document::parse(bytes).map_err(|e| MetadataError::Unreadable(e.to_string()))?;
        // Discovery 1.0 §4.3: MUST be identical to the issuer the location was made from.
        if text(&value, "issuer") != Some(issuer) {
            return Err(MetadataError::Issuer);
        }
        endpoint(&value, "authorization_endpoint")?;
        endpoint(&value, "token_endpoint")?;
        let keys = endpoint(&value, "jwks_uri")?;
        let end_session = match value.get("end_session_endpoint") {
            None => None,
            Some(_) => Some(endpoint(&value, "end_session_endpoint")?),
        };
        // Where it is not said at all, PKCE is sent all the same (RFC 9700 §2.1.1).
        let methods = value.get("code_challenge_methods_supported").and_then(Value::as_array);
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(MetadataError::Challenge);
        }
        let said = value.get("authorization_response_iss_parameter_supported");
        let sends_issuer = said.and_then(Value::as_bool).unwrap_or(false);
        let core = serde_json::from_value(value)
            .map_err(|error| MetadataError::Unreadable(error.to_string()))?;
        Ok(Self { core, keys, end_session, sends_issuer })
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn endpoint(value: &Value, name: &'static str) -> Result<Url, MetadataError> {
    text(value, name).and_then(plain_https).ok_or(MetadataError::Endpoint(name))
}

/// An https URL without user, password and fragment, in visible ASCII.
fn plain_https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://idp.example/tenant";

    fn metadata() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example/auth",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://idp.example/jwks",
            "end_session_endpoint": "https://idp.example/end",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    fn with(name: &str, value: Value) -> Result<Metadata, MetadataError> {
        let mut metadata = metadata();
        metadata[name] = value;
        Metadata::parse(metadata.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn reads_metadata_of_the_issuer() {
        let read = Metadata::parse(metadata().to_string().as_bytes(), ISSUER).unwrap();
        assert!(read.sends_issuer);
        assert_eq!(read.end_session.unwrap().as_str(), "https://idp.example/end");
    }

    #[test]
    fn refuses_another_issuer_byte_for_byte() {
        for issuer in
            ["https://idp.example/tenant/", "https://IDP.example/tenant", "https://idp.example"]
        {
            assert!(
                matches!(with("issuer", json!(issuer)), Err(MetadataError::Issuer)),
                "{issuer}"
            );
        }
    }

    #[test]
    fn refuses_endpoints_nobody_may_be_sent_to() {
        let urls = [
            "http://idp.example/x",
            "javascript:alert(1)",
            "https://u:p@idp.example/",
            "https://idp.example/#f",
            "/x",
            "",
            "https://idp.example/a b",
        ];
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"]
        {
            for url in urls {
                assert!(
                    matches!(with(name, json!(url)), Err(MetadataError::Endpoint(_))),
                    "{name} {url}"
                );
            }
        }
    }

    #[test]
    fn refuses_plain_pkce_only() {
        let only_plain = with("code_challenge_methods_supported", json!(["plain"]));
        assert!(matches!(only_plain, Err(MetadataError::Challenge)));
    }

    #[test]
    fn the_location_follows_the_issuer() {
        let cases = [
            ("https://idp.example", Some("https://idp.example/.well-known/openid-configuration")),
            (
                "https://idp.example/t/",
                Some("https://idp.example/t/.well-known/openid-configuration"),
            ),
            ("http://idp.example", None),
            ("https://idp.example?x=1", None),
            ("https://idp.example#x", None),
            ("idp.example", None),
        ];
        for (issuer, expected) in cases {
            assert_eq!(location(issuer).map(String::from).as_deref(), expected, "{issuer}");
        }
    }
}
