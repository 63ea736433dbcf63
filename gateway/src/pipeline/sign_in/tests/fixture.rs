//! What the tests stand the flow on, and a browser with a cookie jar.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method};

use crate::authn::{
    AuthorizationRequest, CodeExchange, EndSession, Identity, LoginTransaction, LoginTransactions,
    NewSession, Presented, RelyingParty, Session, SessionKey, SessionLimits, Sessions, SignInError,
    StoreUnavailable, session_cookie,
};
use crate::directory::{
    Directory, Identity as MemberIdentity, Member, Members, Organisation, OrganisationData,
};
use crate::model::{
    Connection, ConnectionId, ConnectionKey, EntityUid, ManualClock, MemberId, OsEntropy,
    Principal, Refusal, RoleAssignment, Secret, TenantId, UnixNanos,
};

use super::super::{Answer, Answered, GatewayRequest, Memberships, SignIn, SignInParts};

pub(super) const HOST: &str = "hub.example";

#[derive(Debug, Default)]
pub(super) struct MemoryTransactions {
    pub(super) kept: Mutex<HashMap<String, LoginTransaction>>,
    pub(super) down: Mutex<bool>,
}

#[async_trait]
impl LoginTransactions for MemoryTransactions {
    async fn put(&self, transaction: LoginTransaction) -> Result<(), StoreUnavailable> {
        if *self.down.lock().unwrap() {
            return Err(StoreUnavailable);
        }
        self.kept.lock().unwrap().insert(transaction.state_key.clone(), transaction);
        Ok(())
    }

    async fn take(&self, state_key: &str) -> Result<Option<LoginTransaction>, StoreUnavailable> {
        if *self.down.lock().unwrap() {
            return Err(StoreUnavailable);
        }
        Ok(self.kept.lock().unwrap().remove(state_key))
    }
}

type KeptSession = (Arc<Session>, Option<Secret<String>>);

#[derive(Debug, Default)]
pub(super) struct MemorySessions {
    pub(super) kept: Mutex<HashMap<SessionKey, KeptSession>>,
}

#[async_trait]
impl Sessions for MemorySessions {
    fn cached(&self, key: &SessionKey) -> Option<Arc<Session>> {
        self.kept.lock().unwrap().get(key).map(|(session, _)| Arc::clone(session))
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, StoreUnavailable> {
        Ok(self.cached(key))
    }

    async fn create(&self, new: NewSession) -> Result<(), StoreUnavailable> {
        let entry = (Arc::new(new.session), new.id_token);
        self.kept.lock().unwrap().insert(entry.0.key, entry);
        Ok(())
    }

    async fn touch(&self, _: &SessionKey, _: UnixNanos) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn work_in(&self, _: &SessionKey, _: Option<&EntityUid>) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn remove(&self, key: &SessionKey) -> Result<(), StoreUnavailable> {
        self.kept.lock().unwrap().remove(key);
        Ok(())
    }

    async fn id_token(&self, key: &SessionKey) -> Result<Option<Secret<String>>, StoreUnavailable> {
        Ok(self.kept.lock().unwrap().get(key).and_then(|(_, token)| token.clone()))
    }
}

/// Believes the code: `code-ada` is Ada. Notes what it was asked to exchange, and with which verifier.
#[derive(Debug, Default)]
pub(super) struct FakeRelyingParty {
    pub(super) fails: Mutex<Option<SignInError>>,
    pub(super) issuer_advertised: Mutex<bool>,
    pub(super) exchanged: Mutex<Vec<(ConnectionKey, String, String, String)>>,
}

#[async_trait]
impl RelyingParty for FakeRelyingParty {
    async fn authorization_url(
        &self,
        connection: &Connection,
        request: AuthorizationRequest<'_>,
    ) -> Result<String, SignInError> {
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        let mut url = url::Url::parse(&format!("{}/authorize", connection.issuer)).unwrap();
        url.query_pairs_mut()
            .append_pair("redirect_uri", request.redirect_uri)
            .append_pair("state", request.state)
            .append_pair("nonce", request.nonce)
            .append_pair("code_challenge", request.challenge);
        Ok(url.into())
    }

    async fn check_response_issuer(
        &self,
        connection: &Connection,
        issuer: Option<&str>,
    ) -> Result<(), SignInError> {
        match issuer {
            Some(issuer) if issuer == connection.issuer => Ok(()),
            None if !*self.issuer_advertised.lock().unwrap() => Ok(()),
            _ => Err(SignInError::Issuer),
        }
    }

    async fn exchange(
        &self,
        connection: &Connection,
        exchange: CodeExchange<'_>,
    ) -> Result<Identity, SignInError> {
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        self.exchanged.lock().unwrap().push((
            connection.key.clone(),
            exchange.redirect_uri.to_owned(),
            exchange.verifier.expose().clone(),
            exchange.nonce.expose().clone(),
        ));
        let subject = exchange.code.expose().strip_prefix("code-").unwrap_or("nobody").to_owned();
        Ok(Identity {
            issuer: connection.issuer.clone(),
            name: Some(format!("Name of {subject}")),
            subject,
            id_token: Secret::new(String::from("the.id.token")),
            sid: Some(String::from("sid-1")),
            email: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
        })
    }

    async fn end_session_url(
        &self,
        connection: &Connection,
        end: EndSession<'_>,
    ) -> Option<String> {
        let mut url = url::Url::parse(&format!("{}/end", connection.issuer)).unwrap();
        url.query_pairs_mut()
            .append_pair("id_token_hint", end.id_token.unwrap_or_default())
            .append_pair("post_logout_redirect_uri", end.post_logout_redirect_uri)
            .append_pair("state", end.state);
        Some(url.into())
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) sign_in: SignIn,
    pub(super) directory: Directory,
    pub(super) transactions: Arc<MemoryTransactions>,
    pub(super) sessions: Arc<MemorySessions>,
    pub(super) relying_party: Arc<FakeRelyingParty>,
    pub(super) clock: Arc<ManualClock>,
}

impl World {
    pub(super) fn new() -> Self {
        let transactions = Arc::new(MemoryTransactions::default());
        let sessions = Arc::new(MemorySessions::default());
        let relying_party = Arc::new(FakeRelyingParty::default());
        let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1_800_000_000)));
        let sign_in = SignIn::new(SignInParts {
            relying_party: Arc::clone(&relying_party) as Arc<dyn RelyingParty>,
            transactions: Arc::clone(&transactions) as Arc<dyn LoginTransactions>,
            sessions: Arc::clone(&sessions) as Arc<dyn Sessions>,
            clock: Arc::clone(&clock) as Arc<dyn crate::model::Clock>,
            entropy: Arc::new(OsEntropy),
            limits: SessionLimits::default(),
        });
        let directory = directory(true);
        Self { sign_in, directory, transactions, sessions, relying_party, clock }
    }

    pub(super) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }
}

/// Two organisations: North with one connection, South with two and a host of its own.
pub(super) fn directory(north_is_open: bool) -> Directory {
    let north = organisation("north", &["main"], &[], north_is_open);
    let south = organisation("south", &["staff", "partners"], &["south.example"], true);
    Directory::build(vec![Arc::new(north), Arc::new(south)]).unwrap()
}

fn organisation(id: &str, connections: &[&str], hosts: &[&str], enabled: bool) -> Organisation {
    let tenant = TenantId::parse(id).unwrap();
    let root = EntityUid::parse(&format!("Account::{id}")).unwrap();
    let connection = |name: &&str| Connection {
        key: ConnectionKey { tenant: tenant.clone(), id: ConnectionId::parse(name).unwrap() },
        display_name: format!("{id} {name}"),
        issuer: format!("https://{name}.{id}.example"),
        client_id: String::from("hubgate"),
        client_secret: Secret::new(String::from("secret")),
        scopes: Vec::new(),
        email_domains: vec![format!("{name}.{id}.example")],
        ca_pem: None,
        by_platform: true,
        enabled,
    };
    Organisation::build(OrganisationData {
        id: tenant.clone(),
        name: format!("Organisation {id}"),
        suspended: false,
        root,
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        connections: connections.iter().map(connection).collect(),
        policies: Vec::new(),
        digest: [0; 32],
        created: None,
    })
    .unwrap()
}

/// Ada is a member of every organisation, by its first connection.
struct AdaEverywhere<'d>(&'d Directory);

#[async_trait]
impl Memberships for AdaEverywhere<'_> {
    async fn members(&self, tenant: &TenantId) -> Result<Arc<Members>, Refusal> {
        let organisation = self.0.organisation(tenant).ok_or(Refusal::CredentialInvalid)?;
        let first = organisation.connections().next().unwrap();
        let ada = Member {
            id: MemberId::parse("ada").unwrap(),
            name: String::from("Ada Admin"),
            email: None,
            identities: vec![MemberIdentity {
                connection: first.key.id.clone(),
                subject: String::from("ada"),
            }],
            roles: vec![RoleAssignment {
                role: String::from("admin"),
                on: organisation.root().clone(),
            }],
            attributes: serde_json::Map::new(),
            disabled: false,
            source: crate::model::Source::File,
        };
        Ok(Arc::new(Members::build(organisation, vec![ada], &|_| true).unwrap()))
    }
}

/// A browser: a cookie jar, and headers as a browser sends them.
#[derive(Clone, Debug, Default)]
pub(super) struct Browser {
    pub(super) jar: BTreeMap<String, String>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) authority: Option<&'static str>,
}

impl Browser {
    pub(super) async fn get(&mut self, world: &World, target: &str) -> Result<Answered, Refusal> {
        self.send(world, Method::GET, target, "").await
    }

    pub(super) async fn post(
        &mut self,
        world: &World,
        target: &str,
        body: &str,
    ) -> Result<Answered, Refusal> {
        self.send(world, Method::POST, target, body).await
    }

    async fn send(
        &mut self,
        world: &World,
        method: Method,
        target: &str,
        body: &str,
    ) -> Result<Answered, Refusal> {
        let headers = self.head();
        let session = match session_cookie(&headers) {
            Presented::One(id) => world.sessions.cached(&id.key()),
            _ => None,
        };
        let principal = session.as_ref().map_or(Principal::Anonymous, |session| Principal::User {
            person: session.person.clone(),
            member: None,
        });
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let authority = self.authority.unwrap_or(HOST);
        let request = GatewayRequest {
            places: None,
            method: &method,
            scheme: "https",
            host: authority.split(':').next().unwrap(),
            authority,
            path,
            query,
            headers: &headers,
            body: body.as_bytes(),
            principal: &principal,
            session: session.as_ref(),
            api_key: None,
        };
        let answered = world
            .sign_in
            .handle(&world.directory, &AdaEverywhere(&world.directory), &request)
            .await;
        if let Ok(Answered { answer, .. }) = &answered {
            self.keep(answer);
        }
        answered
    }

    fn head(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let cookies: Vec<String> = self.jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if !cookies.is_empty() {
            headers.insert("cookie", HeaderValue::try_from(cookies.join("; ")).unwrap());
        }
        headers
            .insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        for (name, value) in &self.headers {
            headers.append(*name, HeaderValue::try_from(value.as_str()).unwrap());
        }
        headers
    }

    fn keep(&mut self, answer: &Answer) {
        let cookies = match answer {
            Answer::Redirect { cookies, .. } | Answer::Html { cookies, .. } => cookies.as_slice(),
            Answer::Json { .. } | Answer::Tokens { .. } | Answer::Style { .. } => &[],
        };
        for cookie in cookies {
            let attributes: Vec<&str> = cookie.split("; ").collect();
            assert!(attributes.contains(&"Secure") && attributes.contains(&"HttpOnly"), "{cookie}");
            assert!(attributes.contains(&"Path=/") && attributes.contains(&"SameSite=Lax"));
            assert!(!cookie.contains("Domain"), "{cookie}");
            let (name, value) = attributes[0].split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{cookie}");
            if attributes.contains(&"Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Starts a login and reads what went to the provider.
    pub(super) async fn start(&mut self, world: &World, query: &str) -> HashMap<String, String> {
        let target = format!("/.hubgate/sign-in?{query}");
        let location = location(self.get(world, &target).await);
        let url = url::Url::parse(&location).unwrap();
        url.query_pairs().into_owned().collect()
    }

    /// Signs in from start to end.
    pub(super) async fn sign_in(&mut self, world: &World, subject: &str) -> Answered {
        let asked = self.start(world, "organisation=north").await;
        let target = callback_target(&asked, &format!("code=code-{subject}"));
        self.get(world, &target).await.unwrap()
    }
}

/// The callback a provider would send the browser to.
pub(super) fn callback_target(asked: &HashMap<String, String>, rest: &str) -> String {
    let url = url::Url::parse(&asked["redirect_uri"]).unwrap();
    format!("{}?state={}&{rest}", url.path(), asked["state"])
}

pub(super) fn location(answered: Result<Answered, Refusal>) -> String {
    match answered.unwrap().answer {
        Answer::Redirect { location, .. } => location,
        other => panic!("no redirect: {other:?}"),
    }
}

pub(super) fn page(answered: Result<Answered, Refusal>) -> String {
    match answered.unwrap().answer {
        Answer::Html { body, .. } => body,
        other => panic!("no page: {other:?}"),
    }
}

pub(super) fn code(answered: Result<Answered, Refusal>) -> &'static str {
    match answered.unwrap_err() {
        Refusal::SignInFailed { code } => code,
        other => panic!("another refusal: {other:?}"),
    }
}
