//! A certificate for development, made at start.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum SelfSignedError {
    /// A host is no name a certificate can bear.
    #[error("no certificate could be made for the hosts of the routes")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses the key.
    #[error("the made certificate cannot be used")]
    Key(#[from] rustls::Error),
}

/// Makes a certificate for `hosts`, and for this machine. Nobody trusts it but who is told to.
///
/// # Errors
/// [`SelfSignedError`] when a host is no name.
pub fn self_signed_certificate(
    hosts: impl IntoIterator<Item = String>,
) -> Result<(Arc<CertifiedKey>, String), SelfSignedError> {
    let mut names: Vec<String> = hosts.into_iter().collect();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    names.sort();
    names.dedup();
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let pem = made.cert.pem();
    let chain = vec![made.cert.der().clone()];
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?;
    Ok((Arc::new(certified), pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_certificate_and_its_pem() {
        let (certified, pem) = self_signed_certificate(["hub.test".to_owned()]).unwrap();
        assert_eq!(certified.cert.len(), 1);
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
