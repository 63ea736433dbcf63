//! Administrators see who is signed in, and end sessions: in force with the next request.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use http::StatusCode;
use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::stage::NewKey;
use serde_json::{Value, json};

use crate::feeds::world::{head, json_of};
use crate::login::world::World;
use crate::support::PATIENCE;

const SESSIONS: &str = "/v1/organisations/nordvolt/sessions";
const EVENTS: &str = "/v1/organisations/nordvolt/auditlog/events";

struct Seeing {
    world: World,
    admin: std::net::SocketAddr,
    key: String,
}

impl Seeing {
    async fn start() -> Self {
        let admin = free_address().unwrap();
        let world = World::with_admin(admin).await;
        let key = NewKey {
            organisation: "nordvolt",
            name: "administration",
            roles: &["client=Operator::nordvolt"],
            scopes: &["sessions:write", "audit-log:read", "members:write"],
        };
        let key = world.stage.create_key(&key).unwrap();
        Self { world, admin, key }
    }

    async fn send(&self, method: &str, path: &str) -> RawAnswer {
        let mut client = RawClient::connect(self.admin, PATIENCE).await.unwrap();
        client.send(head(method, path, &self.key, &[], 0).as_bytes()).await.unwrap();
        client.read_answer(false).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path).await;
        assert_eq!(answer.status, 200, "{}", answer.body_text());
        json_of(&answer)
    }
}

fn members(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    let mut members: Vec<_> = items.iter().map(|it| it["member"].as_str().unwrap()).collect();
    members.sort_unstable();
    members
}

#[tokio::test]
async fn a_session_that_is_ended_is_over_with_the_next_request() {
    let it = Seeing::start().await;
    let mut ada = it.world.signed_in("ada").await;
    let mut sam = it.world.signed_in("sam").await;
    let mut other = it.world.signed_in("sam").await;
    let all = it.get(SESSIONS).await;
    assert_eq!(members(&all), ["ada", "sam", "sam"]);
    let text = all.to_string();
    for browser in [&ada, &sam, &other] {
        assert!(!text.contains(browser.session()), "a cookie is shown");
    }
    assert_eq!(members(&it.get(&format!("{SESSIONS}?member=sam")).await), ["sam", "sam"]);
    assert_eq!(members(&it.get(&format!("{SESSIONS}?connection=demo")).await).len(), 3);
    assert!(members(&it.get(&format!("{SESSIONS}?connection=none")).await).is_empty());
    let first = it.get(&format!("{SESSIONS}?limit=2")).await;
    let rest = it.get(&format!("{SESSIONS}?cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((members(&first).len(), members(&rest).len(), &rest["next"]), (2, 1, &Value::Null));

    let mine = it.get(&format!("{SESSIONS}?member=ada")).await;
    let id = mine["items"][0]["id"].as_str().unwrap();
    let path = format!("{SESSIONS}/{id}");
    assert_eq!(it.send("DELETE", &path).await.status, 204);
    assert_eq!(ada.me().await, StatusCode::UNAUTHORIZED);
    assert_eq!(sam.me().await, StatusCode::OK);
    assert_eq!(it.send("DELETE", &path).await.status, 404);
    assert_eq!(it.send("DELETE", &format!("{SESSIONS}/none")).await.status, 404);

    let ended = it.send("DELETE", &format!("{SESSIONS}?member=sam")).await;
    assert_eq!(json_of(&ended), json!({"ended": 2, "more": false}), "{}", ended.body_text());
    assert_eq!(
        (sam.me().await, other.me().await),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    assert!(members(&it.get(SESSIONS).await).is_empty());
    assert_eq!(json_of(&it.send("DELETE", SESSIONS).await)["ended"], 0);
    assert_eq!(it.send("DELETE", &format!("{SESSIONS}?x=1")).await.status, 400);
}

#[tokio::test]
async fn who_came_and_who_went_is_told() {
    let it = Seeing::start().await;
    let ada = it.world.signed_in("ada").await;
    drop(ada);
    assert_eq!(json_of(&it.send("DELETE", SESSIONS).await)["ended"], 1);
    let events = it.get(&format!("{EVENTS}?entityType=session")).await;
    let told: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["action"].clone(), event["user"]["name"].clone()))
        .collect();
    assert_eq!(
        told,
        [(json!("signed_out"), json!("administration")), (json!("signed_in"), json!("Ada Admin"))]
    );
    let came = &events["items"][1];
    assert_eq!(came["user"]["principal"], "User::ada");
    assert_eq!(came["item"]["name"], "demo");
    assert_eq!(came["item"]["id"], events["items"][0]["item"]["id"]);
}
