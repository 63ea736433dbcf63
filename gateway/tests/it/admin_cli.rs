//! `hubgate admin` against a running gateway: what is sent, what is shown, and the exit code.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use hubgate_testkit::openid_provider::{Algorithm, OpenIdProvider, ProviderSettings};
use serde_json::{Value, json};

use crate::cli::said;
use crate::feeds::world::{World, team, teams};

/// Wrong usage or configuration, as `sysexits.h` numbers it.
const EX_USAGE: i32 = 64;

/// A command line that knows the gateway from its environment, as people have it.
struct Terminal {
    world: World,
    /// Asks questions.
    asker: String,
}

impl Terminal {
    async fn open() -> Self {
        let world = World::start().await;
        let role = "client=Operator::nordvolt";
        let asker = world.gateway.create_key("nordvolt", "portal", role, &["decisions:read"]);
        Self { world, asker }
    }

    /// Runs with a key, or none where it is empty.
    fn run(&self, key: &str, arguments: &[&str]) -> (i32, String, String) {
        self.fed(key, arguments, "")
    }

    /// The same, with this on the standard input.
    fn fed(&self, key: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut child = bare(arguments)
            .env("HUBGATE_ADMIN_URL", format!("http://{}", self.world.admin))
            .env("HUBGATE_ORGANISATION", "nordvolt")
            .env("HUBGATE_API_KEY", key)
            .spawn()
            .unwrap();
        // Who was refused before reading has closed it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        said(&child.wait_with_output().unwrap())
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.world.gateway.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubgate"));
    command.arg("admin").args(arguments).env_remove("HUBGATE_API_KEY");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[test]
fn operations_are_listed_without_a_gateway() {
    let (code, out, err) = said(&bare(&["operations"]).output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("COMMAND "), "{out}");
    let put = lines.iter().find(|line| line.starts_with("put-resources ")).unwrap();
    for told in
        ["PUT", "/v1/organisations/{organisation}/resources", "directory:push", "Put resources"]
    {
        assert!(put.contains(told), "{told}: {put}");
    }
    let column = lines[0].find("ACTION").unwrap();
    assert_eq!(put.find("directory:push"), Some(column), "they are aligned");
    let (_, out, _) = said(&bare(&["operations", "--json"]).output().unwrap());
    let all = json_of(&out);
    let documented = include_str!("../../../schemas/admin-openapi.json");
    assert_eq!(all.as_array().unwrap().len(), documented.matches("\"operationId\"").count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_asked_with_a_file_and_with_options() {
    let terminal = Terminal::open().await;
    let asked = json!({
        "subject": {"type": "User", "id": "ada"}, "action": {"name": "teams:update"},
        "resource": {"type": "Team", "id": "team-harbour"},
        "context": {"authentication": {"connection": "demo"}},
    });
    let file = terminal.file("question.json", &asked.to_string());
    let (code, out, err) = terminal.run(&terminal.asker, &["evaluate", "--body", &file]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "decision      true", "{out}");
    assert!(lines[1].starts_with("context.id    01"), "{out}");
    assert_eq!(lines[2], "context.code  permitted", "{out}");

    let subject = r#"{"type":"User","id":"sam"}"#;
    let arguments = [
        "evaluate",
        "--subject",
        subject,
        "--set",
        "action.name=teams:update",
        "--set",
        "resource.type=Team",
        "--set",
        "resource.id=team-harbour",
        "--json",
    ];
    let (code, out, err) = terminal.run(&terminal.asker, &arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(json_of(&out)["context"]["code"], "no_permit");

    let several = asked.as_object().unwrap().clone();
    let mut several = Value::Object(several);
    several["evaluations"] = json!([{}, {"subject": {"type": "User", "id": "sam"}}]);
    let arguments = ["evaluate-many", "--body", "-", "--include"];
    let (code, out, _) = terminal.fed(&terminal.asker, &arguments, &several.to_string());
    assert_eq!(code, 0, "{out}");
    let (head, table) = out.split_once("\n\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\n") && head.contains("\nhubgate-request-id: "),
        "{out}"
    );
    let table: Vec<&str> = table.lines().collect();
    assert_eq!(table.len(), 3, "{out}");
    assert!(table[0].starts_with("DECISION  CONTEXT.ID "), "{out}");
    assert!(table[1].starts_with("true ") && table[2].starts_with("false "), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_put_from_a_file_and_from_a_pipe() {
    let terminal = Terminal::open().await;
    let key = &terminal.world.key;
    let file = terminal.file("teams.ndjson", &teams(1..=3));
    let (code, out, err) = terminal.run(key, &["put-resources", "--body", &file]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for line in ["mode       merge", "state      complete", "applied    3", "errors     -"] {
        assert!(out.lines().any(|told| told == line), "{line}: {out}");
    }
    assert_eq!(terminal.world.view("t3").await, 200);

    let arguments = ["put-resources", "--mode", "replace", "--body", "-", "--json"];
    let (code, out, _) = terminal.fed(key, &arguments, &teams(2..=2));
    assert_eq!((code, &json_of(&out)["deleted"]), (0, &json!(2)), "{out}");
    assert_eq!((terminal.world.view("t2").await, terminal.world.view("t3").await), (200, 404));

    let (code, out, err) = terminal.run(key, &["begin-upload"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let id = out.lines().find_map(|line| line.strip_prefix("id ")).unwrap().trim();
    let (code, out, _) = terminal.run(key, &["show-upload", id]);
    assert!(code == 0 && out.contains("upload-offset"), "fields that are part of it: {out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_refuses_is_told_and_exits_with_one() {
    let terminal = Terminal::open().await;
    let key = &terminal.world.key;
    let file = terminal.file("teams.ndjson", &format!("{}\n{{\"uid\":3}}\n", team("t1")));
    let (code, out, err) = terminal.run(&terminal.asker, &["put-resources", "--body", &file]);
    assert_eq!((code, out.as_str()), (1, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[0], "hubgate: The policies do not allow this (403 denied)");
    assert!(lines[1].starts_with("  detail "), "{err}");
    assert!(lines.last().unwrap().starts_with("  instance  urn:uuid:"), "{err}");
    assert!(!err.contains(&terminal.asker), "{err}");

    let (code, out, err) = terminal.run(key, &["show-upload", "never"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("hubgate: Not found (404 not_found)\n"), "{err}");
    let (code, out, err) = terminal.run(key, &["show-upload", "never", "--json"]);
    assert_eq!((code, out.as_str(), &json_of(&err)["code"]), (1, "", &json!("not_found")));

    let (code, _, err) = terminal.run(key, &["put-resources", "--body", &file]);
    assert_eq!(code, 1);
    assert!(err.contains("\n  errors    line 2: "), "{err}");
    let (code, _, err) = terminal.run("hg_abc_def", &["show-upload", "x"]);
    assert!(code == 1 && err.contains("(401 credential_invalid)"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told_though_the_body_was_not_read() {
    let terminal = Terminal::open().await;
    let large = terminal.file("large.ndjson", &teams(1..=20_000));
    for _ in 0..3 {
        let (code, _, err) = terminal.run(&terminal.asker, &["put-resources", "--body", &large]);
        assert!(code == 1 && err.contains("(403 denied)"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_is_verified_always() {
    let settings = ProviderSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        host: "localhost".into(),
        users: Vec::new(),
        clients: Vec::new(),
        algorithm: Algorithm::Es256,
    };
    let provider = OpenIdProvider::start(settings).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (ours, none) = (file("ca.pem", provider.ca_pem()), file("none.pem", "nothing"));
    let port = provider.address().port();
    let run = |host: &str, ca: &[&str]| {
        let url = format!("https://{host}:{port}");
        let mut command = bare(&["authzen-configuration", "--url", &url]);
        said(&command.args(ca).output().unwrap())
    };
    // It is another service: what matters is that it was asked.
    let (code, _, err) = run("localhost", &["--ca", &ours]);
    assert!(code == 1 && err.contains("404"), "{err}");
    for (host, ca, told, expected) in [
        ("localhost", &[][..], "certificate", 2),
        ("127.0.0.1", &["--ca", &ours], "certificate", 2),
        ("localhost", &["--ca", &none], "no readable certificate", EX_USAGE),
    ] {
        let (code, out, err) = run(host, ca);
        assert_eq!((code, out.as_str()), (expected, ""), "{host}: {err}");
        assert!(err.contains(told), "{host}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_exits_with_two_and_wrong_usage_with_sixty_four() {
    let terminal = Terminal::open().await;
    let nobody = hubgate_testkit::ports::free_address().unwrap();
    let url = format!("http://{nobody}");
    let (code, out, err) = terminal.run(&terminal.asker, &["show-upload", "x", "--url", &url]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with(&format!("hubgate: no answer from `{url}/`: ")), "{err}");
    assert!(err.contains("refused"), "{err}");

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let arguments = ["show-upload", "x", "--url", &url, "--timeout", "1"];
    let (code, _, err) = terminal.run(&terminal.asker, &arguments);
    assert!(code == 2 && err.contains("nothing came for 1 s"), "{err}");

    // Not the administration API, but the gateway's front.
    let front = format!("http://{}", terminal.world.gateway.http_addr());
    let (code, _, err) = terminal.run(&terminal.asker, &["show-upload", "x", "--url", &front]);
    assert_eq!(code, 1, "{err}");

    let file = terminal.file("body.json", "{}");
    for (arguments, told) in [
        (&["show-upload"][..], "<upload>"),
        (&["show-upload", "x", "--key", "hg_abc_def"], "list of processes"),
        (&["show-upload", ".."], "cannot be the `upload`"),
        (&["show-upload", "x", "--if-match", "\"1\""], "takes no `--if-match`"),
        (&["show-upload", "x", "--url", "nowhere"], "no URL"),
        (&["show-upload", "x", "--url", "http://192.0.2.1"], "not sent in clear"),
        (&["show-uplaod", "x"], "show-upload"),
        (&["evaluate"], "a body is needed"),
        (&["evaluate", "--subject", "{"], "not JSON"),
        (&["evaluate", "--body", &file, "--subject", "{}"], "cannot be used with"),
        (&["evaluate", "--body", "never.json"], "never.json"),
        (&["put-resources"], "--body"),
    ] {
        let (code, out, err) = terminal.run(&terminal.asker, arguments);
        assert_eq!((code, out.as_str()), (EX_USAGE, ""), "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
        assert!(!err.contains("hg_abc_def"), "{err}");
    }
    let (code, _, err) = terminal.run("", &["show-upload", "x"]);
    assert!(code == EX_USAGE && err.contains("HUBGATE_API_KEY"), "{err}");
    let (code, out, err) = terminal.run("", &["authzen-configuration"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
}

#[test]
fn help_of_a_command_is_what_the_document_says() {
    let (code, out, err) = said(&bare(&["resume-upload", "--help"]).output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
    for told in [
        "Go on with an upload\n",
        "PATCH /v1/organisations/{organisation}/resource-uploads/{upload}",
        "<upload>",
        "--upload-offset <NUMBER>",
        "Where the body goes on, in bytes.",
        "application/partial-upload",
    ] {
        assert!(out.contains(told), "{told}: {out}");
    }
}
