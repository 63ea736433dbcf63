//! Connections and e-mail domains by the administration API: tried out, enabled, in force at once; a domain leads
//! somebody somewhere only once the DNS says that it may.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use http::StatusCode;
use hubgate_testkit::name_server::NameServer;
use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::stage::{CLIENT_SECRET, NewKey};
use serde_json::{Value, json};

use crate::feeds::world::{head, json_of};
use crate::login::TEAM;
use crate::login::world::{STRANGER, World};
use crate::support::PATIENCE;

const CONNECTIONS: &str = "/v1/organisations/nordvolt/connections";
const DOMAINS: &str = "/v1/organisations/nordvolt/domains";
const MEMBERS: &str = "/v1/organisations/nordvolt/members";

struct Connecting {
    world: World,
    dns: NameServer,
    admin: std::net::SocketAddr,
    key: String,
}

impl Connecting {
    async fn start() -> Self {
        let (admin, dns) = (free_address().unwrap(), NameServer::start().await.unwrap());
        let world = World::with_settings(&[
            ("listen", format!("admin = \"{admin}\"")),
            ("outbound", format!("administered = true\nname_servers = [\"{}\"]", dns.address())),
        ])
        .await;
        let key = NewKey {
            organisation: "nordvolt",
            name: "administration",
            roles: &["client=Operator::nordvolt"],
            scopes: &["connections:write", "members:write", "audit-log:read"],
        };
        let key = world.stage.create_key(&key).unwrap();
        Self { world, dns, admin, key }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> RawAnswer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let fields = [("content-type", "application/json"), ("if-match", "*")];
        let mut client = RawClient::connect(self.admin, PATIENCE).await.unwrap();
        client.send(head(method, path, &self.key, &fields, body.len()).as_bytes()).await.unwrap();
        client.send(body.as_bytes()).await.unwrap();
        client.read_answer(false).await.unwrap()
    }

    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.body_text());
        json_of(&answer)
    }

    /// A connection to the provider that knows the client `hubgate-more`.
    fn more(&self) -> Value {
        json!({
            "id": "more",
            "display_name": "More people",
            "issuer": self.world.provider.issuer(),
            "client_id": "hubgate-more",
            "client_secret": CLIENT_SECRET,
            "scopes": ["profile"],
        })
    }

    async fn change(&self, body: Value) -> RawAnswer {
        self.send("PATCH", &format!("{CONNECTIONS}/more"), &body).await
    }

    /// Where the sign-in page sends somebody who says this.
    async fn led_to(&self, login: &str) -> String {
        let mut browser = self.world.browser();
        let page = browser.get(&format!("/.hubgate/sign-in?{login}")).await;
        match page.status {
            StatusCode::SEE_OTHER => page.location().to_owned(),
            _ => String::new(),
        }
    }

    async fn event_of(&self, kind: &str) -> Value {
        let path = format!("/v1/organisations/nordvolt/auditlog/events?entityType={kind}");
        self.done("GET", &path, &Value::Null).await["items"][0].clone()
    }
}

/// The steps of a trial: name and result.
fn steps(told: &Value) -> Vec<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let steps = told["steps"].as_array().unwrap();
    steps.iter().map(|step| (text(&step["step"]), text(&step["result"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_made_tried_out_used_and_ended() {
    let it = Connecting::start().await;
    let made = it.done("POST", CONNECTIONS, &it.more()).await;
    assert_eq!((&made["enabled"], &made["source"]), (&json!(false), &json!("api")));
    let callback = "https://hub.localhost/.hubgate/callback/nordvolt/more";
    assert!(made["redirect_uris"].as_array().unwrap().contains(&json!(callback)), "{made}");
    assert!(!made.to_string().contains(CLIENT_SECRET));
    assert_eq!(it.send("POST", CONNECTIONS, &it.more()).await.status, 409);
    assert_eq!(it.led_to("organisation=nordvolt&connection=more").await.matches("more").count(), 0);

    let trial = it.done("POST", &format!("{CONNECTIONS}/more/test"), &Value::Null).await;
    assert_eq!(trial["works"], true, "{trial}");
    assert_eq!(steps(&trial).last().unwrap(), &("client".into(), "passed".into()));
    assert_eq!(it.change(json!({"enabled": true})).await.status, 200);
    let url = it.led_to("organisation=nordvolt&connection=more").await;
    assert!(url.contains("client_id=hubgate-more"), "{url}");

    let member = json!({
        "id": "dana", "name": "Dana", "roles": [{"role": "support_agent", "on": "Operator::nordvolt"}],
        "identities": [{"connection": "more", "subject": STRANGER}],
    });
    it.done("POST", MEMBERS, &member).await;
    let mut browser = it.world.browser();
    let authorization = browser.begin("organisation=nordvolt&connection=more").await;
    browser.get(&it.world.callback(&authorization, STRANGER)).await;
    assert_eq!(browser.get(TEAM).await.status, StatusCode::OK);

    // Disabled: over with the next request. The same provider under another connection is somebody else.
    assert_eq!(it.change(json!({"enabled": false})).await.status, 200);
    assert_ne!(browser.get(TEAM).await.status, StatusCode::OK);
    assert_eq!(it.change(json!({"enabled": true})).await.status, 200);
    assert_ne!(browser.get(TEAM).await.status, StatusCode::OK, "the session ended for good");
    assert_eq!(it.change(json!({"enabled": false})).await.status, 200);
    let moved = json!({"issuer": "https://elsewhere.example", "client_secret": "x"});
    let other = it.change(moved).await;
    assert_eq!(other.status, 422, "{}", other.body_text());
    let gone = it.send("DELETE", &format!("{CONNECTIONS}/more"), &Value::Null).await;
    assert_eq!((gone.status, json_of(&gone)["code"].clone()), (409, json!("in_use")));
    it.done("DELETE", &format!("{MEMBERS}/dana"), &Value::Null).await;
    it.done("DELETE", &format!("{CONNECTIONS}/more"), &Value::Null).await;
    assert_eq!(it.send("GET", &format!("{CONNECTIONS}/more"), &Value::Null).await.status, 404);
    let event = it.event_of("connection").await;
    assert_eq!((&event["action"], &event["item"]["id"]), (&json!("deleted"), &json!("more")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_connection_is_named() {
    let it = Connecting::start().await;
    it.done("POST", CONNECTIONS, &it.more()).await;
    let issuer = it.world.provider.issuer();
    let cases = [
        (json!({"client_secret": "another"}), "client", "client_secret"),
        (json!({"client_id": "nobody"}), "client", "client_secret"),
        (
            json!({"issuer": format!("{issuer}/elsewhere"), "client_secret": "x"}),
            "metadata",
            "issuer",
        ),
        (json!({"issuer": "https://127.0.0.1:1", "client_secret": "x"}), "metadata", "issuer"),
    ];
    for (patch, step, field) in cases {
        assert_eq!(it.change(it.more_without_id()).await.status, 200);
        assert_eq!(it.change(patch.clone()).await.status, 200, "a draft takes what is wrong");
        let refused = it.change(json!({"enabled": true})).await;
        let told = json_of(&refused);
        assert_eq!((refused.status, &told["code"]), (422, &json!("connection_fails")), "{told}");
        assert_eq!(told["errors"][0]["field"], field, "{patch}: {told}");
        assert_eq!(steps(&told).last().unwrap(), &(step.into(), "failed".into()), "{patch}");
    }
    // A secret appears nowhere: not in answers, not in events, not in the files.
    let path = "/v1/organisations/nordvolt/auditlog/events?entityType=connection";
    let text = it.done("GET", path, &Value::Null).await.to_string();
    assert!(text.contains("(another secret)") && !text.contains(CLIENT_SECRET), "{text}");
    let kept = it.change(json!({"issuer": "https://elsewhere.example"})).await;
    assert_eq!(json_of(&kept)["errors"][0]["field"], "client_secret", "no other provider hears it");
    for wrong in [
        json!({"issuer": "http://id.example"}),
        json!({"issuer": "https://id.example?x"}),
        json!({"client_id": ""}),
        json!({"scopes": ["a b"]}),
        json!({"display_name": ""}),
    ] {
        assert_eq!(it.change(wrong.clone()).await.status, 422, "{wrong}");
    }
    let files = it.send("PATCH", &format!("{CONNECTIONS}/demo"), &json!({"enabled": false})).await;
    assert_eq!(json_of(&files)["code"], "owned_by_another_source");
    let taken = json!({"id": "twin", "display_name": "Twin", "issuer": issuer,
        "client_id": "hubgate-solarpark", "client_secret": "x"});
    let taken = it.send("POST", CONNECTIONS, &taken).await;
    assert_eq!(json_of(&taken)["errors"][0]["field"], "client_id", "another organisation's client");
}

impl Connecting {
    fn more_without_id(&self) -> Value {
        let mut more = self.more();
        more.as_object_mut().unwrap().remove("id");
        more
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_leads_somewhere_once_it_is_proved() {
    let it = Connecting::start().await;
    it.done("POST", CONNECTIONS, &it.more()).await;
    assert_eq!(it.change(json!({"enabled": true})).await.status, 200);
    let named =
        it.done("POST", DOMAINS, &json!({"name": "More.Example", "connection": "more"})).await;
    let record = &named["record"];
    assert_eq!(record["name"], "_hubgate-challenge.more.example");
    let value = record["value"].as_str().unwrap();
    let verify = format!("{DOMAINS}/more.example/verify");
    let login = "email=dana@more.example";
    assert_eq!(it.led_to(login).await, "", "not before it is proved");

    let missing = it.send("POST", &verify, &Value::Null).await;
    assert_eq!(missing.status, 409, "{}", missing.body_text());
    assert!(missing.body_text().contains("no TXT record"), "{}", missing.body_text());
    it.dns.set("_hubgate-challenge.more.example", &["hubgate-domain-verification=guessed"]);
    let wrong = it.send("POST", &verify, &Value::Null).await;
    assert!(wrong.body_text().contains("guessed"), "{}", wrong.body_text());
    it.dns.set("_hubgate-challenge.more.example", &["something else", value]);
    let proved = it.done("POST", &verify, &Value::Null).await;
    assert_eq!(proved["status"], "verified");
    assert!(it.led_to(login).await.contains("client_id=hubgate-more"));

    // Another organisation that shows a proof as well does not get what leads here.
    let away =
        it.send("PATCH", &format!("{DOMAINS}/more.example"), &json!({"connection": null})).await;
    assert_eq!(away.status, 200, "{}", away.body_text());
    assert_eq!(it.led_to(login).await, "");
    it.done("PATCH", &format!("{DOMAINS}/more.example"), &json!({"connection": "demo"})).await;
    assert!(it.led_to(login).await.contains("client_id=hubgate-nordvolt"));
    it.done("DELETE", &format!("{DOMAINS}/more.example"), &Value::Null).await;
    assert_eq!(it.led_to(login).await, "");
    let foreign = it.done("POST", DOMAINS, &json!({"name": "solarpark.example"})).await;
    let value = foreign["record"]["value"].as_str().unwrap();
    it.dns.set("_hubgate-challenge.solarpark.example", &[value]);
    let foreign =
        it.send("POST", &format!("{DOMAINS}/solarpark.example/verify"), &Value::Null).await;
    assert_eq!(foreign.status, 409, "{}", foreign.body_text());
    for wrong in ["localhost", "a@b.example", "10.0.0.1", "*.example.com"] {
        let answer = it.send("POST", DOMAINS, &json!({"name": wrong})).await;
        assert_eq!(answer.status, 422, "{wrong}");
    }
}
