//! Provisioning by SCIM: what Entra ID and Okta send makes members, gives them what their groups were given and no
//! more, and lets nobody stay who was switched off.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use http::StatusCode;
use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::stage::NewKey;
use serde_json::{Value, json};

use crate::feeds::world::{head, json_of};
use crate::login::TEAM;
use crate::login::world::{Browser, STRANGER, World};
use crate::support::PATIENCE;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const SETTINGS: &str = "/v1/organisations/nordvolt/provisioning";

struct Provisioned {
    world: World,
    admin: std::net::SocketAddr,
    key: String,
    scim: String,
}

impl Provisioned {
    /// Everybody may see who is a member; `Hub support` may help the whole account.
    async fn start() -> Self {
        let it = Self::unsettled().await;
        let settings = json!({
            "connection": "demo",
            "subject": "externalId",
            "groups": [
                {"group": "Hub support", "roles": [{"role": "support_agent", "on": "Operator::nordvolt"}]},
                {"group": "Harbour", "roles": [{"role": "team_admin", "on": "Team::team-harbour"}]},
            ],
        });
        let settled = it.admin("PUT", SETTINGS, &settings).await;
        assert_eq!(settled.status, 200, "{}", settled.body_text());
        it
    }

    async fn unsettled() -> Self {
        let admin = free_address().unwrap();
        let world = World::with_admin(admin).await;
        let key = |name: &str, scopes: &[&str]| {
            let roles = &["client=Operator::nordvolt"];
            let key = NewKey { organisation: "nordvolt", name, roles, scopes };
            world.stage.create_key(&key).unwrap()
        };
        let scopes = ["provisioning:write", "members:write", "audit-log:read", "sessions:read"];
        let key_of_admin = key("administration", &scopes);
        let scim = key("identity provider", &["scim:write"]);
        Self { world, admin, key: key_of_admin, scim }
    }

    async fn send(
        &self,
        key: &str,
        (method, path): (&str, &str),
        media_type: &str,
        body: &Value,
    ) -> RawAnswer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut client = RawClient::connect(self.admin, PATIENCE).await.unwrap();
        let fields = [("content-type", media_type)];
        client.send(head(method, path, key, &fields, body.len()).as_bytes()).await.unwrap();
        client.send(body.as_bytes()).await.unwrap();
        client.read_answer(false).await.unwrap()
    }

    async fn admin(&self, method: &str, path: &str, body: &Value) -> RawAnswer {
        self.send(&self.key, (method, path), "application/json", body).await
    }

    /// What the identity provider sends.
    async fn scim(&self, method: &str, path: &str, body: &Value) -> RawAnswer {
        let path = format!("/scim/v2{path}");
        let answer = self.send(&self.scim, (method, &path), "application/scim+json", body).await;
        if answer.status != 204 {
            assert_eq!(answer.field("content-type"), Some("application/scim+json"), "{path}");
        }
        answer
    }

    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.scim(method, path, body).await;
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body_text());
        json_of(&answer)
    }

    async fn patch(&self, path: &str, operations: Value) -> Value {
        self.done("PATCH", path, &json!({"schemas": [PATCH], "Operations": operations})).await
    }

    async fn member(&self, id: &str) -> Value {
        let path = format!("/v1/organisations/nordvolt/members/{id}");
        json_of(&self.admin("GET", &path, &Value::Null).await)
    }

    /// A user called so, whom the provider knows by this subject, and their id.
    async fn user(&self, name: &str, subject: &str) -> String {
        let user = json!({
            "schemas": [USER], "userName": name, "externalId": subject, "active": true,
            "displayName": "Dana Dew", "emails": [{"value": name, "type": "work", "primary": true}],
        });
        self.done("POST", "/Users", &user).await["id"].as_str().unwrap().to_owned()
    }

    async fn signed_in(&self, subject: &str) -> Browser {
        let mut browser = self.world.browser();
        let authorization = browser.begin("organisation=nordvolt").await;
        browser.get(&self.world.callback(&authorization, subject)).await;
        browser
    }
}

fn roles(member: &Value) -> Vec<&str> {
    member["roles"].as_array().unwrap().iter().map(|role| role["role"].as_str().unwrap()).collect()
}

/// What Entra ID sends, in its order: look for the user, create it, look for the group, create it, add the user;
/// change attributes in its own dialect; switch it off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_entra_provisions() {
    let it = Provisioned::start().await;
    let found = it
        .done("GET", "/Users?filter=userName+eq+%22dana%40nordvolt.example%22", &Value::Null)
        .await;
    assert_eq!((&found["totalResults"], &found["Resources"]), (&json!(0), &json!([])));
    let created = json!({
        "schemas": [USER, ENTERPRISE], "externalId": STRANGER, "userName": "dana@nordvolt.example",
        "active": true, "displayName": "Dana Dew",
        "emails": [{"primary": true, "type": "work", "value": "dana@nordvolt.example"}],
        "meta": {"resourceType": "User"}, "name": {"formatted": "Dana Dew", "familyName": "Dew", "givenName": "Dana"},
        "roles": [], ENTERPRISE: {"department": "Support"},
    });
    let answer = it.scim("POST", "/Users", &created).await;
    assert_eq!(answer.status, 201, "{}", answer.body_text());
    let user = json_of(&answer);
    let id = user["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.field("location"), user["meta"]["location"].as_str());
    assert_eq!(it.scim("POST", "/Users", &created).await.status, 409, "there is one already");

    let group = json!({"schemas": [GROUP], "externalId": "8aa1", "displayName": "Hub support", "members": []});
    let group = it.done("POST", "/Groups", &group).await["id"].as_str().unwrap().to_owned();
    assert_eq!(roles(&it.member(&id).await), Vec::<&str>::new());
    let mut browser = it.signed_in(STRANGER).await;
    assert_ne!(browser.get(TEAM).await.status, StatusCode::OK, "no role, nothing to see");
    it.patch(
        &format!("/Groups/{group}"),
        json!([{"op": "Add", "path": "members", "value": [{"value": id}]}]),
    )
    .await;
    assert_eq!(roles(&it.member(&id).await), ["support_agent"]);
    let page = browser.get(TEAM).await;
    assert_eq!(page.status, StatusCode::OK, "in force with the next request");
    let who = it.done("GET", &format!("/Groups?excludedAttributes=members&filter=id+eq+%22{group}%22+and+members+eq+%22{id}%22"), &Value::Null).await;
    assert_eq!((&who["totalResults"], &who["Resources"][0]["members"]), (&json!(1), &Value::Null));

    let changed = it.patch(&format!("/Users/{id}"), json!([
        {"op": "Replace", "path": "displayName", "value": "Dana D."},
        {"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Sales"},
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "dana.d@nordvolt.example"},
    ])).await;
    assert_eq!(changed[ENTERPRISE]["department"], "Sales");
    assert_eq!(changed["groups"][0]["display"], "Hub support");
    let member = it.member(&id).await;
    assert_eq!(
        (&member["name"], &member["email"], &member["source"]),
        (&json!("Dana D."), &json!("dana.d@nordvolt.example"), &json!("scim"))
    );

    // Entra's own spelling of a boolean. The session is over, and does not come back with the user.
    let off = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    assert_eq!(it.patch(&format!("/Users/{id}"), off).await["active"], false);
    assert_ne!(browser.get(TEAM).await.status, StatusCode::OK);
    it.patch(
        &format!("/Users/{id}"),
        json!([{"op": "Replace", "path": "active", "value": "True"}]),
    )
    .await;
    assert_ne!(browser.get(TEAM).await.status, StatusCode::OK, "the session ended for good");
    assert_eq!(it.signed_in(STRANGER).await.get(TEAM).await.status, StatusCode::OK);
    it.patch(
        &format!("/Groups/{group}"),
        json!([{"op": "Remove", "path": "members", "value": [{"value": id}]}]),
    )
    .await;
    assert_eq!(roles(&it.member(&id).await), Vec::<&str>::new());
    assert_eq!(it.scim("DELETE", &format!("/Groups/{group}"), &Value::Null).await.status, 204);
    assert_eq!(it.scim("DELETE", &format!("/Users/{id}"), &Value::Null).await.status, 204);
    let gone = it.scim("GET", &format!("/Users/{id}"), &Value::Null).await;
    assert_eq!((gone.status, &json_of(&gone)["status"]), (404, &json!("404")));
    assert_eq!(it.member(&id).await["code"], "not_found");
}

/// What Okta sends: a test of the connection, a user with PUT and PATCH, a group pushed with its members.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_okta_provisions() {
    let it = Provisioned::start().await;
    let able = it.done("GET", "/ServiceProviderConfig", &Value::Null).await;
    assert_eq!(
        (&able["patch"]["supported"], &able["bulk"]["supported"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        it.done("GET", "/Users?startIndex=1&count=2", &Value::Null).await["totalResults"],
        0
    );
    let id = it.user("dana@nordvolt.example", STRANGER).await;
    let second = it.user("dora@nordvolt.example", "00udora").await;
    let page = it.done("GET", "/Users?startIndex=2&count=1", &Value::Null).await;
    assert_eq!(
        (&page["totalResults"], &page["itemsPerPage"], &page["startIndex"]),
        (&json!(2), &json!(1), &json!(2))
    );

    let pushed = json!({"schemas": [GROUP], "displayName": "Harbour", "members": [{"value": id, "display": "Dana"}]});
    let group = it.done("POST", "/Groups", &pushed).await["id"].as_str().unwrap().to_owned();
    assert_eq!(roles(&it.member(&id).await), ["team_admin"]);
    it.patch(
        &format!("/Groups/{group}"),
        json!([
            {"op": "remove", "path": format!("members[value eq \"{id}\"]")},
            {"op": "add", "path": "members", "value": [{"value": second, "display": "Dora"}]},
        ]),
    )
    .await;
    assert_eq!(
        (roles(&it.member(&id).await).len(), roles(&it.member(&second).await).len()),
        (0, 1)
    );
    it.patch(
        &format!("/Groups/{group}"),
        json!([{"op": "replace", "value": {"id": group, "displayName": "Pier"}}]),
    )
    .await;
    assert!(roles(&it.member(&second).await).is_empty(), "another name is given nothing");
    let whole = json!({"schemas": [GROUP], "id": group, "displayName": "Hub support", "members": [{"value": id}]});
    it.done("PUT", &format!("/Groups/{group}"), &whole).await;
    assert_eq!(roles(&it.member(&id).await), ["support_agent"]);

    let mut browser = it.signed_in(STRANGER).await;
    assert_eq!(browser.get(TEAM).await.status, StatusCode::OK);
    it.patch(&format!("/Users/{id}"), json!([{"op": "replace", "value": {"active": false}}])).await;
    assert_ne!(browser.get(TEAM).await.status, StatusCode::OK);
    let put = json!({"schemas": [USER], "userName": "dana@nordvolt.example", "externalId": STRANGER, "displayName": "Dana"});
    let put = it.done("PUT", &format!("/Users/{id}"), &put).await;
    assert_eq!(put["active"], false, "left out, it stays");
    assert_eq!(it.member(&id).await["status"], "disabled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_gives_nothing_that_was_not_settled() {
    let it = Provisioned::unsettled().await;
    let user =
        json!({"schemas": [USER], "userName": "dana@nordvolt.example", "externalId": STRANGER});
    assert_eq!(it.scim("POST", "/Users", &user).await.status, 409, "not settled yet");
    let admin = |on: &str| json!({"connection": "demo", "subject": "externalId", "roles": [{"role": "admin", "on": on}]});
    let foreign = it.admin("PUT", SETTINGS, &admin("Operator::solarpark")).await;
    assert!(matches!(foreign.status, 403 | 422), "{}", foreign.body_text());
    for wrong in [
        json!({"connection": "none", "subject": "externalId"}),
        json!({"connection": "demo", "subject": "email"}),
        json!({"connection": "demo", "subject": "userName", "groups": [{"group": "", "roles": []}]}),
    ] {
        assert_eq!(it.admin("PUT", SETTINGS, &wrong).await.status, 422, "{wrong}");
    }
    // Whoever may settle it for a sub-account's roles alone gives no role above.
    let less = NewKey {
        organisation: "nordvolt",
        name: "less",
        roles: &["client=Operator::nordvolt"],
        scopes: &["provisioning:write"],
    };
    let less = it.world.stage.create_key(&less).unwrap();
    let to = ("PUT", SETTINGS);
    let refused = it.send(&less, to, "application/json", &admin("Operator::nordvolt")).await;
    assert_eq!(refused.status, 403, "{}", refused.body_text());

    let settled = json!({"connection": "demo", "subject": "externalId"});
    assert_eq!(it.admin("PUT", SETTINGS, &settled).await.status, 200);
    assert_eq!(
        it.admin("PUT", SETTINGS, &settled).await.status,
        428,
        "what is there is changed as it was seen"
    );
    let id = it.user("dana@nordvolt.example", STRANGER).await;
    // What a provider says of roles is passed over, and the API leaves the provider's people alone.
    let path = format!("/Users/{id}");
    it.patch(&path, json!([{"op": "add", "path": "roles", "value": [{"value": "admin"}]}])).await;
    assert!(roles(&it.member(&id).await).is_empty());
    let member = format!("/v1/organisations/nordvolt/members/{id}");
    let to = ("DELETE", member.as_str());
    let kept = it.send(&it.key, to, "application/json", &Value::Null).await;
    assert_eq!(json_of(&kept)["code"], "owned_by_another_source");
    // Somebody the files know already is not made twice.
    let ada = json!({"schemas": [USER], "userName": "ada@nordvolt.example", "externalId": crate::login::world::subject_of("ada")});
    let taken = it.scim("POST", "/Users", &ada).await;
    assert_eq!((taken.status, &json_of(&taken)["scimType"]), (409, &json!("uniqueness")));

    // A key for something else, another organisation's key, no key.
    for (key, status) in [(it.key.as_str(), 403), ("", 401)] {
        let answer =
            it.send(key, ("GET", "/scim/v2/Users"), "application/scim+json", &Value::Null).await;
        assert_eq!(answer.status, status);
        assert_eq!(json_of(&answer)["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    }
    let other = NewKey {
        organisation: "solarpark",
        name: "other",
        roles: &["client=Operator::solarpark"],
        scopes: &["scim:write"],
    };
    let other = it.world.stage.create_key(&other).unwrap();
    let to = format!("/scim/v2/Users/{id}");
    let answer = it.send(&other, ("GET", &to), "application/scim+json", &Value::Null).await;
    assert_eq!(answer.status, 404);
    assert_eq!(it.scim("GET", "/Bulk", &Value::Null).await.status, 404);
    assert_eq!(it.scim("GET", "/Users?filter=userName+eq", &Value::Null).await.status, 400);

    // Settled no more, nobody it made is a member.
    assert_eq!(it.admin("DELETE", SETTINGS, &Value::Null).await.status, 204);
    assert_eq!(it.member(&id).await["code"], "not_found");
}
