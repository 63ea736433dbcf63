//! People administer with the session of their browser, on a host of their own: signed in there, asked for by its own
//! pages only, and let as far as their roles reach.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use std::fmt::Write as _;
use std::net::SocketAddr;

use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::stage::Stage;
use serde_json::{Value, json};
use url::Url;

use crate::admin_matrix::{Operation, cell, operations, reviewed};
use crate::feeds::world::json_of;
use crate::login::world::{STRANGER, World, subject_of};
use crate::support::PATIENCE;

const HOST: &str = "admin.localhost";
const MEMBERS: &str = "/v1/organisations/nordvolt/members";

pub(crate) struct Administering {
    pub(crate) world: World,
    admin: SocketAddr,
}

impl Administering {
    async fn start() -> Self {
        Self::prepared(&[], &|_| {}).await
    }

    /// As `start`, with more sections of settings and other files.
    pub(crate) async fn prepared(more: &[(&str, String)], prepare: &dyn Fn(&Stage)) -> Self {
        let admin = free_address().unwrap();
        let lines = format!("admin = \"{admin}\"\nadmin_host = \"{HOST}\"");
        let mut sections = vec![("listen", lines)];
        sections.extend(more.iter().cloned());
        Self { world: World::prepared(&sections, prepare).await, admin }
    }

    pub(crate) async fn send(
        &self,
        (method, path): (&str, &str),
        fields: &[(&str, &str)],
        body: &str,
    ) -> RawAnswer {
        let mut head = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
        if !fields.iter().any(|(name, _)| *name == "host") {
            write!(head, "host: {HOST}\r\n").unwrap();
        }
        for (name, value) in fields {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let mut client = RawClient::connect(self.admin, PATIENCE).await.unwrap();
        client.send(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        client.read_answer(method == "HEAD").await.unwrap()
    }

    /// Signs somebody in on the administration's host: the cookie of their session.
    pub(crate) async fn signed_in(&self, subject: &str) -> String {
        let browser = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
        let begun =
            self.send(("GET", "/.hubgate/sign-in?organisation=nordvolt"), &browser, "").await;
        assert_eq!(begun.status, 303, "{}", begun.body_text());
        let pair = |line: &str| line.split(';').next().unwrap().to_owned();
        let transaction = pair(begun.field("set-cookie").unwrap());
        let to = begun.field("location").unwrap();
        let back = self.world.provider.log_in(to, subject).unwrap();
        let back = Url::parse(&back).unwrap();
        assert_eq!((back.scheme(), back.host_str()), ("https", Some(HOST)));
        let path = format!("{}?{}", back.path(), back.query().unwrap());
        let fields = [("cookie", transaction.as_str()), ("sec-fetch-mode", "navigate")];
        let done = self.send(("GET", &path), &fields, "").await;
        let cookies: Vec<&str> = done.fields("set-cookie").collect();
        let session = cookies.iter().find(|line| line.starts_with("__Host-hubgate="));
        pair(session.unwrap_or_else(|| panic!("no session: {}", done.body_text())))
    }

    /// A script of the administration's own page.
    pub(crate) async fn script(&self, cookie: &str, to: (&str, &str), body: &Value) -> RawAnswer {
        let origin = format!("https://{HOST}");
        let fields = [
            ("cookie", cookie),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
            ("if-match", "*"),
        ];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(to, &fields, &body).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_administers_by_their_own_pages_only() {
    let it = Administering::start().await;
    let ada = it.signed_in(&subject_of("ada")).await;
    let dana = json!({"id": "dana", "name": "Dana", "roles": [{"role": "bookkeeper", "on": "Operator::nordvolt"}]});
    let made = it.script(&ada, ("POST", MEMBERS), &dana).await;
    assert_eq!(made.status, 201, "{}", made.body_text());
    let events = "/v1/organisations/nordvolt/auditlog/events?entityType=member";
    let told = json_of(&it.script(&ada, ("GET", events), &Value::Null).await);
    let user = &told["items"][0]["user"];
    assert_eq!((&user["principal"], &user["name"]), (&json!("User::ada"), &json!("Ada Admin")));

    // Another site's page, a request that does not say where it comes from, another host: nobody's.
    let body = json!({"name": "Dora"}).to_string();
    let place = format!("{MEMBERS}/dana");
    let own = format!("https://{HOST}");
    let json = ("content-type", "application/json");
    let cases: [&[(&str, &str)]; 5] = [
        &[("origin", "https://hub.localhost"), ("sec-fetch-site", "same-site")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
        &[("origin", "null")],
        &[("sec-fetch-site", "same-origin")],
        &[],
    ];
    for fields in cases {
        let mut all = vec![("cookie", ada.as_str()), json, ("if-match", "*")];
        all.extend(fields);
        let refused = it.send(("PATCH", &place), &all, &body).await;
        assert_eq!(refused.status, 403, "{fields:?} {}", refused.body_text());
    }
    let elsewhere = [
        ("cookie", ada.as_str()),
        ("origin", "https://elsewhere.localhost"),
        ("host", "elsewhere.localhost"),
    ];
    assert_eq!(it.send(("GET", MEMBERS), &elsewhere, "").await.status, 401);
    assert_eq!(it.send(("GET", MEMBERS), &[("cookie", &ada)], "").await.status, 200);
    let cross = [("cookie", ada.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(it.send(("GET", MEMBERS), &cross, "").await.status, 403);

    // Who is nobody's member sees nothing, and a session that was ended counts no more.
    let stranger = it.signed_in(STRANGER).await;
    assert_eq!(it.script(&stranger, ("GET", MEMBERS), &Value::Null).await.status, 403);
    let sessions = "/v1/organisations/nordvolt/sessions?member=ada";
    assert_eq!(it.script(&ada, ("DELETE", sessions), &Value::Null).await.status, 200);
    assert_eq!(it.script(&ada, ("GET", MEMBERS), &Value::Null).await.status, 401);
}

/// A person reads why a sign-in failed, on this host as on every other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_fails_ends_on_a_page() {
    let it = Administering::start().await;
    let browser = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    let failed = "/.hubgate/callback/nordvolt/demo?error=access_denied&state=nobodys";
    let told = it.send(("GET", failed), &browser, "").await;
    assert_eq!(told.status, 400, "{}", told.body_text());
    assert!(told.body_text().contains("could not be completed"), "{}", told.body_text());
    assert!(told.field("content-security-policy").is_some());
    let nowhere = it.send(("GET", "/.hubgate/nope"), &browser, "").await;
    assert_eq!(nowhere.status, 404);
}

/// Who asks, by what they are.
const PEOPLE: [(&str, &str); 9] = [
    ("ada", "admin"),
    ("edda", "admin, sub-account"),
    ("oskar", "operations manager"),
    ("bea", "bookkeeper"),
    ("sam", "support agent"),
    ("otto", "team owner"),
    ("tina", "team admin"),
    ("max", "team member"),
    ("", "no member"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_gets_as_far_as_reviewed() {
    let it = Administering::start().await;
    let mut cookies = Vec::new();
    for (member, _) in PEOPLE {
        let subject = if member.is_empty() { STRANGER.to_owned() } else { subject_of(member) };
        cookies.push(it.signed_in(&subject).await);
    }
    let mut table = String::from("| operation |");
    for (_, title) in PEOPLE {
        write!(table, " {title} |").unwrap();
    }
    write!(table, "\n|---|{}", "---|".repeat(PEOPLE.len())).unwrap();
    // What ends sessions comes last: they are needed until then.
    let (ending, others): (Vec<Operation>, Vec<Operation>) =
        operations().into_iter().partition(|operation| operation.id == "endSessions");
    for operation in others.iter().filter(|it| it.id != "authzenConfiguration") {
        write!(table, "\n| `{}` |", operation.id).unwrap();
        for cookie in &cookies {
            let told = ask(&it, operation, cookie, "nordvolt").await;
            assert!(told.status < 500, "{} {}", operation.id, told.body_text());
            write!(table, " {} |", cell(&told)).unwrap();
            if operation.path.contains("{organisation}") {
                let foreign = ask(&it, operation, cookie, "solarpark").await;
                let absent = ask(&it, operation, cookie, "no-such").await;
                assert_eq!((foreign.status, absent.status), (404, 404), "{}", operation.id);
            }
        }
    }
    for operation in &ending {
        write!(table, "\n| `{}` |", operation.id).unwrap();
        // The administrator last: nobody is signed in any more after that.
        let mut cells: Vec<String> = Vec::new();
        for cookie in cookies.iter().rev() {
            cells.push(cell(&ask(&it, operation, cookie, "nordvolt").await));
        }
        cells.iter().rev().for_each(|told| write!(table, " {told} |").unwrap());
    }
    let text = format!(
        "# Who of the people gets how far in the administration API\n\nMembers of nordvolt with one role each, by the \
         session of a browser, and somebody signed in who is no member. Each sends what API keys send in \
         `administration.md`. Of every other organisation they hear that it is not there.\n\n{table}\n"
    );
    reviewed("policies/matrix/administration-people.md", &text);
}

async fn ask(
    it: &Administering,
    operation: &Operation,
    cookie: &str,
    organisation: &str,
) -> RawAnswer {
    let origin = format!("https://{HOST}");
    let media_type = operation.media_type.as_deref().unwrap_or("application/json");
    let fields =
        [("cookie", cookie), ("origin", &origin), ("content-type", media_type), ("if-match", "*")];
    let path = operation.place(organisation);
    it.send((&operation.method, &path), &fields, &operation.body).await
}
