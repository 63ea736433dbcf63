//! Reads everything the gateway works from, as one value: settings, certificate, policies, organisations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use crate::authz::{PolicySchema, Written};
use crate::model::RouteId;
use crate::routing::RouteTable;

use super::document::read_text;
use super::gateway::{Declared, Parsed, Settings};
use super::listen::{CertificateSource, HttpsSettings};
use super::operations::Unmapped;
use super::organisations::{Organisations, PolicyFiles};
use super::places::{Places, PolicyPlaces};
use super::problem::{ConfigErrors, Problem};
use super::survey::Reading;
use super::tenants::Variables;
use super::{certificate, organisations};

/// Largest settings file: 10,000 routes of 400 bytes are 4 MB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Everything the gateway works from, read at one moment and checked as a whole.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings file.
    pub file: PathBuf,
    /// What it says.
    pub settings: Settings,
    /// Its routes, compiled.
    pub routes: Arc<RouteTable>,
    /// What is told of each route besides.
    pub notes: BTreeMap<RouteId, RouteNote>,
    /// The listener's certificate, where it comes from files.
    pub certificate: Option<Arc<CertifiedKey>>,
    /// Policies and organisations.
    pub organisations: Organisations,
}

/// What people are told of a route, and no decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteNote {
    /// The scopes as stated: the route accepts every one that includes one of them.
    pub scopes: Vec<String>,
    /// What its document calls it; empty for a `[[route]]`.
    pub summary: String,
}

fn note(declared: Declared) -> (RouteId, RouteNote) {
    let Declared { route, scopes, summary, .. } = declared;
    (route.id, RouteNote { scopes, summary })
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
        let https = self.settings.listen.https.as_ref().map(|https| &https.certificate);
        if let Some(CertificateSource::Files { certificate, key }) = https {
            places.extend([certificate.clone(), key.clone()]);
        }
        let services = self.settings.services.iter().filter_map(|service| service.tls.as_ref());
        places.extend(services.filter_map(|tls| tls.ca_file.clone()));
        places.extend(self.settings.outbound.ca_file.clone());
        let operations = self.settings.services.iter().flat_map(|service| &service.operations);
        places.extend(operations.flat_map(|from| [from.document.clone(), from.overlay.clone()]));
        places
    }
}

impl Settings {
    /// SHA-256 over these settings, which were read from `file`. It is the same however `file` was typed: its paths are
    /// told from the root.
    pub fn digest(&self, file: &Path) -> [u8; 32] {
        let typed = file.parent().unwrap_or(Path::new(""));
        let folder = if typed.as_os_str().is_empty() { Path::new(".") } else { typed };
        // A folder that is gone meanwhile is told as it was typed.
        let folder = folder.canonicalize().unwrap_or_else(|_| typed.to_path_buf());
        let mut settings = self.clone();
        for path in settings.paths_mut() {
            let whole = path.strip_prefix(typed).map(|below| folder.join(below));
            if let Ok(whole) = whole {
                *path = whole;
            }
        }
        Sha256::digest(format!("{settings:?}").as_bytes()).into()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let Places { state_file, secrets_directory, log_directory } = &mut self.places;
        let PolicyPlaces { schema, policies, tenants } = &mut self.policy;
        let mut paths =
            vec![state_file, secrets_directory, log_directory, schema, policies, tenants];
        let https = self.listen.https.as_mut().map(|https| &mut https.certificate);
        if let Some(CertificateSource::Files { certificate, key }) = https {
            paths.extend([certificate, key]);
        }
        paths.extend(&mut self.outbound.ca_file);
        for service in &mut self.services {
            paths.extend(service.tls.iter_mut().flat_map(|tls| &mut tls.ca_file));
            let from = service.operations.iter_mut();
            paths.extend(from.flat_map(|from| [&mut from.document, &mut from.overlay]));
        }
        paths
    }
}

/// Reads the settings file `path` and everything it names; client secrets may come from the environment.
///
/// # Errors
/// Every problem in every file.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    load_with(path, &|name| std::env::var(name).ok())
}

/// As [`load`], when `before` was read earlier: organisations that are as they were then are read again, but
/// not checked again.
///
/// # Errors
/// As [`load`].
pub fn load_after(path: &Path, before: Option<&Organisations>) -> Result<Loaded, ConfigErrors> {
    read(path, &|name| std::env::var(name).ok(), before)
}

/// As [`load`], with `variables` in the place of the environment.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, variables: Variables<'_>) -> Result<Loaded, ConfigErrors> {
    read(path, variables, None)
}

fn read(
    path: &Path,
    variables: Variables<'_>,
    before: Option<&Organisations>,
) -> Result<Loaded, ConfigErrors> {
    let text = settings_text(path)?;
    let parsed = Parsed::read(path, &text)?;
    let read = parsed.settings();
    let mut problems = read.problems;
    // A fault in one section hides nothing behind the others.
    let base = path.parent().unwrap_or(Path::new(""));
    let settings = read.settings;
    let declared = read.declared;
    let check = |schema: &PolicySchema| {
        let mut found = organisations::check_routes(&parsed, &declared, schema);
        let navigation = settings.as_ref().and_then(|settings| settings.navigation.as_ref());
        found.extend(
            navigation.into_iter().flat_map(|it| organisations::check_menu(&parsed, it, schema)),
        );
        found
    };
    let from = Reading { base, variables, before };
    let organisations =
        read.policy.and_then(|places| organisations::read(&places, from, &mut problems, check));
    if let (Some(settings), Some(organisations)) = (&settings, &organisations) {
        problems.extend(platform_problems(&parsed, settings, organisations));
        problems.extend(quota_problems(settings, organisations));
    }
    let https = settings.as_ref().and_then(|settings| settings.listen.https.as_ref());
    let certificate = listener_certificate(https, &mut problems);
    ConfigErrors::check(problems)?;
    match (settings, read.routes, organisations) {
        (Some(settings), Some(routes), Some(organisations)) => {
            let (file, routes) = (path.to_path_buf(), Arc::new(routes));
            let notes = declared.into_iter().map(note).collect();
            Ok(Loaded { file, settings, routes, notes, certificate, organisations })
        }
        // Without a problem everything is there; a slip in that rule refuses instead of guessing.
        _ => Err(Problem::new(path, "", "cannot be used").into()),
    }
}

/// What the settings of the platform say of organisations: who runs it must be there, and the host people administer on
/// is nobody's own, or nobody else could sign in on it.
fn platform_problems(
    parsed: &Parsed<'_>,
    settings: &Settings,
    organisations: &Organisations,
) -> Vec<Problem> {
    let directory = &organisations.directory;
    let mut problems = Vec::new();
    if let Some(platform) = &settings.platform
        && directory.organisation(platform).is_none()
    {
        let message = format!("there is no organisation `{platform}`");
        problems.push(parsed.section_problem("platform", "organisation", message));
    }
    let host = settings.listen.admin_host.as_deref();
    if let Some(owner) = host.and_then(|host| directory.organisation_for_host(host)) {
        let message = format!("it is one of the hosts of the organisation `{}`", owner.id());
        problems.push(parsed.section_problem("listen", "admin_host", message));
    }
    problems
}

/// The quotas that policies name must be there: a request that one of them lets in would be refused.
fn quota_problems(settings: &Settings, organisations: &Organisations) -> Vec<Problem> {
    let named = organisations.pdp.quotas();
    let unknown = named.filter(|(quota, _)| !settings.quotas.has(quota));
    let problem = |(quota, policy): (&str, Written<'_>)| {
        let message =
            format!("the policy `{}` names the quota `{quota}`, which is none", policy.id);
        let problem = Problem::new(Path::new(policy.file), "", message);
        problem.with_help(format!("add a `[[quota]]` of the name `{quota}` to the settings"))
    };
    unknown.map(problem).collect()
}

/// The operations of the API documents that no overlay maps: for writing the overlay, so it works while the
/// rest is broken.
///
/// # Errors
/// What is wrong with the services or the documents.
pub fn unmapped_operations(path: &Path) -> Result<Vec<Unmapped>, ConfigErrors> {
    let text = settings_text(path)?;
    Parsed::read(path, &text)?.unmapped()
}

/// Reads only the schema, the policies and what tests them; a case that comes out otherwise is no error
/// here, and other sections and files may be wrong.
///
/// # Errors
/// What is wrong with `[policy]`, and with the files it names.
pub fn policies(path: &Path) -> Result<PolicyFiles, ConfigErrors> {
    let text = settings_text(path)?;
    let places = Parsed::read(path, &text)?.policy_places()?;
    let mut problems = Vec::new();
    let base = path.parent().unwrap_or(Path::new(""));
    let files = organisations::read_policy_files(&places, base, &mut problems);
    ConfigErrors::check(problems)?;
    files.ok_or_else(|| Problem::new(path, "policy", "cannot be used").into())
}

/// Reads only where the gateway writes: for commands that must work while the configuration is broken.
///
/// # Errors
/// What is wrong with `[state]`, `[secrets]` and `[log]`, or with the file as a whole.
pub fn places(path: &Path) -> Result<Places, ConfigErrors> {
    let text = settings_text(path)?;
    Parsed::read(path, &text)?.places()
}

fn settings_text(path: &Path) -> Result<String, Problem> {
    read_text(path, FILE_BYTES_MAX)
        .map_err(|problem| problem.with_help("name the settings file with `--config FILE`"))
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
