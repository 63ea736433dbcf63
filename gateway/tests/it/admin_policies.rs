//! Changes of the base policies: seen before they are made, proposed by one person, approved by another, in force with
//! the answer, and still in force after a restart.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use hubgate_testkit::raw_client::RawAnswer;
use hubgate_testkit::stage::Stage;
use serde_json::{Value, json};

use crate::admin_people::Administering;
use crate::feeds::world::json_of;
use crate::login::world::{STRANGER, subject_of};
use crate::support::wait_until;

const CHANGES: &str = "/v1/platform/policy-changes";
const MEMBERS: &str = "/v1/organisations/nordvolt/members";

/// Two people who administer the platform, and one who does not.
struct Running {
    it: Administering,
    ada: String,
    carl: String,
    oskar: String,
}

impl Running {
    async fn start() -> Self {
        let platform = String::from("organisation = \"nordvolt\"");
        let it = Administering::prepared(&[("platform", platform)], &small_probe).await;
        let ada = it.signed_in(&subject_of("ada")).await;
        let carl = json!({"id": "carl", "name": "Carl", "email": "carl@nordvolt.example",
            "roles": [{"role": "admin", "on": "Operator::nordvolt"}],
            "identities": [{"connection": "demo", "subject": STRANGER}]});
        let made = it.script(&ada, ("POST", MEMBERS), &carl).await;
        assert_eq!(made.status, 201, "{}", made.body_text());
        let carl = it.signed_in(STRANGER).await;
        let oskar = it.signed_in(&subject_of("oskar")).await;
        Self { it, ada, carl, oskar }
    }

    async fn send(&self, cookie: &str, to: (&str, &str), body: &Value) -> RawAnswer {
        self.it.script(cookie, to, body).await
    }

    async fn done(&self, cookie: &str, to: (&str, &str), body: &Value) -> Value {
        let answer = self.send(cookie, to, body).await;
        assert!(answer.status < 300, "{to:?}: {} {}", answer.status, answer.body_text());
        if answer.status == 204 { Value::Null } else { json_of(&answer) }
    }

    /// The code of the problem that is answered.
    async fn refused(&self, cookie: &str, to: (&str, &str), body: &Value) -> String {
        let answer = self.send(cookie, to, body).await;
        assert!(answer.status >= 400, "{to:?}: {}", answer.body_text());
        json_of(&answer)["code"].as_str().unwrap().to_owned()
    }

    async fn proposed(&self, cookie: &str, change: &Value) -> String {
        let made = self.done(cookie, ("POST", CHANGES), change).await;
        assert_eq!(made["state"], "open");
        format!("{CHANGES}/{}", made["id"].as_str().unwrap())
    }

    /// What an approver sees, and says yes to.
    async fn seen(&self, cookie: &str, place: &str) -> (Value, Value) {
        let shown = self.done(cookie, ("GET", place), &Value::Null).await;
        let yes = json!({"hash": shown["hash"], "basis": shown["effect"]["basis"]});
        (shown, yes)
    }

    async fn members_seen_by_oskar(&self) -> u16 {
        self.send(&self.oskar, ("GET", MEMBERS), &Value::Null).await.status
    }
}

/// The matrix without what may be otherwise: an unoptimised build takes long enough for that.
fn small_probe(stage: &Stage) {
    let file = stage.configuration().with_file_name("policies").join("matrix/probe.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (all, _) = text.split_once("[[variant]]").unwrap();
    std::fs::write(&file, all).unwrap();
}

/// Operations managers do not see who is a member any more.
fn narrowing() -> Value {
    let text = "@id(\"no-look-at-members\")\n@reason(\"Members are shown to administrators.\")\nforbid (\n  principal is \
                User,\n  action == Action::\"access:view\",\n  resource\n)\nwhen { resource in \
                principal.roles.operations_manager };\n";
    let case = |who: &str, expect: &str| {
        json!({"name": format!("{who} looks at members"), "about": ["no-look-at-members"],
               "principal": format!("User::{who}"), "action": "access:view",
               "resource": "Operator::main", "expect": expect})
    };
    let cases =
        json!({"use": ["access.json"], "cases": [case("manager", "deny"), case("admin", "allow")]});
    json!({"title": "Members are for administrators", "reason": "Privacy review of the autumn",
           "ticket": "SEC-112", "policies": [{"name": "members-view", "text": text, "cases": cases}]})
}

/// The same by another name.
fn another() -> Value {
    let mut change = narrowing();
    let text = change.to_string().replace("no-look-at-members", "no-look-either");
    change = serde_json::from_str(&text).unwrap();
    change["policies"][0]["name"] = json!("members-too");
    change
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_seen_before_it_is_made_by_two_people() {
    let it = Running::start().await;
    assert_eq!(it.members_seen_by_oskar().await, 200);
    let preview = format!("{CHANGES}/preview");
    let effect = it.done(&it.ada, ("POST", &preview), &narrowing()).await;
    assert_eq!(effect["problems"], json!([]));
    assert_eq!(effect["policies"][0]["id"], "no-look-at-members");
    let cells: Vec<String> =
        effect["cells"].as_array().unwrap().iter().map(ToString::to_string).collect();
    assert!(
        !cells.is_empty() && cells.iter().all(|it| it.contains("Operations manager")),
        "{cells:?}"
    );
    assert!(effect["counts"]["cases"].as_u64().unwrap() > 0, "the files test what changes");

    let place = it.proposed(&it.ada, &narrowing()).await;
    assert_eq!(it.members_seen_by_oskar().await, 200, "a proposal changes nothing");
    let (shown, yes) = it.seen(&it.carl, &place).await;
    assert_eq!(shown["proposed"]["principal"], "User::ada");
    let approve = format!("{place}/approve");
    assert_eq!(it.refused(&it.ada, ("POST", &approve), &yes).await, "same_person");
    let other = json!({"hash": "0".repeat(64), "basis": yes["basis"]});
    assert_eq!(it.refused(&it.carl, ("POST", &approve), &other).await, "not_as_shown");
    assert_eq!(it.refused(&it.oskar, ("POST", &approve), &yes).await, "denied");
    let before = it.done(&it.ada, ("GET", "/v1/platform/snapshot"), &Value::Null).await;
    let second = it.proposed(&it.ada, &another()).await;
    let (_, outdated) = it.seen(&it.carl, &second).await;

    let approved = it.done(&it.carl, ("POST", &approve), &yes).await;
    assert_eq!(
        (&approved["state"], &approved["ended"]["principal"]),
        (&json!("approved"), &json!("User::carl"))
    );
    assert_eq!(it.members_seen_by_oskar().await, 403, "from the next request on");
    let after = it.done(&it.ada, ("GET", "/v1/platform/snapshot"), &Value::Null).await;
    assert_ne!(before["snapshot"], after["snapshot"]);
    assert_eq!(before["settings"], after["settings"]);
    let found = "/v1/platform/policies?search=no-look-at-members";
    let policy = it.done(&it.ada, ("GET", found), &Value::Null).await;
    assert_eq!(policy["items"][0]["file"], "added/members-view.cedar");
    assert_eq!(
        it.refused(&it.carl, ("POST", &approve), &yes).await,
        "not_now",
        "it is approved once"
    );
    let stale = format!("{second}/approve");
    assert_eq!(it.refused(&it.carl, ("POST", &stale), &outdated).await, "not_as_shown");
    let closed = it
        .done(&it.ada, ("POST", &format!("{second}/close")), &json!({"remark": "not needed"}))
        .await;
    assert_eq!(closed["state"], "closed");
    assert_eq!(it.refused(&it.carl, ("POST", &stale), &outdated).await, "not_now");

    let events = "/v1/organisations/nordvolt/auditlog/events?entityType=policy-change";
    let told = it.done(&it.ada, ("GET", events), &Value::Null).await;
    let users: Vec<&Value> =
        told["items"].as_array().unwrap().iter().map(|it| &it["user"]["principal"]).collect();
    assert_eq!(users, ["User::ada", "User::carl", "User::ada", "User::ada"]);

    // A reload of the files keeps it, and so does another process on the same store.
    let file = it.it.world.stage.configuration();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n# touched\n")).unwrap();
    wait_until("the reload", async || {
        it.done(&it.ada, ("GET", "/v1/platform/snapshot"), &Value::Null).await["settings"]
            != after["settings"]
    })
    .await;
    assert_eq!(it.members_seen_by_oskar().await, 403);

    // The way back is a change, too.
    let back = json!({"title": "Take it back", "reason": "The review was wrong", "policies": [{"name": "members-view"}]});
    let place = it.proposed(&it.carl, &back).await;
    let (shown, yes) = it.seen(&it.ada, &place).await;
    assert_eq!(shown["effect"]["policies"][0]["to"], Value::Null);
    it.done(&it.ada, ("POST", &format!("{place}/approve")), &yes).await;
    assert_eq!(it.members_seen_by_oskar().await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_put_in_force_is_not_taken() {
    let it = Running::start().await;
    let mut broken = narrowing();
    broken["policies"][0]["text"] = json!("permit (nobody);");
    let answer = it.send(&it.ada, ("POST", CHANGES), &broken).await;
    let told = json_of(&answer);
    assert_eq!(
        (answer.status, &told["errors"][0]["field"]),
        (422, &json!("policies[members-view].text"))
    );
    // So deep that a parser would run out of stack, and the process with it.
    let mut deep = narrowing();
    deep["policies"][0]["text"] =
        json!(format!("permit (principal, action, resource) when {{ {}", "(".repeat(15_000)));
    let told = json_of(&it.send(&it.ada, ("POST", CHANGES), &deep).await);
    assert!(told["errors"][0]["reason"].as_str().unwrap().contains("deeper"), "{told}");
    let mut untested = narrowing();
    untested["policies"][0]["cases"] = Value::Null;
    let effect = it.done(&it.ada, ("POST", &format!("{CHANGES}/preview")), &untested).await;
    assert_eq!(effect["problems"].as_array().unwrap().len(), 2, "{effect}");
    let mut nobodys = narrowing();
    nobodys["policies"][0]["name"] = json!("No Name");
    assert_eq!(it.refused(&it.ada, ("POST", CHANGES), &nobodys).await, "invalid");

    // Policies under which nobody could approve a change: proposed in good faith, and never approved.
    let text = "@id(\"no-approvals\")\n@reason(\"Frozen.\")\nforbid (principal is User, action == \
                Action::\"platform:approve-policies\", resource)\nwhen { resource in principal.roles.admin };\n";
    let case = |action: &str, expect: &str| {
        json!({"name": action, "about": ["no-approvals"], "principal": "User::admin", "action": action,
               "resource": "Operator::main", "expect": expect})
    };
    let cases = json!({"use": ["platform.json"], "cases": [
        case("platform:approve-policies", "deny"), case("platform:view", "allow")]});
    let freeze = json!({"title": "Freeze", "reason": "Nobody shall change anything",
        "policies": [{"name": "freeze", "text": text, "cases": cases}]});
    let place = it.proposed(&it.ada, &freeze).await;
    let (_, yes) = it.seen(&it.carl, &place).await;
    assert_eq!(
        it.refused(&it.carl, ("POST", &format!("{place}/approve")), &yes).await,
        "locks_out"
    );
}

/// One person with an account, an API key and a second membership counts once (PD-22).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_count_and_accounts_do_not() {
    let it = Running::start().await;
    let wanted = json!({"name": "pipeline", "roles": [{"role": "client", "on": "Operator::nordvolt"}],
        "scopes": ["policies:propose"]});
    let clients = "/v1/organisations/nordvolt/api-clients";
    let made = it.done(&it.ada, ("POST", clients), &wanted).await;
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let body = narrowing().to_string();
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let fields_of_ada = fields;
    let proposed = it.it.send(("POST", CHANGES), &fields, &body).await;
    assert_eq!(proposed.status, 201, "{}", proposed.body_text());
    let place = format!("{CHANGES}/{}", json_of(&proposed)["id"].as_str().unwrap());
    let approve = format!("{place}/approve");
    let (_, yes) = it.seen(&it.ada, &place).await;
    assert_eq!(it.refused(&it.ada, ("POST", &approve), &yes).await, "same_person");
    let by_key = it.it.send(("POST", &approve), &fields, &yes.to_string()).await;
    assert_eq!(by_key.status, 403, "no scope opens it");
    // Ada under another name is Ada: carl has her address now.
    let ada = it.done(&it.carl, ("GET", &format!("{MEMBERS}/ada")), &Value::Null).await;
    let same = json!({"email": ada["email"].as_str().unwrap().to_uppercase()});
    it.done(&it.ada, ("PATCH", &format!("{MEMBERS}/carl")), &same).await;
    let (_, yes) = it.seen(&it.carl, &place).await;
    assert_eq!(it.refused(&it.carl, ("POST", &approve), &yes).await, "same_person");
    it.done(
        &it.ada,
        ("PATCH", &format!("{MEMBERS}/carl")),
        &json!({"email": "carl@nordvolt.example"}),
    )
    .await;
    // Nobody knows who was shown the secret of a key that was made on the machine.
    let key = it.it.world.stage.configuration();
    let folder = key.parent().unwrap();
    let told = crate::support::run_in(
        folder,
        &[
            "key",
            "create",
            "--tenant",
            "nordvolt",
            "--name",
            "machine",
            "--role",
            "client=Operator::nordvolt",
            "--scope",
            "policies:propose",
        ],
    );
    let text = String::from_utf8(told.stdout).unwrap();
    let token = text.split_whitespace().find(|word| word.starts_with("hg_")).unwrap();
    let bearer = format!("Bearer {token}");
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let refused = it.it.send(("POST", CHANGES), &fields, &body).await;
    assert_eq!(json_of(&refused)["code"], "person_needed", "{}", refused.body_text());

    // Carl's membership was changed since it was proposed, by whomever: he may approve what is proposed from now on.
    let (_, yes) = it.seen(&it.carl, &place).await;
    assert_eq!(it.refused(&it.carl, ("POST", &approve), &yes).await, "not_now");
    let anew = it.it.send(("POST", CHANGES), &fields_of_ada, &body).await;
    let place = format!("{CHANGES}/{}", json_of(&anew)["id"].as_str().unwrap());
    let (_, yes) = it.seen(&it.carl, &place).await;
    it.done(&it.carl, ("POST", &format!("{place}/approve")), &yes).await;
    assert_eq!(it.members_seen_by_oskar().await, 403);
    // Who made a key and is gone may be back under another name.
    let made = it.done(&it.carl, ("POST", clients), &wanted).await;
    it.done(&it.ada, ("DELETE", &format!("{MEMBERS}/carl")), &Value::Null).await;
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let refused = it.it.send(("POST", CHANGES), &fields, &body).await;
    assert_eq!(json_of(&refused)["code"], "person_needed", "{}", refused.body_text());
}
