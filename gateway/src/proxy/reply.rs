//! Writes what the gateway itself says: its pages and endpoints, and refusals as problem or page.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::error_body::error_body;
use super::page::refusal_html;
use super::respond::{fields, problem};
use super::upstream_head::REQUEST_ID;
use crate::model::{DecisionId, ErrorStyle};
use crate::pipeline::{Answer, PageKind, Refused, Reply};

/// What goes on the wire.
struct Wire {
    status: StatusCode,
    fields: HeaderMap,
    body: Bytes,
}

/// Sends a refusal; returns its status.
///
/// # Errors
/// Pingora's, when the client is gone.
pub(super) async fn refuse(
    session: &mut Session,
    refused: &Refused,
    style: ErrorStyle,
) -> pingora::Result<u16> {
    let problem = problem(&refused.refusal);
    let mut fields = fields(&refused.refusal);
    let is_redirect = problem.status.is_redirection();
    let body = if is_redirect {
        String::new()
    } else if refused.html {
        page_fields(&mut fields, PageKind::Refused);
        content(&mut fields, "text/html; charset=utf-8");
        refusal_html(refused)
    } else {
        let (media_type, body) = error_body(&refused.refusal, refused.decision, style);
        content(&mut fields, media_type);
        // The line's end is for people with `curl`: JSON does not mind.
        body + "\n"
    };
    let wire = Wire { status: problem.status, fields, body: Bytes::from(body) };
    send(session, wire, refused.decision).await
}

/// Sends one of the gateway's own answers; returns its status.
///
/// # Errors
/// Pingora's, when the client is gone.
pub(super) async fn answer(session: &mut Session, reply: Reply) -> pingora::Result<u16> {
    let mut fields = HeaderMap::new();
    let (status, body) = match reply.answer {
        Answer::Redirect { location, cookies } => {
            put(&mut fields, header::LOCATION, &location);
            set_cookies(&mut fields, &cookies);
            // RFC 9700 §4.12: 303, never 307, so that a form is not posted on.
            (StatusCode::SEE_OTHER, Bytes::new())
        }
        Answer::Html { body, cookies, kind } => {
            set_cookies(&mut fields, &cookies);
            page_fields(&mut fields, kind);
            content(&mut fields, "text/html; charset=utf-8");
            let status =
                if kind == PageKind::NotMember { StatusCode::FORBIDDEN } else { StatusCode::OK };
            (status, Bytes::from(body))
        }
        Answer::Json { body } => {
            content(&mut fields, "application/json");
            (StatusCode::OK, Bytes::from(body))
        }
        Answer::Style { body } => {
            content(&mut fields, "text/css; charset=utf-8");
            put(&mut fields, header::CACHE_CONTROL, "public, max-age=3600");
            (StatusCode::OK, Bytes::from_static(body.as_bytes()))
        }
    };
    send(session, Wire { status, fields, body }, reply.decision).await
}

async fn send(session: &mut Session, wire: Wire, decision: DecisionId) -> pingora::Result<u16> {
    let mut head = ResponseHeader::build(wire.status, Some(wire.fields.len() + 10))?;
    for (name, value) in &wire.fields {
        head.append_header(name.clone(), value.clone())?;
    }
    if !wire.fields.contains_key(header::CACHE_CONTROL) {
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
    }
    for (name, value) in SAFETY_FIELDS {
        head.insert_header(*name, *value)?;
    }
    if !wire.fields.contains_key(header::REFERRER_POLICY) {
        // RFC 9700 §4.2.4: the address of a callback holds a code.
        head.insert_header(header::REFERRER_POLICY, "no-referrer")?;
    }
    if session.digest().is_some_and(|digest| digest.ssl_digest.is_some()) {
        head.insert_header(header::STRICT_TRANSPORT_SECURITY, HSTS)?;
    }
    head.insert_header(REQUEST_ID, decision.to_string())?;
    head.insert_header(header::CONTENT_LENGTH, wire.body.len().to_string())?;
    let is_head = session.req_header().method == http::Method::HEAD;
    let end = wire.body.is_empty() || is_head;
    session.write_response_header(Box::new(head), end).await?;
    if !end {
        session.write_response_body(Some(wire.body), true).await?;
    }
    Ok(wire.status.as_u16())
}

/// One year, sub-domains included (CK-11).
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// On everything the gateway itself says (CK-11).
const SAFETY_FIELDS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// No script at all, one style sheet of ours, forms to ourselves, no framing.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; \
                           frame-ancestors 'none'; object-src 'none'; base-uri 'none'";

fn page_fields(fields: &mut HeaderMap, kind: PageKind) {
    put(fields, header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    put(fields, header::X_FRAME_OPTIONS, "DENY");
    if kind == PageKind::Form {
        // Fetch §3.2 "append a request Origin header": under `no-referrer` a form is posted with
        // `Origin: null`, which proves nothing. The page's own address holds no secret.
        put(fields, header::REFERRER_POLICY, "same-origin");
    }
    if kind == PageKind::SignedOut {
        put(fields, HeaderName::from_static("clear-site-data"), "\"cache\"");
    }
}

fn content(fields: &mut HeaderMap, media_type: &'static str) {
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
}

fn set_cookies(fields: &mut HeaderMap, cookies: &[String]) {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            fields.append(header::SET_COOKIE, value);
        }
    }
}

fn put(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(name, value);
    }
}
