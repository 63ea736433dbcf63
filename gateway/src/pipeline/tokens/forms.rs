//! Reads what OAuth clients post: one form, one way to prove who they are (RFC 6749 §2.3, §3.2).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::super::outcome::BodySource;
use super::super::parameters::Parameters;
use super::ClientSecret;
use crate::model::{Malformed, Refusal, Secret, TokenRefusal};
use crate::routing::CanonicalRequest;

/// A form with one token, generously.
const BODY_BYTES_MAX: usize = 16 * 1024;

const BAD: Refusal = Refusal::Tokens(TokenRefusal::Request);

/// The parameters a client posted.
///
/// # Errors
/// `invalid_request` for another method, a query, another media type, or a parameter that comes twice.
pub(super) async fn parameters(
    request: &CanonicalRequest,
    body: &mut dyn BodySource,
) -> Result<Parameters, Refusal> {
    if request.method() != http::Method::POST {
        return Err(Refusal::MethodNotAllowed { allow: String::from("POST") });
    }
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    // Parameters in the query end up in logs (RFC 6749 §2.3.1).
    if !is_form || !request.has_body() || request.query().is_some_and(|query| !query.is_empty()) {
        return Err(BAD);
    }
    let read = body.read(BODY_BYTES_MAX).await?;
    Parameters::parse(&read).map_err(|_| BAD)
}

/// What a client proves itself with: by `Authorization: Basic`, or by `client_id` and `client_secret` in the form.
///
/// # Errors
/// `invalid_client` where there is nothing, `invalid_request` where there is more than one.
pub(super) fn client(
    request: &CanonicalRequest,
    form: &Parameters,
) -> Result<ClientSecret, Refusal> {
    let nobody = Refusal::Tokens(TokenRefusal::Client);
    let mut lines = request.headers().get_all(AUTHORIZATION).iter();
    let (line, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(Refusal::Malformed(Malformed::Repeated));
    }
    let (id, secret) = (form.value("client_id"), form.value("client_secret"));
    let Some(line) = line else {
        let (id, secret) = id.zip(secret).ok_or(nobody)?;
        return Ok(ClientSecret { id: id.to_owned(), secret: Secret::new(secret.to_owned()) });
    };
    let client = line.to_str().ok().and_then(basic).ok_or(nobody)?;
    // RFC 6749 §2.3: MUST NOT use more than one method. The id alone proves nothing.
    if secret.is_some() || id.is_some_and(|id| id != client.id) {
        return Err(BAD);
    }
    Ok(client)
}

/// RFC 7617 §2, with both halves encoded like a form (RFC 6749 §2.3.1).
fn basic(line: &str) -> Option<ClientSecret> {
    let (scheme, value) = line.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = Secret::new(STANDARD.decode(value.trim()).ok()?);
    let text = std::str::from_utf8(decoded.expose()).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(ClientSecret { id: half(id), secret: Secret::new(half(secret)) })
}

fn half(text: &str) -> String {
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// A client has no more to ask for; they are kept with its tokens.
const SCOPES_MAX: usize = 64;

/// The scopes of a `scope` parameter (RFC 6749 §3.3), each once.
///
/// # Errors
/// `invalid_scope` for none, and for too many.
pub(super) fn scopes(form: &Parameters) -> Result<Option<Vec<String>>, Refusal> {
    let Some(text) = form.value("scope") else { return Ok(None) };
    let scopes: BTreeSet<&str> = text.split(' ').filter(|scope| !scope.is_empty()).collect();
    if scopes.is_empty() || scopes.len() > SCOPES_MAX {
        return Err(Refusal::Tokens(TokenRefusal::Scope));
    }
    Ok(Some(scopes.into_iter().map(str::to_owned).collect()))
}

/// A parameter that must be there.
///
/// # Errors
/// `invalid_request`.
pub(super) fn required<'f>(form: &'f Parameters, name: &str) -> Result<&'f str, Refusal> {
    form.value(name).ok_or(BAD)
}
