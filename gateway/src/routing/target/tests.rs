use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};
use proptest::prelude::*;

use super::*;

/// The bytes a canonical path escapes, written independently of the table under test.
const NEEDS_ESCAPE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'\\')
    .add(b'%')
    .add(b';')
    .add(b'?')
    .add(b'#');

#[test]
fn accepts_paths_that_are_their_own_canonical_form() {
    for path in [
        "/",
        "/teams",
        "/teams/",
        "/teams/t-1/members",
        "/a.b/c.d",
        "/.well-known/x",
        "/..a",
        "/a/..b",
        "/wallets/w1:withdraw",
        "/u/ada@example.org",
        "/v1/files/report(1),final!.pdf",
        "/a+b=c&d$e'f*g~h_i",
        "/a%20b",
        "/caf%C3%A9",
        "/%E6%97%A5%E6%9C%AC",
        "/%F0%9F%94%8C",
        "/%5B1%5D",
        "/%7Bx%7D",
        "/a%22b",
        "/a%7Cb",
        "/...a",
    ] {
        assert_eq!(check_path(path.as_bytes()), Ok(()), "{path}");
    }
}

#[test]
fn px20_rejects_other_forms_of_target() {
    for path in ["", "admin", "*", "http://a.test/admin", "?x", "a.test:443", "%2Fadmin"] {
        assert_eq!(check_path(path.as_bytes()), Err(Malformed::RequestLine), "{path}");
    }
    for path in ["//", "//admin", "//evil.test/x", "/a//b", "/a//", "///"] {
        assert_eq!(check_path(path.as_bytes()), Err(Malformed::Path), "{path}");
    }
}

#[test]
fn px21_rejects_dot_segments_in_every_spelling() {
    for path in [
        "/.",
        "/..",
        "/./a",
        "/../a",
        "/a/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/%2E%2E/b",
        "/a/.%2e/b",
        "/a/%2e./b",
        "/a/%2e",
        "/a/..;/b",
        "/a/.;/b",
        "/a/..;x=1/b",
        "/a/..%2Fb",
        "/a/..%5Cb",
        "/a/..\\b",
        "/a/...",
        "/admin.",
        "/admin./x",
        "/a/%252e%252e/b",
        "/a/%c0%ae%c0%ae/b",
        "/a/%C0%AE%C0%AE/b",
        "/a/.%00./b",
    ] {
        assert_eq!(check_path(path.as_bytes()), Err(Malformed::Path), "{path}");
    }
}

#[test]
fn px22_rejects_escapes_that_hide_or_are_needless() {
    for path in [
        "/a%2Fb",
        "/a%2fb",
        "/a%5Cb",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/%00",
        "/a%25b",
        "/a%252Fb",
        "/a%3Bb",
        "/a%3Fb",
        "/a%23b",
        "/a%0Ab",
        "/a%0D%0AX:y",
        "/a%09b",
        "/a%7Fb",
        "/a%1Bb",
        "/%61dmin",
        "/adm%69n",
        "/a%2Db",
        "/a%7Eb",
        "/a%40b",
        "/a%3Ab",
        "/a%2Bb",
        "/caf%c3%a9",
        "/a%2",
        "/a%",
        "/a%zz",
        "/a%2G",
        "/a% 20",
        "/a%u002f",
        "/%C0%AF",
        "/%E0%80%AF",
        "/%ED%A0%80",
        "/%F4%90%80%80",
        "/%80",
        "/%C3",
        "/a%C2%85b",
        "/a%C2%80",
        "/a b",
        "/a\tb",
        "/a\"b",
        "/a<b",
        "/a>b",
        "/a|b",
        "/a^b",
        "/a`b",
        "/a{b",
        "/a}b",
        "/a[b",
        "/a]b",
        "/caf\u{e9}",
        "/a\u{0}b",
        "/a#b",
        "/%20a",
        "/a%20",
        "/a%20/b",
        "/%20",
    ] {
        assert_eq!(check_path(path.as_bytes()), Err(Malformed::Path), "{path}");
    }
}

#[test]
fn px23_rejects_matrix_parameters() {
    for path in ["/a;b", "/a;x=1/b", "/admin;.css", "/;/a", "/a/;"] {
        assert_eq!(check_path(path.as_bytes()), Err(Malformed::Path), "{path}");
    }
}

#[test]
fn accepts_queries_of_one_reading() {
    for query in [
        "",
        "a=1",
        "a=1&b=2&a=3",
        "q=a%20b+c",
        "path=/status",
        "q=caf%C3%A9&r=caf%c3%a9",
        "filter[name]=x&page[size]=10",
        "a;b",
        "x=?/:@!$'()*,",
        "access_token=other",
        "api_key=",
        "q=hg_abc",
        "&&=",
        "a=%0D%0A",
    ] {
        assert_eq!(check_query(query.as_bytes()), Ok(()), "{query}");
    }
}

#[test]
fn px24_rejects_queries_out_of_grammar() {
    for query in [
        "a b",
        "a\"b",
        "a<b",
        "a>b",
        "a\\b",
        "a^b",
        "a`b",
        "a{b",
        "a|b",
        "a#b",
        "a%",
        "a%2",
        "a%zz",
        "a%00",
        "a\u{0}",
        "caf\u{e9}",
        "a\r\nb",
        "%+1",
        "% 1",
    ] {
        assert_eq!(check_query(query.as_bytes()), Err(Malformed::Query), "{query}");
    }
}

#[test]
fn px28_rejects_a_method_override_in_the_query() {
    for query in ["_method=DELETE", "a=1&_method=PUT", "%5Fmethod=DELETE", "_method"] {
        assert_eq!(check_query(query.as_bytes()), Err(Malformed::Query), "{query}");
    }
    assert_eq!(check_query(b"the_method=x"), Ok(()));
}

#[test]
fn as08_rejects_our_credentials_in_the_query() {
    for query in [
        "access_token=hg_abc",
        "a=1&api_key=hg_x",
        "access%5Ftoken=hg_x",
        "api_key=%68g%5F1",
        "access_token=hg_",
    ] {
        let refused = Err(Malformed::CredentialPlacement);
        assert_eq!(check_query(query.as_bytes()), refused, "{query}");
    }
}

/// Texts near the border: literal bytes, escapes good and bad, slashes and dots.
fn nearly_a_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9]{1,3}",
        2 => Just(String::from("/")),
        1 => Just(String::from(".")),
        2 => "%[0-9A-F][0-9A-F]",
        1 => "%[0-9a-f]{2}",
        1 => "%(C3%A[0-9]|E6%97%A5|20|5B)",
        1 => "[!-~]",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn an_accepted_path_encodes_to_itself(path in nearly_a_path()) {
        if check_path(path.as_bytes()).is_ok() {
            let decoded: Vec<u8> = percent_decode(path.as_bytes()).collect();
            prop_assert_eq!(percent_encode(&decoded, NEEDS_ESCAPE).to_string(), path.clone());
            // Decoding once more changes nothing, and no segment is a dot or empty.
            prop_assert_eq!(percent_decode(&decoded).collect::<Vec<u8>>(), decoded.clone());
            let text = String::from_utf8(decoded).unwrap();
            let inner = text.trim_start_matches('/').trim_end_matches('/');
            prop_assert!(inner.is_empty() || inner.split('/').all(|s| !matches!(s, "" | "." | "..")));
        }
    }

    #[test]
    fn the_canonical_form_of_a_clean_text_is_accepted(text in "[a-zà-ÿ日本🔌\\[\\]{}|^\"<>]{1,20}") {
        let path = format!("/{}", percent_encode(text.as_bytes(), NEEDS_ESCAPE));
        prop_assert_eq!(check_path(path.as_bytes()), Ok(()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = check_path(&bytes);
        let _ = check_query(&bytes);
    }
}
