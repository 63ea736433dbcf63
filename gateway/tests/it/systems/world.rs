//! A gateway before the demo hub, and the people of the demo organisation signed in to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use http::{Method, StatusCode};
use hubgate_testkit::demo::{self, Person};
use hubgate_testkit::demo_hub::{DemoHub, Seen, Verifier};
use hubgate_testkit::openid_provider::{
    Algorithm, Client, DemoUser, OpenIdProvider, ProviderSettings,
};
use hubgate_testkit::stage::{
    CLIENT_SECRET, GatewayProcess, PROVIDER_HOST, ProviderPlace, SERVICES, Stage, StageSettings,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::login::world::{Browser, Page};

/// A column of a table for whoever is not signed in.
pub(super) const NOBODY: &str = "nobody";
/// More than any test sends.
const UNLIMITED: u32 = 1_000_000;
/// A port that was free a moment ago may be taken by the time the gateway asks for it.
const STARTS_MAX: usize = 5;

/// What a system is tested in.
pub(super) struct World {
    pub(super) stage: Stage,
    pub(super) hub: DemoHub,
    people: BTreeMap<String, Signed>,
    /// The operations the hub carried out for somebody.
    served: BTreeSet<String>,
    wrong: Vec<String>,
    provider: OpenIdProvider,
    _gateway: GatewayProcess,
}

/// Somebody's browser, and what they are answered where nothing is.
struct Signed {
    browser: Browser,
    missing: Value,
}

pub(super) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

impl World {
    /// The demo as it is, with these people signed in.
    pub(super) async fn of(people: &str) -> Self {
        Self::changed(people, |_| {}).await
    }

    /// The demo with files of the organisation changed before the start, with these people signed in.
    pub(super) async fn changed(people: &str, change: impl Fn(&Path)) -> Self {
        let provider = provider(&demo::people(&repository().join("tenants")).unwrap()).await;
        for _ in 0..STARTS_MAX {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let stage = stage(&provider, listener.local_addr().unwrap());
            change(&stage.configuration().with_file_name("tenants/nordvolt"));
            let keys = format!("{}/.hubgate/jwks.json", stage.hub_url());
            let verifier = Verifier::new(stage.client().unwrap(), &keys, &SERVICES);
            let hub = DemoHub::start(listener, verifier).unwrap();
            let mut gateway = stage.start().unwrap();
            if gateway.wait_until_ready().await.is_ok() {
                let mut world = Self {
                    stage,
                    hub,
                    people: BTreeMap::new(),
                    served: BTreeSet::new(),
                    wrong: Vec::new(),
                    provider,
                    _gateway: gateway,
                };
                for person in people.split_whitespace() {
                    world.sign_in(person).await;
                }
                return world;
            }
        }
        panic!("the gateway does not start");
    }

    async fn sign_in(&mut self, person: &str) {
        let mut browser = Browser::new(self.stage.client().unwrap(), self.stage.hub_url());
        if person != NOBODY {
            let page = browser.sign_in(&self.provider, person, "/.hubgate/me").await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{person}: {}", page.body);
        }
        let page = browser.script(Method::GET, "/api/v1/nothing/here", "").await;
        let signed = Signed { browser, missing: without_instance(&page) };
        self.people.insert(person.into(), signed);
    }

    /// The browser `person` is signed in with.
    pub(super) fn browser(&mut self, person: &str) -> &mut Browser {
        let signed = self.people.get_mut(person);
        &mut signed.unwrap_or_else(|| panic!("{person} is not signed in")).browser
    }

    /// What `person` is answered, and what the hub saw of it.
    pub(super) async fn ask(
        &mut self,
        person: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (Page, Vec<Seen>) {
        let path = format!("/api/v1{path}");
        let page = self.browser(person).script(method.parse().unwrap(), &path, body).await;
        (page, self.hub.take_seen())
    }

    /// Asks for every line of `table` as everybody its first line names. A line is a request, with a body
    /// where one is needed, and the status that person must get; `-` asks nothing.
    pub(super) async fn drive(&mut self, table: &str) {
        let mut lines = table.lines().filter(|line| !line.trim().is_empty());
        let people: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        for line in lines {
            let row = Row::read(line);
            assert_eq!(row.expected.len(), people.len(), "a status for each person: {line}");
            for (person, expected) in people.iter().zip(&row.expected) {
                let Some(expected) = expected else { continue };
                let (page, seen) = self.ask(person, row.method, row.path, row.body).await;
                let wrong = match page.status.as_u16() {
                    status if status != *expected => Err(format!("expected {expected}")),
                    200..=299 => served(person, &row, &page, &seen),
                    _ => self.refused(person, &page, &seen),
                };
                self.served.extend(seen.into_iter().filter_map(|seen| seen.operation));
                if let Err(wrong) = wrong {
                    let asked = format!("{person}: {} {}", row.method, row.path);
                    self.wrong.push(format!("{asked}: {wrong}\n    {} {}", page.status, page.body));
                }
            }
        }
    }

    /// Whether a refusal is the right one, and the hub saw nothing of it.
    fn refused(&self, person: &str, page: &Page, seen: &[Seen]) -> Result<(), String> {
        let body = without_instance(page);
        match page.status.as_u16() {
            _ if !seen.is_empty() => Err("refused, and the hub saw it".into()),
            // Outside one's reach nothing can be told from what is not there.
            404 if body != self.people[person].missing => Err("another 404".into()),
            403 if body["code"] != "denied" => Err("another 403".into()),
            401 if body["code"] != "credential_missing" => Err("another 401".into()),
            _ => Ok(()),
        }
    }

    /// Every status was the one expected, and the hub carried out each operation of the portal under `tag`
    /// for somebody, but for those that are `never` allowed.
    pub(super) fn finish(self, tag: &str, never: &[&str]) {
        assert!(self.wrong.is_empty(), "\n{}", self.wrong.join("\n"));
        let file = repository().join("schemas/hub-portal.openapi.yaml");
        let document = std::fs::read_to_string(file).unwrap();
        let operations = document.split("operationId: ").skip(1).filter_map(|rest| {
            let (id, rest) = rest.split_once('\n')?;
            rest.trim_start().starts_with(&format!("tags: [{tag}]")).then_some(id)
        });
        let operations: BTreeSet<&str> = operations.collect();
        assert!(!operations.is_empty(), "no operation under {tag}");
        let unserved: Vec<&str> =
            operations.into_iter().filter(|id| !self.served.contains(*id)).collect();
        assert_eq!(unserved, never, "operations nobody was served");
    }

    /// As [`World::finish`], for a system that is some of the operations under a tag.
    pub(super) fn finish_with(self, operations: &[&str]) {
        assert!(self.wrong.is_empty(), "\n{}", self.wrong.join("\n"));
        let unserved: Vec<&&str> =
            operations.iter().filter(|id| !self.served.contains(**id)).collect();
        assert!(unserved.is_empty(), "operations nobody was served: {unserved:?}");
    }
}

/// A line of a table.
struct Row<'t> {
    method: &'t str,
    path: &'t str,
    body: &'t str,
    expected: Vec<Option<u16>>,
}

impl<'t> Row<'t> {
    fn read(line: &'t str) -> Self {
        let mut words = line.split_whitespace().peekable();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let body = words.next_if(|word| word.starts_with('{')).unwrap_or_default();
        let expected = words.map(|word| (word != "-").then(|| word.parse().unwrap())).collect();
        Self { method, path, body, expected }
    }
}

/// Whether the hub did what was asked, for whom it was asked, and said so.
fn served(person: &str, row: &Row<'_>, page: &Page, seen: &[Seen]) -> Result<(), String> {
    let [seen] = seen else { return Err(format!("the hub saw {} requests", seen.len())) };
    let path = row.path.split('?').next().unwrap_or_default();
    let asked = format!("{} /api/v1{path}", row.method);
    if seen.request != asked || seen.operation.is_none() {
        return Err(format!("the hub was asked {seen:?}"));
    }
    let user = format!("User::{person}");
    let subject = if person == NOBODY { "Anonymous::anonymous" } else { &user };
    let claims = seen.claims.clone().unwrap_or_default();
    if claims["sub"] != subject || claims["tenant"] != "nordvolt" {
        return Err(format!("the hub was told {claims:?}"));
    }
    if page.status == StatusCode::NO_CONTENT {
        return if page.body.is_empty() { Ok(()) } else { Err("204 with a body".into()) };
    }
    let told = page.json();
    if told["operation"].as_str() != seen.operation.as_deref() || told["asked_by"]["sub"] != subject
    {
        return Err("not what the hub answers".into());
    }
    Ok(())
}

/// The body of a refusal, without the id of its record.
fn without_instance(page: &Page) -> Value {
    let mut body: Value = serde_json::from_str(&page.body).unwrap_or_default();
    if let Some(members) = body.as_object_mut() {
        members.remove("instance");
    }
    body
}

async fn provider(people: &[Person]) -> OpenIdProvider {
    let people = people.iter().filter(|person| person.organisation == "nordvolt");
    let user = |person: &Person| DemoUser {
        subject: person.subject.clone(),
        name: person.name.clone(),
        email: format!("{}@nordvolt.example", person.subject),
    };
    let client = |organisation: &str| Client {
        id: format!("hubgate-{organisation}"),
        secret: CLIENT_SECRET.into(),
        redirect_uris: Vec::new(),
    };
    let settings = ProviderSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        host: PROVIDER_HOST.into(),
        users: people.map(user).collect(),
        clients: ["nordvolt", "solarpark"].map(client).into(),
        algorithm: Algorithm::Es256,
    };
    OpenIdProvider::start(settings).await.unwrap()
}

fn stage(provider: &OpenIdProvider, service: SocketAddr) -> Stage {
    let place =
        ProviderPlace { issuer: provider.issuer().into(), ca_pem: provider.ca_pem().into() };
    let settings = StageSettings {
        binary: env!("CARGO_BIN_EXE_hubgate").into(),
        repository: repository().to_owned(),
        gateway: SocketAddr::from(([127, 0, 0, 1], 0)),
        provider: Some(place),
        service,
        threads: 2,
        requests_per_minute: Some(UNLIMITED),
    };
    Stage::prepare(settings).unwrap()
}
