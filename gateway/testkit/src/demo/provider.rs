//! The demo's OpenID provider, knowing the members and the connections of the demo organisations.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::https_client::HttpsClient;
use crate::openid_provider::{Algorithm, Client, DemoUser, OpenIdProvider, ProviderSettings};
use crate::stage::{CLIENT_SECRET, PROVIDER_HOST, ProviderPlace};

use super::Person;

/// A running provider. It stops when dropped.
#[derive(Debug)]
pub struct DemoProvider(OpenIdProvider);

impl DemoProvider {
    /// Starts it on a loopback port; on a free one when `port` is 0.
    ///
    /// # Errors
    /// When it cannot listen, or cannot make keys.
    pub async fn start(port: u16, people: &[Person]) -> anyhow::Result<Self> {
        let mut organisations: Vec<&str> =
            people.iter().map(|person| person.organisation.as_str()).collect();
        organisations.dedup();
        let settings = ProviderSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], port)),
            host: PROVIDER_HOST.into(),
            users: people.iter().map(user).collect(),
            clients: organisations.into_iter().map(client).collect(),
            algorithm: Algorithm::Es256,
        };
        OpenIdProvider::start(settings).await.map(Self)
    }

    /// What a stage must know of it.
    pub fn place(&self) -> ProviderPlace {
        ProviderPlace { issuer: self.0.issuer().into(), ca_pem: self.0.ca_pem().into() }
    }

    /// A client that trusts it.
    ///
    /// # Errors
    /// When its certificate cannot be read.
    pub fn client(&self) -> anyhow::Result<HttpsClient> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.0.ca_pem().as_bytes()) {
            roots.add(certificate.context("the provider's certificate authority")?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(HttpsClient::new(self.0.address(), Arc::new(config)))
    }
}

fn user(person: &Person) -> DemoUser {
    DemoUser {
        subject: person.subject.clone(),
        name: person.name.clone(),
        email: format!("{}@{}.example", person.subject, person.organisation),
    }
}

/// The organisations name their client after themselves.
fn client(organisation: &str) -> Client {
    Client {
        id: format!("hubgate-{organisation}"),
        secret: CLIENT_SECRET.into(),
        // The gateway's port may differ from start to start.
        redirect_uris: Vec::new(),
    }
}
