//! Organisations of any size, as files: for measuring what size costs.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A schema for what is generated here, small and of a shape a hub's has: an account, teams below it, sites,
/// devices that refer to their team.
pub const SCHEMA: &str = r#"
type RequestContext = {
  authentication: { method: String, connection: String },
  network: { source: ipaddr },
  operation: { scopes: Set<String> },
  now: datetime,
};
entity User = { roles: { admin: Set<Account> } };
entity ApiClient = { roles: { admin: Set<Account> }, scopes: Set<String> };
entity Anonymous;
entity Account in [Account] = { country: String, tier: String };
entity Team in [Account] = { kind: String, frozen: Bool, billing: String };
entity Site in [Team] = { team: Team, country: String };
entity Device in [Site, Team] = { team: Team, model: String, public: Bool, serial?: String };
action "read";
action "devices:view" in ["read"] appliesTo
  { principal: [User, ApiClient, Anonymous], resource: [Account, Team, Site, Device], context: RequestContext };
"#;

/// Policies for it: administrators reach what is below their account, but not the devices of a frozen team.
pub const POLICIES: &str = r#"
@id("admin") permit (principal is User, action in Action::"read", resource)
when { resource in principal.roles.admin };
@id("frozen") @reason("The team is frozen.") forbid (principal, action, resource is Device)
when { resource.team.frozen };
"#;

/// Devices of a site, and sites of a team.
const DEVICES: usize = 8;
const SITES: usize = 4;

/// Whether devices look like one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Those of a team have the same attributes.
    Alike,
    /// Each has a serial number among its attributes.
    Different,
}

/// Writes `resources` resources, one JSON object a line, parents first; the root is `Account::main`. Device
/// number `n` is `Device::d<n>`.
///
/// # Errors
/// When the writer fails.
pub fn write_resources(
    writer: &mut impl Write,
    resources: usize,
    likeness: Likeness,
) -> std::io::Result<()> {
    let account = r#""attributes":{"country":"DK","tier":"enterprise"}"#;
    writeln!(writer, "{{\"uid\":\"Account::main\",{account}}}")?;
    let (mut left, mut team, mut device) = (resources.saturating_sub(1), 0_usize, 0_usize);
    while left > 0 {
        let mut lines = Vec::new();
        if team.is_multiple_of(1_000) {
            let id = team / 1_000;
            lines.push(format!(
                "{{\"uid\":\"Account::s{id}\",\"parents\":[\"Account::main\"],{account}}}"
            ));
        }
        lines.push(format!(
            "{{\"uid\":\"Team::t{team}\",\"parents\":[\"Account::s{}\"],\"attributes\":{{\"kind\":\
             \"professional\",\"frozen\":{},\"billing\":\"invoice\"}}}}",
            team / 1_000,
            team % 50 == 49
        ));
        let of = format!("\"team\":{{\"__entity\":{{\"type\":\"Team\",\"id\":\"t{team}\"}}}}");
        for site in 0..SITES {
            let id = team * SITES + site;
            lines.push(format!(
                "{{\"uid\":\"Site::p{id}\",\"parents\":[\"Team::t{team}\"],\"attributes\":{{{of},\
                 \"country\":\"DK\"}}}}"
            ));
            for _ in 0..DEVICES {
                let mut more = String::new();
                if likeness == Likeness::Different {
                    // Writing to a string does not fail.
                    let _ = write!(more, ",\"serial\":\"SN-{device:010}\"");
                }
                lines.push(format!(
                    "{{\"uid\":\"Device::d{device}\",\"parents\":[\"Site::p{id}\"],\"attributes\":{{{of},\
                     \"model\":\"m{}\",\"public\":true{more}}}}}",
                    device % 20
                ));
                device += 1;
            }
        }
        for line in lines.into_iter().take(left) {
            writeln!(writer, "{line}")?;
            left -= 1;
        }
        team += 1;
    }
    Ok(())
}

/// Writes the folder of an organisation of `resources` resources, with one member, `ann`, an administrator.
///
/// # Errors
/// When a file cannot be written.
pub fn write_organisation(
    folder: &Path,
    resources: usize,
    likeness: Likeness,
) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let id = folder.file_name().unwrap_or_default().to_string_lossy();
    let head = format!("id = \"{id}\"\nname = \"{id}\"\nroot = \"Account::main\"\n");
    std::fs::write(folder.join("organisation.toml"), head)?;
    let members = "[[member]]\nid = \"ann\"\nname = \"Ann\"\n\
                   roles = [{ role = \"admin\", on = \"Account::main\" }]\n";
    std::fs::write(folder.join("members.toml"), members)?;
    let mut file = BufWriter::new(std::fs::File::create(folder.join("resources.ndjson"))?);
    write_resources(&mut file, resources, likeness)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_many_as_asked_for_each_after_its_parent() {
        for count in [1, 2, 50, 1_000] {
            let mut text = Vec::new();
            write_resources(&mut text, count, Likeness::Different).unwrap();
            let text = String::from_utf8(text).unwrap();
            let mut seen = Vec::new();
            for line in text.lines() {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                for parent in record["parents"].as_array().into_iter().flatten() {
                    assert!(seen.contains(&parent.to_string()), "{parent} before {line}");
                }
                seen.push(record["uid"].to_string());
            }
            assert_eq!(seen.len(), count);
        }
    }
}
