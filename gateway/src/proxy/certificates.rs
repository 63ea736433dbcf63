//! The listener's certificate: loaded and checked by us, replaced while serving.
//!
//! Pingora's own builder panics on a bad file; here a bad file is an error and the last good one stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Where the listener's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// A chain and its key in PEM files.
    Files {
        /// The chain, leaf first.
        chain: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Made at start for these host names. For development: clients do not trust it.
    SelfSigned {
        /// The host names.
        hosts: Vec<String>,
    },
}

/// A certificate that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A PEM file could not be read.
    #[error("`{path}`: not readable as PEM: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// A chain without a certificate.
    #[error("`{0}`: no certificate in it")]
    Empty(PathBuf),
    /// The key is of no kind we can sign with, or it does not belong to the certificate.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The development certificate could not be made.
    #[error("development certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// The process has no TLS provider: a start-up mistake, never a user's.
    #[error("no TLS provider is installed")]
    NoProvider,
}

/// Answers each handshake with the certificate of the day.
#[derive(Debug)]
pub struct CertificateStore(ArcSwap<CertifiedKey>);

impl CertificateStore {
    /// Loads the first certificate.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn load(source: &CertificateSource) -> Result<Self, CertificateError> {
        Ok(Self(ArcSwap::from_pointee(certified_key(source)?)))
    }

    /// Replaces the certificate for handshakes from now on; on error the present one stays.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn reload(&self, source: &CertificateSource) -> Result<(), CertificateError> {
        self.0.store(Arc::new(certified_key(source)?));
        Ok(())
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn certified_key(source: &CertificateSource) -> Result<CertifiedKey, CertificateError> {
    let (chain, key) = match source {
        CertificateSource::Files { chain, key } => (read_chain(chain)?, read_key(key)?),
        CertificateSource::SelfSigned { hosts } => self_signed(hosts)?,
    };
    let provider = CryptoProvider::get_default().ok_or(CertificateError::NoProvider)?;
    let certified = CertifiedKey::from_der(chain, key, provider)?;
    Ok(certified)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let fail = |source| CertificateError::Read { path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(path)
        .map_err(fail)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty(path.to_owned()));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|source| CertificateError::Read { path: path.to_owned(), source })
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn self_signed(hosts: &[String]) -> Result<Pair, CertificateError> {
    let made = rcgen::generate_simple_self_signed(hosts.to_vec())?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn pair(dir: &Path, name: &str) -> CertificateSource {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(vec![String::from("hub.test")]).unwrap();
        CertificateSource::Files {
            chain: write(dir, &format!("{name}.pem"), &made.cert.pem()),
            key: write(dir, &format!("{name}.key"), &made.signing_key.serialize_pem()),
        }
    }

    #[test]
    fn a_bad_file_keeps_the_last_good_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let store = CertificateStore::load(&pair(dir.path(), "a")).unwrap();
        let before = store.0.load_full();
        let broken = CertificateSource::Files {
            chain: write(dir.path(), "b.pem", "nonsense"),
            key: write(dir.path(), "b.key", "nonsense"),
        };
        let error = store.reload(&broken).unwrap_err().to_string();
        assert!(error.contains("b.pem"), "{error}");
        assert!(Arc::ptr_eq(&before, &store.0.load_full()));
        store.reload(&pair(dir.path(), "c")).unwrap();
        assert!(!Arc::ptr_eq(&before, &store.0.load_full()));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (CertificateSource::Files { chain, .. }, CertificateSource::Files { key, .. }) =
            (pair(dir.path(), "a"), pair(dir.path(), "b"))
        else {
            panic!("both come from files");
        };
        assert!(CertificateStore::load(&CertificateSource::Files { chain, key }).is_err());
    }
}
