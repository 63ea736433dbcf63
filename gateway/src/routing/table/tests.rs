use super::super::testing::request;
use super::super::{BodyRule, Denials, LogClass, NamedIds, ResourceRule};
use super::*;

use crate::model::{ActionId, Scopes, ServiceId};

fn settings(id: &str, methods: &[Method], path: &str) -> RouteSettings {
    RouteSettings {
        id: RouteId::parse(id).unwrap(),
        host: String::from("hub.localhost"),
        methods: methods.to_vec(),
        path: String::from(path),
        action: ActionId::parse("teams:read").unwrap(),
        resource: ResourceRule::Organisation,
        named: NamedIds::default(),
        scopes: Scopes::none(),
        denials: Denials::default(),
        service: ServiceId::parse("hub").unwrap(),
        durability: LogClass::CrashSafe,
        stream: Stream::None,
        body: BodyRule::ByMethod,
        body_bytes_max: 1024,
        answer: None,
        quota: None,
        stated_scopes: Vec::new(),
    }
}

fn get(id: &str, path: &str) -> RouteSettings {
    settings(id, &[Method::GET], path)
}

fn table(routes: Vec<RouteSettings>) -> RouteTable {
    RouteTable::build(routes).unwrap()
}

fn found(table: &RouteTable, line: &str, fields: &str) -> Result<String, Refusal> {
    let matched = table.find(&request(line, fields).unwrap())?;
    let parameters: Vec<String> =
        matched.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok([vec![matched.route.id().to_string()], parameters].concat().join(" "))
}

#[test]
fn finds_the_route_of_host_method_and_path() {
    let table = table(vec![
        get("list", "/teams"),
        settings("make", &[Method::POST], "/teams"),
        get("me", "/teams/me"),
        settings("one", &[Method::GET, Method::HEAD], "/teams/{team}"),
        settings("withdraw", &[Method::POST], "/wallets/{id}:withdraw"),
        get("files", "/files/{*rest}"),
    ]);
    for (line, route) in [
        ("GET /teams", "list"),
        ("POST /teams?x=1", "make"),
        ("GET /teams/me", "me"),
        ("GET /teams/t-1", "one team=t-1"),
        ("HEAD /teams/t-1", "one team=t-1"),
        ("GET /teams/a%20b", "one team=a b"),
        ("GET /teams/%E6%97%A5", "one team=日"),
        ("POST /wallets/w1:withdraw", "withdraw id=w1"),
        ("GET /files/a/b.txt", "files rest=a/b.txt"),
    ] {
        assert_eq!(found(&table, line, "").as_deref(), Ok(route), "{line}");
    }
}

#[test]
fn a_literal_segment_beats_a_parameter() {
    let table = table(vec![
        get("one", "/points/{pointId}"),
        get("map", "/points/map"),
        settings("change", &[Method::PATCH], "/points/{pointId}"),
        get("logs", "/points/{pointId}/logs"),
    ]);
    for (line, route) in [
        ("GET /points/map", "map"),
        ("GET /points/maps", "one pointId=maps"),
        ("GET /points/map/logs", "logs pointId=map"),
    ] {
        assert_eq!(found(&table, line, "").as_deref(), Ok(route), "{line}");
    }
    // The path is the literal one's, whatever methods the other has.
    let refused = Err(Refusal::MethodNotAllowed { allow: String::from("GET") });
    assert_eq!(found(&table, "PATCH /points/map", ""), refused);
}

#[test]
fn a_place_may_be_named_differently_by_each_route() {
    let table = table(vec![
        get("one", "/points/{pointId}"),
        settings("drop", &[Method::DELETE], "/points/{id}"),
        get("config", "/points/{pointIdentity}/config/{key}"),
        get("logs", "/points/{pointId}/logs"),
        settings("set", &[Method::PUT], "/points/{a}/config/{b}"),
    ]);
    for (line, route) in [
        ("GET /points/p1", "one pointId=p1"),
        ("DELETE /points/p1", "drop id=p1"),
        ("GET /points/p1/config/k", "config pointIdentity=p1 key=k"),
        ("PUT /points/p1/config/k", "set a=p1 b=k"),
        ("GET /points/p1/logs", "logs pointId=p1"),
    ] {
        assert_eq!(found(&table, line, "").as_deref(), Ok(route), "{line}");
    }
    let refused = Err(Refusal::MethodNotAllowed { allow: String::from("GET, DELETE") });
    assert_eq!(found(&table, "POST /points/p1", ""), refused);
}

#[test]
fn what_is_not_declared_is_not_found() {
    let table = table(vec![get("one", "/teams/{team}"), get("files", "/files/{*rest}")]);
    for line in [
        "GET /",
        "GET /teams",
        "GET /teams/",
        "GET /teams/a/",
        "GET /teams/a/b",
        "GET /Teams/a",
        "GET /files",
        "GET /files/",
        "GET /team/a",
        "GET /.hubgate",
        "GET /.hubgate/x",
    ] {
        assert_eq!(found(&table, line, ""), Err(Refusal::RouteNotFound), "{line}");
    }
}

#[test]
fn px23_a_trailing_slash_is_another_resource() {
    let table = table(vec![get("bare", "/a"), get("slash", "/b/")]);
    assert!(found(&table, "GET /a", "").is_ok() && found(&table, "GET /b/", "").is_ok());
    assert_eq!(found(&table, "GET /a/", ""), Err(Refusal::RouteNotFound));
    assert_eq!(found(&table, "GET /b", ""), Err(Refusal::RouteNotFound));
}

#[test]
fn a_catch_all_does_not_swallow_the_gateways_pages() {
    let table = table(vec![get("all", "/{*rest}")]);
    assert_eq!(found(&table, "GET /x/y", "").as_deref(), Ok("all rest=x/y"));
    assert_eq!(found(&table, "GET /.hubgate/callback", ""), Err(Refusal::RouteNotFound));
}

#[test]
fn px28_other_methods_are_not_allowed() {
    let table = table(vec![
        settings("read", &[Method::GET], "/a"),
        settings("write", &[Method::PUT, Method::DELETE], "/a"),
    ]);
    let refused = Err(Refusal::MethodNotAllowed { allow: String::from("GET, PUT, DELETE") });
    for line in ["HEAD /a", "OPTIONS /a", "POST /a"] {
        assert_eq!(found(&table, line, ""), refused, "{line}");
    }
}

#[test]
fn an_unknown_host_is_misdirected() {
    let table = table(vec![RouteSettings { host: String::from("other.test"), ..get("a", "/a") }]);
    assert_eq!(found(&table, "GET /a", ""), Err(Refusal::UnknownHost));
    assert!(table.knows_host("other.test") && !table.knows_host("hub.localhost"));
}

#[test]
fn px10_a_body_needs_a_method_that_has_one() {
    let with = |body| {
        table(vec![RouteSettings {
            methods: vec![Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS],
            body,
            ..get("a", "/a")
        }])
    };
    let unexpected = Err(Refusal::Malformed(Malformed::UnexpectedBody));
    let sized = "Content-Length: 3\r\n";
    let (by_method, allowed, refused) =
        (with(BodyRule::ByMethod), with(BodyRule::Allowed), with(BodyRule::Refused));
    for line in ["GET /a", "HEAD /a", "DELETE /a", "OPTIONS /a"] {
        assert_eq!(found(&by_method, line, sized), unexpected, "{line}");
        assert_eq!(found(&by_method, line, "Transfer-Encoding: chunked\r\n"), unexpected, "{line}");
        assert!(found(&by_method, line, "Content-Length: 0\r\n").is_ok(), "{line}");
        assert!(found(&allowed, line, sized).is_ok(), "{line}");
    }
    assert!(found(&by_method, "POST /a", sized).is_ok());
    assert_eq!(found(&refused, "POST /a", sized), unexpected);
    assert!(found(&refused, "POST /a", "").is_ok());
}

#[test]
fn a_promised_body_fits_the_route() {
    let table = table(vec![settings("a", &[Method::POST], "/a")]);
    assert!(found(&table, "POST /a", "Content-Length: 1024\r\n").is_ok());
    let large = found(&table, "POST /a", "Content-Length: 1025\r\n");
    assert_eq!(large, Err(Refusal::BodyTooLarge));
}

#[test]
fn px09_upgrades_pass_only_where_declared() {
    let table = table(vec![
        get("plain", "/plain"),
        RouteSettings { stream: Stream::WebSocket, ..get("ws", "/ws") },
    ]);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    assert!(found(&table, "GET /ws", upgrade).is_ok());
    assert!(found(&table, "GET /ws", "").is_ok());
    let refused = Err(Refusal::Malformed(Malformed::Upgrade));
    assert_eq!(found(&table, "GET /plain", upgrade), refused);
}

#[test]
fn routes_are_known_by_id() {
    let table = table(vec![get("a", "/a"), get("b", "/b")]);
    let id = RouteId::parse("b").unwrap();
    assert_eq!(table.route(&id).unwrap().template(), "/b");
    assert!(table.route(&RouteId::parse("c").unwrap()).is_none());
    assert_eq!(table.routes().count(), 2);
}

fn messages(routes: Vec<RouteSettings>) -> Vec<String> {
    RouteTable::build(routes).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn names_both_routes_that_collide() {
    for (second, message) in [
        (get("a", "/b"), "route `a`: another route has this id"),
        (get("b", "/a/{x}"), "route `b`: `GET /a/{x}` already belongs to route `a`"),
        (get("b", "/a/{y}"), "route `b`: `GET /a/{y}` already belongs to route `a`"),
        (
            get("b", "/a/{*y}"),
            "route `b`: `/a/{*y}` overlaps `/a/{x}` of route `a`, so a path would not say which is meant",
        ),
    ] {
        assert_eq!(messages(vec![get("a", "/a/{x}"), second]), [message]);
    }
}

#[test]
fn the_same_path_on_another_host_is_no_collision() {
    let other = RouteSettings { host: String::from("other.test"), ..get("b", "/a") };
    assert!(RouteTable::build(vec![get("a", "/a"), other]).is_ok());
}

fn path(parameter: &str) -> ResourceRule {
    ResourceRule::Path { kind: String::from("Team"), parameter: String::from(parameter) }
}

fn header(name: &str) -> ResourceRule {
    ResourceRule::Header { kind: String::from("Team"), name: String::from(name) }
}

fn json(pointer: &str) -> ResourceRule {
    ResourceRule::JsonBody { kind: String::from("Team"), pointer: String::from(pointer) }
}

fn with(id: &str, resource: ResourceRule) -> RouteSettings {
    RouteSettings { resource, ..get(id, "/a/{team}") }
}

fn post(id: &str, resource: ResourceRule) -> RouteSettings {
    RouteSettings { methods: vec![Method::POST], ..with(id, resource) }
}

fn assert_all_named(bad: Vec<RouteSettings>) {
    let names: Vec<String> = bad.iter().map(|route| route.id.to_string()).collect();
    let errors = RouteTable::build(bad).unwrap_err();
    let blamed: Vec<String> = errors.iter().map(|error| error.id().to_string()).collect();
    assert_eq!(blamed, names);
}

#[test]
fn reports_every_bad_path_host_and_method_by_name() {
    let on = |id, host: &str| RouteSettings { host: String::from(host), ..get(id, "/a") };
    assert_all_named(vec![
        get("template", "/a/../b"),
        get("own", "/.hubgate/x"),
        on("host", "Hub.localhost:80"),
        on("wildcard", "*"),
        settings("none", &[], "/a"),
        settings("twice", &[Method::GET, Method::GET], "/a"),
        settings("trace", &[Method::TRACE], "/a"),
        RouteSettings { stream: Stream::WebSocket, ..settings("ws", &[Method::POST], "/a") },
    ]);
}

#[test]
fn reports_every_bad_resource_rule_by_name() {
    let bad_kind = ResourceRule::Path { kind: String::from("9"), parameter: String::from("team") };
    let no_key = ResourceRule::Query { kind: String::from("Team"), key: String::new() };
    assert_all_named(vec![
        with("parameter", path("tem")),
        with("kind", bad_kind),
        with("key", no_key),
        with("credential", header("Authorization")),
        with("dropped", header("X-Forwarded-User")),
        with("reserved", header("Hubgate-Team")),
        with("underscore", header("X_Team")),
        with("no-name", header("X Team")),
        with("bodiless", json("/team")),
        post("pointer", json("team")),
        RouteSettings { body_bytes_max: 65_537, ..post("large", json("/team")) },
    ]);
    let good = vec![
        with("path", path("team")),
        RouteSettings { path: String::from("/b"), ..with("header", header("X-Team")) },
        RouteSettings { path: String::from("/c"), ..post("json", json("/team")) },
    ];
    assert!(RouteTable::build(good).is_ok());
}

#[test]
fn a_table_has_a_largest_size() {
    let routes =
        |count: usize| (0..count).map(|n| get(&format!("r{n}"), &format!("/r{n}/{{x}}"))).collect();
    let table = table(routes(10_000));
    assert_eq!(found(&table, "GET /r9999/a", "").as_deref(), Ok("r9999 x=a"));
    assert_eq!(messages(routes(10_001)), ["route `r10000`: more than 10000 routes"]);
}
