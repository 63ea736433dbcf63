//! `hubgate check`: says what would be served, after everything was read and tested.

use std::io::Write;

use crate::config::{CertificateSource, Loaded};

use super::cli::CommandError;
use super::policy::check_reviewed;

/// Tells what `loaded` holds. That it exists means that every check passed but one: whether the policies
/// still come to the matrix that was reviewed.
pub(super) fn check(loaded: &Loaded, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = &loaded.settings;
    let organisations = &loaded.organisations;
    let mut line = |what: &str, told: String| writeln!(out, "{what:<14} {told}");
    if let Some(https) = &settings.listen.https {
        let certificate = match &https.certificate {
            CertificateSource::Files { certificate, .. } => certificate.display().to_string(),
            CertificateSource::SelfSigned => "self-signed, for development".to_owned(),
        };
        line("https", format!("{} ({certificate})", https.address))?;
    }
    if let Some(http) = settings.listen.http {
        line("http", format!("{http} (no TLS)"))?;
    }
    line("observe", settings.listen.observe.to_string())?;
    for service in &settings.services {
        let addresses: Vec<String> = service.addresses.iter().map(ToString::to_string).collect();
        let tls = if service.tls.is_some() { " over TLS" } else { "" };
        line("service", format!("{}: {}{tls}", service.name, addresses.join(", ")))?;
    }
    line("routes", settings.routes.len().to_string())?;
    line("policies", organisations.pdp.policy_count().to_string())?;
    let members = |count: usize| if count == 1 { "member" } else { "members" };
    for organisation in organisations.directory.organisations() {
        let size = organisations.sizes.get(organisation.id()).copied().unwrap_or_default();
        let suspended = if organisation.suspended() { ", suspended" } else { "" };
        let (people, resources) = (size.members, size.resources);
        let told = format!("{people} {}, {resources} resources{suspended}", members(people));
        line("organisation", format!("{}: {told}", organisation.id()))?;
    }
    let cases: usize = organisations.book.cases.iter().map(|file| file.cases.len()).sum();
    match cases {
        0 => line("policy tests", "none".to_owned())?,
        count => line("policy tests", format!("{count}, all as expected"))?,
    }
    check_reviewed(loaded, out)?;
    Ok(writeln!(out, "{:<14} {}", "OK", loaded.file.display())?)
}
