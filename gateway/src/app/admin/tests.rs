use clap::Command;
use serde_json::json;

use super::api::Api;
use super::command;

/// Two operations as the document would have them.
fn small() -> &'static Api {
    let document = json!({
        "paths": {"/v1/organisations/{organisation}/keys/{key}/things": {
            "parameters": [
                {"name": "key", "in": "path", "required": true, "schema": {"type": "string"}},
                {"name": "organisation", "in": "path", "required": true, "schema": {"type": "string"}},
            ],
            "get": {
                "operationId": "listThings", "summary": "List things", "description": "All `{of}` them.",
                "x-cedar-action": "things:list", "security": [{"apiKey": ["things:read"]}],
                "parameters": [
                    {"name": "after", "in": "query", "schema": {"type": "string"}},
                    {"name": "sort", "in": "query", "required": true,
                     "schema": {"type": "string", "enum": ["name", "age"]}},
                    {"name": "kind", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                ],
            },
            "post": {
                "operationId": "makeThing", "summary": "Make a thing",
                "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}],
                "requestBody": {"required": true, "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Thing"}}}},
            },
        }},
        "components": {"schemas": {"Thing": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "description": "What it is called."},
            "enabled": {"type": "boolean"},
            "where": {"type": "object", "properties": {"city": {"type": "string", "description": "A city."}}},
        }}}},
    });
    Box::leak(Box::new(Api::read(&document)))
}

fn grown() -> Command {
    command::grown(Command::new("admin"), Some(small()))
}

fn parsed(line: &str) -> Result<clap::ArgMatches, String> {
    let all = std::iter::once("admin").chain(line.split(' '));
    grown().try_get_matches_from(all).map_err(|error| error.to_string())
}

#[test]
fn an_operation_is_a_command_with_its_parameters() {
    grown().debug_assert();
    let matches =
        parsed("--organisation o list-things k1 --sort age --kind a --kind b --all").unwrap();
    let (name, matches) = matches.subcommand().unwrap();
    assert_eq!(name, "list-things");
    assert_eq!(matches.get_one::<String>("path.key").unwrap(), "k1");
    assert_eq!(matches.get_one::<String>("organisation").unwrap(), "o", "of every command");
    assert_eq!(matches.get_many::<String>("query.kind").unwrap().count(), 2);
    assert!(matches.get_flag("all"));
}

#[test]
fn what_the_document_rules_out_is_wrong_usage() {
    for (line, told) in [
        ("list-things k1", "--sort"),
        ("list-things --sort age", "<key>"),
        ("list-things k1 --sort height", "height"),
        ("make-thing k1 --enabled perhaps", "neither true nor false"),
        ("make-thing k1 --where nowhere", "not JSON"),
        ("make-thing k1 --name x --body f", "cannot be used with"),
        ("make-thing k1 --set a=b --body f", "cannot be used with"),
        ("make-thing k1 --all", "--all"),
        ("make-things k1", "make-thing"),
    ] {
        let error = parsed(line).unwrap_err();
        assert!(error.contains(told), "{line}: {error}");
    }
}

#[test]
fn help_tells_what_the_document_tells() {
    let help = parsed("list-things --help").unwrap_err();
    for told in [
        "List things\n\nAll `{of}` them.\n\nGET /v1/organisations/{organisation}/keys/{key}/things\n",
        "Decided as things:list; a key needs the scope things:read\n",
        "One of: name, age.",
        "--all",
    ] {
        assert!(help.contains(told), "{told}: {help}");
    }
    let help = parsed("make-thing --help").unwrap_err();
    for told in [
        "What it is called. Required.",
        "city (string): A city.",
        "--body <FILE>",
        "application/json",
    ] {
        assert!(help.contains(told), "{told}: {help}");
    }
}

#[test]
fn every_command_of_this_build_is_sound() {
    command::grown(Command::new("admin"), super::api().ok()).debug_assert();
}

/// An API with a list of three pages, and what it was asked.
async fn paged(answers: usize) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/below", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for number in 1..=answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            asked.push(String::from_utf8(head).unwrap());
            let next = (number < 3).then(|| format!("c{number}"));
            let body = json!({"items": [{"id": number}], "next": next}).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (url, asked)
}

async fn visited(line: &str, url: &str) -> (String, String) {
    let matches = parsed(&format!("--url {url} --organisation o/1 {line}")).unwrap();
    let (name, matches) = matches.subcommand().unwrap();
    let key = |name: &str| (name == "HUBGATE_API_KEY").then(|| "hg_abc_def".to_owned());
    let connection = super::Connection::of(matches, key, &mut Vec::new()).unwrap();
    let operation = small().by_command(name).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let visit = super::Visit { operation, matches, connection: &connection };
    let ended = visit.made(&mut out, &mut err).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let failed = ended.err().map_or_else(String::new, |error| error.to_string());
    (text(out), text(err) + &failed)
}

#[tokio::test]
async fn a_list_is_followed_page_by_page() {
    let (url, asked) = paged(3).await;
    let (out, err) = visited("list-things k --sort age --all", &url).await;
    assert_eq!((out.as_str(), err.as_str()), ("ID\n 1\n 2\n 3\n", ""));
    let asked = asked.await.unwrap();
    let first = "GET /below/v1/organisations/o%2F1/keys/k/things?sort=age HTTP/1.1\r\n";
    assert!(asked[0].starts_with(first), "{asked:?}");
    assert!(asked[0].contains("authorization: Bearer hg_abc_def\r\n"), "{asked:?}");
    assert!(asked[2].contains("things?sort=age&after=c2 HTTP"), "{asked:?}");
}

#[tokio::test]
async fn a_page_says_how_to_go_on() {
    let (url, _) = paged(1).await;
    let (out, err) = visited("list-things k --sort age --after c0", &url).await;
    assert_eq!(out, "ID\n 1\n");
    assert_eq!(err, "There is more: --after 'c1', or --all\n");
}

#[tokio::test]
async fn what_may_have_been_done_can_be_repeated_safely() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cut_off = tokio::spawn(async move { drop(listener.accept().await) });
    let (out, err) = visited("make-thing k --name x", &url).await;
    cut_off.await.unwrap();
    assert_eq!(out, "");
    let (hint, error) = err.split_once('\n').unwrap();
    let key =
        hint.strip_prefix("It may have been done. Repeat it safely: --idempotency-key ").unwrap();
    assert_eq!(key.len(), 36, "{err}");
    assert!(error.starts_with("no answer from"), "{err}");
}

#[test]
fn to_the_platform_an_organisation_is_the_thing_itself() {
    let positions = |command: &str| -> Vec<&str> {
        let operation = super::api().unwrap().by_command(command).unwrap();
        operation.positions().map(|it| it.name.as_str()).collect()
    };
    assert_eq!(positions("suspend-organisation"), ["organisation"]);
    assert_eq!(positions("show-member"), ["member"]);
}
