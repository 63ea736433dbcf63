//! `Host` and `:authority`: a plain host and an optional port, nothing else (PX-26).

use std::net::Ipv6Addr;

use crate::model::{Malformed, Refusal};

use super::bytes::{self, LABEL};

/// Longest host name (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 253;
/// Longest label of a host name (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// An authority as the client wrote it, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    text: String,
    host_length: usize,
}

impl Authority {
    /// Reads `host[:port]`, where host is a name, an IPv4 address or an IPv6 address in brackets.
    ///
    /// Refused: empty, userinfo, path, zone, trailing dot, empty label, empty or odd port, anything
    /// percent-encoded or not ASCII. Such a value may mean another host to the next parser.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let host_length = host_length(value)?;
        let (_, port) = value.split_at_checked(host_length)?;
        if !port.is_empty() && !is_port(port) {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?.to_ascii_lowercase();
        Some(Self { text, host_length })
    }

    /// Host and port.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The host alone; an IPv6 address keeps its brackets.
    pub(super) fn host(&self) -> &str {
        self.text.get(..self.host_length).unwrap_or_default()
    }

    /// The name asked for in the TLS handshake must be the host asked for in the request.
    ///
    /// # Errors
    /// [`Refusal::UnknownHost`]: 421 tells an honest client to use another connection.
    pub(super) fn check_server_name(&self, server_name: Option<&str>) -> Result<(), Refusal> {
        match server_name {
            Some(name) if !name.eq_ignore_ascii_case(self.host()) => Err(Refusal::UnknownHost),
            _ => Ok(()),
        }
    }
}

/// Reads the authority from the one `Host` line and, over HTTP/2, the `:authority` pseudo field.
///
/// # Errors
/// [`Malformed::Host`] when there is none, when they differ, or when it is no plain authority.
pub(super) fn agree(
    host: Option<&[u8]>,
    uri_authority: Option<&str>,
) -> Result<Authority, Refusal> {
    let value = match (host, uri_authority.map(str::as_bytes)) {
        // RFC 9113 §8.3.1: Host and :authority must not differ.
        (Some(host), Some(authority)) if host.eq_ignore_ascii_case(authority) => host,
        (Some(value), None) | (None, Some(value)) => value,
        _ => return Err(Refusal::Malformed(Malformed::Host)),
    };
    Authority::parse(value).ok_or(Refusal::Malformed(Malformed::Host))
}

/// Whether `host` is what [`Authority::host`] can return: for checking configured hosts.
pub(super) fn is_canonical_host(host: &str) -> bool {
    Authority::parse(host.as_bytes()).is_some_and(|read| read.host() == host)
}

fn host_length(value: &[u8]) -> Option<usize> {
    if value.first() == Some(&b'[') {
        let end = value.iter().position(|byte| *byte == b']')?;
        let address = std::str::from_utf8(value.get(1..end)?).ok()?;
        return address.parse::<Ipv6Addr>().ok().map(|_| end + 1);
    }
    let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
    let host = value.get(..end)?;
    (host.len() <= HOST_BYTES_MAX && host.split(|byte| *byte == b'.').all(is_label)).then_some(end)
}

fn is_label(label: &[u8]) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    label.len() <= LABEL_BYTES_MAX
        && bytes::all(label, LABEL)
        && edge(label.first())
        && edge(label.last())
}

fn is_port(text: &[u8]) -> bool {
    let Some((b':', digits)) = text.split_first() else {
        return false;
    };
    let plain = digits.first() != Some(&b'0') && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
    plain && number.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_authorities() {
        for (text, host) in [
            ("hub.localhost", "hub.localhost"),
            ("HUB.Example:8443", "hub.example"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("a", "a"),
            ("a:65535", "a"),
        ] {
            let authority = Authority::parse(text.as_bytes()).unwrap();
            assert_eq!(authority.host(), host);
            assert_eq!(authority.as_str(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn rejects_what_two_parsers_could_read_differently() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = ["abcdefghi."; 26].concat() + "example";
        for text in [
            "",
            ":80",
            "a.test.",
            ".a.test",
            "a..test",
            "a.test/admin?",
            "a.test?x",
            "a.test#x",
            "user@a.test",
            "a.test:80@evil.test",
            "a.test,evil.test",
            "a.test evil.test",
            " a.test",
            "a.test:",
            "a.test:0",
            "a.test:080",
            "a.test:65536",
            "a.test:-1",
            "a.test:80:80",
            "a.test:8o",
            "a_b.test",
            "a%2etest",
            "-a.test",
            "a-.test",
            "bücher.test",
            "a.test\\",
            "[::1",
            "::1",
            "[::1]x",
            "[::1%25eth0]",
            "[fe80::1%eth0]",
            "[]",
            "[a.test]",
            "*",
            "*.test",
            &long,
            &longer,
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn host_and_authority_must_agree() {
        assert!(agree(Some(b"a.test"), None).is_ok());
        assert!(agree(None, Some("a.test")).is_ok());
        assert!(agree(Some(b"A.test:80"), Some("a.test:80")).is_ok());
        assert!(agree(Some(b"a.test"), Some("b.test")).is_err());
        assert!(agree(Some(b"a.test"), Some("a.test:443")).is_err());
        assert!(agree(None, None).is_err());
    }

    #[test]
    fn the_server_name_is_the_host() {
        let authority = Authority::parse(b"a.test:8443").unwrap();
        assert_eq!(authority.check_server_name(None), Ok(()));
        assert_eq!(authority.check_server_name(Some("A.test")), Ok(()));
        for other in ["b.test", "a.test:8443", "a.test.", ""] {
            assert_eq!(authority.check_server_name(Some(other)), Err(Refusal::UnknownHost));
        }
    }

    #[test]
    fn a_configured_host_is_lower_case_without_port() {
        assert!(is_canonical_host("hub.localhost"));
        assert!(is_canonical_host("[::1]"));
        for host in ["Hub.localhost", "hub.localhost:80", "hub.localhost.", "*.localhost", ""] {
            assert!(!is_canonical_host(host), "{host}");
        }
    }
}
