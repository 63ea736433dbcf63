//! Host, reserved and dropped fields, sizes: PX-26..PX-28, PX-40..PX-47, PX-62.

use http::header::HeaderName;

use super::super::super::testing::{parse_h1, parse_h1_within, request};
use super::{assert_fields, refused};

use crate::model::{Malformed, Refusal};
use crate::routing::HeadLimits;

use Malformed::{Field, Host, Repeated, ReservedField};

#[test]
fn px26_there_is_one_plain_host() {
    let head = |host: &str| format!("GET / HTTP/1.1\r\n{host}Accept: */*\r\n\r\n");
    for host in ["Host: a.test\r\n", "host:a.test:8443\r\n", "HOST: [::1]:80\r\n"] {
        assert!(parse_h1(head(host).as_bytes()).is_ok(), "{host}");
    }
    for host in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: a.test\r\nHost: a.test\r\n",
        "Host: a.test\r\nHost: b.test\r\n",
        "Host: a.test/admin?\r\n",
        "Host: a.test.\r\n",
        "Host: user@a.test\r\n",
        "Host: a.test, b.test\r\n",
        "Host: a.test b.test\r\n",
        "Host: http://a.test\r\n",
        "Host: a.test:80:80\r\n",
        "Host: a.test#x\r\n",
        "Host: *\r\n",
        "Host: a%2etest\r\n",
        "Host: [fe80::1%25eth0]\r\n",
    ] {
        let refused = Err(Refusal::Malformed(Host));
        assert_eq!(parse_h1(head(host).as_bytes()).map(|_| ()), refused, "{host:?}");
    }
}

#[test]
fn px26_the_tls_name_is_the_host() {
    let raw = b"GET / HTTP/1.1\r\nHost: A.test:8443\r\n\r\n";
    let with = |name| parse_h1_within(raw, &HeadLimits::default(), name).map(|_| ());
    assert_eq!(with(None), Ok(()));
    assert_eq!(with(Some("a.test")), Ok(()));
    assert_eq!(with(Some("b.test")), Err(Refusal::UnknownHost));
}

#[test]
fn px27_px28_px40_px41_px43_fields_from_outside_claim_nothing() {
    assert_fields(
        "PX-40",
        &refused(ReservedField),
        &[
            "Hubgate-Assertion: x\r\n",
            "hUBGATE-assertion: x\r\n",
            "Hubgate.Assertion: x\r\n",
            "Hub-gate-Assertion: x\r\n",
            "HubgateAssertion: x\r\n",
            "X-Gw-Identity: x\r\n",
        ],
    );
    assert_fields(
        "PX-40",
        &refused(Field),
        &[
            "Hubgate_Assertion: x\r\n",
            "X_Auth_User: x\r\n",
            "_: x\r\n",
            "Hubgate-Assertion : x\r\n",
        ],
    );
    assert_fields(
        "PX-28",
        &refused(ReservedField),
        &[
            "X-HTTP-Method-Override: DELETE\r\n",
            "X-HTTP-Method: DELETE\r\n",
            "X-Method-Override: DELETE\r\n",
        ],
    );
    assert_fields(
        "PX-27",
        &Ok(()),
        &["X-Forwarded-Uri: /admin\r\nX-Original-URL: /admin\r\nForwarded: for=1\r\n"],
    );
    assert_fields("PX-41", &Ok(()), &["Connection: close\r\n"]);
    assert_fields(
        "PX-41",
        &refused(Field),
        &[
            "Connection: close, X-Team\r\n",
            "Connection: Hubgate-Assertion\r\n",
            "Connection: close\r\nConnection: Authorization\r\n",
            "Connection: host\r\n",
            "Connection:\r\n",
        ],
    );
    assert_fields("PX-43", &Ok(()), &["Authorization: Bearer a\r\n"]);
    assert_fields(
        "PX-43",
        &refused(Repeated),
        &[
            "Authorization: Bearer a\r\nauthorization: Bearer b\r\n",
            "Content-Type: a/b\r\nContent-Type: c/d\r\n",
            "Origin: https://a.test\r\nOrigin: https://b.test\r\n",
        ],
    );
    assert_fields("PX-47", &Ok(()), &["Cookie: a=1\r\nCookie: b=2\r\n"]);
}

#[test]
fn px27_fields_only_a_proxy_may_say_are_gone() {
    let fields = "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1\r\nX-Real-IP: 1.2.3.4\r\nX-Original-URL: /a\r\n\
        X-Rewrite-URL: /a\r\nX-Auth-User: root\r\nRemote-User: root\r\nX-Client-Cert: x\r\nProxy: http://e/\r\n\
        Proxy-Authorization: x\r\nTE: trailers\r\nTrailer: X-Auth-User\r\nKeep-Alive: 5\r\nX-Kept: yes\r\n";
    let read = request("GET /", fields).unwrap();
    let names: Vec<&str> = read.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["host", "x-kept"]);
    assert!(read.accepts_trailers());
}

#[test]
fn px62_sizes_have_limits() {
    let fields = |count: usize| "x: y\r\n".repeat(count);
    assert!(request("GET /", &fields(99)).is_ok());
    assert_eq!(request("GET /", &fields(100)).map(|_| ()), Err(Refusal::HeadTooLarge));
    let field = |length: usize| format!("x: {}\r\n", "y".repeat(length - 1));
    assert!(request("GET /", &field(16 * 1024)).is_ok());
    assert_eq!(request("GET /", &field(16 * 1024 + 1)).map(|_| ()), Err(Refusal::HeadTooLarge));
    assert_eq!(request("GET /", &field(15_000).repeat(5)).map(|_| ()), Err(Refusal::HeadTooLarge));
    let cookie = |length: usize| format!("Cookie: {}\r\n", "c".repeat(length));
    assert!(request("GET /", &cookie(4096)).is_ok());
    assert_eq!(request("GET /", &cookie(4097)).map(|_| ()), Err(Refusal::HeadTooLarge));
    assert_eq!(request("GET /", &cookie(2049).repeat(2)).map(|_| ()), Err(Refusal::HeadTooLarge));
    let line = |length: usize| format!("GET /{}", "p".repeat(length - 1));
    assert!(request(&line(8192), "").is_ok());
    assert_eq!(request(&line(8193), "").map(|_| ()), Err(Refusal::TargetTooLong));
}

#[test]
fn limits_are_settings() {
    let limits = HeadLimits { fields_max: 1, ..HeadLimits::default() };
    let one = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let two = b"GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n";
    assert!(parse_h1_within(one, &limits, None).is_ok());
    assert_eq!(parse_h1_within(two, &limits, None).map(|_| ()), Err(Refusal::HeadTooLarge));
}
