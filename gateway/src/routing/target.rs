//! The request target: a path that is its own canonical form, and a query that parses one way.

use crate::model::{CREDENTIAL_PREFIXES, Malformed};

use super::bytes::{self, ESCAPED, QUERY, SEGMENT};

/// Query keys in which some clients put a bearer token (RFC 6750 §2.3); ours do not belong there.
const CREDENTIAL_KEYS: &[&[u8]] =
    &[b"access_token", b"api_key", b"refresh_token", b"client_secret"];
/// The query key by which some frameworks change the method after the decision (PX-28).
const METHOD_KEY: &[u8] = b"_method";

/// Accepts a path only if decoding it once and encoding it again gives the same bytes (PX-20..PX-23).
///
/// So there is exactly one spelling of each path, and a backend that decodes, merges slashes or
/// resolves dots finds nothing to do.
pub(super) fn check_path(path: &[u8]) -> Result<(), Malformed> {
    let Some((b'/', segments)) = path.split_first() else {
        return Err(Malformed::RequestLine);
    };
    let mut pieces = segments.split(|byte| *byte == b'/').peekable();
    let mut beyond_ascii = false;
    while let Some(segment) = pieces.next() {
        // An empty last segment is a trailing slash: another resource, and allowed.
        if segment.is_empty() && pieces.peek().is_some() {
            return Err(Malformed::Path);
        }
        beyond_ascii |= check_segment(segment)?;
    }
    if beyond_ascii { check_text(path) } else { Ok(()) }
}

/// Checks one segment; tells whether it holds bytes beyond ASCII.
fn check_segment(segment: &[u8]) -> Result<bool, Malformed> {
    // `.` and `..`, and `admin.`, which some file systems take for `admin`; spaces likewise.
    if segment.ends_with(b".") || segment.starts_with(b"%20") || segment.ends_with(b"%20") {
        return Err(Malformed::Path);
    }
    let mut rest = segment;
    let mut beyond_ascii = false;
    loop {
        let (_, tail) = bytes::split_run(rest, SEGMENT);
        rest = match tail {
            [] => return Ok(beyond_ascii),
            [b'%', high, low, after @ ..] => {
                beyond_ascii |= check_escape(*high, *low)? >= 0x80;
                after
            }
            _ => return Err(Malformed::Path),
        };
    }
}

/// Reads an escape of a path: upper-case digits, and a byte that needs escaping.
fn check_escape(high: u8, low: u8) -> Result<u8, Malformed> {
    let upper = !high.is_ascii_lowercase() && !low.is_ascii_lowercase();
    bytes::hex_pair(high, low)
        .filter(|byte| upper && bytes::is(*byte, ESCAPED))
        .ok_or(Malformed::Path)
}

/// Checks that the decoded path is UTF-8 without control characters: no overlong forms, no surrogates.
fn check_text(path: &[u8]) -> Result<(), Malformed> {
    let decoded =
        percent_encoding::percent_decode(path).decode_utf8().map_err(|_| Malformed::Path)?;
    if decoded.chars().any(char::is_control) { Err(Malformed::Path) } else { Ok(()) }
}

/// Accepts a query of RFC 3986 §3.4 characters and whole percent-escapes, without NUL, without a
/// credential of ours (AS-08) and without a method override (PX-28).
pub(super) fn check_query(query: &[u8]) -> Result<(), Malformed> {
    let mut rest = query;
    loop {
        let (_, tail) = bytes::split_run(rest, QUERY);
        rest = match tail {
            [] => break,
            [b'%', high, low, after @ ..]
                if bytes::hex_pair(*high, *low).is_some_and(|b| b != 0) =>
            {
                after
            }
            _ => return Err(Malformed::Query),
        };
    }
    query.split(|byte| *byte == b'&').try_for_each(check_pair)
}

fn check_pair(pair: &[u8]) -> Result<(), Malformed> {
    let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    let (key, value) = pair.split_at_checked(equals).unwrap_or((pair, &[]));
    if decodes_to(key, METHOD_KEY) {
        return Err(Malformed::Query);
    }
    let value = value.get(1..).unwrap_or_default();
    let names_credential = CREDENTIAL_KEYS.iter().any(|name| decodes_to(key, name));
    let begins = |prefix: &str| decode(value).take(prefix.len()).eq(prefix.bytes());
    if names_credential && CREDENTIAL_PREFIXES.into_iter().any(begins) {
        return Err(Malformed::CredentialPlacement);
    }
    Ok(())
}

fn decode(text: &[u8]) -> impl Iterator<Item = u8> {
    percent_encoding::percent_decode(text)
}

fn decodes_to(text: &[u8], name: &[u8]) -> bool {
    // A key that decodes to the name is at least as long.
    text.len() >= name.len() && decode(text).eq(name.iter().copied())
}

#[cfg(test)]
mod tests;
