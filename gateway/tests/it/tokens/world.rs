//! A gateway that gives tokens, before an API with a form of its own.

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::support::{Gateway, Wishes, head};

pub(crate) const HOST: &str = "api.localhost";
pub(crate) const ISSUER: &str = "http://api.localhost";
pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

const ROLE: &str = "client=Operator::nordvolt";

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    admin: SocketAddr,
    reader: String,
}

/// An API client as whoever uses it knows it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Client {
    pub(crate) fn with_secret(&self, secret: &str) -> Self {
        Self { id: self.id.clone(), secret: secret.to_owned() }
    }

    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.id, self.secret)))
    }
}

const ROUTES: &str = r#"
[[service]]
name = "partner"
addresses = ["{upstream}"]
errors = "status-message-code"
quota = "partner"

[[route]]
id = "exchange"
host = "api.localhost"
methods = ["POST"]
path = "/auth/token"
action = "auth:token"
resource = "organisation"
service = "partner"
answer = "tokens"

[[route]]
id = "refresh"
host = "api.localhost"
methods = ["POST"]
path = "/auth/refresh"
action = "auth:refresh"
resource = "organisation"
service = "partner"
answer = "refresh"

[[route]]
id = "me"
host = "api.localhost"
methods = ["GET"]
path = "/consumers/me"
action = "consumers:view"
resource = "organisation"
service = "partner"
answer = { credential = { operatorId = "Operator", teamIds = "Team" } }

[[route]]
id = "api-team"
host = "api.localhost"
methods = ["GET"]
path = "/teams/{team}"
action = "teams:view"
resource = { kind = "Team", path = "team" }
service = "partner"
scopes = ["teams:read"]

[[route]]
id = "api-map"
host = "api.localhost"
methods = ["GET"]
path = "/map/{team}"
action = "teams:view"
resource = { kind = "Team", path = "team" }
service = "partner"
scopes = ["teams:read"]
quota = "map"

[[route]]
id = "hub-small"
host = "hub.localhost"
methods = ["GET"]
path = "/small/{team}"
action = "teams:view"
resource = { kind = "Team", path = "team" }
service = "hub"
scopes = ["teams:read"]
quota = "small"
"#;

impl World {
    pub(crate) async fn start() -> Self {
        Self::with("", "").await
    }

    /// One with further keys of `[tokens]`, and further settings.
    pub(crate) async fn with(tokens: &str, settings: &str) -> Self {
        let admin = free_address().unwrap();
        let quota = |name: &str, requests: u32, more: &str| {
            format!(
                "[[quota]]\nname = \"{name}\"\nrequests = {requests}\nwindow_seconds = 600\n{more}\n"
            )
        };
        let settings = format!(
            "[tokens]\nissuer = \"{ISSUER}\"\n{tokens}\n{}{}{}{ROUTES}{settings}",
            quota("partner", 1_000, "organisations = { solarpark = 3 }"),
            quota("map", 4, "fair_use = true"),
            quota("small", 5, ""),
        );
        let generous = "{ requests = 100000, window_seconds = 1, burst = 100000 }";
        let gateway = Gateway::start_with(Wishes {
            settings,
            limits: Some(format!("[limits]\naddress = {generous}\ncredential = {generous}\n")),
            replacing: vec![(
                "grace_seconds = 1",
                format!("grace_seconds = 1\nadmin = \"{admin}\""),
            )],
            ..Wishes::default()
        })
        .await;
        let scopes = &["audit-log:read", "api-clients:write", "teams:read"];
        let reader = gateway.create_key("nordvolt", "administration", ROLE, scopes);
        Self { gateway, admin, reader }
    }

    pub(crate) fn client(&self, name: &str, scopes: &[&str]) -> Client {
        self.client_of("nordvolt", name, scopes)
    }

    pub(crate) fn client_of(&self, tenant: &str, name: &str, scopes: &[&str]) -> Client {
        let role = format!("client=Operator::{tenant}");
        let secret = self.gateway.create_key(tenant, name, &role, scopes);
        let id = secret.split('_').nth(1).unwrap().to_owned();
        Client { id, secret }
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)], body: &str) -> RawAnswer {
        self.ask("POST", path, fields, Some(body)).await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Option<&str>,
    ) -> RawAnswer {
        let mut all = vec![("host", HOST)];
        all.extend(fields);
        self.gateway.ask(&format!("{method} {path}"), &all, body).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> RawAnswer {
        self.ask("GET", path, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    /// A team of the organisation, by a token.
    pub(crate) async fn team(&self, token: &str) -> RawAnswer {
        self.get("/teams/team-harbour", token).await
    }

    pub(crate) async fn exchange(&self, client: &Client) -> RawAnswer {
        let body = json!({"clientId": client.id, "clientSecret": client.secret}).to_string();
        self.post("/auth/token", &[("content-type", "application/json")], &body).await
    }

    pub(crate) async fn exchange_from(&self, address: [u8; 4], client: &Client) -> RawAnswer {
        let body = json!({"clientId": client.id, "clientSecret": client.secret}).to_string();
        let fields =
            [("host", HOST), ("content-type", "application/json"), ("connection", "close")];
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::from(address), 0))).unwrap();
        let mut stream = socket.connect(self.gateway.http_addr()).await.unwrap();
        stream.write_all(&head("POST /auth/token", &fields, Some(&body))).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let (head_text, body) = text.split_once("\r\n\r\n").unwrap();
        RawAnswer { status, head_text: head_text.to_owned(), body: body.as_bytes().to_vec() }
    }

    pub(crate) async fn refresh(&self, token: &str) -> RawAnswer {
        let body = json!({"refreshToken": token}).to_string();
        self.post("/auth/refresh", &[("content-type", "application/json")], &body).await
    }

    /// The token endpoint, the client by `Authorization: Basic`.
    pub(crate) async fn oauth(&self, client: &Client, parameters: &[(&str, &str)]) -> RawAnswer {
        let basic = client.basic();
        let fields = [FORM, ("authorization", basic.as_str())];
        self.post("/oauth/token", &fields, &form(parameters)).await
    }

    pub(crate) async fn revoke(&self, client: &Client, token: &str) -> RawAnswer {
        let basic = client.basic();
        let fields = [FORM, ("authorization", basic.as_str())];
        self.post("/oauth/revoke", &fields, &form(&[("token", token)])).await
    }

    pub(crate) async fn introspect(&self, asker: &Client, token: &str) -> RawAnswer {
        let basic = asker.basic();
        let fields = [FORM, ("authorization", basic.as_str())];
        self.post("/oauth/introspect", &fields, &form(&[("token", token)])).await
    }

    /// The organisation's audit events.
    pub(crate) async fn events(&self) -> RawAnswer {
        self.administer("GET /v1/organisations/nordvolt/auditlog/events", None).await
    }

    /// Another secret for a client; the one before ends.
    pub(crate) async fn rotate(&self, client: &Client) {
        let line = format!("POST /v1/organisations/nordvolt/api-clients/{}/rotate", client.id);
        let answer = self.administer(&line, Some("{\"overlap_seconds\": 0}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body_text());
    }

    async fn administer(&self, line: &str, body: Option<&str>) -> RawAnswer {
        let authorization = format!("Bearer {}", self.reader);
        let fields = [
            ("host", "admin"),
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        let bytes = head(line, &fields, body);
        let mut client =
            hubgate_testkit::raw_client::RawClient::connect(self.admin, crate::support::PATIENCE)
                .await
                .unwrap();
        client.send(&bytes).await.unwrap();
        client.read_answer(false).await.unwrap()
    }
}

pub(crate) fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

pub(crate) fn json_of(answer: &RawAnswer) -> Value {
    serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| panic!("no JSON: {} {}", answer.head_text, answer.body_text()))
}
