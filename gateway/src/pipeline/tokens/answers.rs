//! Tokens as answers tell them.

use serde::Serialize;

use super::super::answer::Answer;
use crate::authn::Issued;
use crate::model::UnixNanos;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    access_token: &'a str,
    access_token_expiration_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_expiration_date: Option<String>,
}

/// As the Partner API has them.
pub(super) fn json(issued: &Issued) -> Answer {
    let pair = &issued.pair;
    let refresh = pair.refresh.as_ref();
    answer(&Json {
        access_token: pair.access.expose(),
        access_token_expiration_date: time(pair.access_until),
        refresh_token: refresh.map(|(token, _)| token.expose().as_str()),
        refresh_token_expiration_date: refresh.map(|(_, until)| time(*until)),
    })
}

#[derive(Serialize)]
struct OAuth<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

/// RFC 6749 §5.1.
pub(super) fn oauth(issued: &Issued, now: UnixNanos) -> Answer {
    let pair = &issued.pair;
    answer(&OAuth {
        access_token: pair.access.expose(),
        token_type: "Bearer",
        expires_in: pair.access_until.since(now).as_secs(),
        refresh_token: pair.refresh.as_ref().map(|(token, _)| token.expose().as_str()),
        scope: pair.scopes.as_deref().unwrap_or(&issued.client.scopes).join(" "),
    })
}

fn answer(told: &impl Serialize) -> Answer {
    // A struct of strings and numbers always serialises.
    Answer::Tokens { body: serde_json::to_string(told).unwrap_or_default() }
}

/// RFC 3339, whole seconds, never later than it is.
pub(super) fn time(moment: UnixNanos) -> String {
    let seconds = i64::try_from(moment.seconds()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}
