use super::*;

const GOOD: &str = "\
openapi: 3.1.0
x-of-others: {a: [1, 2]}
servers:
  - url: https://api.example.org/api/v1/
security:
  - token: [things:read]
paths:
  /things:
    get:
      operationId: list-things
      summary: The things.
    post:
      operationId: make-thing
      security: []
      requestBody: {}
  /things/{thingId}/parts/{part}:
    parameters:
      - $ref: '#/components/parameters/Thing'
    delete:
      operationId: drop-part
      parameters: [{name: part, in: path, required: true}, {name: force, in: query}]
      security:
        - token: [parts:delete]
        - token: [things:delete]
    get:
      operationId: part
      parameters: [{name: part, in: path}]
      security:
        - token: [parts:read]
        - {}
components:
  parameters:
    Thing: {name: thingId, in: path, required: true}
  securitySchemes:
    token: {type: http, scheme: bearer}
";

fn parse(text: &str) -> Result<Api, Vec<String>> {
    read(Path::new("api.yaml"), &Arc::from(text))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn reads_what_routing_needs() {
    let api = parse(GOOD).unwrap();
    assert_eq!(api.server_path.as_deref(), Some("/api/v1"));
    let told: Vec<String> = api
        .operations
        .iter()
        .map(|operation| {
            let Operation { id, method, path, requirements, has_body, .. } = operation;
            let scopes: Vec<_> = requirements.iter().map(|needed| needed.0.join("+")).collect();
            format!("{id} {method} {path} [{}] {has_body}", scopes.join("|"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "list-things GET /things [things:read] false",
            "make-thing POST /things [] true",
            "drop-part DELETE /things/{thingId}/parts/{part} [parts:delete|things:delete] false",
            "part GET /things/{thingId}/parts/{part} [] false",
        ]
    );
    assert_eq!(api.operations[0].summary, "The things.");
}

#[test]
fn says_what_is_wrong_with_line_and_key() {
    for (from, to, message) in [
        ("openapi: 3.1.0", "openapi: 2.0", "api.yaml:1: openapi: only OpenAPI 3 is read"),
        ("openapi: 3.1.0", "swagger: x", "required, but missing: this is no OpenAPI document"),
        ("paths:", "path:", "paths: required, but missing"),
        (
            "      operationId: list-things\n",
            "",
            "api.yaml:10: paths./things.get: `operationId` is missing",
        ),
        (
            "operationId: make-thing",
            "operationId: list-things",
            "api.yaml:12: paths./things.post.operationId: `list-things` is the operation of `/things` already",
        ),
        (
            "{name: part, in: path}",
            "{name: prt, in: path}",
            "paths./things/{thingId}/parts/{part}.get: the path has no parameter `prt`",
        ),
        ("{name: part, in: path}", "{in: path}", "a parameter needs `name` and `in`"),
        ("parameters/Thing'", "parameters/Thong'", "leads to no parameter of this document"),
        ("'#/components/parameters/Thing'", "'other.yaml#/Thing'", "leads to no parameter"),
        ("token: [parts:delete]", "tokn: [parts:delete]", "there is no security scheme `tokn`"),
        (
            "token: [parts:delete]",
            "token: [{parts: delete}]",
            "api.yaml:23: paths./things/{thingId}/parts/{part}.delete: a scope is written as text",
        ),
        ("token: [parts:delete]", "token: parts:delete", "the scopes of a scheme are a list"),
        (
            "security: []",
            "security: none",
            "paths./things.post: the security requirements are a list",
        ),
        ("- token: [parts:delete]", "- token", "a security requirement names schemes"),
        ("token: [things:read]", "token: [[a]]", "security: a scope is written as text"),
        ("    get:\n      operationId: part", "    trace:\n      operationId: part", "`trace`"),
        ("  /things:\n", "  /other:\n    $ref: x\n  /things:\n", "followed for parameters only"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let problems = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.contains(message)),
            "{message}: {problems:#?}"
        );
    }
}

#[test]
fn the_servers_path_is_known_or_said_to_be_unknown() {
    let path = |servers: &str| {
        let text = GOOD.replace("servers:\n  - url: https://api.example.org/api/v1/\n", servers);
        parse(&text).unwrap().server_path
    };
    assert_eq!(path("").as_deref(), Some(""));
    assert_eq!(path("servers:\n  - url: /v2\n").as_deref(), Some("/v2"));
    assert_eq!(path("servers:\n  - url: https://a.b\n").as_deref(), Some(""));
    assert_eq!(path("servers:\n  - url: https://{region}.a.b/v1\n"), None);
}
