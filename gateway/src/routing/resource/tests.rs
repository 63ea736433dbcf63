use http::Method;

use super::super::testing::{parse_h1, request};
use super::super::{BodyRule, Denials, LogClass, NamedIds, RouteSettings, RouteTable, Stream};
use super::*;

use crate::model::{ActionId, RouteId, Scopes, ServiceId};

use Malformed::{Body, Field, Path, Query, Repeated};

fn table(resource: ResourceRule) -> RouteTable {
    RouteTable::build(vec![RouteSettings {
        id: RouteId::parse("r").unwrap(),
        host: String::from("hub.localhost"),
        methods: vec![Method::POST],
        path: String::from("/t/{team}"),
        action: ActionId::parse("teams:read").unwrap(),
        resource,
        named: NamedIds::default(),
        scopes: Scopes::none(),
        denials: Denials::default(),
        service: ServiceId::parse("hub").unwrap(),
        durability: LogClass::CrashSafe,
        stream: Stream::None,
        body: BodyRule::ByMethod,
        body_bytes_max: 65_536,
    }])
    .unwrap()
}

/// The id a request names by a rule.
fn id(rule: ResourceRule, target: &str, fields: &str, body: &str) -> Result<String, Refusal> {
    let fields = format!("{fields}Content-Length: {}\r\n", body.len());
    let request = request(&format!("POST {target}"), &fields).unwrap();
    let matched = table(rule).find(&request).unwrap();
    let body = matched.needs_body().then_some(body.as_bytes());
    let uid = matched.resource(&request, body, Place::default())?;
    assert_eq!(uid.kind(), "Team");
    Ok(String::from(uid.id()))
}

fn refused(malformed: Malformed) -> Result<String, Refusal> {
    Err(Refusal::Malformed(malformed))
}

fn kind() -> String {
    String::from("Team")
}

#[test]
fn a_fixed_resource_and_the_organisation_need_no_request() {
    let request = request("POST /t/x", "").unwrap();
    let uid = EntityUid::parse("Report::all").unwrap();
    let fixed = table(ResourceRule::Fixed(uid.clone())).find(&request).unwrap();
    assert_eq!(fixed.resource(&request, None, Place::default()), Ok(uid.clone()));
    assert!(!fixed.needs_body());
    let organisation = table(ResourceRule::Organisation).find(&request).unwrap();
    let node = EntityUid::parse("Operator::sub").unwrap();
    let place = Place { root: Some(&uid), active: Some(&node) };
    assert_eq!(organisation.resource(&request, None, place), Ok(uid.clone()));
    let nowhere = organisation.resource(&request, None, Place::default());
    assert_eq!(nowhere, Err(Refusal::CredentialMissing));
    let active = table(ResourceRule::Active).find(&request).unwrap();
    assert_eq!(active.resource(&request, None, place), Ok(node.clone()));
    let only_root = Place { root: Some(&uid), active: None };
    assert_eq!(active.resource(&request, None, only_root), Ok(uid));
}

#[test]
fn reads_the_path_decoded() {
    let rule = || ResourceRule::Path { kind: kind(), parameter: String::from("team") };
    assert_eq!(id(rule(), "/t/t-1", "", "").as_deref(), Ok("t-1"));
    assert_eq!(id(rule(), "/t/a%20b", "", "").as_deref(), Ok("a b"));
    assert_eq!(id(rule(), "/t/caf%C3%A9", "", "").as_deref(), Ok("café"));
    assert_eq!(id(rule(), &format!("/t/{}", "x".repeat(300)), "", ""), refused(Path));
}

#[test]
fn px24_reads_a_query_key_that_is_there_once() {
    let rule = || ResourceRule::Query { kind: kind(), key: String::from("team_id") };
    for (query, expected) in [
        ("team_id=a", "a"),
        ("x=1&team_id=a%20b&y=2", "a b"),
        ("te%61m_id=a", "a"),
        ("team_id=a=b", "a=b"),
        ("team_id=a&team_idx=b", "a"),
    ] {
        assert_eq!(
            id(rule(), &format!("/t/x?{query}"), "", "").as_deref(),
            Ok(expected),
            "{query}"
        );
    }
    for (query, malformed) in [
        ("", Query),
        ("x=1", Query),
        ("team_id", Query),
        ("team_id=", Query),
        ("TEAM_ID=a", Query),
        ("team_id=a+b", Query),
        ("team_id=%ff", Query),
        ("team_id=a%0Ab", Query),
        ("team_id=a;team_id=b", Query),
        ("x=1;team_id=b&team_id=a", Query),
        ("team_id=a&team_id=a", Repeated),
        ("team_id=a&team_id=b", Repeated),
        ("team_id=a&te%61m_id=b", Repeated),
        ("team_id=a&TEAM_ID=b", Repeated),
        ("team_id=a&team.id=b", Repeated),
        ("team_id=a&team%20id=b", Repeated),
        ("team_id=a&team+id=b", Repeated),
        ("team_id=a&team_id[]=b", Repeated),
        ("team_id=a&team_id[0]=b", Repeated),
        ("team_id=a&%20team_id=b", Repeated),
        ("team_id=a&team_id", Repeated),
    ] {
        assert_eq!(id(rule(), &format!("/t/x?{query}"), "", ""), refused(malformed), "{query}");
    }
    assert_eq!(id(rule(), "/t/x", "", ""), refused(Query));
}

#[test]
fn px43_reads_a_field_that_is_there_once() {
    let rule = || ResourceRule::Header { kind: kind(), name: String::from("X-Team") };
    assert_eq!(id(rule(), "/t/x", "x-team: a\r\n", "").as_deref(), Ok("a"));
    assert_eq!(id(rule(), "/t/x", "", ""), refused(Field));
    assert_eq!(id(rule(), "/t/x", "X-Team:\r\n", ""), refused(Field));
    assert_eq!(id(rule(), "/t/x", "X-Team: a\r\nX-Team: b\r\n", ""), refused(Repeated));
    assert_eq!(id(rule(), "/t/x", "X-Team: a\r\nx-team: a\r\n", ""), refused(Repeated));
}

#[test]
fn reads_a_json_body_that_says_it_is_one() {
    let rule = || ResourceRule::JsonBody { kind: kind(), pointer: String::from("/team/id") };
    let body = r#"{"team":{"id":"t-1"}}"#;
    for kind in ["application/json", "application/json; charset=UTF-8", "application/vnd.hub+json"]
    {
        let fields = format!("Content-Type: {kind}\r\n");
        assert_eq!(id(rule(), "/t/x", &fields, body).as_deref(), Ok("t-1"), "{kind}");
    }
    for fields in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
    ] {
        assert_eq!(id(rule(), "/t/x", fields, body), refused(Body), "{fields}");
    }
    let json = "Content-Type: application/json\r\n";
    assert_eq!(id(rule(), "/t/x", json, r#"{"team":{"id":""}}"#), refused(Body));
    assert_eq!(id(rule(), "/t/x", json, ""), refused(Body));
}

#[test]
fn a_body_is_read_up_to_its_limit() {
    let rule = ResourceRule::JsonBody { kind: kind(), pointer: String::from("/id") };
    let raw = "POST /t/x HTTP/1.1\r\nHost: hub.localhost\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let request = parse_h1(raw.as_bytes()).unwrap();
    let matched = table(rule).find(&request).unwrap();
    assert!(matched.needs_body());
    let body = |length: usize| format!("{{\"id\":\"a\"}}{}", " ".repeat(length - 10));
    assert!(matched.resource(&request, Some(body(65_536).as_bytes()), Place::default()).is_ok());
    let large = matched.resource(&request, Some(body(65_537).as_bytes()), Place::default());
    assert_eq!(large, Err(Refusal::BodyTooLarge));
    let unread = matched.resource(&request, None, Place::default());
    assert_eq!(unread, Err(Refusal::Malformed(Body)));
}
