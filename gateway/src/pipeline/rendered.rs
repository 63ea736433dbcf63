//! What the gateway's own answers are on the wire: status, fields, body. Every door sends them alike.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::answer::{Answer, PageKind};

/// An answer on its way out.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The status.
    pub status: StatusCode,
    /// The fields, but for those of [`Rendered::complete`].
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Rendered {
    /// One of the gateway's own answers.
    pub fn of(answer: Answer) -> Self {
        let mut fields = HeaderMap::new();
        let (status, body) = match answer {
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
                let status = if kind == PageKind::NotMember {
                    StatusCode::FORBIDDEN
                } else {
                    StatusCode::OK
                };
                (status, Bytes::from(body))
            }
            Answer::Json { body } => {
                content(&mut fields, "application/json");
                (StatusCode::OK, Bytes::from(body))
            }
            Answer::Tokens { body } => {
                content(&mut fields, "application/json");
                put(&mut fields, header::PRAGMA, "no-cache");
                (StatusCode::OK, Bytes::from(body))
            }
            Answer::Style { body } => {
                content(&mut fields, "text/css; charset=utf-8");
                put(&mut fields, header::CACHE_CONTROL, "public, max-age=3600");
                (StatusCode::OK, Bytes::from_static(body.as_bytes()))
            }
        };
        Self { status, fields, body }
    }

    /// A page that says why something was refused.
    pub fn page(&mut self) {
        page_fields(&mut self.fields, PageKind::Refused);
        self.content("text/html; charset=utf-8");
    }

    /// Says what the body is.
    pub fn content(&mut self, media_type: &'static str) {
        content(&mut self.fields, media_type);
    }

    /// Adds what everything has that the gateway itself says (CK-11).
    pub fn complete(&mut self) {
        let fields = &mut self.fields;
        if !fields.contains_key(header::CACHE_CONTROL) {
            fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        for (name, value) in SAFETY_FIELDS {
            let name = HeaderName::from_static(name);
            fields.insert(name, HeaderValue::from_static(value));
        }
        if !fields.contains_key(header::REFERRER_POLICY) {
            // RFC 9700 §4.2.4: the address of a callback holds a code.
            fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
    }
}

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
