//! The listener's certificate: read, parsed and matched with its key before anything uses it.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::document::read_text;
use super::problem::Problem;

/// Largest PEM file: a chain of a dozen certificates is 30 KB.
const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a chain and its key, and makes sure that they belong together.
pub(super) fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, Vec<Problem>> {
    let (chain, private) = match (chain(certificate), private_key(key)) {
        (Ok(chain), Ok(private)) => (chain, private),
        (chain, private) => return Err(chain.err().into_iter().chain(private.err()).collect()),
    };
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map(Arc::new)
        .map_err(|error| vec![refused(certificate, key, &error)])
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let text = read_text(path, PEM_BYTES_MAX)?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| Problem::new(path, "", format!("is no PEM certificate: {error}")))?;
    if chain.is_empty() {
        return Err(Problem::new(path, "", "holds no certificate")
            .with_help("it must hold `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let text = zeroize::Zeroizing::new(read_text(path, PEM_BYTES_MAX)?);
    // The reader's own message could quote the file; a key file is not quoted.
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        Problem::new(path, "", "holds no private key")
            .with_help("it must hold `-----BEGIN PRIVATE KEY-----`, without a passphrase")
    })
}

fn refused(certificate: &Path, key: &Path, error: &rustls::Error) -> Problem {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            let message = format!("is not the key of the certificate `{}`", certificate.display());
            Problem::new(key, "", message)
        }
        rustls::Error::InvalidCertificate(_) => {
            Problem::new(certificate, "", format!("cannot be used: {error}"))
        }
        error => Problem::new(key, "", format!("cannot be used: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec!["hub.test".to_owned()]).unwrap();
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    }

    #[test]
    fn takes_a_certificate_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair(folder.path(), "a");
        assert_eq!(read(&certificate, &key).unwrap().cert.len(), 1);
    }

    #[test]
    fn refuses_the_key_of_another_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, _) = pair(folder.path(), "a");
        let (_, key) = pair(folder.path(), "b");
        let problems = read(&certificate, &key).unwrap_err();
        assert!(problems[0].message().starts_with("is not the key of"), "{problems:?}");
    }

    #[test]
    fn names_both_files_when_both_are_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("c.key"));
        std::fs::write(&certificate, "not PEM").unwrap();
        std::fs::write(&key, "hunter2").unwrap();
        let problems = read(&certificate, &key).unwrap_err();
        assert_eq!(problems[0].message(), "holds no certificate");
        assert_eq!(problems[1].message(), "holds no private key");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }
}
