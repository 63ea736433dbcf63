//! The one table: refusal to status, problem type and headers (RFC 9457). `docs/reference/refusals.md` is
//! generated from it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::super::wording::Wording;
use super::limits::{ToldLimit, limit_fields};
use crate::model::{DecisionId, ErrorStyle, Malformed, Refusal, TokenRefusal};

/// A refusal as HTTP says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The status.
    pub(super) status: StatusCode,
    /// `type`: a URN of ours, or the registered one.
    pub(super) kind: &'static str,
    /// `title`: the same for every occurrence.
    pub(super) title: &'static str,
    /// `detail`: what the reader can do.
    pub(super) detail: &'static str,
}

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// The table.
#[expect(
    clippy::too_many_lines,
    clippy::match_same_arms,
    reason = "one row per refusal: a table, not logic"
)]
pub(super) const fn problem(refusal: &Refusal) -> Problem {
    let (status, kind, title, detail) = match refusal {
        Refusal::Malformed(malformed) => (
            StatusCode::BAD_REQUEST,
            "urn:hubgate:problem:malformed-request",
            "The request is not in canonical form",
            malformed_detail(*malformed),
        ),
        Refusal::TargetTooLong => (
            StatusCode::URI_TOO_LONG,
            "urn:hubgate:problem:target-too-long",
            "The request target is too long",
            "shorten the path and query",
        ),
        Refusal::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "urn:hubgate:problem:head-too-large",
            "The request head is too large",
            "send fewer or shorter header fields; in a browser, clear this site's cookies",
        ),
        Refusal::BodyTooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:hubgate:problem:body-too-large",
            "The request body is too large",
            "send less in one request",
        ),
        Refusal::UnknownHost => (
            StatusCode::MISDIRECTED_REQUEST,
            "urn:hubgate:problem:unknown-host",
            "This host is not served here",
            "check the host name; over TLS it must equal the server name",
        ),
        Refusal::RouteNotFound => (
            StatusCode::NOT_FOUND,
            "urn:hubgate:problem:not-found",
            "Not found",
            "there is nothing at this path",
        ),
        Refusal::MethodNotAllowed { .. } => (
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:hubgate:problem:method-not-allowed",
            "This path does not have that method",
            "the Allow field lists the methods it has",
        ),
        Refusal::SignInNeeded { .. } => (
            StatusCode::SEE_OTHER,
            "urn:hubgate:problem:sign-in-needed",
            "Sign in to continue",
            "follow the Location field",
        ),
        Refusal::CredentialMissing => (
            StatusCode::UNAUTHORIZED,
            "urn:hubgate:problem:credential-missing",
            "A credential is needed",
            "send an API key as `Authorization: Bearer hg_…`, or sign in",
        ),
        Refusal::CredentialInvalid => (
            StatusCode::UNAUTHORIZED,
            "urn:hubgate:problem:credential-invalid",
            "The credential is not valid",
            "it is unknown, expired or revoked; make a new one or sign in again",
        ),
        Refusal::OtherTenant => (
            StatusCode::FORBIDDEN,
            "urn:hubgate:problem:other-organisation",
            "The credential belongs to another organisation",
            "use a credential of the organisation this host serves",
        ),
        Refusal::AddressNotAllowed => (
            StatusCode::FORBIDDEN,
            "urn:hubgate:problem:address-not-allowed",
            "The API key may not be used from this address",
            "use it from one of its networks, or ask who made it to add yours",
        ),
        Refusal::NotMember => (
            StatusCode::FORBIDDEN,
            "urn:hubgate:problem:not-member",
            "You are not a member here",
            "you are signed in; ask an administrator of your organisation to add you as a member",
        ),
        Refusal::TooManyRequests { .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            QUOTA_EXCEEDED,
            "Too many requests",
            "wait as long as Retry-After says",
        ),
        Refusal::Denied { hidden: false, .. } => (
            StatusCode::FORBIDDEN,
            "urn:hubgate:problem:denied",
            "The policies do not allow this",
            "ask an administrator of your organisation, and quote the instance",
        ),
        // What a service hides looks exactly like what is not there (PD-02).
        Refusal::Denied { hidden: true, .. } => (
            StatusCode::NOT_FOUND,
            "urn:hubgate:problem:not-found",
            "Not found",
            "there is nothing at this path",
        ),
        Refusal::ScopeMissing { .. } => (
            StatusCode::FORBIDDEN,
            "urn:hubgate:problem:insufficient-scope",
            "The API client has none of the scopes for this",
            "WWW-Authenticate names the scopes that would do; ask who made the client to add one",
        ),
        Refusal::Tokens(refusal) => tokens(*refusal),
        Refusal::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:hubgate:problem:unavailable",
            "The gateway cannot decide right now",
            "nothing was done; try again after Retry-After",
        ),
        Refusal::SignInFailed { .. } => (
            StatusCode::BAD_REQUEST,
            "urn:hubgate:problem:sign-in-failed",
            "The sign-in could not be completed",
            "start again; if it keeps failing, quote the code to your administrator",
        ),
        Refusal::UpstreamFailed => (
            StatusCode::BAD_GATEWAY,
            "urn:hubgate:problem:upstream-failed",
            "The service behind the gateway did not answer properly",
            "try again; it is not known whether the request was carried out",
        ),
        Refusal::UpstreamTimeout => (
            StatusCode::GATEWAY_TIMEOUT,
            "urn:hubgate:problem:upstream-timeout",
            "The service behind the gateway took too long",
            "try again; it is not known whether the request was carried out",
        ),
    };
    Problem { status, kind, title, detail }
}

type Row = (StatusCode, &'static str, &'static str, &'static str);

/// The rows about tokens.
const fn tokens(refusal: TokenRefusal) -> Row {
    let (status, kind, title, detail) = match refusal {
        TokenRefusal::Request => (
            StatusCode::BAD_REQUEST,
            "urn:hubgate:problem:invalid-request",
            "The request for a token is malformed",
            "a parameter is missing, repeated, misplaced or malformed",
        ),
        TokenRefusal::Client => (
            StatusCode::UNAUTHORIZED,
            "urn:hubgate:problem:invalid-client",
            "The client id or its secret is not valid",
            "check both, and that the client is not disabled, expired or removed",
        ),
        TokenRefusal::Grant => (
            StatusCode::BAD_REQUEST,
            "urn:hubgate:problem:invalid-grant",
            "The refresh token is not valid",
            "it is unknown, expired, used before or taken back; ask for a token with the secret",
        ),
        TokenRefusal::Unauthorized => (
            StatusCode::BAD_REQUEST,
            "urn:hubgate:problem:unauthorized-client",
            "This key is not exchanged for tokens",
            "make an API client for this",
        ),
        TokenRefusal::GrantType => (
            StatusCode::BAD_REQUEST,
            "urn:hubgate:problem:unsupported-grant-type",
            "There is no such way to get a token",
            "use client_credentials or refresh_token",
        ),
        TokenRefusal::Scope => (
            StatusCode::BAD_REQUEST,
            "urn:hubgate:problem:invalid-scope",
            "A scope is asked for that the client does not have",
            "leave the parameter out, or name scopes the client was given",
        ),
    };
    (status, kind, title, detail)
}

const fn malformed_detail(malformed: Malformed) -> &'static str {
    match malformed {
        Malformed::RequestLine => "the request line must be `METHOD /path HTTP/1.1`",
        Malformed::LineEnding => "lines end in CRLF; a lone CR, a lone LF or NUL is refused",
        Malformed::Field => {
            "a header field is outside its grammar, or its name holds an underscore"
        }
        Malformed::TransferEncoding => "Transfer-Encoding must be the one word `chunked`",
        Malformed::ContentLength => "Content-Length must be one plain decimal number",
        Malformed::Framing => "send either Content-Length or Transfer-Encoding, not both",
        Malformed::UnexpectedBody => "this method has no body here",
        Malformed::Expect => "Expect may only be `100-continue`",
        Malformed::Upgrade => "no upgrade is offered here",
        Malformed::Path => {
            "the path must be canonical: no `//`, dot segments, `;`, `\\` or needless percent-escapes"
        }
        Malformed::Query => {
            "the query is outside its grammar, or a key that must be single repeats"
        }
        Malformed::Host => "exactly one plain Host is needed",
        Malformed::ReservedField => "a header field reserved for the gateway was sent",
        Malformed::Repeated => "a header field that must be single came twice",
        Malformed::CredentialPlacement => "send one credential, in the Authorization field only",
        Malformed::Body => "the body does not name the resource where this route expects it",
        Malformed::Parameter => "a parameter is missing, repeated or malformed",
    }
}

/// The header fields that belong to a refusal.
pub(super) fn fields(refusal: &Refusal, wording: &Wording) -> HeaderMap {
    let mut fields = HeaderMap::new();
    match refusal {
        Refusal::CredentialInvalid => {
            challenge(&mut fields, wording, &[("error", "invalid_token")]);
        }
        Refusal::ScopeMissing { accepted, .. } => {
            let parameters = [("error", "insufficient_scope"), ("scope", accepted)];
            challenge(&mut fields, wording, &parameters);
        }
        // RFC 6749 §5.2: the scheme a client may use there; elsewhere it is in the body.
        Refusal::Tokens(TokenRefusal::Client) if wording.style == ErrorStyle::OAuth => {
            put(&mut fields, header::WWW_AUTHENTICATE, "Basic realm=\"tokens\"");
        }
        // RFC 6750 §3.1: no error code when no credential came.
        Refusal::CredentialMissing | Refusal::Tokens(TokenRefusal::Client) => {
            challenge(&mut fields, wording, &[]);
        }
        Refusal::MethodNotAllowed { allow } => put(&mut fields, header::ALLOW, allow),
        Refusal::SignInNeeded { return_to } => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("return_to", return_to)
                .finish();
            put(&mut fields, header::LOCATION, &format!("/.hubgate/sign-in?{query}"));
        }
        Refusal::TooManyRequests { policy, quota, window, retry_after, fair_use } => {
            let seconds = whole_seconds(*retry_after);
            put(&mut fields, header::RETRY_AFTER, &seconds.to_string());
            let told = ToldLimit {
                policy,
                quota: *quota,
                window: whole_seconds(*window),
                remaining: 0,
                resets_in: seconds,
                fair_use: *fair_use,
            };
            fields.extend(limit_fields(&[told], wording.style, true));
        }
        Refusal::Unavailable(_) => {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    fields
}

/// RFC 6750 §3, RFC 9728 §5.1. The values have no quotes and no backslashes: scopes are none with them.
fn challenge(fields: &mut HeaderMap, wording: &Wording, parameters: &[(&str, &str)]) {
    let metadata = wording.resource_metadata.as_deref().map(|url| ("resource_metadata", url));
    let parameters = parameters.iter().copied().chain(metadata);
    let parameters: Vec<String> =
        parameters.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let value = format!("Bearer {}", parameters.join(", "));
    put(fields, header::WWW_AUTHENTICATE, value.trim_end());
}

fn put(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(name, value);
    }
}

/// RFC 9110 §10.2.3: Retry-After is in whole seconds; rounded up, so it is never too early.
pub(super) fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[derive(serde::Serialize)]
struct ProblemBody<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: String,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    violated_policies: Option<[&'a str; 1]>,
}

/// The code a reader may see: what a service hides reads like what is not there.
pub(super) const fn visible_code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Denied { hidden: true, .. } => Refusal::RouteNotFound.code(),
        _ => refusal.code(),
    }
}

/// The RFC 9457 body. It never says which policy decided, nor whether the resource exists (PD-02);
/// a forbid's own `@reason` is written for the reader and is shown.
pub(super) fn problem_body(refusal: &Refusal, decision: DecisionId) -> String {
    let problem = problem(refusal);
    let reason = match refusal {
        Refusal::Denied { reason, hidden: false } | Refusal::ScopeMissing { reason, .. } => {
            reason.as_deref()
        }
        _ => None,
    };
    let code = visible_code(refusal);
    let violated_policies = match refusal {
        Refusal::TooManyRequests { policy, .. } => Some([&**policy]),
        _ => None,
    };
    let body = ProblemBody {
        r#type: problem.kind,
        title: problem.title,
        status: problem.status.as_u16(),
        detail: problem.detail,
        instance: format!("urn:uuid:{decision}"),
        code,
        reason,
        violated_policies,
    };
    // A struct of strings and numbers always serialises; an empty object would still be a refusal.
    serde_json::to_string(&body).unwrap_or_else(|_| String::from("{}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dependency, UnixNanos};

    fn told(refusal: &Refusal) -> HeaderMap {
        fields(refusal, &Wording::default())
    }

    fn id() -> DecisionId {
        DecisionId::from_parts(UnixNanos::from_seconds(1), [0; 10])
    }

    #[test]
    fn a_hidden_denial_is_the_same_as_no_route() {
        let denied = Refusal::Denied { reason: Some(String::from("secret")), hidden: true };
        assert_eq!(problem_body(&denied, id()), problem_body(&Refusal::RouteNotFound, id()));
        assert_eq!(told(&denied), told(&Refusal::RouteNotFound));
    }

    #[test]
    fn a_missing_credential_has_no_error_code_and_an_invalid_one_has() {
        let challenge = |refusal| told(&refusal).get("www-authenticate").cloned().unwrap();
        assert_eq!(challenge(Refusal::CredentialMissing), "Bearer");
        assert_eq!(challenge(Refusal::CredentialInvalid), "Bearer error=\"invalid_token\"");
    }

    #[test]
    fn a_challenge_names_the_scopes_that_would_do_and_where_the_metadata_are() {
        let url = "https://api.example.com/.well-known/oauth-protected-resource";
        let wording = Wording { resource_metadata: Some(url.into()), ..Wording::default() };
        let challenge = |refusal| fields(&refusal, &wording)["www-authenticate"].clone();
        let accepted = String::from("teams:read teams:write");
        let missing = Refusal::ScopeMissing { accepted, reason: None };
        assert_eq!(
            challenge(missing),
            format!(
                "Bearer error=\"insufficient_scope\", scope=\"teams:read teams:write\", resource_metadata=\"{url}\""
            )
        );
        assert_eq!(
            challenge(Refusal::CredentialMissing),
            format!("Bearer resource_metadata=\"{url}\"")
        );
    }

    #[test]
    fn retry_after_is_never_too_early() {
        let refusal = Refusal::TooManyRequests {
            policy: "credential".into(),
            quota: 10,
            window: Duration::from_mins(1),
            retry_after: Duration::from_millis(1_001),
            fair_use: true,
        };
        let fields = told(&refusal);
        assert_eq!(fields["retry-after"], "2");
        assert_eq!(fields["ratelimit"], "\"credential\";r=0;t=2");
        assert_eq!(fields["ratelimit-policy"], "\"credential\";q=10;w=60");
        assert!(problem_body(&refusal, id()).contains("quota-exceeded"));
    }

    /// One of each, in the order of the enum. A new refusal belongs in here and so into the reference.
    fn all() -> Vec<Refusal> {
        let malformed = [
            Malformed::RequestLine,
            Malformed::LineEnding,
            Malformed::Field,
            Malformed::TransferEncoding,
            Malformed::ContentLength,
            Malformed::Framing,
            Malformed::UnexpectedBody,
            Malformed::Expect,
            Malformed::Upgrade,
            Malformed::Path,
            Malformed::Query,
            Malformed::Host,
            Malformed::ReservedField,
            Malformed::Repeated,
            Malformed::CredentialPlacement,
            Malformed::Body,
            Malformed::Parameter,
        ];
        let dependencies = [
            Dependency::Store,
            Dependency::Journal,
            Dependency::IdentityProvider,
            Dependency::DecisionPoint,
            Dependency::Shutdown,
        ];
        let mut all: Vec<Refusal> = malformed.into_iter().map(Refusal::Malformed).collect();
        all.extend([
            Refusal::TargetTooLong,
            Refusal::HeadTooLarge,
            Refusal::BodyTooLarge,
            Refusal::UnknownHost,
            Refusal::RouteNotFound,
            Refusal::MethodNotAllowed { allow: String::from("GET") },
            Refusal::SignInNeeded { return_to: String::from("/") },
            Refusal::CredentialMissing,
            Refusal::CredentialInvalid,
            Refusal::OtherTenant,
            Refusal::TooManyRequests {
                policy: "credential".into(),
                quota: 1,
                window: Duration::from_secs(1),
                retry_after: Duration::from_secs(1),
                fair_use: false,
            },
            Refusal::Denied { reason: None, hidden: false },
            Refusal::NotMember,
            Refusal::AddressNotAllowed,
            Refusal::ScopeMissing { accepted: String::from("teams:read"), reason: None },
            Refusal::Tokens(TokenRefusal::Request),
            Refusal::Tokens(TokenRefusal::Client),
            Refusal::Tokens(TokenRefusal::Grant),
            Refusal::Tokens(TokenRefusal::Unauthorized),
            Refusal::Tokens(TokenRefusal::GrantType),
            Refusal::Tokens(TokenRefusal::Scope),
        ]);
        all.extend(dependencies.into_iter().map(Refusal::Unavailable));
        all.extend([
            Refusal::SignInFailed { code: "(the step that failed)" },
            Refusal::UpstreamFailed,
            Refusal::UpstreamTimeout,
        ]);
        all
    }

    fn reference() -> String {
        use std::collections::BTreeSet;
        use std::fmt::Write as _;
        let mut text = String::from(
            "# Refusals\n\nWhat the gateway answers when it does not serve a request: an RFC 9457 problem \
             for programs, a page for people.\nThe `code` is in the answer and in the decision log. \
             Generated from the gateway's one table; a test keeps it fresh.\n\n\
             | code | status | title | what to do | fields |\n|---|---|---|---|---|\n",
        );
        for refusal in all() {
            let problem = problem(&refusal);
            let fields: Vec<String> =
                told(&refusal).keys().map(|name| format!("`{name}`")).collect();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} |",
                refusal.code(),
                problem.status.as_u16(),
                problem.title,
                problem.detail,
                fields.join(", ")
            );
        }
        text.push_str(
            "\n## Services with `errors = \"status-message-code\"`\n\nThe same refusals as \
             `{\"status\", \"message\", \"errorCode\"}`: `message` is the title above; a denial has the policy's \
             reason as `readableMessage`.\nTwo refusals of one kind are the same bytes; the record's id is in \
             `Hubgate-Request-Id`.\n\n| HTTP | `status` | `errorCode` |\n|---|---|---|\n",
        );
        let statuses: BTreeSet<StatusCode> = all().iter().map(|it| problem(it).status).collect();
        for status in statuses.into_iter().filter(|status| !status.is_redirection()) {
            let (word, code) = super::super::error_body::words(status);
            let _ = writeln!(text, "| {} | `{word}` | `{code}` |", status.as_u16());
        }
        text.push_str(
            "\n## Hidden denials\n\nWhere a route or service says `denied = \"hidden\"`, and by `\"outside-hidden\"` for what stands \
             below no node the principal has a role on and no policy permits them, `denied` is answered exactly as `route_not_found`.\n",
        );
        text
    }

    /// With `HUBGATE_WRITE_GENERATED=1` the file is written anew.
    #[test]
    fn the_reference_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/refusals.md");
        if std::env::var_os("HUBGATE_WRITE_GENERATED").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(found == reference(), "{path} is stale: HUBGATE_WRITE_GENERATED=1 cargo test");
    }

    #[test]
    fn the_way_back_is_encoded_into_the_sign_in_address() {
        let refusal = Refusal::SignInNeeded { return_to: String::from("/a?b=c&d=\u{e5}") };
        assert_eq!(
            told(&refusal)["location"],
            "/.hubgate/sign-in?return_to=%2Fa%3Fb%3Dc%26d%3D%C3%A5"
        );
    }
}
