//! The operations of an API document: as routes, and everything that can be wrong with them.

use crate::model::ActionId;
use crate::routing::{BodyRule, LogClass, Occurs, ResourceRule};

use super::Folder;

const SETTINGS: &str = "\
[listen]
http = \"127.0.0.1:0\"

[[service]]
name = \"hub\"
addresses = [\"127.0.0.1:9\"]

[[service.operations]]
host = \"Api.localhost\"
document = \"api.yaml\"
overlay = \"api.toml\"
";

const DOCUMENT: &str = "\
openapi: 3.1.0
servers: [{url: 'https://api.localhost/v1'}]
paths:
  /things:
    get:
      operationId: list-things
      summary: List things
      security: [{token: ['things:read']}]
    post:
      operationId: make-thing
      security: [{token: ['thing:write']}, {token: ['parts:write']}]
  /things/{thingId}:
    parameters: [{name: thingId, in: path}]
    delete:
      operationId: drop-thing
      requestBody: {}
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
";

const OVERLAY: &str = "\
[scopes]
levels = [\"read\", \"write\"]
everything = \"all\"
aliases = { thing = \"things\" }

[defaults]
body_bytes_max = 1000

[operations]
list-things = { action = \"things:list\", resource = \"organisation\" }
make-thing = { action = \"things:create\", resource = \"Team::json./team\" }
drop-thing = { action = \"things:delete\", resource = \"Thing::path.thingId\", log = \"strict\" }
";

fn folder(document: &str, overlay: &str) -> Folder {
    let folder = Folder::new();
    std::fs::write(folder.file().with_file_name("api.yaml"), document).unwrap();
    std::fs::write(folder.file().with_file_name("api.toml"), overlay).unwrap();
    folder
}

fn errors(settings: &str, document: &str, overlay: &str) -> String {
    folder(document, overlay).errors(settings)
}

#[test]
fn each_operation_becomes_a_route() {
    let settings = folder(DOCUMENT, OVERLAY).parse(SETTINGS).unwrap();
    let told: Vec<String> = settings
        .routes
        .iter()
        .map(|route| {
            let scopes: Vec<&str> = route.scopes.names().collect();
            let (id, method, path) = (&route.id, &route.methods[0], &route.path);
            format!("{id}: {method} {}{path} {} [{}]", route.host, route.action, scopes.join(" "))
        })
        .collect();
    assert_eq!(
        told,
        [
            "list-things: GET api.localhost/v1/things things:list \
             [all:read all:write thing:read thing:write things:read things:write]",
            "make-thing: POST api.localhost/v1/things things:create \
             [all:write parts:write thing:write things:write]",
            "drop-thing: DELETE api.localhost/v1/things/{thingId} things:delete []",
        ]
    );
    let drop = &settings.routes[2];
    assert_eq!(drop.action, ActionId::parse("things:delete").unwrap());
    assert!(
        matches!(&drop.resource, ResourceRule::Path { parameter, .. } if parameter == "thingId")
    );
    assert_eq!((drop.durability, drop.body), (LogClass::Strict, BodyRule::Allowed));
    assert_eq!((settings.routes[0].body, drop.body_bytes_max), (BodyRule::ByMethod, 1000));
}

#[test]
fn a_document_may_be_served_twice_under_other_ids() {
    let again = SETTINGS.split_once("[[service.operations]]").unwrap().1;
    let twice = format!("{SETTINGS}\n[[service.operations]]{again}");
    let found = errors(&twice, DOCUMENT, OVERLAY);
    assert!(
        found.contains(
            "api.toml:10: operations.list-things.id: the route `list-things` is declared in"
        ),
        "{found}"
    );
    assert!(found.contains("say `id_prefix`"), "{found}");
    let other = again.replace("Api.localhost", "two.localhost");
    let good = format!(
        "{SETTINGS}\n[[service.operations]]{other}id_prefix = \"two.\"\nprefix = \"/other\"\n"
    );
    let settings = folder(DOCUMENT, OVERLAY).parse(&good).unwrap();
    assert_eq!(settings.routes.len(), 6);
    assert_eq!(settings.routes[3].id.as_str(), "two.list-things");
    assert_eq!(settings.routes[3].path, "/other/things");
}

#[test]
fn both_files_name_the_same_operations() {
    let less = OVERLAY.replace("list-things", "list-thing");
    let found = errors(SETTINGS, DOCUMENT, &less);
    assert!(
        found.contains(
            "api.yaml:5: paths./things.get.operationId: nothing maps the operation `list-things`"
        ),
        "{found}"
    );
    assert!(
        found.contains(
            "api.toml:10: operations.list-thing: the document has no such operation (did you mean \
             `list-things`?)"
        ),
        "{found}"
    );
}

#[test]
fn what_is_wrong_with_an_entry_is_told_at_its_key() {
    for (from, to, message) in [
        ("things:list", "things list", "api.toml:10: operations.list-things.action: "),
        (
            "path.thingId",
            "path.thing",
            "api.toml:12: operations.drop-thing.resource: the path has no parameter `thing`",
        ),
        ("Thing::path", "Thing::pth", "operations.drop-thing.resource: `pth` is no source"),
        (
            "log = \"strict\"",
            "log = \"strct\"",
            "operations.drop-thing.log: `strct` is not known here",
        ),
        ("log = \"strict\"", "lgo = \"strict\"", "operations.drop-thing.lgo: unknown key"),
        ("action = \"things:list\", ", "", "operations.list-things.action: required, but missing"),
        ("[\"read\", \"write\"]", "[\"write\"]", "has the level `read`, which is not declared"),
        ("[\"read\", \"write\"]", "[\"read\", \"read\"]", "scopes.levels: `read` is listed twice"),
        ("[defaults]", "[default]", "default: unknown key"),
    ] {
        assert!(OVERLAY.contains(from), "{from}");
        let found = errors(SETTINGS, DOCUMENT, &OVERLAY.replacen(from, to, 1));
        assert!(found.contains(message), "{message}: {found}");
    }
}

#[test]
fn what_is_wrong_with_the_document_is_told_there() {
    let two = DOCUMENT.replace("['things:read']", "['things:read', 'parts:read']");
    let found = errors(SETTINGS, &two, OVERLAY);
    assert!(found.contains("asks for all of `things:read`, `parts:read`"), "{found}");
    let unfixed = DOCUMENT.replace("api.localhost/v1", "{region}.localhost/v1");
    let found = errors(SETTINGS, &unfixed, OVERLAY);
    assert!(found.contains("servers: the path of the first server is not fixed"), "{found}");
    let found = errors(SETTINGS, "openapi: 3.1.0\npaths: [", OVERLAY);
    assert!(found.contains("api.yaml:") && found.contains("is no YAML"), "{found}");
    let missing = SETTINGS.replace("api.toml", "none.toml");
    let found = errors(&missing, DOCUMENT, OVERLAY);
    assert!(found.contains("service[0].operations[0].overlay: no such file"), "{found}");
    let prefix = format!("{SETTINGS}prefix = \"v1/\"\n");
    let found = errors(&prefix, DOCUMENT, OVERLAY);
    assert!(found.contains("operations[0].prefix: `v1/` is no prefix"), "{found}");
}

#[test]
fn the_services_of_a_host_write_their_refusals_alike() {
    let other = "\n[[service]]\nname = \"other\"\naddresses = [\"127.0.0.1:8\"]\n\
                 errors = \"status-message-code\"\n\n[[route]]\nhost = \"api.localhost\"\n\
                 methods = [\"GET\"]\npath = \"/x\"\naction = \"x\"\nresource = \"organisation\"\n\
                 service = \"other\"\n";
    let found = errors(&format!("{SETTINGS}{other}"), DOCUMENT, OVERLAY);
    assert!(
        found.contains("serve the host `api.localhost`, and their errors must look alike"),
        "{found}"
    );
    let apart = other.replace("api.localhost", "other.localhost");
    assert!(folder(DOCUMENT, OVERLAY).parse(&format!("{SETTINGS}{apart}")).is_ok());
}

/// A document with ids in every place, and an overlay that speaks of all of them.
const NAMING: &str = "\
openapi: 3.1.0
servers: [{url: 'https://api.localhost/v1'}]
paths:
  /teams/{teamId}/things/{thingId}:
    put:
      operationId: move-thing
      parameters:
        - {name: teamId, in: path}
        - {name: thingId, in: path}
        - {name: partIds, in: query}
        - {name: page, in: query}
      requestBody:
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Thing'}
components:
  schemas:
    Thing: {properties: {id: {}, teamId: {}, nested: {properties: {colourId: {}}}}}
";

const NAMED: &str = "\
ids = { teamId = \"Team\" }
unchecked = { colourId = \"reference data\" }
[operations.move-thing]
action = \"things:move\"
resource = \"Thing::path.thingId\"
also = [
  { action = \"things:list\", kind = \"Team\", path = \"teamId\" },
  { kind = \"Part\", query = \"partIds\", list = true, optional = true },
]
body_ids = { teamId = { action = \"things:create\" } }
";

#[test]
fn an_overlay_says_what_every_id_is_asked_about() {
    let settings = folder(NAMING, NAMED).parse(SETTINGS).unwrap();
    let named = &settings.routes[0].named;
    let actions: Vec<&str> = named.also.iter().map(|also| also.action.as_str()).collect();
    assert_eq!(actions, ["things:list", "things:move"]);
    assert_eq!(named.also[1].occurs, Occurs::OptionalList);
    let ids = &named.body[0];
    assert_eq!((ids.kind.as_str(), ids.action.as_str()), ("Team", "things:create"));
    let unchecked: Vec<&str> = named.unchecked.keys().map(String::as_str).collect();
    assert_eq!(unchecked, ["colourId"]);
}

#[test]
fn an_id_nobody_looks_at_is_an_error() {
    let first = "{ action = \"things:list\", kind = \"Team\", path = \"teamId\" },\n";
    let second = "{ kind = \"Part\", query = \"partIds\", list = true, optional = true },\n";
    let body = "body_ids = { teamId = { action = \"things:create\" } }\n";
    let place = "operations.move-thing";
    for (was, is, message) in [
        (first, "", ".also: the path parameter `teamId` is not asked about"),
        (second, "", ".also: the query parameter `partIds` is not asked about"),
        (body, "", ".also: nobody compares the `Team` that `teamId` of the body names"),
        (
            "unchecked = { colourId = \"reference data\" }",
            "",
            ".also: nothing says what `colourId`",
        ),
        (
            body,
            "body_ids = { teamID = {} }",
            ".body_ids: `teamID`: the entity type `kind` is missing",
        ),
        (
            body,
            "body_ids = { part = { kind = \"Part\" } }",
            ".body_ids: the document's body has no",
        ),
        (body, "unchecked = { teamIdd = \"x\" }", ".unchecked: `teamIdd` is no parameter"),
        (body, "unchecked = { teamId = \" \" }", ".unchecked: `teamId`: the reason is missing"),
        (", list = true", ", lst = true", ".also[1].lst: unknown key (did you mean `list`?)"),
        ("query = \"partIds\", ", "", ".also[1]: where the id comes from is missing"),
        ("path = \"teamId\"", "path = \"teamId\", list = true", ".also[0]: only a query key holds"),
        ("path = \"teamId\"", "path = \"teamID\"", ".also[0]: the path has no parameter `teamID`"),
        ("query = \"partIds\"", "header = \"cookie\"", ".also[1]: this field never reaches"),
    ] {
        let overlay = NAMED.replacen(was, is, 1);
        assert_ne!(overlay, NAMED, "{was}");
        let found = errors(SETTINGS, NAMING, &overlay);
        assert!(found.contains(&format!("{place}{message}")), "{message}\n{found}");
        assert!(found.contains("api.toml:"), "{found}");
    }
}

#[test]
fn a_reason_takes_the_place_of_a_question() {
    let body = "body_ids = { teamId = { action = \"things:create\" } }\n";
    let reason = "unchecked = { teamId = \"the hub knows\" }\n";
    let settings = folder(NAMING, &NAMED.replacen(body, reason, 1)).parse(SETTINGS).unwrap();
    assert_eq!(settings.routes[0].named.unchecked["teamId"], "the hub knows");
    let table = "ids = { teamId = \"9\" }";
    let found = errors(SETTINGS, NAMING, &NAMED.replacen("ids = { teamId = \"Team\" }", table, 1));
    assert!(found.contains("ids.teamId: `9` is no entity type"), "{found}");
}

#[test]
fn a_reason_for_every_operation_silences_no_path_parameter() {
    let question = "{ action = \"things:list\", kind = \"Team\", path = \"teamId\" },\n";
    let common = "colourId = \"reference data\" }";
    let wider = NAMED.replacen(question, "", 1).replacen(
        common,
        "colourId = \"reference data\", teamId = \"a test\" }",
        1,
    );
    let found = errors(SETTINGS, NAMING, &wider);
    assert!(found.contains("the path parameter `teamId` is not asked about"), "{found}");
}
