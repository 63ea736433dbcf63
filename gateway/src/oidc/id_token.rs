//! Which ID tokens are believed (OpenID Connect Core 1.0 §3.1.3.7, RFC 8725).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, ClientSecret, IssuerUrl,
    Nonce, SignatureVerificationError,
};
use serde_json::Value;

use crate::authn::Identity;
use crate::model::{Connection, Secret, UnixNanos};

use super::document;

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdTokenError {
    /// It names a key that is not known: asking for the keys again may help.
    #[error("it is signed with an unknown key")]
    UnknownKey,
    /// It breaks a rule.
    #[error("{0}")]
    Refused(String),
}

/// What a token is held against.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// The connection it must come from.
    pub connection: &'a Connection,
    /// Its provider's keys.
    pub keys: &'a CoreJsonWebKeySet,
    /// The nonce of the login.
    pub nonce: &'a Secret<String>,
    /// The access token that came with it.
    pub access_token: &'a AccessToken,
    /// The time.
    pub now: UnixNanos,
}

/// Allowed difference between our clock and the provider's, both ways (DI-14).
const SKEW: Duration = Duration::from_mins(1);
/// A token must be fresh: it was made for this login (OC-11).
const AGE_MAX: Duration = Duration::from_mins(10);
/// Largest token read; real ones with many groups stay below 8 KB.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Core §2: `sub` MUST NOT exceed 255 ASCII characters.
const SUBJECT_BYTES_MAX: usize = 255;
/// `kid` is a name to look up, never a document (RFC 8725 §3.10).
const KEY_NAME_BYTES_MAX: usize = 128;

/// Verifies a token and reads who it speaks of.
pub(super) fn verify(
    token: &CoreIdToken,
    expected: &Expected<'_>,
) -> Result<Identity, IdTokenError> {
    let text = Secret::new(token.to_string());
    let claims = strict_claims(text.expose(), expected)?;
    let verifier = verifier(expected)?;
    let nonce = Nonce::new(expected.nonce.expose().clone());
    let believed = token.claims(&verifier, &nonce).map_err(|error| sort(&error))?;
    if let Some(hash) = believed.access_token_hash() {
        check_hash(token, &verifier, hash, expected.access_token)?;
    }
    let subject = believed.subject().to_string();
    // Core §2: never empty, at most 255 ASCII characters, compared as bytes.
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || !subject.is_ascii() {
        return Err(refused("`sub` is empty, too long or not ASCII"));
    }
    let string = |name: &str| claims.get(name).and_then(Value::as_str).map(bounded);
    let amr = claims.get("amr").and_then(Value::as_array);
    Ok(Identity {
        issuer: expected.connection.issuer.clone(),
        subject,
        sid: string("sid"),
        name: string("name"),
        email: string("email"),
        auth_time: claims.get("auth_time").and_then(Value::as_u64),
        acr: string("acr"),
        amr: amr.into_iter().flatten().filter_map(Value::as_str).map(bounded).take(16).collect(),
        id_token: text,
    })
}

/// Reads the token once more, strictly, for what the client library does not look at. Nothing of it is
/// believed before the signature is verified.
fn strict_claims(text: &str, expected: &Expected<'_>) -> Result<Value, IdTokenError> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(refused("it is too large"));
    }
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, _signature] = parts.as_slice() else {
        return Err(refused("it has not three parts"));
    };
    check_header(&decode(header)?)?;
    let claims = decode(payload)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.connection.issuer.as_str()) {
        return Err(refused("`iss` is not the connection's issuer"));
    }
    // Core §3.1.3.7 point 5: if present, it must be our client id.
    if claims.get("azp").is_some() && text("azp") != Some(expected.connection.client_id.as_str()) {
        return Err(refused("`azp` is another client"));
    }
    check_times(&claims, expected.now)?;
    Ok(claims)
}

fn check_header(header: &Value) -> Result<(), IdTokenError> {
    // Keys come from the connection's key set only (RFC 8725 §3.10, DI-10).
    let foreign = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"];
    if foreign.iter().any(|name| header.get(name).is_some()) {
        return Err(refused("its header brings keys or extensions of its own"));
    }
    match header.get("kid") {
        None => Ok(()),
        Some(Value::String(kid)) if kid.len() <= KEY_NAME_BYTES_MAX => Ok(()),
        Some(_) => Err(refused("`kid` is no short text")),
    }
}

/// `exp` and `iat` must be whole, positive numbers; a text there has been skipped by libraries before
/// (CVE-2026-25537). Their bounds are the verifier's; `nbf` it does not know.
fn check_times(claims: &Value, now: UnixNanos) -> Result<(), IdTokenError> {
    let number = |name: &str| claims.get(name).and_then(Value::as_u64);
    if number("exp").is_none() || number("iat").is_none() {
        return Err(refused("`exp` or `iat` is missing or no whole number"));
    }
    let latest = now.plus(SKEW).seconds();
    if claims.get("nbf").is_some() && number("nbf").is_none_or(|from| from > latest) {
        return Err(refused("`nbf` lies ahead or is no whole number"));
    }
    Ok(())
}

fn verifier<'a>(expected: &Expected<'a>) -> Result<CoreIdTokenVerifier<'a>, IdTokenError> {
    let connection = expected.connection;
    let issuer = IssuerUrl::new(connection.issuer.clone())
        .map_err(|_| refused("the connection's issuer is no URL"))?;
    let now = moment(expected.now)?;
    let skew = chrono::TimeDelta::seconds(60);
    let oldest = chrono::TimeDelta::seconds(60 + i64::try_from(AGE_MAX.as_secs()).unwrap_or(0));
    Ok(CoreIdTokenVerifier::new_confidential_client(
        ClientId::new(connection.client_id.clone()),
        ClientSecret::new(connection.client_secret.expose().clone()),
        issuer,
        expected.keys.clone(),
    )
    // Never `none`, never HS*: the metadata's own list does not count (RFC 8725 §3.1).
    .set_allowed_algs([
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        CoreJwsSigningAlgorithm::EdDsa,
    ])
    .set_other_audience_verifier_fn(|_| false)
    .set_time_fn(move || now - skew)
    .set_issue_time_verifier_fn(move |issued| {
        if issued > now + skew || issued < now - oldest {
            return Err(String::from("`iat` is not of this login"));
        }
        Ok(())
    }))
}

fn moment(now: UnixNanos) -> Result<DateTime<Utc>, IdTokenError> {
    let seconds = i64::try_from(now.seconds()).ok();
    seconds
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .ok_or_else(|| refused("the clock is out of range"))
}

/// Core §3.1.3.8: an access token that came along must be the one the token speaks of.
fn check_hash(
    token: &CoreIdToken,
    verifier: &CoreIdTokenVerifier<'_>,
    hash: &AccessTokenHash,
    access_token: &AccessToken,
) -> Result<(), IdTokenError> {
    let made = token
        .signing_alg()
        .and_then(|algorithm| Ok((algorithm, token.signing_key(verifier)?)))
        .ok()
        .and_then(|(algorithm, key)| {
            AccessTokenHash::from_token(access_token, algorithm, key).ok()
        });
    if made.as_ref() == Some(hash) { Ok(()) } else { Err(refused("`at_hash` does not fit")) }
}

fn sort(error: &ClaimsVerificationError) -> IdTokenError {
    match error {
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        ) => IdTokenError::UnknownKey,
        other => IdTokenError::Refused(other.to_string()),
    }
}

fn decode(part: &str) -> Result<Value, IdTokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| refused("it is not base64url"))?;
    document::parse(&bytes).map_err(|error| IdTokenError::Refused(error.to_string()))
}

fn bounded(text: &str) -> String {
    text.chars().take(SUBJECT_BYTES_MAX).collect()
}

fn refused(reason: &str) -> IdTokenError {
    IdTokenError::Refused(reason.to_owned())
}
