//! Reads the members of the demo organisations, so that what is printed is what is configured.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use toml::{Table, Value};

/// A member of a demo organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The organisation.
    pub organisation: String,
    /// The subject at the provider: what to sign in as.
    pub subject: String,
    /// The display name.
    pub name: String,
    /// The roles, each as `role on node`.
    pub roles: Vec<String>,
}

/// Everybody in `tenants`, by organisation and in the order of the files.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn people(tenants: &Path) -> anyhow::Result<Vec<Person>> {
    let mut folders: Vec<_> = fs::read_dir(tenants)?.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let mut people = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let organisation = folder.file_name().unwrap_or_default().to_string_lossy();
        let file = folder.join("members.toml");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let members: Table = text.parse().with_context(|| file.display().to_string())?;
        let list = members.get("member").and_then(Value::as_array).into_iter().flatten();
        people.extend(list.filter_map(|member| person(&organisation, member)));
    }
    Ok(people)
}

fn person(organisation: &str, member: &Value) -> Option<Person> {
    let word = |table: &Value, key: &str| Some(table.get(key)?.as_str()?.to_owned());
    let roles = member.get("roles").and_then(Value::as_array).into_iter().flatten();
    let role = |role: &Value| {
        let node = word(role, "on")?;
        let node = node.rsplit("::").next()?.to_owned();
        Some(format!("{} on {node}", word(role, "role")?))
    };
    Some(Person {
        organisation: organisation.into(),
        subject: word(member.get("identities")?.get(0)?, "subject")?,
        name: word(member, "name")?,
        roles: roles.filter_map(role).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_member_with_its_roles() {
        let tenants = tempfile::tempdir().unwrap();
        fs::create_dir(tenants.path().join("nordvolt")).unwrap();
        let text = "[[member]]\nid = \"ada\"\nname = \"Ada Admin\"\n\
            identities = [{ connection = \"demo\", subject = \"ada\" }]\n\
            roles = [{ role = \"admin\", on = \"Operator::nordvolt\" }]\n";
        fs::write(tenants.path().join("nordvolt/members.toml"), text).unwrap();
        let expected = Person {
            organisation: "nordvolt".into(),
            subject: "ada".into(),
            name: "Ada Admin".into(),
            roles: vec!["admin on nordvolt".into()],
        };
        assert_eq!(people(tenants.path()).unwrap(), [expected]);
    }
}
