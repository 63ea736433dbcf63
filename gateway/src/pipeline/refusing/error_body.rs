//! The body of a refusal in each style. What may be told is the same in all (PD-02).

use http::StatusCode;
use serde::Serialize;

use super::table::{problem, problem_body};
use crate::model::{DecisionId, ErrorStyle, Refusal, TokenRefusal};

/// The media type and the body.
pub(super) fn error_body(
    refusal: &Refusal,
    decision: DecisionId,
    style: ErrorStyle,
) -> (&'static str, String) {
    match style {
        ErrorStyle::Problem => ("application/problem+json", problem_body(refusal, decision)),
        ErrorStyle::StatusMessageCode => ("application/json", status_message_code(refusal)),
        ErrorStyle::OAuth => ("application/json", oauth(refusal)),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusMessageCode<'a> {
    status: String,
    message: &'a str,
    error_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    readable_message: Option<&'a str>,
}

/// It names no occurrence, so that two refusals of one kind are the same bytes; the record's id is in
/// `Hubgate-Request-Id`.
fn status_message_code(refusal: &Refusal) -> String {
    let problem = problem(refusal);
    let (status, mut error_code) = words(problem.status);
    if *refusal == Refusal::Tokens(TokenRefusal::Client) {
        error_code = String::from("CONSUMER_NOT_FOUND");
    }
    let readable_message = match refusal {
        Refusal::Denied { reason, hidden: false } | Refusal::ScopeMissing { reason, .. } => {
            reason.as_deref()
        }
        _ => None,
    };
    let body = StatusMessageCode { status, message: problem.title, error_code, readable_message };
    // A struct of strings always serialises; an empty object would still be a refusal.
    serde_json::to_string(&body).unwrap_or_else(|_| String::from("{}"))
}

#[derive(Serialize)]
struct OAuthError<'a> {
    error: &'a str,
    error_description: String,
}

/// RFC 6749 §5.2, and for what it has no word RFC 6750 §3.1 and the words of its §4.1.2.1.
fn oauth(refusal: &Refusal) -> String {
    let problem = problem(refusal);
    let error = match (refusal, problem.status) {
        (Refusal::Tokens(refusal), _) => refusal.code(),
        (Refusal::CredentialMissing | Refusal::CredentialInvalid, _) => "invalid_token",
        (Refusal::ScopeMissing { .. }, _) => "insufficient_scope",
        (_, StatusCode::FORBIDDEN) => "access_denied",
        (_, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            "temporarily_unavailable"
        }
        _ => TokenRefusal::Request.code(),
    };
    let description = format!("{}: {}", problem.title, problem.detail);
    // RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E.
    let allowed = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let error_description = description.chars().filter(allowed).collect();
    let body = OAuthError { error, error_description };
    serde_json::to_string(&body).unwrap_or_else(|_| String::from("{}"))
}

/// `status` and `errorCode` of a status: its reason phrase in capitals, and for three of them the code that
/// clients of such APIs look for.
pub(super) fn words(status: StatusCode) -> (String, String) {
    let phrase = status.canonical_reason().unwrap_or("error");
    let word = phrase.replace([' ', '-'], "_").to_uppercase();
    let code = match status {
        StatusCode::UNAUTHORIZED => "INVALID_ACCESS_TOKEN",
        StatusCode::FORBIDDEN => "ACCESS_FORBIDDEN",
        StatusCode::NOT_FOUND => "RESOURCE_NOT_FOUND",
        _ => &word,
    };
    let code = code.to_owned();
    (word, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixNanos;

    fn body(refusal: &Refusal, moment: u64) -> String {
        let decision = DecisionId::from_parts(UnixNanos::from_seconds(moment), [0; 10]);
        let (media_type, body) = error_body(refusal, decision, ErrorStyle::StatusMessageCode);
        assert_eq!(media_type, "application/json");
        body
    }

    #[test]
    fn status_message_and_code_are_told() {
        for (refusal, expected) in [
            (
                Refusal::CredentialMissing,
                r#"{"status":"UNAUTHORIZED","message":"A credential is needed","errorCode":"INVALID_ACCESS_TOKEN"}"#,
            ),
            (
                Refusal::Denied { reason: Some("It is frozen.".into()), hidden: false },
                r#"{"status":"FORBIDDEN","message":"The policies do not allow this","errorCode":"ACCESS_FORBIDDEN","readableMessage":"It is frozen."}"#,
            ),
            (
                Refusal::MethodNotAllowed { allow: "GET".into() },
                r#"{"status":"METHOD_NOT_ALLOWED","message":"This path does not have that method","errorCode":"METHOD_NOT_ALLOWED"}"#,
            ),
        ] {
            assert_eq!(body(&refusal, 1), expected);
        }
    }

    #[test]
    fn what_is_hidden_and_what_is_not_there_are_the_same_bytes() {
        let hidden = Refusal::Denied { reason: Some("secret".into()), hidden: true };
        let expected =
            r#"{"status":"NOT_FOUND","message":"Not found","errorCode":"RESOURCE_NOT_FOUND"}"#;
        assert_eq!(body(&hidden, 1), expected);
        assert_eq!(body(&Refusal::RouteNotFound, 2), expected);
    }

    #[test]
    fn the_usual_style_is_a_problem() {
        let decision = DecisionId::from_parts(UnixNanos::from_seconds(1), [0; 10]);
        let (media_type, _) = error_body(&Refusal::UnknownHost, decision, ErrorStyle::default());
        assert_eq!(media_type, "application/problem+json");
    }
}
