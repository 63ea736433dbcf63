use http::Method;

use super::super::testing::{parse_h1, request};
use super::super::{
    AlsoRule, BodyRule, Denials, LogClass, NamedIds, RouteSettings, RouteTable, Stream,
};
use super::*;

use crate::model::{ActionId, RouteId, Scopes, ServiceId};

use Malformed::{Body, Field, Path, Query, Repeated};

fn table(resource: ResourceRule) -> RouteTable {
    RouteTable::build(vec![settings(resource)]).unwrap()
}

fn settings(resource: ResourceRule) -> RouteSettings {
    RouteSettings {
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
        answer: None,
        quota: None,
        stated_scopes: Vec::new(),
    }
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
fn px24_a_query_key_folds_as_a_member_of_a_body_does() {
    let rule = |key: &str| ResourceRule::Query { kind: kind(), key: key.to_owned() };
    for (key, query, malformed) in [
        ("siteId", "%C5%BFiteId=b", Query),
        ("siteId", "siteId=a&%C5%BFiteId=b", Repeated),
        ("tokenId", "tokenId=a&to%E2%84%AAenId=b", Repeated),
    ] {
        let found = id(rule(key), &format!("/t/x?{query}"), "", "");
        assert_eq!(found, refused(malformed), "{query}");
    }
    let optional = read_query_list(Some("%C5%BFiteId=b"), "siteId", Occurs::AtMostOnce);
    assert_eq!(optional, Err(Query));
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

fn asking(also: Vec<AlsoRule>) -> RouteTable {
    let rule = ResourceRule::Path { kind: kind(), parameter: String::from("team") };
    let named = NamedIds { also, ..NamedIds::default() };
    let table = RouteTable::build(vec![RouteSettings { named, ..settings(rule) }]);
    table.unwrap()
}

fn also(resource: ResourceRule, occurs: Occurs) -> AlsoRule {
    AlsoRule { action: ActionId::parse("teams:list").unwrap(), resource, occurs }
}

/// The ids asked about beside the resource, for a request with this query.
fn further(query: &str, occurs: Occurs) -> Result<Vec<String>, Refusal> {
    let rule = ResourceRule::Query { kind: kind(), key: String::from("ids") };
    let request = request(&format!("POST /t/a{query}"), "").unwrap();
    let matched = asking(vec![also(rule, occurs)]).find(&request).unwrap();
    let asked = matched.further(&request, None, Place::default())?;
    Ok(asked.into_iter().map(|asked| asked.resource.id().to_owned()).collect())
}

#[test]
fn a_list_is_asked_about_one_by_one_however_it_is_written() {
    for query in ["?ids=x,y", "?ids=x&ids=y", "?ids=x%2Cy", "?%69ds=x&a=b&ids=y"] {
        assert_eq!(further(query, Occurs::List).unwrap(), ["x", "y"], "{query}");
    }
    assert_eq!(further("?ids=x", Occurs::AtMostOnce).unwrap(), ["x"]);
    assert_eq!(further("?ids=x", Occurs::Once).unwrap(), ["x"]);
}

#[test]
fn only_what_may_be_absent_may_be() {
    for occurs in [Occurs::AtMostOnce, Occurs::OptionalList] {
        assert!(further("", occurs).unwrap().is_empty());
        assert!(further("?other=x", occurs).unwrap().is_empty());
    }
    for occurs in [Occurs::Once, Occurs::List] {
        assert_eq!(further("?other=x", occurs), Err(Refusal::Malformed(Query)));
    }
}

#[test]
fn what_two_parsers_could_read_in_two_ways_is_refused() {
    for (query, refused) in [
        ("?ids=x&ids=y", Repeated),
        ("?ids[]=x", Query),
        ("?IDS=x", Query),
        ("?ids=x;ids=y", Query),
        ("?ids=x+y", Query),
        ("?ids=", Query),
    ] {
        assert_eq!(further(query, Occurs::AtMostOnce), Err(Refusal::Malformed(refused)), "{query}");
    }
    for query in ["?ids=x,", "?ids=,x", "?ids=", "?ids[]=x", "?ids=x&IDS=y", "?ids=x;y"] {
        assert_eq!(further(query, Occurs::OptionalList), Err(Refusal::Malformed(Query)), "{query}");
    }
}

#[test]
fn a_list_has_an_end() {
    let query = |count: usize| format!("?ids={}", vec!["x"; count].join(","));
    assert_eq!(further(&query(FURTHER_MAX), Occurs::List).unwrap().len(), FURTHER_MAX);
    let more = further(&query(FURTHER_MAX + 1), Occurs::List);
    assert_eq!(more, Err(Refusal::Malformed(Query)));
}

#[test]
fn a_field_and_a_body_name_further_objects_too() {
    let field = ResourceRule::Header { kind: kind(), name: String::from("x-team") };
    let table = asking(vec![also(field, Occurs::AtMostOnce)]);
    let without = request("POST /t/a", "").unwrap();
    let matched = table.find(&without).unwrap();
    assert!(!matched.needs_body());
    assert!(matched.further(&without, None, Place::default()).unwrap().is_empty());
    let with = request("POST /t/a", "X-Team: b\r\n").unwrap();
    let asked = table.find(&with).unwrap().further(&with, None, Place::default()).unwrap();
    assert_eq!(asked[0].resource, EntityUid::new("Team", "b").unwrap());
    let body = ResourceRule::JsonBody { kind: kind(), pointer: String::from("/id") };
    assert!(asking(vec![also(body, Occurs::Once)]).find(&without).unwrap().needs_body());
}

#[test]
fn rules_that_cannot_be_are_refused_at_load() {
    let path = || ResourceRule::Path { kind: kind(), parameter: String::from("team") };
    let among = ResourceRule::Among { kinds: vec![kind()] };
    let nowhere = ResourceRule::Path { kind: kind(), parameter: String::from("nowhere") };
    for (rule, message) in [
        (also(path(), Occurs::List), "only a query key holds a list"),
        (also(path(), Occurs::AtMostOnce), "only a query key or a field may be absent"),
        (also(among, Occurs::Once), "not about a set"),
        (also(nowhere, Occurs::Once), "no parameter `nowhere`"),
    ] {
        let named = NamedIds { also: vec![rule], ..NamedIds::default() };
        let errors = RouteTable::build(vec![RouteSettings { named, ..settings(path()) }]);
        assert!(errors.unwrap_err()[0].to_string().contains(message), "{message}");
    }
}
