//! The listener's certificate, replaced while serving: the next handshake gets the new one.
//!
//! It is loaded and checked where the configuration is read; Pingora's own builder panics on a bad file.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Answers each handshake with the certificate of the day.
#[derive(Debug)]
pub struct CertificateStore(ArcSwap<CertifiedKey>);

impl CertificateStore {
    /// Starts with `certificate`.
    pub fn new(certificate: Arc<CertifiedKey>) -> Self {
        Self(ArcSwap::new(certificate))
    }

    /// Serves `certificate` from the next handshake on.
    pub fn replace(&self, certificate: Arc<CertifiedKey>) {
        self.0.store(certificate);
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
