//! Which request fields nobody outside may send, and which never travel on.
//!
//! Names are compared *folded*: everything but ASCII letters and digits removed, lower case. A backend
//! behind CGI or WSGI turns `X.Auth-User`, `x_auth_user` and `X-AUTH-USER` into one variable, so to us
//! they are one name (PX-40).

/// A folded name: enough bytes to hold every name of the lists below and to tell a longer one apart.
struct Folded {
    bytes: [u8; 40],
    length: usize,
}

impl Folded {
    fn new(name: &[u8]) -> Self {
        let mut bytes = [0; 40];
        let kept = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        let mut length = 0;
        for (slot, byte) in bytes.iter_mut().zip(kept) {
            *slot = byte.to_ascii_lowercase();
            length += 1;
        }
        Self { bytes, length }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.as_bytes() == self.as_bytes())
    }

    fn starts_with_one_of(&self, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|prefix| self.as_bytes().starts_with(prefix.as_bytes()))
    }
}

/// Folded prefixes of the names that are Hubgate's own.
const RESERVED_PREFIXES: &[&str] = &["hubgate", "xhubgate", "xgw"];

/// Folded names that would change the method after the decision (PX-28).
const METHOD_OVERRIDES: &[&str] = &["xhttpmethodoverride", "xhttpmethod", "xmethodoverride"];

/// Folded prefixes of names by which balancers and login proxies speak to backends (PX-27, PX-40).
const DROPPED_PREFIXES: &[&str] = &[
    "xforwarded",
    "xoriginal",
    "xrewrite",
    "xauth",
    "xremote",
    "xwebauth",
    "xclientcert",
    "xsslclient",
    "sslclient",
    "xarrclientcert",
    "xamzncert",
    "xamznmtls",
    "xenvoy",
    "xgoogauthenticateduser",
    "xmsclientprincipal",
];

/// Folded names of the same kind. `proxy` becomes `HTTP_PROXY` behind CGI (CVE-2016-5385).
const DROPPED_NAMES: &[&str] = &[
    "forwarded",
    "forwardedfor",
    "xrealip",
    "xclientip",
    "xclusterclientip",
    "trueclientip",
    "cfconnectingip",
    "fastlyclientip",
    "clientcert",
    "clientcertchain",
    "remoteuser",
    "xuser",
    "xurlscheme",
    "frontendhttps",
    "proxy",
];

/// Folded names that end at each hop (RFC 9110 §7.6.1), with `Expect`, which we answer ourselves.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keepalive",
    "proxyconnection",
    "proxyauthenticate",
    "proxyauthorization",
    "te",
    "trailer",
    "transferencoding",
    "upgrade",
    "http2settings",
    "expect",
];

/// What becomes of a field a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldClass {
    /// Read and forwarded.
    Kept,
    /// Neither read nor forwarded.
    Dropped,
    /// The request is refused.
    Reserved,
}

/// Sorts a field name, in any spelling.
pub(super) fn classify(name: &[u8]) -> FieldClass {
    // Nothing on the lists begins with another letter; most fields of a browser end here.
    let first = name.iter().find(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
    if !matches!(first, Some(b'c' | b'e'..=b'f' | b'h' | b'k' | b'p' | b'r'..=b'u' | b'x')) {
        return FieldClass::Kept;
    }
    let folded = Folded::new(name);
    if folded.starts_with_one_of(RESERVED_PREFIXES) || folded.is_one_of(METHOD_OVERRIDES) {
        return FieldClass::Reserved;
    }
    let dropped = folded.starts_with_one_of(DROPPED_PREFIXES)
        || folded.is_one_of(DROPPED_NAMES)
        || folded.is_one_of(HOP_BY_HOP);
    if dropped { FieldClass::Dropped } else { FieldClass::Kept }
}

/// Whether a client may not send this field at all: Hubgate's own names and method overrides.
/// The request is refused with 400.
pub fn is_reserved_field(name: &str) -> bool {
    classify(name.as_bytes()) == FieldClass::Reserved
}

/// Whether this field is ignored and never copied upstream: what balancers, login proxies and TLS
/// terminators add, and hop-by-hop fields. The forwarder writes its own `X-Forwarded-*`.
pub fn is_dropped_field(name: &str) -> bool {
    classify(name.as_bytes()) == FieldClass::Dropped
}

/// Whether this field ends at each hop (RFC 9110 §7.6.1).
pub fn is_hop_by_hop_field(name: &str) -> bool {
    Folded::new(name.as_bytes()).is_one_of(HOP_BY_HOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserves_our_names_in_every_spelling() {
        for name in [
            "hubgate-assertion",
            "Hubgate-Assertion",
            "HUBGATE_ASSERTION",
            "hubgate.assertion",
            "hub-gate-assertion",
            "X-Hubgate-User",
            "x-gw-identity",
            "X_Gw_Identity",
            "X-HTTP-Method-Override",
            "x-http-method",
            "X-Method-Override",
            "x--method-override",
        ] {
            assert!(is_reserved_field(name), "{name}");
            assert!(!is_dropped_field(name), "{name}");
        }
    }

    #[test]
    fn drops_what_only_a_proxy_may_say() {
        for name in [
            "X-Forwarded-For",
            "x-forwarded-uri",
            "X_Forwarded_Host",
            "Forwarded",
            "X-Real-IP",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Auth-User",
            "x.auth.user",
            "X-Remote-User",
            "Remote-User",
            "X-Client-Cert",
            "X-SSL-Client-Verify",
            "Client-Cert",
            "Proxy",
            "Connection",
            "Keep-Alive",
            "Proxy-Authorization",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "Expect",
        ] {
            assert!(is_dropped_field(name), "{name}");
            assert!(!is_reserved_field(name), "{name}");
        }
    }

    #[test]
    fn keeps_what_applications_use() {
        for name in [
            "Host",
            "Authorization",
            "Cookie",
            "Content-Type",
            "Content-Length",
            "Accept",
            "Origin",
            "Referer",
            "User-Agent",
            "X-Request-Id",
            "X-Requested-With",
            "X-Csrf-Token",
            "Traceparent",
            "Sec-WebSocket-Key",
            "Range",
            "Idempotency-Key",
            "X-Api-Version",
            "",
            "-",
        ] {
            assert_eq!(classify(name.as_bytes()), FieldClass::Kept, "{name}");
        }
    }

    #[test]
    fn every_listed_name_passes_the_first_letter_test() {
        let lists =
            [METHOD_OVERRIDES, DROPPED_PREFIXES, DROPPED_NAMES, HOP_BY_HOP, RESERVED_PREFIXES];
        for name in lists.concat() {
            assert_ne!(classify(name.as_bytes()), FieldClass::Kept, "{name}");
            assert!(name.len() < 40, "{name}");
        }
    }

    #[test]
    fn hop_by_hop_fields_are_known_by_themselves() {
        assert!(is_hop_by_hop_field("Proxy-Connection"));
        assert!(!is_hop_by_hop_field("X-Forwarded-For"));
        assert!(!is_hop_by_hop_field("Content-Type"));
    }
}
