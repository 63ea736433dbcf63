//! A small OpenID provider in this process, for tests and the demo: HTTPS with a CA of its own.
//!
//! It does what a good provider does (code flow, PKCE S256, `client_secret_basic`, RFC 9207 `iss`, sign-out)
//! until a test sets a [`Behaviour`]. A login names its person by `login_hint`, or by a click on the page
//! that lists them. Never linked into the product.

mod certificates;
mod flow;
mod server;
mod signing;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use serde_json::{Map, Value};

pub use certificates::{Authority, ServerIdentity};
pub use signing::Algorithm;

use signing::SigningKey;

/// A person who can sign in at the provider.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// The subject.
    pub subject: String,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// A client registered at the provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Where browsers may be sent back to; empty allows every URL, for tests that do not know theirs yet.
    pub redirect_uris: Vec<String>,
}

/// What the provider starts with.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The host in its issuer and certificate: `localhost` or an address.
    pub host: String,
    /// Who can sign in.
    pub users: Vec<DemoUser>,
    /// Who may ask.
    pub clients: Vec<Client>,
    /// How it signs.
    pub algorithm: Algorithm,
}

/// How the provider departs from good conduct. The default departs in nothing.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Laid over the ID token's claims; `null` removes one.
    pub claims: Map<String, Value>,
    /// Laid over the ID token's header; `null` removes one.
    pub header: Map<String, Value>,
    /// Laid over the metadata; `null` removes one.
    pub metadata: Map<String, Value>,
    /// Laid over the token response; `null` removes one.
    pub token_response: Map<String, Value>,
    /// Sent instead of the right `iss` parameter; the empty text sends none.
    pub response_issuer: Option<String>,
    /// Damages the ID token's signature.
    pub bad_signature: bool,
    /// Signs with HMAC-SHA-256 under this key.
    pub hmac_key: Option<Vec<u8>>,
    /// The status of every answer under a path, instead of the right answer.
    pub status: HashMap<String, u16>,
    /// Never answers.
    pub silent: bool,
}

/// A running provider. It stops when dropped.
#[derive(Debug)]
pub struct OpenIdProvider {
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    ca_pem: String,
    address: SocketAddr,
    users: Vec<DemoUser>,
    clients: Vec<Client>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    behaviour: Behaviour,
    keys: Vec<SigningKey>,
    grants: HashMap<String, Grant>,
    access_tokens: HashMap<String, String>,
    calls: HashMap<String, usize>,
}

/// What a code stands for.
#[derive(Clone, Debug)]
struct Grant {
    client: String,
    redirect_uri: String,
    subject: String,
    nonce: Option<String>,
    challenge: String,
}

impl OpenIdProvider {
    /// Starts a provider.
    ///
    /// # Errors
    /// When it cannot listen, or cannot make keys.
    pub async fn start(settings: ProviderSettings) -> anyhow::Result<Self> {
        let authority = Authority::new("Hubgate demo provider CA")?;
        Self::start_under(settings, &authority).await
    }

    /// Starts a provider with a certificate of `authority`.
    ///
    /// # Errors
    /// As [`OpenIdProvider::start`].
    pub async fn start_under(
        settings: ProviderSettings,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        let identity = authority.issue(std::slice::from_ref(&settings.host))?;
        let listener = tokio::net::TcpListener::bind(settings.listen).await.context("listen")?;
        let address = listener.local_addr()?;
        let state = State {
            behaviour: Behaviour::default(),
            keys: vec![SigningKey::generate(settings.algorithm)?],
            grants: HashMap::new(),
            access_tokens: HashMap::new(),
            calls: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            issuer: format!("https://{}:{}", settings.host, address.port()),
            ca_pem: authority.pem().to_owned(),
            address,
            users: settings.users,
            clients: settings.clients,
            state: Mutex::new(state),
        });
        let acceptor = identity.acceptor()?;
        let task = tokio::spawn(server::serve(listener, acceptor, Arc::clone(&shared)));
        Ok(Self { shared, task })
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// The certificate to trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.shared.ca_pem
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Changes its conduct from the next request on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.state().behaviour = behaviour;
    }

    /// Replaces its keys.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate_keys(&self, algorithm: Algorithm) -> anyhow::Result<()> {
        let key = SigningKey::generate(algorithm)?;
        self.shared.state().keys = vec![key];
        Ok(())
    }

    /// How often a path was asked for.
    pub fn calls(&self, path: &str) -> usize {
        self.shared.state().calls.get(path).copied().unwrap_or_default()
    }

    /// Lets `subject` sign in as if in a browser, and gives the URL the browser is sent back to.
    ///
    /// # Errors
    /// When the provider would show an error page instead.
    pub fn log_in(&self, authorization_url: &str, subject: &str) -> anyhow::Result<String> {
        let url = url::Url::parse(authorization_url)?;
        let mut query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        query.insert(String::from("login_hint"), subject.to_owned());
        match flow::authorize(&self.shared, &query) {
            flow::Authorized::Back(location) => Ok(location),
            flow::Authorized::Page(_) => anyhow::bail!("the provider asks who signs in"),
            flow::Authorized::Refused(reason) => anyhow::bail!("the provider refuses: {reason}"),
        }
    }
}

impl Drop for OpenIdProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    fn user(&self, subject: &str) -> Option<&DemoUser> {
        self.users.iter().find(|user| user.subject == subject)
    }
}
