//! The code flow from the provider's side.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::signing::{hmac, lay_over, message, random_text};
use super::{Grant, Shared};

/// What the authorization endpoint does.
pub(super) enum Authorized {
    /// Sends the browser back.
    Back(String),
    /// Asks who signs in.
    Page(String),
    /// Shows an error: the request cannot be trusted enough to send anybody anywhere.
    Refused(&'static str),
}

/// The authorization endpoint.
pub(super) fn authorize(shared: &Shared, query: &HashMap<String, String>) -> Authorized {
    let value = |name: &str| query.get(name).map(String::as_str);
    let Some(client) = value("client_id").and_then(|id| shared.client(id)) else {
        return Authorized::Refused("unknown client");
    };
    let redirect_uri = value("redirect_uri").unwrap_or_default();
    let registered = client.redirect_uris.iter().any(|uri| uri == redirect_uri);
    if !registered && !client.redirect_uris.is_empty() {
        return Authorized::Refused("redirect_uri is not registered");
    }
    let Ok(mut back) = url::Url::parse(redirect_uri) else {
        return Authorized::Refused("redirect_uri is no URL");
    };
    let challenge = value("code_challenge").unwrap_or_default();
    if value("response_type") != Some("code") || value("code_challenge_method") != Some("S256") {
        return Authorized::Refused("only the code flow with PKCE S256");
    }
    let Some(user) = value("login_hint").and_then(|subject| shared.user(subject)) else {
        return Authorized::Page(people(shared, query));
    };
    let Ok(code) = random_text() else {
        return Authorized::Refused("no randomness");
    };
    let mut state = shared.state();
    state.grants.insert(
        code.clone(),
        Grant {
            client: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            subject: user.subject.clone(),
            nonce: query.get("nonce").cloned(),
            challenge: challenge.to_owned(),
        },
    );
    let issuer = state.behaviour.response_issuer.clone().unwrap_or_else(|| shared.issuer.clone());
    back.query_pairs_mut().append_pair("code", &code);
    if let Some(login_state) = value("state") {
        back.query_pairs_mut().append_pair("state", login_state);
    }
    if !issuer.is_empty() {
        back.query_pairs_mut().append_pair("iss", &issuer);
    }
    Authorized::Back(back.into())
}

/// The page that lists who can sign in.
fn people(shared: &Shared, query: &HashMap<String, String>) -> String {
    let mut list = String::new();
    for user in &shared.users {
        let mut link = form_urlencoded::Serializer::new(String::new());
        link.extend_pairs(query.iter().filter(|(name, _)| *name != "login_hint"));
        link.append_pair("login_hint", &user.subject);
        // Writing to a string cannot fail.
        let _ = write!(
            list,
            r#"<li><a id="{}" href="/authorize?{}">{} <small>{}</small></a></li>"#,
            escape(&user.subject),
            escape(&link.finish()),
            escape(&user.name),
            escape(&user.email),
        );
    }
    format!("{PAGE_HEAD}<h1>Who signs in?</h1><ul>{list}</ul></main>")
}

/// The token endpoint: a code against tokens.
pub(super) fn redeem(
    shared: &Shared,
    authorization: Option<&str>,
    form: &HashMap<String, String>,
) -> Result<Value, &'static str> {
    let value = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let client = basic_client(authorization).ok_or("invalid_client")?;
    let known = shared.client(&client.0).is_some_and(|known| known.secret == client.1);
    if !known {
        return Err("invalid_client");
    }
    // A code works once, whatever comes of it.
    let grant = shared.state().grants.remove(value("code")).ok_or("invalid_grant")?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(value("code_verifier")));
    let fits = grant.client == client.0
        && grant.redirect_uri == value("redirect_uri")
        && grant.challenge == challenge
        && value("grant_type") == "authorization_code";
    if !fits {
        return Err("invalid_grant");
    }
    tokens(shared, &grant).map_err(|_| "server_error")
}

fn tokens(shared: &Shared, grant: &Grant) -> anyhow::Result<Value> {
    let access_token = random_text()?;
    let user = shared.user(&grant.subject);
    let now = unix_seconds();
    let hash = Sha256::digest(&access_token);
    let half = hash.get(..16).unwrap_or_default();
    let claims = json!({
        "iss": shared.issuer,
        "sub": grant.subject,
        "aud": grant.client,
        "exp": now + 300,
        "iat": now,
        "auth_time": now,
        "nonce": grant.nonce,
        "name": user.map(|user| user.name.as_str()),
        "email": user.map(|user| user.email.as_str()),
        "sid": random_text()?,
        "amr": ["pwd"],
        "at_hash": URL_SAFE_NO_PAD.encode(half),
    });
    let id_token = id_token(shared, claims)?;
    let mut state = shared.state();
    state.access_tokens.insert(access_token.clone(), grant.subject.clone());
    let answer = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": id_token,
    });
    let mut answer = into_map(answer);
    lay_over(&mut answer, &state.behaviour.token_response);
    Ok(Value::Object(answer))
}

fn id_token(shared: &Shared, claims: Value) -> anyhow::Result<String> {
    let state = shared.state();
    let behaviour = &state.behaviour;
    let key = state.keys.last().ok_or_else(|| anyhow::anyhow!("the provider has no key"))?;
    let header = json!({ "alg": key.algorithm_name(), "kid": key.name() });
    let mut header = into_map(header);
    lay_over(&mut header, &behaviour.header);
    let mut claims = into_map(claims);
    claims.retain(|_, value| !value.is_null());
    lay_over(&mut claims, &behaviour.claims);
    let message = message(&header, &claims);
    let unsigned = header.get("alg").and_then(Value::as_str);
    let mut signature = match &behaviour.hmac_key {
        Some(secret) => hmac(secret, message.as_bytes()),
        None if unsigned.is_some_and(|name| name.eq_ignore_ascii_case("none")) => Vec::new(),
        None => key.sign(message.as_bytes())?,
    };
    if behaviour.bad_signature
        && let Some(last) = signature.last_mut()
    {
        *last ^= 1;
    }
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The metadata.
pub(super) fn metadata(shared: &Shared) -> Value {
    let issuer = &shared.issuer;
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "end_session_endpoint": format!("{issuer}/end-session"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["openid", "profile", "email"],
    });
    let mut metadata = into_map(metadata);
    lay_over(&mut metadata, &shared.state().behaviour.metadata);
    Value::Object(metadata)
}

/// The key set.
pub(super) fn key_set(shared: &Shared) -> anyhow::Result<Value> {
    let state = shared.state();
    let keys: Vec<Value> =
        state.keys.iter().map(super::SigningKey::jwk).collect::<Result<_, _>>()?;
    Ok(json!({ "keys": keys }))
}

/// What is known of the person an access token was given for.
pub(super) fn person(shared: &Shared, token: &str) -> Option<Value> {
    let subject = shared.state().access_tokens.get(token).cloned()?;
    let user = shared.user(&subject)?;
    Some(json!({ "sub": subject, "name": user.name, "email": user.email }))
}

/// Where sign-out leads; `None` shows a page.
pub(super) fn end_session(query: &HashMap<String, String>) -> Option<String> {
    let mut back = url::Url::parse(query.get("post_logout_redirect_uri")?).ok()?;
    if let Some(state) = query.get("state") {
        back.query_pairs_mut().append_pair("state", state);
    }
    Some(back.into())
}

/// RFC 6749 §2.3.1: id and secret, each form-urlencoded, then Basic.
fn basic_client(authorization: Option<&str>) -> Option<(String, String)> {
    let encoded = authorization?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id)?, decode(secret)?))
}

fn decode(text: &str) -> Option<String> {
    let pair = format!("v={text}");
    let (_, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
    Some(value.into_owned())
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[expect(clippy::disallowed_methods, reason = "the provider is a program of its own with a clock")]
fn unix_seconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// The head of the provider's pages; deliberately unlike the gateway's, so nobody mistakes one for the other.
pub(super) const PAGE_HEAD: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Demo identity provider</title>
<style>
:root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;font:1rem/1.5 system-ui,sans-serif;background:light-dark(#eef1ec,#141814)}
main{width:min(24rem,100% - 2rem);padding:2rem;border-radius:1rem;background:light-dark(#fff,#1d231d)}
h1{font-size:1.375rem;margin:.25rem 0 1rem}ul{list-style:none;margin:0;padding:0}
li a{display:block;margin-top:.75rem;padding:.75rem 1rem;border:1px solid light-dark(#c9d3c5,#3a463a);border-radius:.625rem;color:inherit;text-decoration:none;font-weight:600}
li a:hover,li a:focus-visible{border-color:#3c7d3c}small{display:block;font-weight:400;opacity:.75}
</style><main><p>Demo identity provider</p>"#;
