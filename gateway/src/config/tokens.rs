//! `[tokens]`: the tokens API clients get for their secret.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::section::Section;

/// The tokens API clients get for their id and secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "tokens")]
pub(super) struct TokensFile {
    /// Where the OAuth 2.0 endpoints are, as `https://api.example.com`: `/oauth/token`, `/oauth/revoke`,
    /// `/oauth/introspect` and the two metadata documents below `/.well-known/`. The host must have routes. Without it
    /// there are none; routes with `answer = "tokens"` work all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// How long an access token counts.
    #[schemars(range(min = 1, max = 60))]
    access_minutes: u32,
    /// How long a refresh token counts that is not used.
    #[schemars(range(min = 1, max = 24))]
    refresh_hours: u32,
    /// How long all tokens count that follow from one use of the secret, however often they are refreshed.
    #[schemars(range(min = 1, max = 90))]
    family_days: u32,
}

impl Default for TokensFile {
    fn default() -> Self {
        Self { issuer: None, access_minutes: 60, refresh_hours: 24, family_days: 30 }
    }
}

/// The tokens API clients get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokensSettings {
    /// Who gives them, as OAuth clients know it.
    pub issuer: Option<IssuerSettings>,
    /// How long an access token counts.
    pub access: Duration,
    /// How long a refresh token counts.
    pub refresh: Duration,
    /// How long all that follows from one use of the secret counts.
    pub family: Duration,
}

/// Who gives tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Scheme, host and port, without a slash at the end.
    pub url: String,
    /// The host alone, as requests name it.
    pub host: String,
}

impl TokensFile {
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<TokensSettings> {
        let issuer = match &self.issuer {
            Some(text) => Some(section.keep("issuer", issuer(text))?),
            None => None,
        };
        let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
        Some(TokensSettings {
            issuer,
            access: Duration::from_secs(u64::from(self.access_minutes) * 60),
            refresh: hours(self.refresh_hours),
            family: hours(self.family_days * 24),
        })
    }
}

/// RFC 8414 §2: an https URL without query and fragment. Without a path, too: then its metadata has one place.
fn issuer(text: &str) -> Result<IssuerSettings, String> {
    let bad = |why: &str| Err(format!("`{text}` {why}: write `https://api.example.com`"));
    let Ok(url) = url::Url::parse(text) else { return bad("is no URL") };
    let host = match url.host() {
        Some(url::Host::Domain(host)) => host.to_owned(),
        _ => return bad("names no host"),
    };
    let on_this_machine = host == "localhost" || host.ends_with(".localhost");
    if url.scheme() != "https" && !(url.scheme() == "http" && on_this_machine) {
        return bad("must be https");
    }
    let url = url.origin().ascii_serialization();
    if url != text {
        return bad("must be scheme, host and port alone, in lower case");
    }
    Ok(IssuerSettings { url, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_origin() {
        let read = issuer("https://api.example.com:8443").unwrap();
        assert_eq!((&*read.url, &*read.host), ("https://api.example.com:8443", "api.example.com"));
        assert!(issuer("http://api.localhost:8080").is_ok());
        for text in [
            "api.example.com",
            "http://api.example.com",
            "https://api.example.com/",
            "https://api.example.com/v1",
            "https://API.example.com",
            "https://api.example.com?x",
            "https://user@api.example.com",
            "https://[::1]",
            "https://api.example.com:443",
        ] {
            assert!(issuer(text).is_err(), "{text}");
        }
    }
}
