//! Every operation of the demo hub's two API documents, through the gateway to the hub.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use hubgate_testkit::demo_hub::{DemoHub, Verifier};
use hubgate_testkit::https_client::HttpsClient;
use hubgate_testkit::stage::{GatewayProcess, NewKey, SERVICES, Stage, StageSettings};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Operations of the Partner API that the strongest key of a whole account is refused, and the condition.
const REFUSED: [(&str, &str); 1] =
    [("partner.approve-subscription", "Only a pending subscription can be approved.")];

const EXCHANGE: &str = "partner.get-access-token-with-client-credentials";
const REFRESH: &str = "partner.get-access-token-with-refresh-token";
/// What the gateway answers itself, and a property of each answer.
const OWN: [(&str, &str); 4] = [
    (EXCHANGE, "accessToken"),
    (REFRESH, "accessToken"),
    ("partner.get-auth-information", "clientId"),
    ("partner.get-current-consumer", "clientId"),
];

/// What a client exchanges for tokens.
fn credentials(key: &str) -> String {
    let id = key.split('_').nth(1).unwrap();
    json!({"clientId": id, "clientSecret": key}).to_string()
}

/// More than any test sends.
const UNLIMITED: u32 = 1_000_000;
/// A port that was free a moment ago may be taken by the time the gateway asks for it.
const STARTS_MAX: usize = 5;

struct World {
    stage: Stage,
    client: HttpsClient,
    /// The first resource of each type in the demo organisation.
    ids: BTreeMap<String, String>,
    _gateway: GatewayProcess,
    _hub: DemoHub,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

impl World {
    async fn start() -> Self {
        for _ in 0..STARTS_MAX {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let stage = Stage::prepare(StageSettings {
                binary: env!("CARGO_BIN_EXE_hubgate").into(),
                repository: repository().to_owned(),
                gateway: SocketAddr::from(([127, 0, 0, 1], 0)),
                provider: None,
                service: listener.local_addr().unwrap(),
                threads: 2,
                requests_per_minute: Some(UNLIMITED),
            })
            .unwrap();
            let client = stage.client().unwrap();
            let keys = format!("{}/.hubgate/jwks.json", stage.hub_url());
            let verifier = Verifier::new(client.clone(), &keys, &SERVICES);
            let hub = DemoHub::start(listener, verifier).unwrap();
            let mut gateway = stage.start().unwrap();
            if gateway.wait_until_ready().await.is_ok() {
                return Self { stage, client, ids: ids(), _gateway: gateway, _hub: hub };
            }
        }
        panic!("the gateway does not start");
    }

    fn key(&self, name: &str, scopes: &[&str]) -> String {
        let roles = &["client=Operator::nordvolt"];
        self.stage.create_key(&NewKey { organisation: "nordvolt", name, roles, scopes }).unwrap()
    }

    /// The routes of a service, as `hubgate routes` lists them.
    fn routes(&self, service: &str) -> Vec<Value> {
        let listed = ["routes", "--format", "json", "--service", service];
        serde_json::from_str(&self.stage.run(&listed).unwrap()).unwrap()
    }

    /// Asks for the operation on a resource of the demo organisation.
    async fn ask(&self, row: &Value, key: &str) -> (u16, Value) {
        let rule = row["resource"].as_str().unwrap();
        let (kind, place) = rule.split_once("::").unwrap_or_default();
        let id = || self.ids.get(kind).unwrap_or_else(|| panic!("no {kind} in the demo")).clone();
        let mut path = String::new();
        for piece in row["path"].as_str().unwrap().split_inclusive('}') {
            let (literal, parameter) = piece.split_once('{').unwrap_or((piece, ""));
            path.push_str(literal);
            let parameter = parameter.trim_end_matches('}');
            let also = row["also"].as_array().unwrap().iter().filter_map(Value::as_str);
            let also = also.filter_map(|rule| rule.split_once(" on ")?.1.split_once("::path."));
            let also = also.clone().find(|(_, named)| *named == parameter).map(|(kind, _)| kind);
            match place.strip_prefix("path.") {
                Some(named) if named == parameter => path.push_str(&id()),
                _ if also.is_some() => path.push_str(&self.ids[also.unwrap_or_default()]),
                _ if !parameter.is_empty() => path.push_str("another"),
                _ => {}
            }
        }
        let body = place.strip_prefix("json./").map(|field| json!({field: id()}).to_string());
        let body = match row["operation"].as_str().unwrap() {
            EXCHANGE => credentials(key),
            REFRESH => {
                let exchange = self.routes("partner-api").into_iter();
                let exchange = exchange.into_iter().find(|row| row["operation"] == EXCHANGE);
                let told = Box::pin(self.ask(&exchange.unwrap(), key)).await.1;
                json!({"refreshToken": told["refreshToken"]}).to_string()
            }
            _ => body.unwrap_or_default(),
        };
        let host = row["host"].as_str().unwrap();
        let mut request = Request::builder()
            .method(row["method"].as_str().unwrap())
            .uri(format!("https://{host}:{}{path}", self.stage.gateway().port()))
            .header(AUTHORIZATION, format!("Bearer {key}"));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let answer = self.client.send(request.body(Bytes::from(body)).unwrap()).await.unwrap();
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        (answer.status().as_u16(), body)
    }
}

/// The first resource of each type.
fn ids() -> BTreeMap<String, String> {
    let file = repository().join("tenants/nordvolt/resources.ndjson");
    let mut ids = BTreeMap::new();
    for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| !line.is_empty()) {
        let record: Value = serde_json::from_str(line).unwrap();
        let (kind, id) = record["uid"].as_str().unwrap().split_once("::").unwrap();
        ids.entry(kind.to_owned()).or_insert_with(|| id.to_owned());
    }
    ids
}

/// How many operations a document has.
fn operations_of(document: &str) -> usize {
    let text = std::fs::read_to_string(repository().join("schemas").join(document)).unwrap();
    text.matches("operationId: ").count()
}

fn needs_scope(row: &Value) -> bool {
    !row["accepted"].as_array().unwrap().is_empty()
}

/// One gateway for all of it: starting one takes longer than asking it a thousand times. The hub has a thread
/// of its own, since the command line is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_routed_decided_and_answered() {
    let world = World::start().await;
    every_operation_of_the_partner_api_is_answered_by_the_hub(&world).await;
    a_key_without_scopes_gets_only_what_needs_none(&world).await;
    a_key_reaches_the_portal_only_where_a_scope_is_stated(&world).await;
    each_host_writes_its_refusals_in_its_own_way(&world).await;
}

async fn every_operation_of_the_partner_api_is_answered_by_the_hub(world: &World) {
    let routes = world.routes("partner-api");
    assert_eq!((routes.len(), operations_of("partner-api.openapi.yaml")), (188, 188));
    let key = world.key("everything", &["all:delete"]);
    let mut wrong = Vec::new();
    for row in &routes {
        let operation = row["operation"].as_str().unwrap();
        let (status, body) = world.ask(row, &key).await;
        let refused = REFUSED.iter().find(|(id, _)| *id == operation);
        // What the hub says it did is what was asked for; 204 says nothing.
        let told = body["operation"].as_str().map(|id| format!("partner.{id}"));
        let own = OWN.iter().find(|(id, _)| *id == operation);
        let right = match refused {
            _ if own.is_some() => {
                status == 200 && own.is_some_and(|(_, property)| body[*property].is_string())
            }
            Some((_, reason)) => status == 403 && body["readableMessage"] == *reason,
            None if status == 204 => body.is_null(),
            None => (200..300).contains(&status) && told.as_deref() == Some(operation),
        };
        if !right {
            wrong.push(format!("{operation}: {status} {body}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn a_key_without_scopes_gets_only_what_needs_none(world: &World) {
    let key = world.key("nothing", &[]);
    let mut wrong = Vec::new();
    let mut open = 0;
    for row in &world.routes("partner-api") {
        let (status, body) = world.ask(row, &key).await;
        let right = if needs_scope(row) {
            status == 403 && body["errorCode"] == "ACCESS_FORBIDDEN"
        } else {
            open += 1;
            (200..300).contains(&status)
        };
        if !right {
            wrong.push(format!("{}: {status} {body}", row["operation"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(open, 17, "operations that need no scope");
}

async fn a_key_reaches_the_portal_only_where_a_scope_is_stated(world: &World) {
    let routes = world.routes("hub");
    let portal = operations_of("hub-portal.openapi.yaml");
    assert_eq!(routes.len(), portal + 188);
    let key = world.key("portal", &["all:delete"]);
    let mut wrong = Vec::new();
    // The portal's document comes first in the settings.
    for row in routes.iter().take(portal) {
        let (status, body) = world.ask(row, &key).await;
        let public = ["get-status", "view-shared-dashboard", "sign-in-to-shared-dashboard"];
        let right = if needs_scope(row) {
            (200..300).contains(&status)
        } else if public.contains(&row["operation"].as_str().unwrap()) {
            status < 500
        } else {
            [403, 404].contains(&status)
        };
        if !right {
            wrong.push(format!("{}: {status} {body}", row["operation"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn each_host_writes_its_refusals_in_its_own_way(world: &World) {
    let key = world.key("errors", &["all:delete"]);
    let port = world.stage.gateway().port();
    let ask = async |host: &str, path: &str| {
        let request = Request::builder()
            .uri(format!("https://{host}:{port}{path}"))
            .header(AUTHORIZATION, format!("Bearer {key}"));
        world.client.send(request.body(Bytes::new()).unwrap()).await.unwrap()
    };
    let (partner, hub) = ("partner-api.localhost", "hub.localhost");
    let missing = ask(partner, "/api/v1/teams/team-none").await;
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.headers()[CONTENT_TYPE], "application/json");
    let expected = "{\"status\":\"NOT_FOUND\",\"message\":\"Not found\",\"errorCode\":\"RESOURCE_NOT_FOUND\"}\n";
    assert_eq!(missing.body(), expected);
    // Another organisation's team, and a path that is not there: the same bytes.
    for path in ["/api/v1/teams/team-meadow", "/api/v1/nothing/here"] {
        let answer = ask(partner, path).await;
        assert_eq!((answer.status(), answer.body()), (missing.status(), missing.body()), "{path}");
    }
    let problem = ask(hub, "/api/v1/teams/team-none").await;
    assert_eq!(problem.status(), 404);
    assert_eq!(problem.headers()[CONTENT_TYPE], "application/problem+json");
}
