//! The TOML files of an organisation: shapes as written, and what they become.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

use super::{FileProblem, Head, Variables, read_text, relative};
use crate::directory::{Identity, Member};
use crate::model::{
    Connection, ConnectionId, ConnectionKey, EntityUid, MemberId, RoleAssignment, Secret, Source,
    TenantId,
};

/// Longest client secret read from a file; providers hand out less than a hundred bytes.
const SECRET_BYTES_MAX: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganisationFile {
    id: Spanned<String>,
    name: String,
    #[serde(default)]
    suspended: bool,
    root: Spanned<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersFile {
    #[serde(default)]
    group: Vec<GroupShape>,
    #[serde(default)]
    member: Vec<Spanned<MemberShape>>,
}

/// Roles given together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupShape {
    id: Spanned<String>,
    roles: Vec<RoleShape>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberShape {
    id: Spanned<String>,
    name: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    identities: Vec<IdentityShape>,
    #[serde(default)]
    roles: Vec<RoleShape>,
    #[serde(default)]
    groups: Vec<Spanned<String>>,
    #[serde(default)]
    attributes: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityShape {
    connection: Spanned<String>,
    subject: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleShape {
    role: String,
    on: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionsFile {
    #[serde(default)]
    connection: Vec<Spanned<ConnectionShape>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionShape {
    id: Spanned<String>,
    display_name: String,
    issuer: Spanned<String>,
    client_id: String,
    /// Never accepted; there to be refused with a reason.
    client_secret: Option<Spanned<toml::Value>>,
    client_secret_env: Option<Spanned<String>>,
    client_secret_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    email_domains: Vec<String>,
    #[serde(default)]
    ca_file: Option<Spanned<PathBuf>>,
    #[serde(default = "enabled")]
    enabled: bool,
}

const fn enabled() -> bool {
    true
}

/// A file being read: its name, its text, and where faults go.
struct Reading<'a> {
    path: &'a Path,
    base: &'a Path,
    text: Arc<str>,
    problems: &'a mut Vec<FileProblem>,
}

impl Reading<'_> {
    fn complain(&mut self, key: impl Into<String>, message: String, span: std::ops::Range<usize>) {
        let mut problem =
            FileProblem::of_file(relative(self.path, self.base), message).at(&self.text, span);
        problem.key = key.into();
        self.problems.push(problem);
    }

    /// The file's shape; on a fault in the shape, that one fault.
    fn shape<T: DeserializeOwned>(&mut self) -> Option<T> {
        match toml::from_str(&self.text) {
            Ok(shape) => Some(shape),
            Err(error) => {
                let span = error.span().unwrap_or_default();
                self.complain("", error.message().to_owned(), span);
                None
            }
        }
    }

    fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &str,
        text: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(text.get_ref())
            .map_err(|error| self.complain(key, error.to_string(), text.span()))
            .ok()
    }
}

pub(super) fn organisation(
    (path, text): (&Path, Arc<str>),
    base: &Path,
    id: &TenantId,
    problems: &mut Vec<FileProblem>,
) -> Option<Head> {
    let mut reading = Reading { path, base, text, problems };
    let shape: OrganisationFile = reading.shape()?;
    if shape.id.get_ref() != id.as_str() {
        let message = format!("`{}` is not the name of the folder, `{id}`", shape.id.get_ref());
        reading.complain("id", message, shape.id.span());
    }
    let root = reading.parsed("root", &shape.root, EntityUid::parse)?;
    Some(Head { name: shape.name, suspended: shape.suspended, root, hosts: shape.hosts })
}

pub(super) fn members(
    (path, text): (&Path, Arc<str>),
    base: &Path,
    problems: &mut Vec<FileProblem>,
) -> Vec<Member> {
    let mut reading = Reading { path, base, text, problems };
    let Some(shape) = reading.shape::<MembersFile>() else {
        return Vec::new();
    };
    let groups = groups(shape.group, &mut reading);
    let members = shape.member.into_iter().enumerate();
    members.filter_map(|(n, shape)| member(n, shape.into_inner(), &groups, &mut reading)).collect()
}

type Groups = BTreeMap<String, Vec<RoleAssignment>>;

fn groups(shapes: Vec<GroupShape>, reading: &mut Reading<'_>) -> Groups {
    let mut groups = Groups::new();
    for (number, shape) in shapes.into_iter().enumerate() {
        let key = format!("group[{number}]");
        let given = roles(&format!("{key}.roles"), &shape.roles, reading);
        let id = shape.id.get_ref().clone();
        if groups.insert(id, given).is_some() {
            let message = format!("the group `{}` is there twice", shape.id.get_ref());
            reading.complain(format!("{key}.id"), message, shape.id.span());
        }
    }
    groups
}

fn roles(key: &str, shapes: &[RoleShape], reading: &mut Reading<'_>) -> Vec<RoleAssignment> {
    let mut roles = Vec::with_capacity(shapes.len());
    for shape in shapes {
        let on = reading.parsed(key, &shape.on, EntityUid::parse);
        roles.extend(on.map(|on| RoleAssignment { role: shape.role.clone(), on }));
    }
    roles
}

fn member(
    number: usize,
    shape: MemberShape,
    groups: &Groups,
    reading: &mut Reading<'_>,
) -> Option<Member> {
    let key = |field: &str| format!("member[{number}].{field}");
    let id = reading.parsed(&key("id"), &shape.id, MemberId::parse);
    let mut identities = Vec::new();
    for identity in &shape.identities {
        let place = key("identities");
        let connection = reading.parsed(&place, &identity.connection, ConnectionId::parse);
        let subject = identity.subject.get_ref();
        if subject.is_empty() || subject.len() > 255 {
            // OpenID Connect Core 1.0 §2: `sub` must not exceed 255 ASCII characters.
            let message = "a subject has 1 to 255 characters".to_owned();
            reading.complain(place, message, identity.subject.span());
        } else if let Some(connection) = connection {
            identities.push(Identity { connection, subject: subject.clone() });
        }
    }
    let mut roles = roles(&key("roles"), &shape.roles, reading);
    for group in &shape.groups {
        if let Some(given) = groups.get(group.get_ref()) {
            roles.extend_from_slice(given);
        } else {
            let message = format!("there is no group `{}`", group.get_ref());
            reading.complain(key("groups"), message, group.span());
        }
    }
    // A role may come twice, by a group and by hand; it counts once.
    let mut seen = HashSet::new();
    roles.retain(|role| seen.insert(role.clone()));
    if shape.attributes.contains_key("roles") {
        let message = "roles are given under `roles`, not as an attribute".to_owned();
        reading.complain(key("attributes"), message, shape.id.span());
    }
    Some(Member {
        id: id?,
        name: shape.name,
        email: shape.email,
        identities,
        roles,
        attributes: shape.attributes,
        disabled: shape.disabled,
        source: Source::File,
    })
}

pub(super) fn connections(
    (path, text): (&Path, Arc<str>),
    base: &Path,
    tenant: &TenantId,
    variables: Variables<'_>,
    problems: &mut Vec<FileProblem>,
) -> Vec<Connection> {
    let mut reading = Reading { path, base, text, problems };
    let Some(shape) = reading.shape::<ConnectionsFile>() else {
        return Vec::new();
    };
    let connections = shape.connection.into_iter().enumerate();
    connections
        .filter_map(|(number, shape)| {
            let key = format!("connection[{number}]");
            connection(&key, &shape, tenant, variables, &mut reading)
        })
        .collect()
}

fn connection(
    key: &str,
    shape: &Spanned<ConnectionShape>,
    tenant: &TenantId,
    variables: Variables<'_>,
    reading: &mut Reading<'_>,
) -> Option<Connection> {
    let whole = shape.span();
    let shape = shape.get_ref();
    let id = reading.parsed(&format!("{key}.id"), &shape.id, ConnectionId::parse);
    // OpenID Connect Discovery 1.0 §3: an issuer is an https URL without query or fragment.
    let issuer = shape.issuer.get_ref();
    if !issuer.starts_with("https://")
        || issuer.contains(['?', '#'])
        || issuer.contains(char::is_whitespace)
    {
        let message = "an issuer is an `https` address without query or fragment".to_owned();
        reading.complain(format!("{key}.issuer"), message, shape.issuer.span());
    }
    let ca_pem = match &shape.ca_file {
        None => None,
        Some(file) => Some(beside(key, "ca_file", file, reading)?),
    };
    let client_secret = client_secret(key, shape, whole, variables, reading)?;
    let email_domains: BTreeSet<String> =
        shape.email_domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
    Some(Connection {
        key: ConnectionKey { tenant: tenant.clone(), id: id? },
        display_name: shape.display_name.clone(),
        issuer: issuer.clone(),
        client_id: shape.client_id.clone(),
        client_secret,
        scopes: shape.scopes.clone(),
        email_domains: email_domains.into_iter().collect(),
        ca_pem,
        enabled: shape.enabled,
        by_platform: true,
    })
}

/// The secret from a file or a variable, exactly one of which is named.
fn client_secret(
    key: &str,
    shape: &ConnectionShape,
    whole: std::ops::Range<usize>,
    variables: Variables<'_>,
    reading: &mut Reading<'_>,
) -> Option<Secret<String>> {
    if let Some(plain) = &shape.client_secret {
        let message = "a secret does not belong in a file that is kept and shared: put it into a \
                       file of its own and name that in `client_secret_file`, or into an environment \
                       variable and name that in `client_secret_env`";
        reading.complain(format!("{key}.client_secret"), message.to_owned(), plain.span());
        return None;
    }
    let secret = match (&shape.client_secret_env, &shape.client_secret_file) {
        (Some(variable), None) => {
            let found = variables(variable.get_ref()).filter(|secret| !secret.is_empty());
            if found.is_none() {
                let message =
                    format!("the environment variable `{}` is not set", variable.get_ref());
                reading.complain(format!("{key}.client_secret_env"), message, variable.span());
            }
            found?
        }
        (None, Some(file)) => {
            let text = beside(key, "client_secret_file", file, reading)?;
            let secret = text.trim_end_matches(['\r', '\n']);
            if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
                let message = format!("holds no secret: 1 to {SECRET_BYTES_MAX} bytes");
                reading.complain(format!("{key}.client_secret_file"), message, file.span());
                return None;
            }
            secret.to_owned()
        }
        _ => {
            let message = "name either `client_secret_file` or `client_secret_env`".to_owned();
            reading.complain(key, message, whole);
            return None;
        }
    };
    Some(Secret::new(secret))
}

/// The text of a file named relative to the file being read.
fn beside(
    key: &str,
    field: &str,
    file: &Spanned<PathBuf>,
    reading: &mut Reading<'_>,
) -> Option<String> {
    let folder = reading.path.parent().unwrap_or(reading.base).to_path_buf();
    match read_text(&folder.join(file.get_ref()), reading.base) {
        Ok(text) => Some(text.to_string()),
        Err(problem) => {
            let message = format!("`{}` {}", problem.file.display(), problem.message);
            reading.complain(format!("{key}.{field}"), message, file.span());
            None
        }
    }
}
