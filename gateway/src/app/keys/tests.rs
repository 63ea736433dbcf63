//! The key verbs against a real store and a real log.

use std::path::PathBuf;

use crate::app::run;

/// A gateway's folder with one organisation.
struct Scene(tempfile::TempDir);

const SCHEMA: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/hub.cedarschema"));

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("gateway.toml", "listen.http = \"127.0.0.1:0\"\n");
        write("schemas/hub.cedarschema", SCHEMA);
        write(
            "policies/status.cedar",
            "@id(\"status\")\npermit(principal, action == Action::\"status:view\", resource);\n",
        );
        write(
            "tenants/acme/organisation.toml",
            "id = \"acme\"\nname = \"Acme\"\nroot = \"Operator::acme\"\nhosts = []\n",
        );
        let account = r#"{"uid":"Operator::acme","attributes":{"tier":"business","country":"DK","kyb":"approved","features":[],"hub_run":false,"bank_account":false}}"#;
        write("tenants/acme/resources.ndjson", account);
        Self(folder)
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("gateway.toml")
    }

    /// Runs a command; its exit code as shown, what it said, and what it complained of.
    fn hubgate(&self, arguments: &str) -> (String, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let config = self.config();
        let words = std::iter::once("hubgate".to_owned())
            .chain(arguments.split_whitespace().map(str::to_owned))
            .chain(["--config".to_owned(), config.display().to_string()]);
        let code = run(words, &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (format!("{code:?}"), text(out), text(err))
    }

    fn ok(&self, arguments: &str) -> String {
        let (code, out, err) = self.hubgate(arguments);
        assert_eq!(code, format!("{:?}", std::process::ExitCode::SUCCESS), "{err}");
        out
    }

    /// The complaint of a command that must end with exit code 64.
    fn refused(&self, arguments: &str) -> String {
        let (code, out, err) = self.hubgate(arguments);
        assert_eq!(code, format!("{:?}", std::process::ExitCode::from(64)), "{out}{err}");
        err
    }
}

#[test]
fn a_key_is_made_shown_once_listed_and_revoked() {
    let scene = Scene::new();
    let made = scene.ok("key create --tenant acme --name export --role admin=Operator::acme --scope teams:read --expires 90d");
    let token = made.lines().next().unwrap();
    assert!(token.starts_with("hg_"), "{made}");
    assert!(made.contains("shown this once"), "{made}");
    let id = token.split('_').nth(1).unwrap();

    let listed = scene.ok("key list --tenant acme");
    assert!(listed.contains(id) && listed.contains("in force"), "{listed}");
    assert!(
        listed.contains("admin on Operator::acme") && listed.contains("teams:read"),
        "{listed}"
    );
    assert!(!listed.contains(token), "{listed}");

    scene.ok(&format!("key revoke --tenant acme {id}"));
    assert!(scene.ok("key list --tenant acme").contains("revoked"));

    let log = scene.ok("log tail --json --kind event");
    assert!(log.contains("key_created") && log.contains("key_revoked"), "{log}");
    assert!(log.contains(id) && !log.contains(token), "{log}");
    scene.ok("log verify");
}

#[test]
fn keys_that_make_no_sense_are_refused_with_advice() {
    let scene = Scene::new();
    let create = |rest: &str| scene.refused(&format!("key create --name x {rest}"));
    let unknown = create("--tenant acmee --role admin=Operator::acme");
    assert!(unknown.contains("no organisation `acmee`: did you mean `acme`?"), "{unknown}");
    let role = create("--tenant acme --role admn=Operator::acme");
    assert!(role.contains("no role `admn`: did you mean `admin`?"), "{role}");
    let node = create("--tenant acme --role admin=Operator::x");
    assert!(node.contains("there is no `Operator::x` in `acme`"), "{node}");
    let form = create("--tenant acme --role admin");
    assert!(form.contains("write `role=Type::id`"), "{form}");
    let past = create("--tenant acme --role admin=Operator::acme --expires 2001-01-01");
    assert!(past.contains("is no time to come"), "{past}");
    assert!(scene.ok("key list --tenant acme").contains("no API keys"));
}

#[test]
fn a_key_can_be_revoked_while_the_configuration_is_broken() {
    let scene = Scene::new();
    let made = scene.ok("key create --tenant acme --name x --role admin=Operator::acme");
    let token = made.lines().next().unwrap();
    std::fs::write(scene.config(), "[listen]\nhttp = 3\n[[route]]\n").unwrap();
    // The whole key, as somebody found it lying about.
    assert!(scene.ok(&format!("key revoke --tenant acme {token}")).contains("is revoked"));
    assert!(scene.refused("key revoke --tenant acme aaaaaaaaaaaa").contains("has no API key"));
}

#[test]
fn check_tells_what_would_be_served_and_every_error() {
    let scene = Scene::new();
    let told = scene.ok("check");
    assert!(told.contains("policies       1\n") && told.contains("acme: 0 members"), "{told}");
    std::fs::write(scene.config(), "[listen]\nhtp = 3\nthreads = \"x\"\n").unwrap();
    let plain = scene.refused("check --plain");
    assert!(plain.contains("gateway.toml:2: listen.htp: unknown key"), "{plain}");
    assert!(plain.contains("gateway.toml:3: listen.threads: expected a whole number"), "{plain}");
    assert!(scene.refused("check").contains("2 errors; nothing was changed"));
}

#[test]
fn a_broken_policy_and_a_broken_route_are_told_together() {
    let scene = Scene::new();
    let folder = scene.0.path();
    std::fs::write(
        folder.join("policies/b.cedar"),
        "@id(\"b\")\npermit(principal, action, resource) when { resource.nope };\n",
    )
    .unwrap();
    let text = "listen.http = \"127.0.0.1:0\"\n[[service]]\nname = \"hub\"\naddresses = [\"127.0.0.1:1\"]\n\
        [[route]]\nhost = \"h\"\nmethods = [\"GET\"]\npath = \"/teams\"\naction = \"teams:lst\"\n\
        resource = \"organisation\"\nservice = \"hub\"\n";
    std::fs::write(scene.config(), text).unwrap();
    let plain = scene.refused("check --plain");
    assert!(
        plain.contains("gateway.toml:9: route[0].action: the schema knows no action `teams:lst`"),
        "{plain}"
    );
    assert!(plain.contains("did you mean `teams:list`?"), "{plain}");
    assert!(plain.contains("policies/b.cedar:"), "{plain}");
}

#[test]
fn a_wrong_command_line_ends_with_64_and_help_with_0() {
    let scene = Scene::new();
    assert!(scene.refused("chck").contains("check"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for arguments in [["hubgate", "version"], ["hubgate", "--help"]] {
        let code = run(arguments, &mut out, &mut err);
        assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
    }
    let said = String::from_utf8(out).unwrap();
    assert!(said.starts_with("hubgate 0.") && said.contains("Usage"), "{said}");
    assert!(err.is_empty());
}
