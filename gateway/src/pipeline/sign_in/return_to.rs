//! Where a browser goes after sign-in: a path on the same host, or the front page (CK-09).

/// A path and query that cannot leave the host, whatever a browser makes of odd characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Takes a wish; what is not plainly a path on this host becomes `/`.
    pub fn from_wish(wish: Option<&str>) -> Self {
        match wish {
            Some(wish) if is_local(wish) => Self(wish.to_owned()),
            _ => Self(String::from("/")),
        }
    }

    /// The path and query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ReturnTo> for String {
    fn from(return_to: ReturnTo) -> Self {
        return_to.0
    }
}

/// Longest wish kept: no page needs more, and the store pays for it.
const BYTES_MAX: usize = 2048;

fn is_local(wish: &str) -> bool {
    let (path, query) = wish.split_once('?').unwrap_or((wish, ""));
    wish.len() <= BYTES_MAX
        && is_plain_path(path)
        && query.bytes().all(is_plain_byte)
        && is_not_of_the_flow(path)
}

/// Rooted, without an empty or dot segment, and without an encoding that a browser or a proxy might undo
/// into a slash, a backslash, a dot or a control character.
fn is_plain_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let encoded = path.to_ascii_lowercase();
    let hides_something = ["%2f", "%5c", "%2e", "%0", "%1", "%7f", "%25", "%3b"];
    let last = rest.split('/').count() - 1;
    let segments_are_plain = rest.split('/').enumerate().all(|(index, segment)| {
        segment != "." && segment != ".." && (!segment.is_empty() || index == last)
    });
    path.bytes().all(is_plain_byte)
        && segments_are_plain
        && !hides_something.iter().any(|hidden| encoded.contains(hidden))
        && !path.contains(';')
}

/// Visible ASCII but for the characters that browsers rewrite or that end a URL.
const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Returning into the flow itself would sign in or out in a circle; only "who am I" may be wished for.
fn is_not_of_the_flow(path: &str) -> bool {
    !path.starts_with("/.hubgate/") || path == super::ME_PATH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_paths_on_the_same_host() {
        let wishes = [
            "/",
            "/teams",
            "/teams/",
            "/teams/t-1?tab=members&q=a%20b",
            "/a.b/c~d/e:f@g",
            "/x?next=//y",
            "/x?u=https://hub.example/",
            "/.hubgate/me",
            "/caf%C3%A9",
        ];
        for wish in wishes {
            assert_eq!(ReturnTo::from_wish(Some(wish)).as_str(), wish);
        }
    }

    #[test]
    fn sends_everything_else_to_the_front_page() {
        let long = format!("/{}", "a".repeat(BYTES_MAX));
        let wishes = [
            "",
            " ",
            "teams",
            "./teams",
            "../teams",
            "?x=1",
            "#x",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "//evil.example/%2f..",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\\/evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/ /evil.example",
            "/%09/evil.example",
            "/%0a/evil.example",
            "/%0D%0ALocation:%20//evil",
            "/%2f/evil.example",
            "/%2Fevil.example",
            "/%2f%2fevil.example",
            "/%5cevil.example",
            "/%5C/evil.example",
            "/%252fevil.example",
            "/./evil.example/..",
            "/..//evil.example",
            "/.//evil.example",
            "/%2e%2e//evil.example",
            "/%2E/x",
            "/x/../y",
            "/x//evil.example",
            "https://evil.example",
            "https:evil.example",
            "http://hub.example@evil.example",
            "HTTPS://evil.example/",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "/x#//evil.example",
            "/x;//evil.example",
            "/x%3b",
            "/\u{202e}x",
            "/\u{ff0f}evil.example",
            "\u{ff0f}\u{ff0f}evil.example",
            "/\u{0}x",
            "/%00",
            "/%7f",
            "/x?y=<script>",
            "/x?y=\"",
            "/x?a\\b",
            "/x?a b",
            "/x?a\r\nb",
            "/.hubgate/sign-in",
            "/.hubgate/sign-out?x=1",
            "/.hubgate/callback/a/b",
            &long,
        ];
        assert!(wishes.len() >= 40);
        for wish in wishes {
            assert_eq!(ReturnTo::from_wish(Some(wish)).as_str(), "/", "{wish:?}");
        }
        assert_eq!(ReturnTo::from_wish(None).as_str(), "/");
    }
}
