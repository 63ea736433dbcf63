//! Every operation of the administration API, asked for by everybody: who is refused, and who gets through to what
//! the operation itself says. The operations come from the document, so a new one is here at once.
//!
//! `HUBGATE_WRITE_GENERATED=1` writes the reviewed file anew.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::{Value, json};

use crate::feeds::world::{World, head, json_of};
use crate::support::OTHER_ROLE;

const ROOT: &str = "client=Operator::nordvolt";
const EAST: &str = "client=Operator::nordvolt-east";

/// Who asks: a title, the organisation of the key, its role, and its scopes.
const ASKERS: [(&str, &str, &str, &[&str]); 15] = [
    ("members read", "nordvolt", ROOT, &["members:read"]),
    ("members write", "nordvolt", ROOT, &["members:write"]),
    ("members write, sub-account", "nordvolt", EAST, &["members:write"]),
    ("api clients write", "nordvolt", ROOT, &["api-clients:write"]),
    ("connections write", "nordvolt", ROOT, &["connections:write"]),
    ("provisioning write", "nordvolt", ROOT, &["provisioning:write"]),
    ("scim write", "nordvolt", ROOT, &["scim:write"]),
    ("sessions write", "nordvolt", ROOT, &["sessions:write"]),
    ("audit log", "nordvolt", ROOT, &["audit-log:read"]),
    ("directory write", "nordvolt", ROOT, &["directory:write"]),
    ("decisions read", "nordvolt", ROOT, &["decisions:read"]),
    ("everything of the hub", "nordvolt", ROOT, &["all:delete"]),
    ("no scope", "nordvolt", ROOT, &[]),
    ("admin role, no scope", "nordvolt", "admin=Operator::nordvolt", &[]),
    (
        "another organisation's",
        "solarpark",
        OTHER_ROLE,
        &[
            "members:write",
            "audit-log:read",
            "directory:write",
            "decisions:read",
            "connections:write",
            "provisioning:write",
            "all:delete",
        ],
    ),
];

/// One operation of the document.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) media_type: Option<String>,
    pub(crate) body: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn operations() -> Vec<Operation> {
    let text = std::fs::read_to_string(root().join("schemas/admin-openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, told) in methods.as_object().unwrap() {
            let content = told["requestBody"]["content"].as_object();
            let (media_type, content) = content.and_then(|types| types.iter().next()).unzip();
            let body = match media_type.map(String::as_str) {
                None | Some("application/x-ndjson" | "application/partial-upload") => String::new(),
                Some("application/merge-patch+json") => String::from("{}"),
                Some(_) => smallest(&document, &content.unwrap()["schema"]).to_string(),
            };
            let media_type = media_type.cloned();
            let id = told["operationId"].as_str().unwrap().to_owned();
            let (method, path) = (method.to_uppercase(), path.clone());
            all.push(Operation { id, method, path, media_type, body });
        }
    }
    all.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    all
}

/// The smallest value a schema takes, of its examples where it has some.
fn smallest(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.trim_start_matches('#')).unwrap();
        return smallest(document, found);
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(all) = schema["allOf"].as_array() {
        let mut whole = json!({});
        for part in all {
            whole
                .as_object_mut()
                .unwrap()
                .extend(smallest(document, part).as_object().cloned().unwrap_or_default());
        }
        return whole;
    }
    match schema["type"].as_str() {
        Some("string") => json!("never-there"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        _ => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let member = |name: &Value| {
                let name = name.as_str().unwrap();
                (name.to_owned(), smallest(document, &schema["properties"][name]))
            };
            Value::Object(required.iter().map(member).collect())
        }
    }
}

impl Operation {
    /// Where it is in an organisation; what else the path names is not there.
    pub(crate) fn place(&self, organisation: &str) -> String {
        let parts = self.path.split('/').map(|part| match part {
            "{organisation}" => organisation,
            part if part.starts_with('{') => "never-there",
            part => part,
        });
        parts.collect::<Vec<_>>().join("/")
    }

    async fn ask(&self, world: &World, key: &str, organisation: &str) -> RawAnswer {
        let media_type = self.media_type.as_deref().unwrap_or("application/json");
        let fields = [("content-type", media_type), ("if-match", "*")];
        let (path, body) = (self.place(organisation), &self.body);
        world.ask(&head(&self.method, &path, key, &fields, body.len()), body.as_bytes()).await
    }
}

/// The status, and for a refusal its code.
pub(crate) fn cell(answer: &RawAnswer) -> String {
    let told = json_of(answer);
    match (answer.status, told["code"].as_str()) {
        (status @ 400.., Some(code)) => format!("{status} {code}"),
        (status, _) => status.to_string(),
    }
}

fn without_instance(answer: &RawAnswer) -> (u16, Value) {
    let mut body = json_of(answer);
    body["instance"] = Value::Null;
    (answer.status, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_as_far_as_reviewed() {
    let world = World::start().await;
    let keys: Vec<String> = ASKERS
        .iter()
        .map(|(title, tenant, role, scopes)| world.gateway.create_key(tenant, title, role, scopes))
        .collect();
    let mut table = String::from("| operation | no key | a wrong key |");
    for (title, ..) in ASKERS {
        write!(table, " {title} |").unwrap();
    }
    table += "\n|---|---|---|";
    table += &"---|".repeat(ASKERS.len());
    let open = "authzenConfiguration";
    for operation in operations() {
        write!(table, "\n| `{}` |", operation.id).unwrap();
        for key in ["", "hg_aaaaaaaaaaaa_wrong"] {
            let answer = operation.ask(&world, key, "nordvolt").await;
            assert!(answer.status == 401 || operation.id == open, "{}", operation.id);
            write!(table, " {} |", cell(&answer)).unwrap();
        }
        for ((title, tenant, ..), key) in ASKERS.iter().zip(&keys) {
            let answer = operation.ask(&world, key, "nordvolt").await;
            assert!(answer.status < 500, "{} {title}: {}", operation.id, answer.body_text());
            write!(table, " {} |", cell(&answer)).unwrap();
            if *tenant != "nordvolt" && operation.path.contains("{organisation}") {
                let absent = operation.ask(&world, key, "no-such").await;
                assert_eq!(answer.status, 404, "{}", operation.id);
                assert_eq!(
                    without_instance(&answer),
                    without_instance(&absent),
                    "{}",
                    operation.id
                );
            }
        }
    }
    let text = format!(
        "# Who gets how far in the administration API\n\nAPI keys of nordvolt, each with the scope it is called by, and \
         one of another organisation. Each sends the smallest body its description takes and names nothing that is \
         there, so whoever is let in hears what came of it or what is wrong with it (2xx, 400, 404, 409, 422), and \
         whoever is not, that they may not (401, 403). A \
         stranger hears of every organisation that it is not there.\n\n{table}\n"
    );
    reviewed("policies/matrix/administration.md", &text);
}

/// Compares with the file that was reviewed.
pub(crate) fn reviewed(file: &str, text: &str) {
    let path = root().join(file);
    if std::env::var_os("HUBGATE_WRITE_GENERATED").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(reviewed == text, "not as reviewed in {file}:\n{text}");
}
