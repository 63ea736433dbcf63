//! A certificate authority for one test run, and leaf certificates signed by it.
//!
//! The authority lives in memory and its certificates are of no use outside the run that made it.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority with a fresh key.
    ///
    /// # Errors
    /// When no key can be generated.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Hubgate test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("generating the authority's key")?;
        let certificate = params.self_signed(&key).context("signing the authority")?;
        Ok(Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority's own certificate, for a client's trust store.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's own certificate as PEM, for `curl --cacert` and configuration files.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Makes a server certificate for `names`: DNS names or IP addresses.
    ///
    /// # Errors
    /// When a name is no DNS name or address.
    pub fn leaf(&self, names: &[&str]) -> anyhow::Result<Leaf> {
        let mut params = leaf_params(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// Makes a client certificate named `name`, for mutual TLS.
    ///
    /// # Errors
    /// When the key cannot be generated or the certificate not signed.
    pub fn client_leaf(&self, name: &str) -> anyhow::Result<Leaf> {
        let mut params = leaf_params(&[])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// Makes a server certificate that ran out in the year 2001.
    ///
    /// # Errors
    /// As [`Authority::leaf`].
    pub fn expired_leaf(&self, names: &[&str]) -> anyhow::Result<Leaf> {
        let mut params = leaf_params(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        self.sign(&params)
    }

    /// A client configuration that trusts this authority alone and offers `alpn`.
    ///
    /// # Errors
    /// When the cryptography offers no usable protocol version.
    pub fn client_config(&self, alpn: &[&str]) -> anyhow::Result<Arc<rustls::ClientConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn sign(&self, params: &CertificateParams) -> anyhow::Result<Leaf> {
        let key = KeyPair::generate().context("generating a leaf key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("signing a leaf")?;
        Ok(Leaf {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_der: key.serialize_der(),
            key_pem: key.serialize_pem(),
        })
    }
}

/// A leaf certificate and its key.
#[derive(Debug)]
pub struct Leaf {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_der: Vec<u8>,
    key_pem: String,
}

impl Leaf {
    /// The certificate.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The key as PKCS #8.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone()))
    }

    /// The key as PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// A server configuration that shows this certificate and speaks HTTP/1.1.
    ///
    /// # Errors
    /// When key and certificate do not fit.
    pub fn server_config(&self) -> anyhow::Result<Arc<rustls::ServerConfig>> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn leaf_params(names: &[&str]) -> anyhow::Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| String::from(*name)).collect();
    let mut params = CertificateParams::new(names).context("naming a leaf")?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

// Named, because a process may hold two providers and rustls then refuses to choose one.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
