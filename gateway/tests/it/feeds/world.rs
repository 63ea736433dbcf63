//! A gateway with an administration listener, and a hub's service that pushes.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use serde_json::{Value, json};

use crate::support::{Gateway, Wishes, wait_until};

/// Long uploads into an unoptimised build on a loaded machine.
pub(crate) const LONG: Duration = Duration::from_mins(5);

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) admin: SocketAddr,
    /// The key of the hub's service.
    pub(crate) key: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// One with further settings.
    pub(crate) async fn with(settings: &str) -> Self {
        let admin = free_address().unwrap();
        let listen = format!("grace_seconds = 1\nadmin = \"{admin}\"");
        let replacing = vec![("grace_seconds = 1", listen)];
        let gateway = Gateway::start_with(Wishes {
            replacing,
            settings: settings.to_owned(),
            ..Wishes::default()
        })
        .await;
        let role = "client=Operator::nordvolt";
        let key = gateway.create_key("nordvolt", "hub", role, &["directory:write"]);
        Self { gateway, admin, key }
    }

    pub(crate) async fn put(&self, query: &str, body: &str) -> RawAnswer {
        let path = format!("/v1/organisations/nordvolt/resources{query}");
        self.send("PUT", &path, &self.key, body).await
    }

    pub(crate) async fn delete(&self, body: &str) -> RawAnswer {
        self.send("DELETE", "/v1/organisations/nordvolt/resources", &self.key, body).await
    }

    /// NDJSON, with a key unless it is empty.
    pub(crate) async fn send(&self, method: &str, path: &str, key: &str, body: &str) -> RawAnswer {
        let fields = [("content-type", "application/x-ndjson")];
        self.ask(&head(method, path, key, &fields, body.len()), body.as_bytes()).await
    }

    pub(crate) async fn ask(&self, head: &str, body: &[u8]) -> RawAnswer {
        let mut client = self.connect().await;
        client.send(head.as_bytes()).await.unwrap();
        client.send(body).await.unwrap();
        client.read_answer(head.starts_with("HEAD")).await.unwrap()
    }

    /// A connection to the administration listener.
    pub(crate) async fn connect(&self) -> RawClient {
        RawClient::connect(self.admin, LONG).await.unwrap()
    }

    /// The status of a request for a team, as the main account's administrator.
    pub(crate) async fn view(&self, team: &str) -> u16 {
        self.gateway.get(&format!("/teams/{team}"), self.gateway.api_key()).await.status
    }

    /// Waits until `times` configurations have come into force.
    pub(crate) async fn reloaded(&self, times: usize) {
        let loaded = || {
            let lines = self.gateway.log_lines();
            lines.iter().filter(|line| line["event"] == "config_loaded").count()
        };
        wait_until("the reload", async || loaded() >= times).await;
    }
}

pub(crate) fn head(
    method: &str,
    path: &str,
    key: &str,
    fields: &[(&str, &str)],
    length: usize,
) -> String {
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: {length}\r\n");
    if !key.is_empty() {
        write!(head, "authorization: Bearer {key}\r\n").unwrap();
    }
    for (name, value) in fields {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head + "\r\n"
}

pub(crate) fn team(id: &str) -> String {
    json!({
        "uid": format!("Team::{id}"),
        "parents": ["Operator::nordvolt"],
        "attributes": {
            "operator": {"__entity": {"type": "Operator", "id": "nordvolt"}},
            "kind": "professional",
            "frozen": false,
            "billing": "pay_as_you_go",
            "country": "DK",
            "kyb": "approved",
            "vat_registered": true,
            "payment_card": true,
        },
    })
    .to_string()
}

/// Lines of the teams `t<n>`.
pub(crate) fn teams(numbers: RangeInclusive<usize>) -> String {
    numbers.map(|number| team(&format!("t{number}")) + "\n").collect()
}

pub(crate) fn json_of(answer: &RawAnswer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::Null)
}
