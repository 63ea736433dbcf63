//! A running gateway, a provider to sign in at, and a recording service behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use hubgate_testkit::demo_hub::Verifier;
use hubgate_testkit::https_client::HttpsClient;
use hubgate_testkit::openid_provider::{
    Algorithm, Client, DemoUser, OpenIdProvider, ProviderSettings,
};
use hubgate_testkit::recording_upstream::{Recorded, RecordingUpstream};
use hubgate_testkit::stage::{
    CLIENT_SECRET, GatewayProcess, PROVIDER_HOST, ProviderPlace, SERVICES, Stage, StageSettings,
};
use serde_json::Value;
use url::Url;

/// What the provider knows a member of the demo organisation by. Unlike the member's id, it may not be logged.
pub(crate) fn subject_of(member: &str) -> String {
    format!("00u-{member}-5f2c")
}

/// The members of the demo organisation that the provider knows, one of each role.
const MEMBERS: [&str; 8] = ["ada", "sam", "oskar", "bea", "edda", "otto", "tina", "max"];

/// Somebody the provider knows and no organisation has made a member.
pub(crate) const STRANGER: &str = "stranger";

/// More than any test sends.
const UNLIMITED: u32 = 1_000_000;
/// A port that was free a moment ago may be taken by the time the gateway asks for it.
const STARTS_MAX: usize = 5;

/// Everything a sign-in needs, running.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) provider: OpenIdProvider,
    pub(crate) upstream: RecordingUpstream,
    pub(crate) client: HttpsClient,
    _gateway: GatewayProcess,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_limit(UNLIMITED).await
    }

    /// As [`World::start`], with an administration listener.
    pub(crate) async fn with_admin(admin: SocketAddr) -> Self {
        Self::with_settings(&[("listen", format!("admin = \"{admin}\""))]).await
    }

    /// As [`World::start`], with more settings in sections of the configuration.
    pub(crate) async fn with_settings(more: &[(&str, String)]) -> Self {
        Self::prepared(more, &|_| {}).await
    }

    /// As [`World::with_settings`], with other files.
    pub(crate) async fn prepared(more: &[(&str, String)], prepare: &dyn Fn(&Stage)) -> Self {
        Self::begin(UNLIMITED, &|stage| {
            prepare(stage);
            let file = stage.configuration();
            let mut text = std::fs::read_to_string(&file).unwrap();
            for (section, lines) in more {
                let head = format!("[{section}]\n");
                let with = format!("{head}{lines}\n");
                text = if text.contains(&head) {
                    text.replacen(&head, &with, 1)
                } else {
                    format!("{text}\n{with}")
                };
            }
            std::fs::write(&file, text).unwrap();
        })
        .await
    }

    /// As [`World::start`], with the requests a minute one address may send.
    pub(crate) async fn with_limit(requests_per_minute: u32) -> Self {
        Self::begin(requests_per_minute, &|_| {}).await
    }

    async fn begin(requests_per_minute: u32, prepare: &dyn Fn(&Stage)) -> Self {
        let provider = provider().await;
        let upstream = RecordingUpstream::start().await.unwrap();
        for _ in 0..STARTS_MAX {
            let stage = stage(&provider, &upstream, requests_per_minute);
            prepare(&stage);
            let mut gateway = stage.start().unwrap();
            if gateway.wait_until_ready().await.is_ok() {
                let client = stage.client().unwrap();
                return Self { stage, provider, upstream, client, _gateway: gateway };
            }
        }
        panic!("the gateway does not start");
    }

    /// A browser nobody is signed in with.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.client.clone(), self.stage.hub_url())
    }

    /// A browser `member` of the demo organisation is signed in with.
    pub(crate) async fn signed_in(&self, member: &str) -> Browser {
        let mut browser = self.browser();
        let page = browser.sign_in(&self.provider, &subject_of(member), "/.hubgate/me").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        browser
    }

    /// Sends the person on from the provider: the path and query of the callback.
    pub(crate) fn callback(&self, authorization: &Url, subject: &str) -> String {
        path_of(&self.provider.log_in(authorization.as_str(), subject).unwrap())
    }

    /// What the service saw, health checks left out.
    pub(crate) fn forwarded(&self) -> Vec<Recorded> {
        let mut seen = self.upstream.requests();
        seen.retain(|request| !request.request_line().contains("/healthz"));
        seen
    }

    /// The claims of the assertion the service saw last, checked the way a service checks them.
    pub(crate) async fn asserted(&self) -> serde_json::Map<String, Value> {
        let last = self.forwarded().pop().expect("nothing was forwarded");
        let keys = format!("{}/.hubgate/jwks.json", self.stage.hub_url());
        let verifier = Verifier::new(self.client.clone(), &keys, &SERVICES);
        verifier.verify(last.field("hubgate-assertion")).await.unwrap()
    }

    /// The first line of the decision log that satisfies `wanted`.
    pub(crate) async fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let find = || {
            let lines = crate::support::log_lines(&self.stage.log_directory());
            lines.into_iter().find(|line| wanted(line))
        };
        crate::support::wait_until("a line in the log", async || find().is_some()).await;
        find().unwrap()
    }
}

async fn provider() -> OpenIdProvider {
    let user = |member: &str| DemoUser {
        subject: if member == STRANGER { STRANGER.into() } else { subject_of(member) },
        name: format!("Name of {member}"),
        email: format!("private.{member}@nordvolt.example"),
    };
    let client = |organisation: &str| Client {
        id: format!("hubgate-{organisation}"),
        secret: CLIENT_SECRET.into(),
        redirect_uris: Vec::new(),
    };
    let settings = ProviderSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        host: PROVIDER_HOST.into(),
        users: MEMBERS.into_iter().chain([STRANGER]).map(user).collect(),
        clients: ["nordvolt", "solarpark", "more"].map(client).into(),
        algorithm: Algorithm::Es256,
    };
    OpenIdProvider::start(settings).await.unwrap()
}

fn stage(provider: &OpenIdProvider, upstream: &RecordingUpstream, limit: u32) -> Stage {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let place =
        ProviderPlace { issuer: provider.issuer().into(), ca_pem: provider.ca_pem().into() };
    let stage = Stage::prepare(StageSettings {
        binary: env!("CARGO_BIN_EXE_hubgate").into(),
        repository: root.to_owned(),
        gateway: SocketAddr::from(([127, 0, 0, 1], 0)),
        provider: Some(place),
        service: upstream.address(),
        threads: 2,
        requests_per_minute: Some(limit),
    })
    .unwrap();
    let members = stage.configuration().with_file_name("tenants/nordvolt/members.toml");
    let mut text = std::fs::read_to_string(&members).unwrap();
    for member in MEMBERS {
        let (demo, own) = (format!("subject = \"{member}\""), subject_of(member));
        text = text.replace(&demo, &format!("subject = \"{own}\""));
    }
    std::fs::write(members, text).unwrap();
    stage
}

/// An answer as a browser gets it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        let location = self.headers.get(LOCATION);
        location.map_or_else(|| panic!("no redirect: {self:?}"), |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The values of `Set-Cookie` for cookies whose name begins so.
    pub(crate) fn set_cookies(&self, prefix: &str) -> Vec<&str> {
        let lines = self.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        lines.filter(|line| line.starts_with(prefix)).collect()
    }
}

/// As much of a browser as these tests need: one host's cookies, and the fields of Fetch Metadata.
#[derive(Clone)]
pub(crate) struct Browser {
    client: HttpsClient,
    hub: String,
    pub(crate) jar: BTreeMap<String, String>,
}

pub(crate) const SESSION: &str = "__Host-hubgate";

impl Browser {
    /// A browser without cookies, of the hub at this address.
    pub(crate) fn new(client: HttpsClient, hub: String) -> Self {
        Self { client, hub, jar: BTreeMap::new() }
    }

    /// Follows a link to `path`.
    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let navigation = self.request(Method::GET, path).header("sec-fetch-mode", "navigate");
        self.send(navigation.header(ACCEPT, "text/html,*/*;q=0.8"), "").await
    }

    /// Lets a script of the page ask.
    pub(crate) async fn script(&mut self, method: Method, path: &str, json: &str) -> Page {
        let request = self
            .request(method, path)
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-site", "same-origin")
            .header(ORIGIN, &self.hub)
            .header(ACCEPT, "*/*");
        let request = match json {
            "" => request,
            _ => request.header(CONTENT_TYPE, "application/json"),
        };
        self.send(request, json).await
    }

    /// Posts a form of a page at `origin`.
    pub(crate) async fn post(&mut self, path: &str, form: &str, origin: &str) -> Page {
        let site = if origin == self.hub { "same-origin" } else { "cross-site" };
        let request = self
            .request(Method::POST, path)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", site)
            .header(ORIGIN, origin)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "text/html");
        self.send(request, form).await
    }

    /// Begins a login: the address at the provider the browser is sent to.
    pub(crate) async fn begin(&mut self, query: &str) -> Url {
        let page = self.get(&format!("/.hubgate/sign-in?{query}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        Url::parse(page.location()).unwrap()
    }

    /// Signs in: the answer of the callback.
    pub(crate) async fn sign_in(
        &mut self,
        provider: &OpenIdProvider,
        subject: &str,
        return_to: &str,
    ) -> Page {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("organisation", "nordvolt")
            .append_pair("return_to", return_to)
            .finish();
        let authorization = self.begin(&query).await;
        let back = provider.log_in(authorization.as_str(), subject).unwrap();
        self.get(&path_of(&back)).await
    }

    /// The status of "who am I".
    pub(crate) async fn me(&mut self) -> StatusCode {
        self.script(Method::GET, "/.hubgate/me", "").await.status
    }

    pub(crate) fn session(&self) -> &str {
        self.jar.get(SESSION).map_or("", String::as_str)
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.hub));
        let cookies: Vec<String> =
            self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    async fn send(&mut self, request: http::request::Builder, body: &str) -> Page {
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let answer = self.client.send(request).await.unwrap();
        let (head, body) = answer.into_parts();
        for line in head.headers.get_all(SET_COOKIE) {
            self.keep(line.to_str().unwrap());
        }
        let body = String::from_utf8(body.to_vec()).unwrap();
        Page { status: head.status, headers: head.headers, body }
    }

    fn keep(&mut self, line: &str) {
        let (pair, attributes) = line.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        // RFC 6265bis §4.1.3.2: a browser refuses such a cookie unless all of this holds.
        assert!(name.starts_with("__Host-"), "{line}");
        for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(attributes.split(';').any(|own| own.trim() == attribute), "{line}");
        }
        assert!(!attributes.contains("Domain"), "{line}");
        if attributes.contains("Max-Age=0") {
            self.jar.remove(name);
        } else {
            self.jar.insert(name.into(), value.into());
        }
    }
}

/// Path and query of an address.
pub(crate) fn path_of(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
}

/// The value of a query parameter.
pub(crate) fn parameter(url: &Url, name: &str) -> String {
    let mut own = url.query_pairs().filter(|(key, _)| key == name);
    own.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
