//! The gateway's cookies: how they are written, how they are read, and that no upstream sees them.
//!
//! `Cookie: __Host-hubgate=<43 characters>; theirs=1`. All are `__Host-` cookies (RFC 6265bis §4.1.3.2):
//! no other host can set them, and no page can read them. Reading is strict: two cookies of one name mean
//! somebody tossed one in, and then neither counts (CK-03).

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::session::SessionId;
use super::sign_in::LOGIN_LIFETIME;

/// The session cookie's name.
pub const SESSION_COOKIE: &str = "__Host-hubgate";

/// Begins the name of each open login's cookie; its id follows.
pub const TRANSACTION_COOKIE_PREFIX: &str = "__Host-hubgate_tx_";

/// What a request presents under one cookie name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented<T> {
    /// No such cookie.
    Nothing,
    /// One, well formed.
    One(T),
    /// One that cannot be ours, by its value or the spelling of its name.
    Malformed,
    /// Several: none of them counts.
    Repeated,
}

/// Reads the session cookie.
pub fn session_cookie(headers: &HeaderMap) -> Presented<SessionId> {
    match single(headers, SESSION_COOKIE) {
        Presented::Nothing => Presented::Nothing,
        Presented::Repeated => Presented::Repeated,
        Presented::Malformed => Presented::Malformed,
        Presented::One(value) => {
            let id = std::str::from_utf8(value).ok().and_then(SessionId::parse);
            id.map_or(Presented::Malformed, Presented::One)
        }
    }
}

/// Reads the cookie of the open login `id`.
pub fn transaction_cookie(headers: &HeaderMap, id: &str) -> Presented<String> {
    match single(headers, &format!("{TRANSACTION_COOKIE_PREFIX}{id}")) {
        Presented::Nothing => Presented::Nothing,
        Presented::Repeated => Presented::Repeated,
        Presented::Malformed => Presented::Malformed,
        Presented::One(value) => std::str::from_utf8(value)
            .map_or(Presented::Malformed, |text| Presented::One(text.to_owned())),
    }
}

/// The ids of the browser's open logins, in the order it sends them: oldest first (RFC 6265 §5.4).
pub fn open_transactions(headers: &HeaderMap) -> Vec<String> {
    pairs(headers)
        .filter_map(|pair| std::str::from_utf8(pair.name).ok())
        .filter_map(|name| name.strip_prefix(TRANSACTION_COOKIE_PREFIX))
        .map(str::to_owned)
        .collect()
}

/// The `Set-Cookie` value that starts a session. It has no `Max-Age`: how long a session lives is decided
/// by the gateway alone, and the browser forgets it when it closes.
pub fn set_session_cookie(id: &SessionId) -> String {
    format!("{SESSION_COOKIE}={}; {ATTRIBUTES}", id.expose())
}

/// The `Set-Cookie` value that ends a session in the browser.
pub fn clear_session_cookie() -> String {
    format!("{SESSION_COOKIE}=; Max-Age=0; {ATTRIBUTES}")
}

/// The `Set-Cookie` value of an open login. `id` and `value` are of base64url.
pub fn set_transaction_cookie(id: &str, value: &str) -> String {
    let seconds = LOGIN_LIFETIME.as_secs();
    format!("{TRANSACTION_COOKIE_PREFIX}{id}={value}; Max-Age={seconds}; {ATTRIBUTES}")
}

/// The `Set-Cookie` value that forgets an open login.
pub fn clear_transaction_cookie(id: &str) -> String {
    format!("{TRANSACTION_COOKIE_PREFIX}{id}=; Max-Age=0; {ATTRIBUTES}")
}

/// The `Cookie` line for an upstream: the client's without ours (AS-17). `None` when nothing is left.
pub fn forwardable_cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let theirs: Vec<&[u8]> = pairs(headers)
        .filter(|pair| !is_gateway_cookie(pair.name))
        .map(|pair| pair.whole)
        .collect();
    if theirs.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&theirs.join(&b"; "[..])).ok()
}

/// Whether a cookie of this name is the gateway's own, however it is cased.
pub fn is_gateway_cookie(name: &[u8]) -> bool {
    begins_like(name, SESSION_COOKIE)
}

/// `SameSite=Lax`: the provider's redirect back is a top-level navigation and must carry them (CK-01).
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// One `name=value`, trimmed. A piece without `=` is all name: a nameless cookie could pose as any.
struct Pair<'a> {
    whole: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
}

/// All cookies of all `Cookie` lines: HTTP/2 may send each in a line of its own (RFC 9113 §8.2.3).
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = Pair<'_>> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|whole| !whole.is_empty())
        .map(|whole| {
            let mut parts = whole.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default();
            Pair { whole, name, value: parts.next().unwrap_or_default() }
        })
}

/// The value of the one cookie called `name`. Names that differ in case or inner blanks only are counted,
/// because other parsers may take them for ours, but never read.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Presented<&'a [u8]> {
    let mut found = Presented::Nothing;
    for pair in pairs(headers).filter(|p| p.name.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    {
        found = match found {
            Presented::Nothing if pair.name == name.as_bytes() => Presented::One(pair.value),
            Presented::Nothing => Presented::Malformed,
            _ => return Presented::Repeated,
        };
    }
    found
}

fn begins_like(name: &[u8], start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn read(lines: &[&str]) -> &'static str {
        match session_cookie(&headers(lines)) {
            Presented::Nothing => "nothing",
            Presented::One(_) => "one",
            Presented::Malformed => "malformed",
            Presented::Repeated => "repeated",
        }
    }

    #[test]
    fn reads_one_session_cookie_among_others() {
        let ours = format!("{SESSION_COOKIE}={ID}");
        let cases = [vec![ours.clone()], vec!["a=1; b=2".into(), format!("c=3;{ours} ;d=4")]];
        for lines in cases {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(read(&lines), "one", "{lines:?}");
        }
    }

    #[test]
    fn counts_no_session_when_the_cookie_came_twice() {
        let ours = format!("{SESSION_COOKIE}={ID}");
        let twice = format!("{ours}; {ours}");
        let tossed = format!("{ours}; __host-HUBGATE=x");
        let nameless = format!("{ours}; __Host-hubgate");
        assert_eq!(read(&[&twice]), "repeated");
        assert_eq!(read(&[&ours, &ours]), "repeated");
        assert_eq!(read(&[&tossed]), "repeated");
        assert_eq!(read(&[&nameless]), "repeated");
    }

    #[test]
    fn rejects_cookies_that_cannot_be_ours() {
        for value in ["", "x", &format!("\"{ID}\""), &format!("{ID}A"), &format!(" {ID}")] {
            assert_eq!(read(&[&format!("{SESSION_COOKIE}={value}")]), "malformed", "{value}");
        }
        assert_eq!(read(&[&format!("__host-hubgate={ID}")]), "malformed");
        assert_eq!(read(&[&format!("{SESSION_COOKIE} ={ID}")]), "malformed");
        assert_eq!(read(&[&format!("__Host-hubgate2={ID}")]), "nothing");
        assert_eq!(read(&["", ";;", "="]), "nothing");
    }

    #[test]
    fn forwards_the_others_only() {
        let line = format!("a=1; {SESSION_COOKIE}={ID};__HOST-Hubgate_tx_1=z ; b=\"2\";flag");
        let kept = forwardable_cookies(&headers(&[&line, "c=3"])).unwrap();
        assert_eq!(kept, "a=1; b=\"2\"; flag; c=3");
        assert!(forwardable_cookies(&headers(&[&format!("{SESSION_COOKIE}={ID}")])).is_none());
        assert!(forwardable_cookies(&HeaderMap::new()).is_none());
    }

    #[test]
    fn writes_host_cookies() {
        let id = SessionId::parse(ID).unwrap();
        let set = set_session_cookie(&id);
        assert_eq!(set, format!("__Host-hubgate={ID}; Path=/; Secure; HttpOnly; SameSite=Lax"));
        for line in [clear_session_cookie(), clear_transaction_cookie("t")] {
            assert!(line.contains("=; Max-Age=0; Path=/; Secure"), "{line}");
        }
        assert!(
            set_transaction_cookie("t", "v").starts_with("__Host-hubgate_tx_t=v; Max-Age=600;")
        );
    }

    #[test]
    fn finds_open_logins() {
        let headers = headers(&["__Host-hubgate_tx_a=1; x=2", "__Host-hubgate_tx_b=3"]);
        assert_eq!(open_transactions(&headers), ["a", "b"]);
        assert_eq!(transaction_cookie(&headers, "b"), Presented::One("3".into()));
        assert_eq!(transaction_cookie(&headers, "c"), Presented::Nothing);
    }
}
