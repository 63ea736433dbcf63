//! The command line as a person or a script meets it: what is said, where, and the exit code.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{copy_data, run_in};

/// Settings that are right, with one route.
pub(crate) const GOOD: &str = r#"[listen]
http = "127.0.0.1:0"
observe = "127.0.0.1:0"

[[service]]
name = "hub"
addresses = ["127.0.0.1:9"]

[[route]]
id = "team"
host = "hub.localhost"
methods = ["GET"]
path = "/teams/{team}"
action = "teams:view"
resource = { kind = "Team", path = "team" }
service = "hub"
"#;

/// Wrong usage or configuration, as `sysexits.h` numbers it.
const EX_USAGE: i32 = 64;

/// The repository's policies, schema and organisations beside such settings.
pub(crate) fn folder(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_data(folder.path());
    std::fs::write(folder.path().join("gateway.toml"), settings).unwrap();
    folder
}

/// Exit code, standard output and standard error.
pub(crate) fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    said(&run_in(folder, arguments))
}

/// Without a configuration.
fn bare(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubgate"));
    said(&command.args(arguments).output().unwrap())
}

#[test]
fn check_tells_what_would_be_served_and_writes_nothing() {
    let folder = folder(GOOD);
    let (code, out, err) = run(folder.path(), &["check"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for told in [
        "service        hub: 127.0.0.1:9",
        "routes         1",
        "organisation   nordvolt: 13 members, 121 resources",
        "organisation   solarpark: 2 members, 51 resources",
        "all as expected",
    ] {
        assert!(out.contains(told), "{told}: {out}");
    }
    assert!(out.lines().last().unwrap().starts_with("OK "), "{out}");
    for name in ["log", "state", "secrets"] {
        assert!(!folder.path().join(name).exists(), "{name} was written");
    }
}

#[test]
fn check_tells_every_error_at_once_with_file_line_and_key() {
    let bad = GOOD
        .replace("observe = \"127.0.0.1:0\"", "observe = \"nowhere\"")
        .replace("methods =", "method =")
        + "\n[limitz]\n";
    let folder = folder(&bad);
    std::fs::write(folder.path().join("tenants/nordvolt/members.toml"), "[[member]]\nid = 3\n")
        .unwrap();
    let file = folder.path().join("gateway.toml").display().to_string();

    let (code, out, plain) = run(folder.path(), &["check", "--plain"]);
    assert_eq!((code, out.as_str()), (EX_USAGE, ""));
    for wanted in [
        format!("{file}:3: listen.observe: `nowhere` is no address with port"),
        format!("{file}:9: route[0].methods: required, but missing"),
        format!("{file}:12: route[0].method: unknown key (did you mean `methods`?)"),
        format!("{file}:18: limitz: unknown section (did you mean `limits`?)"),
    ] {
        let found = plain.lines().any(|line| line.starts_with(&wanted));
        assert!(found, "{wanted}\n{plain}");
    }
    assert!(plain.contains("members.toml:2: "), "other files are read all the same: {plain}");

    let (code, _, drawn) = run(folder.path(), &["check"]);
    assert_eq!(code, EX_USAGE);
    assert!(drawn.contains("method = [\"GET\"]"), "the line is drawn: {drawn}");
    assert!(drawn.contains("gateway.toml:12:1"), "{drawn}");
    assert!(drawn.contains("errors; nothing was changed"), "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "no escape sequences into a pipe: {drawn:?}");

    let (code, _, served) = run(folder.path(), &["serve"]);
    assert_eq!(code, EX_USAGE, "serve tells the same and serves nothing");
    assert_eq!(served, drawn);
}

#[test]
fn check_draws_a_wrong_policy_with_its_place() {
    let folder = folder(GOOD);
    let policy = "@id(\"x\")\npermit (principal, action == Action::\"teams:vew\", resource);\n";
    std::fs::write(folder.path().join("policies/roles/wrong.cedar"), policy).unwrap();
    let (code, _, err) = run(folder.path(), &["check", "--plain"]);
    assert_eq!(code, EX_USAGE);
    assert!(err.contains("policies/roles/wrong.cedar:2:"), "{err}");
    assert!(err.contains("teams:vew") && err.contains("teams:view"), "{err}");
}

#[test]
fn a_missing_settings_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in
        [&["check"][..], &["serve"], &["log", "tail"], &["key", "list", "--tenant", "x"]]
    {
        let (code, out, err) = run(folder.path(), arguments);
        assert_eq!((code, out.as_str()), (EX_USAGE, ""), "{arguments:?}");
        assert!(err.contains("gateway.toml") && err.contains("--config"), "{arguments:?}: {err}");
    }
}

#[test]
fn version_and_help_are_results() {
    let version = format!("hubgate {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [["version"], ["--version"], ["-V"]] {
        assert_eq!(bare(&arguments), (0, version.clone(), String::new()));
    }
    let (code, out, err) = bare(&["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for verb in ["serve", "check", "key", "log", "version"] {
        assert!(out.contains(&format!("  {verb}")), "{verb}: {out}");
    }
    assert!(!out.contains('\u{1b}'), "no escape sequences into a pipe: {out:?}");
}

#[test]
fn wrong_usage_is_an_error_on_standard_error() {
    for (arguments, told) in [
        (&[][..], "Usage:"),
        (&["frobnicate"], "frobnicate"),
        (&["key"], "create"),
        (&["key", "list"], "--tenant"),
        (&["chekc"], "check"),
        (&["log", "tail", "--kind", "nonsense"], "outcome"),
        (&["log", "tail", "-n", "many"], "many"),
    ] {
        let (code, out, err) = bare(arguments);
        assert_eq!((code, out.as_str()), (EX_USAGE, ""), "{arguments:?}");
        assert!(err.contains(told), "{arguments:?}: {err}");
        assert!(!err.contains('\u{1b}'), "no escape sequences into a pipe: {err:?}");
    }
}

#[test]
fn keys_are_made_listed_and_revoked_in_words_a_person_reads() {
    let folder = folder(GOOD);
    let run = |line: &str| run(folder.path(), &line.split(' ').collect::<Vec<_>>());
    assert_eq!(run("key list --tenant nordvolt").1, "`nordvolt` has no API keys.\n");

    let create = "key create --tenant nordvolt --name export --role";
    let (code, made, err) =
        run(&format!("{create} support_agent=Operator::nordvolt-east --scope teams:read"));
    assert_eq!((code, err.as_str()), (0, ""));
    let key = made.lines().next().unwrap();
    let id = key.strip_prefix("hg_").and_then(|rest| rest.split('_').next()).unwrap();
    assert!(made.contains("shown this once") && made.contains("does not end by itself"), "{made}");
    let advice = made.lines().last().unwrap().strip_prefix("Revoke it: hubgate ").unwrap();

    let (_, listed, _) = run("key list --tenant nordvolt");
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 4, "{listed}");
    assert!(lines[0].starts_with("KEY           STATE     CREATED (UTC)"), "{listed}");
    assert!(lines[1].starts_with(&format!("{id}  in force  2")), "{listed}");
    assert!(lines[1].contains("never") && lines[1].ends_with("export"), "{listed}");
    assert_eq!(lines[2].trim(), "support_agent on Operator::nordvolt-east");
    assert_eq!(lines[3].trim(), "scopes: teams:read");

    let (code, revoked, _) = run(advice);
    assert_eq!(code, 0);
    assert!(revoked.contains(id) && revoked.contains("revoked"), "{revoked}");
    assert!(run("key list --tenant nordvolt").1.contains("revoked"));
}

#[test]
fn a_key_that_makes_no_sense_is_refused_with_advice() {
    let folder = folder(GOOD);
    let create = "key create --name x --tenant";
    for (line, told) in [
        (format!("{create} nordvold --role admin=Operator::nordvolt"), "did you mean `nordvolt`?"),
        (format!("{create} nordvolt --role admn=Operator::nordvolt"), "did you mean `admin`?"),
        (format!("{create} nordvolt --role admin=Operator::solarpark"), "`Operator::solarpark`"),
        (format!("{create} nordvolt --role admin"), "`role=Type::id`"),
        (format!("{create} nordvolt --role admin=Operator::nordvolt --expires soon"), "`90d`"),
        ("key list --tenant nordvold".to_owned(), "did you mean `nordvolt`?"),
        ("key revoke --tenant nordvolt abcdefghijkl".to_owned(), "no API key `abcdefghijkl`"),
    ] {
        let (code, out, err) = run(folder.path(), &line.split(' ').collect::<Vec<_>>());
        assert_eq!((code, out.as_str()), (EX_USAGE, ""), "{line}");
        assert!(err.starts_with("hubgate: ") && err.contains(told), "{line}: {err}");
        assert_eq!(err.lines().count(), 1, "{line}: {err}");
    }
    let (_, listed, _) = run(folder.path(), &["key", "list", "--tenant", "nordvolt"]);
    assert!(listed.contains("no API keys"), "nothing was made: {listed}");
}

#[test]
fn keys_can_be_listed_and_revoked_while_the_configuration_is_broken() {
    let folder = folder(GOOD);
    let role = "admin=Operator::nordvolt";
    let create = ["key", "create", "--tenant", "nordvolt", "--name", "x", "--role", role];
    let (_, made, _) = run(folder.path(), &create);
    let key = made.lines().next().unwrap_or_else(|| panic!("no key: {made}"));
    std::fs::write(folder.path().join("gateway.toml"), format!("{GOOD}[limitz]\n")).unwrap();
    std::fs::remove_dir_all(folder.path().join("tenants")).unwrap();
    let (code, listed, _) = run(folder.path(), &["key", "list", "--tenant", "nordvolt"]);
    assert!(code == 0 && listed.contains("in force"), "{listed}");
    let (code, revoked, err) = run(folder.path(), &["key", "revoke", "--tenant", "nordvolt", key]);
    assert_eq!(code, 0, "{err}");
    assert!(!revoked.contains(key), "found lying about, and not shown again: {revoked}");
}

#[test]
fn the_cases_beside_the_policies_are_asked_and_told() {
    let folder = folder(GOOD);
    let (code, out, err) = run(folder.path(), &["policy", "test", "--filter", "public", "-v"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("(allow by public-status)"), "{out}");
    assert!(out.contains("cases, all as expected"), "{out}");

    let file = folder.path().join("policies/tests/public.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"expect\": \"allow\"", "\"expect\": \"deny\"", 1))
        .unwrap();
    let (code, out, err) = run(folder.path(), &["policy", "test"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("expected deny, got allow (permitted, decided by"), "{out}");
    assert!(err.starts_with("hubgate: ") && err.contains("failure"), "{err}");

    let (code, _, err) = run(folder.path(), &["policy", "test", "--filter", "no such case"]);
    assert_eq!((code, err.as_str()), (1, "hubgate: there is no such case\n"));
}

#[test]
fn a_matrix_that_is_not_as_reviewed_is_told_by_cells() {
    let folder = folder(GOOD);
    let file = folder.path().join("policies/matrix/matrix.md");
    let reviewed = file.display().to_string();
    let check = ["policy", "matrix", "--check", &reviewed];
    let (code, out, err) = run(folder.path(), &check);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");

    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("## audit-log").unwrap();
    let changed = after.replacen("| list | Operator | yes |", "| list | Operator | - |", 1);
    assert_ne!(changed, after);
    std::fs::write(&file, format!("{before}## audit-log{changed}")).unwrap();
    let told = "audit-log:list on Operator: Admin: - → yes\n";
    let summary = format!("hubgate: 1 cell is not as reviewed in `{reviewed}`\n");
    assert_eq!(run(folder.path(), &check), (1, told.to_owned(), summary.clone()));
    let (code, out, err) = run(folder.path(), &["check"]);
    assert_eq!((code, err), (1, summary), "{out}");
    assert!(out.contains(told) && !out.contains("OK "), "{out}");

    let svg = folder.path().join("matrix.svg").display().to_string();
    let picture = ["policy", "matrix", "--format", "svg", "--output", &svg];
    assert_eq!(run(folder.path(), &picture), (0, String::new(), String::new()));
    assert!(std::fs::read_to_string(&svg).unwrap().starts_with("<svg"));
    let (code, _, err) = run(folder.path(), &["policy", "matrix", "--check", &svg]);
    assert_eq!(code, EX_USAGE, "{err}");
}
