//! What a reader of an organisation's folder must accept and refuse.

use super::*;
use std::fs;

const HEAD: &str = "id = \"acme\"\nname = \"Acme\"\nroot = \"Operator::acme\"\n";
const CONNECTION: &str = "[[connection]]\nid = \"sso\"\ndisplay_name = \"SSO\"\n\
    issuer = \"https://id.example\"\nclient_id = \"hubgate\"\n";

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("acme");
    fs::create_dir_all(folder.join("policies/deep")).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    (base, folder)
}

fn read(files: &[(&str, &str)]) -> Result<TenantData, Vec<String>> {
    let (base, folder) = folder(files);
    let variables = |name: &str| (name == "SECRET").then(|| "s3cret".to_owned());
    read_tenant(&folder, base.path(), &variables)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn reads_a_whole_organisation() {
    let connection =
        format!("{CONNECTION}client_secret_env = \"SECRET\"\nemail_domains = [\"ACME.example\"]\n");
    let organisation = read(&[
        ("organisation.toml", HEAD),
        ("connections.toml", &connection),
        ("members.toml", "[[member]]\nid = \"ann\"\nname = \"Ann\"\nidentities = [{ connection = \"sso\", subject = \"1\" }]\nroles = [{ role = \"admin\", on = \"Operator::acme\" }]\n"),
        ("resources.ndjson", "// the account\n{\"uid\": \"Operator::acme\"}\n\n{\"uid\": \"Team::t\", \"parents\": [\"Operator::acme\"], \"attributes\": {\"frozen\": false}}\n"),
        ("policies/deep/b.cedar", "// b"),
        ("policies/a.cedar", "// a"),
    ])
    .unwrap();
    assert_eq!(organisation.resources.len(), 2);
    assert_eq!(organisation.members[0].roles[0].on.to_string(), "Operator::acme");
    let names: Vec<_> =
        organisation.organisation.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["acme/policies/a.cedar", "acme/policies/deep/b.cedar"]);
    let connection = &organisation.organisation.connections[0];
    assert_eq!(connection.email_domains, ["acme.example"]);
    assert_eq!(connection.client_secret.expose(), "s3cret");
}

#[test]
fn a_group_gives_its_roles_and_attributes_are_kept() {
    let members = "[[group]]\nid = \"desk\"\n\
        roles = [{ role = \"viewer\", on = \"Operator::acme\" }, { role = \"pays\", on = \"Team::t\" }]\n\
        [[member]]\nid = \"ann\"\nname = \"Ann\"\ngroups = [\"desk\"]\n\
        roles = [{ role = \"viewer\", on = \"Operator::acme\" }]\n\
        [member.attributes]\nbeta = true\n";
    let organisation = read(&[("organisation.toml", HEAD), ("members.toml", members)]).unwrap();
    let ann = &organisation.members[0];
    let roles: Vec<_> = ann.roles.iter().map(|it| format!("{}={}", it.role, it.on)).collect();
    assert_eq!(roles, ["viewer=Operator::acme", "pays=Team::t"], "each once");
    assert_eq!(ann.attributes["beta"], true);
}

#[test]
fn refuses_a_group_that_is_not_there_or_twice_and_roles_as_attribute() {
    let members = "[[group]]\nid = \"desk\"\nroles = []\n[[group]]\nid = \"desk\"\nroles = []\n\
        [[member]]\nid = \"ann\"\nname = \"Ann\"\ngroups = [\"desk\", \"none\"]\n\
        [member.attributes]\nroles = 1\n";
    let problems =
        read(&[("organisation.toml", HEAD), ("members.toml", members)]).unwrap_err().join("\n");
    for told in [
        "acme/members.toml:5: group[1].id: the group `desk` is there twice",
        "acme/members.toml:10: member[0].groups: there is no group `none`",
        "acme/members.toml:8: member[0].attributes: roles are given under `roles`",
    ] {
        assert!(problems.contains(told), "{told}\n{problems}");
    }
}

#[test]
fn reads_a_secret_from_a_file_beside() {
    let connection = format!("{CONNECTION}client_secret_file = \"sso.secret\"\n");
    let files =
        [("organisation.toml", HEAD), ("connections.toml", &*connection), ("sso.secret", "abc\n")];
    assert_eq!(read(&files).unwrap().organisation.connections[0].client_secret.expose(), "abc");
    let problems = read(&files[..2]).unwrap_err();
    assert!(
        problems[0].starts_with("acme/connections.toml:6: connection[0].client_secret_file: "),
        "{problems:?}"
    );
}

#[test]
fn refuses_a_secret_in_plain_and_says_what_to_do() {
    let connection = format!("{CONNECTION}client_secret = \"hunter2\"\n");
    let problems =
        read(&[("organisation.toml", HEAD), ("connections.toml", &connection)]).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("acme/connections.toml:6: connection[0].client_secret: "),
        "{problems:?}"
    );
    assert!(problems[0].contains("client_secret_file") && !problems[0].contains("hunter2"));
}

#[test]
fn refuses_no_secret_two_secrets_and_an_unset_variable() {
    let both = "client_secret_env = \"SECRET\"\nclient_secret_file = \"x\"\n";
    for (secret, wanted) in [
        ("", "name either"),
        (both, "name either"),
        ("client_secret_env = \"NOPE\"\n", "`NOPE` is not set"),
    ] {
        let connection = format!("{CONNECTION}{secret}");
        let problems =
            read(&[("organisation.toml", HEAD), ("connections.toml", &connection)]).unwrap_err();
        assert!(problems[0].contains(wanted), "{problems:?}");
    }
}

#[test]
fn tells_every_fault_of_every_file_at_once() {
    let problems = read(&[
        ("organisation.toml", "id = \"other\"\nname = \"Acme\"\nroot = \"nothing\"\n"),
        ("connections.toml", "[[connection]]\nid = \"A B\"\ndisplay_name = \"\"\nissuer = \"http://x\"\nclient_id = \"\"\nclient_secret_env = \"SECRET\"\n"),
        ("members.toml", "[[member]]\nid = \"\"\nname = \"\"\nidentities = [{ connection = \"sso\", subject = \"\" }]\nroles = [{ role = \"admin\", on = \"Operator\" }]\n"),
        ("resources.ndjson", "{\"uid\": \"Operator::acme\"}\n{\"uid\": \"Operator\"}\nnonsense\n"),
    ])
    .unwrap_err();
    let starts = [
        "acme/organisation.toml:1: id: ",
        "acme/organisation.toml:3: root: ",
        "acme/connections.toml:2: connection[0].id: ",
        "acme/connections.toml:4: connection[0].issuer: ",
        "acme/members.toml:2: member[0].id: ",
        "acme/members.toml:4: member[0].identities: ",
        "acme/members.toml:5: member[0].roles: ",
        "acme/resources.ndjson:2: ",
        "acme/resources.ndjson:3: ",
    ];
    for start in starts {
        assert!(
            problems.iter().any(|problem| problem.starts_with(start)),
            "{start}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
}

#[test]
fn names_an_unknown_key_with_its_line() {
    let head = format!("{HEAD}colour = \"red\"\n");
    let problems = read(&[("organisation.toml", &head)]).unwrap_err();
    assert!(
        problems[0].starts_with("acme/organisation.toml:4: ") && problems[0].contains("colour"),
        "{problems:?}"
    );
}

#[test]
fn a_folder_without_organisation_file_is_a_fault() {
    let problems = read(&[]).unwrap_err();
    assert!(problems[0].starts_with("acme/organisation.toml: cannot be read"), "{problems:?}");
}
