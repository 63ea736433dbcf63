//! The table of raw requests: requirement, bytes, verdict.

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// One of these statuses, and no byte upstream.
    Refused(&'static [u16]),
    /// The upstream sees exactly one request with this request line and this body, and none of what
    /// `NEVER_UPSTREAM` lists.
    Forwarded {
        /// `METHOD target`.
        line: &'static str,
        /// The body, after any framing is taken off.
        body: &'static str,
    },
    /// Grammar below what a filter sees: refused or one well-framed request, then the connection closes;
    /// the second, smuggled request never arrives.
    NeverSmuggled,
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The requirement.
    pub(crate) id: &'static str,
    /// What is special about the bytes.
    pub(crate) name: String,
    /// The bytes, with placeholders.
    pub(crate) bytes: Vec<u8>,
    /// What must come of them.
    pub(crate) expected: Expected,
}

const BAD: Expected = Expected::Refused(&[400]);
const LARGE: Expected = Expected::Refused(&[431]);

const fn forwarded(line: &'static str) -> Expected {
    Expected::Forwarded { line, body: "" }
}

fn case(id: &'static str, name: impl Into<String>, bytes: &[u8], expected: Expected) -> Case {
    Case { id, name: name.into(), bytes: bytes.to_vec(), expected }
}

/// A GET of `target` with good fields.
fn target(id: &'static str, name: &str, target: &[u8], expected: Expected) -> Case {
    let tail = b" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n";
    case(id, name, &[b"GET ", target, tail].concat(), expected)
}

/// A request with good `Host` and key, and these lines.
fn fields(id: &'static str, line: &str, lines: &[u8], expected: Expected) -> Case {
    // The lines are the name: they say best what the row is about.
    let name: String = lines.escape_ascii().to_string().chars().take(120).collect();
    let head = b" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n";
    case(id, name, &[line.as_bytes(), head, lines].concat(), expected)
}

/// All rows.
pub(crate) fn cases() -> Vec<Case> {
    [
        accepted_cases(),
        framing_cases(),
        request_line_cases(),
        line_ending_cases(),
        upgrade_and_expect_cases(),
        path_cases(),
        query_cases(),
        host_cases(),
        field_cases(),
        size_cases(),
        below_the_filter_cases(),
    ]
    .concat()
}

fn accepted_cases() -> Vec<Case> {
    let post = "POST /echo/a";
    let body = Expected::Forwarded { line: "POST /echo/a", body: "abc" };
    vec![
        target("PX-00", "a plain request", b"/echo/a", forwarded("GET /echo/a")),
        target("PX-20", "a query", b"/echo/a?x=1&y", forwarded("GET /echo/a?x=1&y")),
        target("PX-22", "escaped UTF-8", b"/echo/caf%C3%A9", forwarded("GET /echo/caf%C3%A9")),
        target("PX-22", "sub-delimiters", b"/echo/a:b@c!d,e=f", forwarded("GET /echo/a:b@c!d,e=f")),
        target("PX-23", "a trailing slash stays", b"/echo/a/", forwarded("GET /echo/a/")),
        target(
            "PX-24",
            "a path in the query",
            b"/echo/a?p=/admin",
            forwarded("GET /echo/a?p=/admin"),
        ),
        // Pingora escapes the space before any filter; what is decided and sent is the escaped form.
        target("PX-20", "a space inside the target", b"/echo/a b", forwarded("GET /echo/a%20b")),
        fields("PX-03", post, b"Content-Length: 3\r\n\r\nabc", body),
        fields("PX-02", post, b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", body),
        fields("PX-10", "GET /echo/a", b"Content-Length: 0\r\n\r\n", forwarded("GET /echo/a")),
    ]
}

fn framing_cases() -> Vec<Case> {
    let rows: &[(&'static str, &[u8])] = &[
        ("PX-01", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("PX-01", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("PX-02", b"Transfer_Encoding: chunked\r\n\r\n"),
        ("PX-03", b"Content-Length: +3\r\n\r\nabc"),
        ("PX-03", b"Content-Length: 3, 3\r\n\r\nabc"),
        ("PX-03", b"Content-Length: 003\r\n\r\nabc"),
        ("PX-03", b"Content-Length: 0x3\r\n\r\nabc"),
        ("PX-03", b"Content-Length: -0\r\n\r\n"),
        ("PX-03", b"Content-Length:\r\n\r\n"),
        ("PX-03", b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
        ("PX-03", b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
        ("PX-03", b"Content-Length: 18446744073709551617\r\n\r\nabc"),
        ("PX-03", b"Content-Length : 3\r\n\r\nabc"),
        ("PX-03", b"Content_Length: 3\r\n\r\nabc"),
    ];
    rows.iter().map(|(id, lines)| fields(id, "POST /echo/a", lines, BAD)).collect()
}

fn request_line_cases() -> Vec<Case> {
    let rows: &[(&'static str, &str, &[u8])] = &[
        ("PX-04", "HTTP/1.0", b"GET /echo/a HTTP/1.0"),
        ("PX-04", "HTTP/1.2", b"GET /echo/a HTTP/1.2"),
        ("PX-04", "HTTP/2.0 in text", b"GET /echo/a HTTP/2.0"),
        ("PX-04", "lower-case version", b"GET /echo/a http/1.1"),
        ("PX-04", "HTTP/0.9", b"GET /echo/a"),
        ("PX-04", "space after the version", b"GET /echo/a HTTP/1.1 "),
        ("PX-20", "two spaces before the target", b"GET  /echo/a HTTP/1.1"),
        ("PX-20", "two spaces after the target", b"GET /echo/a  HTTP/1.1"),
        ("PX-20", "tab for space", b"GET\t/echo/a HTTP/1.1"),
        ("PX-20", "no leading slash", b"GET echo/a HTTP/1.1"),
        ("PX-20", "asterisk-form", b"OPTIONS * HTTP/1.1"),
        ("PX-20", "asterisk-form with GET", b"GET * HTTP/1.1"),
        ("PX-20", "absolute-form", b"GET http://{host}/echo/a HTTP/1.1"),
        ("PX-20", "absolute-form of another host", b"GET http://evil.test/echo/a HTTP/1.1"),
        ("PX-20", "query without path", b"GET ?x HTTP/1.1"),
        ("PX-28", "lower-case method", b"get /echo/a HTTP/1.1"),
        ("PX-28", "TRACE", b"TRACE /echo/a HTTP/1.1"),
        ("PX-28", "TRACK", b"TRACK /echo/a HTTP/1.1"),
        ("PX-28", "an unknown method", b"FROB /echo/a HTTP/1.1"),
        ("PX-22", "NUL in the target", b"GET /echo/a\0 HTTP/1.1"),
    ];
    let mut cases: Vec<Case> = rows
        .iter()
        .map(|(id, name, line)| {
            let tail = b"\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n";
            case(id, *name, &[*line, tail].concat(), BAD)
        })
        .collect();
    let connect = b"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n";
    cases.push(case("PX-28", "CONNECT", connect, Expected::Refused(&[400, 405])));
    let not_listed = "DELETE /echo/a";
    cases.push(fields("PX-28", not_listed, b"\r\n", Expected::Refused(&[405])));
    cases
}

fn line_ending_cases() -> Vec<Case> {
    let get = "GET /echo/a";
    let mut cases = vec![
        case("PX-07", "bare LF everywhere", b"GET /echo/a HTTP/1.1\nHost: {host}\n\n", BAD),
        case(
            "PX-07",
            "bare LF after the request line",
            b"GET /echo/a HTTP/1.1\nHost: {host}\r\n\r\n",
            BAD,
        ),
        case(
            "PX-07",
            "bare LF as the empty line",
            b"GET /echo/a HTTP/1.1\r\nHost: {host}\r\n\n",
            BAD,
        ),
        case(
            "PX-07",
            "an empty line first",
            b"\r\nGET /echo/a HTTP/1.1\r\nHost: {host}\r\n\r\n",
            BAD,
        ),
    ];
    let rows: &[&[u8]] = &[
        b"X: y\nZ: w\r\n\r\n",
        b"X: y\rZ: w\r\n\r\n",
        b"X: y\r\r\n\r\n",
        b"X: a\0b\r\n\r\n",
        b"X\0: y\r\n\r\n",
        b"X: y\r\n folded\r\n\r\n",
        b"X: y\r\n\tfolded\r\n\r\n",
        b"X : y\r\n\r\n",
        b": y\r\n\r\n",
        b"X\r\n\r\n",
        b"X(y): z\r\n\r\n",
        b"X: \xe9\r\n\r\n",
        b"X: \x1b[31m\r\n\r\n",
        b"X: \x7f\r\n\r\n",
    ];
    cases.extend(rows.iter().map(|lines| fields("PX-07", get, lines, BAD)));
    cases
}

fn upgrade_and_expect_cases() -> Vec<Case> {
    let (get, post) = ("GET /echo/a", "POST /echo/a");
    let rows: &[(&'static str, &str, &[u8])] = &[
        ("PX-09", get, b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
        ("PX-09", get, b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        ("PX-09", get, b"Upgrade: websocket\r\n\r\n"),
        ("PX-09", get, b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n"),
        ("PX-09", post, b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc"),
        ("PX-10", get, b"Content-Length: 3\r\n\r\nabc"),
        ("PX-10", get, b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("PX-10", post, b"Content-Length: 3\r\nExpect: y 100-continue\r\n\r\nabc"),
        ("PX-10", post, b"Content-Length: 3\r\nExpect: 100-continue, x\r\n\r\nabc"),
        ("PX-10", get, b"Expect: 100-continue\r\n\r\n"),
    ];
    rows.iter().map(|(id, line, lines)| fields(id, line, lines, BAD)).collect()
}

/// Paths that are not their own canonical form, parted by spaces.
const BAD_PATHS: &[(&str, &str)] = &[
    ("PX-20", "//echo/a /echo//a /echo/a// //evil.test/echo/a"),
    ("PX-21", "/echo/./a /echo/../a /echo/a/.. /echo/%2e%2e/a /echo/%2E%2E/a /echo/.%2e/a"),
    ("PX-21", "/echo/..;/a /echo/.;/a /echo/..%2Fa /echo/..\\a /echo/a. /echo/a./b"),
    ("PX-21", "/echo/%252e%252e/a"),
    ("PX-22", "/echo/a%2Fb /echo/a%2fb /echo/a%5Cb /echo/a\\b /echo/a%00 /echo/a%25b"),
    ("PX-22", "/echo/a%3Bb /echo/a%3Fb /echo/a%23b /echo/a%0Ab /echo/%61 /ech%6F/a"),
    ("PX-22", "/echo/caf%c3%a9 /echo/a%2 /echo/a%zz /echo/%C0%AF /echo/%ED%A0%80"),
    ("PX-22", "/echo/a#b /echo/a|b /echo/caf\u{e9}"),
    ("PX-23", "/echo/a;b /echo/a;x=1/b /echo/a;.css"),
];

fn path_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = BAD_PATHS
        .iter()
        .flat_map(|(id, paths)| paths.split(' ').map(|path| target(id, path, path.as_bytes(), BAD)))
        .collect();
    let missing = Expected::Refused(&[404]);
    cases.push(target("PX-23", "another case", b"/Echo/a", missing));
    cases.push(target("PX-23", "no route", b"/elsewhere", missing));
    cases
}

fn query_cases() -> Vec<Case> {
    let queries =
        ["a=\\", "a=%", "a=%zz", "a=%00", "a={b}", "a#b", "_method=DELETE", "access_token=hg_abc"];
    let cases = queries
        .iter()
        .map(|query| target("PX-24", query, format!("/echo/a?{query}").as_bytes(), BAD));
    cases.collect()
}

fn host_cases() -> Vec<Case> {
    let rows: &[(&str, Expected)] = &[
        ("", BAD),
        ("Host:\r\n", BAD),
        ("Host: {host}\r\nHost: {host}\r\n", BAD),
        ("Host: {host}\r\nHost: evil.test\r\n", BAD),
        ("Host: {host}/admin?\r\n", BAD),
        ("Host: {host}.\r\n", BAD),
        ("Host: user@{host}\r\n", BAD),
        ("Host: {host}, evil.test\r\n", BAD),
        ("Host: {host}:80:80\r\n", BAD),
        ("Host: {host}:x\r\n", BAD),
        ("Host: [fe80::1%25eth0]\r\n", BAD),
        ("Host : {host}\r\n", BAD),
        ("Host: evil.test\r\n", Expected::Refused(&[421])),
        ("Host: x.{host}\r\n", Expected::Refused(&[421])),
    ];
    let build = |(lines, expected): &(&str, Expected)| {
        let raw = format!("GET /echo/a HTTP/1.1\r\n{lines}Authorization: Bearer {{key}}\r\n\r\n");
        case("PX-26", format!("`{}`", lines.escape_debug()), raw.as_bytes(), *expected)
    };
    rows.iter().map(build).collect()
}

fn field_cases() -> Vec<Case> {
    let get = "GET /echo/a";
    let refused: &[(&'static str, &[u8])] = &[
        ("PX-28", b"X-HTTP-Method-Override: DELETE\r\n\r\n"),
        ("PX-28", b"X-HTTP-Method: DELETE\r\n\r\n"),
        ("PX-28", b"X-Method-Override: DELETE\r\n\r\n"),
        ("PX-40", b"Hubgate-Assertion: spoofed-by-client\r\n\r\n"),
        ("PX-40", b"HUBGATE-ASSERTION: spoofed-by-client\r\n\r\n"),
        ("PX-40", b"Hubgate_Assertion: spoofed-by-client\r\n\r\n"),
        ("PX-40", b"Hubgate.Assertion: spoofed-by-client\r\n\r\n"),
        ("PX-40", b"HubgateAssertion: spoofed-by-client\r\n\r\n"),
        ("PX-40", b"X_Auth_User: spoofed-by-client\r\n\r\n"),
        ("PX-40", b"X-Gw-Identity: spoofed-by-client\r\n\r\n"),
        ("PX-41", b"Connection: close, Hubgate-Assertion\r\n\r\n"),
        ("PX-41", b"Connection: close\r\nConnection: authorization\r\n\r\n"),
        ("PX-41", b"Connection: Host\r\n\r\n"),
        ("PX-43", b"Authorization: Bearer other\r\n\r\n"),
        ("PX-43", b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"),
    ];
    let dropped: &[(&'static str, &[u8])] = &[
        (
            "PX-27",
            b"X-Forwarded-Uri: /spoofed-by-client\r\nX-Forwarded-Host: spoofed-by-client\r\n\r\n",
        ),
        (
            "PX-27",
            b"X-Original-URL: /spoofed-by-client\r\nX-Rewrite-URL: /spoofed-by-client\r\n\r\n",
        ),
        (
            "PX-27",
            b"Forwarded: for=spoofed-by-client\r\nX-Forwarded-Prefix: /spoofed-by-client\r\n\r\n",
        ),
        ("PX-40", b"X-Auth-User: spoofed-by-client\r\nRemote-User: spoofed-by-client\r\n\r\n"),
        ("PX-40", b"X-Client-Cert: spoofed-by-client\r\nProxy: spoofed-by-client\r\n\r\n"),
        ("PX-41", b"Connection: close\r\nProxy-Authorization: spoofed-by-client\r\n\r\n"),
        ("PX-46", b"X-Forwarded-For: spoofed-by-client\r\nX-Real-IP: spoofed-by-client\r\n\r\n"),
        ("PX-06", b"Trailer: spoofed-by-client\r\nTE: trailers\r\nKeep-Alive: 5\r\n\r\n"),
    ];
    let refused = refused.iter().map(|(id, lines)| fields(id, get, lines, BAD));
    let dropped =
        dropped.iter().map(|(id, lines)| fields(id, get, lines, forwarded("GET /echo/a")));
    refused.chain(dropped).collect()
}

fn size_cases() -> Vec<Case> {
    let get = "GET /echo/a";
    let long_target = b"/echo/{big:8200}";
    vec![
        target("PX-62", "a target of 8 KB and more", long_target, Expected::Refused(&[414])),
        fields("PX-62", get, b"X: {big:16400}\r\n\r\n", LARGE),
        fields("PX-62", get, b"Cookie: a={big:4100}\r\n\r\n", LARGE),
        fields("PX-62", get, b"A: {big:16000}\r\nB: {big:16000}\r\nC: {big:16000}\r\nD: {big:16000}\r\nE: {big:16000}\r\n\r\n", LARGE),
        fields("PX-62", get, &[&b"X: y\r\n".repeat(101)[..], b"\r\n"].concat(), LARGE),
    ]
}

/// Bodies whose grammar no filter sees, and bytes after the end of a request.
fn below_the_filter_cases() -> Vec<Case> {
    let smuggled =
        b"GET /echo/smuggled HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n";
    let bodies: &[(&'static str, &[u8])] = &[
        ("PX-05", b"3\nabc\r\n0\r\n\r\n"),
        ("PX-05", b"3;x\ny\r\nabc\r\n0\r\n\r\n"),
        ("PX-05", b"3 \r\nabc\r\n0\r\n\r\n"),
        ("PX-05", b"0x3\r\nabc\r\n0\r\n\r\n"),
        ("PX-05", b"+3\r\nabc\r\n0\r\n\r\n"),
        ("PX-05", b"3\r\nabcd\r\n0\r\n\r\n"),
        ("PX-05", b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"),
        ("PX-05", b"0\r\n\n"),
        ("PX-06", b"3\r\nabc\r\n0\r\nX-Auth-User: spoofed-by-client\r\n\r\n"),
        ("PX-05", b"3\r\nabc\r\n0\r\n\r\n"),
    ];
    let chunked = bodies.iter().map(|(id, body)| {
        let lines = [b"Transfer-Encoding: chunked\r\n\r\n", *body, smuggled].concat();
        fields(id, "POST /echo/a", &lines, Expected::NeverSmuggled)
    });
    chunked.collect()
}
