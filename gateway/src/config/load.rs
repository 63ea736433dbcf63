//! Reads everything the gateway works from, as one value: settings, certificate, policies, organisations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::certificate;
use super::document::read_text;
use super::gateway::{Parsed, Settings};
use super::listen::{CertificateSource, HttpsSettings};
use super::problem::{ConfigErrors, Problem};

/// Largest settings file: 10,000 routes of 400 bytes are 4 MB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Everything the gateway works from, read at one moment and checked as a whole.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings file.
    pub file: PathBuf,
    /// What it says.
    pub settings: Settings,
    /// The listener's certificate, where it comes from files.
    pub certificate: Option<Arc<CertifiedKey>>,
}

impl Loaded {
    /// The files and folders whose change means that this value is out of date.
    pub fn watched(&self) -> Vec<PathBuf> {
        let policy = &self.settings.policy;
        let mut places = vec![
            self.file.clone(),
            policy.schema.clone(),
            policy.policies.clone(),
            policy.tenants.clone(),
        ];
        let https = self
            .settings
            .listen
            .https
            .as_ref()
            .map(|https| &https.certificate);
        if let Some(CertificateSource::Files { certificate, key }) = https {
            places.extend([certificate.clone(), key.clone()]);
        }
        let services = self
            .settings
            .services
            .iter()
            .filter_map(|service| service.tls.as_ref());
        places.extend(services.filter_map(|tls| tls.ca_file.clone()));
        places.extend(self.settings.outbound.ca_file.clone());
        places
    }
}

/// Reads `path` and everything it names.
///
/// # Errors
/// Every problem in every file. Files that are named by a broken settings file are not read.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    let text = read_text(path, FILE_BYTES_MAX)?;
    let parsed = Parsed::read(path, &text)?;
    let settings = parsed.settings()?;
    let mut problems = Vec::new();
    let certificate = listener_certificate(settings.listen.https.as_ref(), &mut problems);
    ConfigErrors::check(problems)?;
    Ok(Loaded {
        file: path.to_path_buf(),
        settings,
        certificate,
    })
}

fn listener_certificate(
    https: Option<&HttpsSettings>,
    problems: &mut Vec<Problem>,
) -> Option<Arc<CertifiedKey>> {
    let CertificateSource::Files { certificate, key } = &https?.certificate else {
        return None;
    };
    match certificate::read(certificate, key) {
        Ok(certified) => Some(certified),
        Err(wrong) => {
            problems.extend(wrong);
            None
        }
    }
}
