//! Every way to write a settings file wrongly, and the line that says so.

use super::Folder;

/// Name of the case, the file, and the errors expected.
type Case = (&'static str, &'static str, &'static str);

fn check(cases: &[Case]) {
    let folder = Folder::new();
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let found = folder.errors(text);
        if found != *expected {
            wrong.push(format!("{name}\n  expected: {expected}\n  found:    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn syntax_is_told_with_its_line() {
    check(&[
        (
            "no value",
            "[listen]\nhttp =\n",
            "gateway.toml:2: string values must be quoted, expected literal string",
        ),
        (
            "a key twice",
            "[listen]\nhttp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:1\"\n",
            "gateway.toml:3: duplicate key",
        ),
        (
            "an open table",
            "[listen\nhttp = \"127.0.0.1:0\"\n",
            "gateway.toml:1: unclosed table, expected `]`",
        ),
    ]);
}

#[test]
fn sections_and_keys_nobody_knows() {
    check(&[
        (
            "section",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[limit]\n",
            "gateway.toml:3: limit: unknown section (did you mean `limits`?)",
        ),
        (
            "key with a near name",
            "[listen]\nhtp = \"127.0.0.1:0\"\n",
            "gateway.toml:2: listen.htp: unknown key (did you mean `http`?)",
        ),
        (
            "key without a near name",
            "[sign_in]\ncolour = 1\n[listen]\nhttp = \"127.0.0.1:0\"\n",
            "gateway.toml:2: sign_in.colour: unknown key (known here: `session_absolute_hours`, `session_idle_minutes`)",
        ),
        (
            "key in an inner table",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[listen.head]\nfield_max = 3\n",
            "gateway.toml:4: listen.head.field_max: unknown key (did you mean `fields_max`?)",
        ),
        (
            "two in one section, both told",
            "[listen]\nhttp = \"127.0.0.1:0\"\nthread = 1\ngrace = 2\n",
            "gateway.toml:3: listen.thread: unknown key (did you mean `threads`?)\n\
             gateway.toml:4: listen.grace: unknown key (known here: `admin`, `admin_host`, `body_bytes_max`, `grace_seconds`, `head`, `http`, `https`, `observe`, `threads`, `tls`)",
        ),
    ]);
}

#[test]
fn values_of_another_type_or_size() {
    check(&[
        (
            "a string for a number",
            "[listen]\nhttp = \"127.0.0.1:0\"\nthreads = \"4\"\n",
            "gateway.toml:3: listen.threads: expected a whole number, found the string \"4\"",
        ),
        (
            "a number for a string",
            "[listen]\nhttp = 8080\n",
            "gateway.toml:2: listen.http: expected a string, found the number 8080",
        ),
        (
            "a table for a string",
            "[listen]\nhttp = { port = 1 }\n",
            "gateway.toml:2: listen.http: expected a string, found a table",
        ),
        (
            "a string for a table",
            "listen = \"127.0.0.1:0\"\n",
            "gateway.toml:1: listen: expected a table, found the string \"127.0.0.1:0\"",
        ),
        (
            "a table for a list of tables",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[service]\nname = \"hub\"\n",
            "gateway.toml:3: service: expected a list of tables: write `[[service]]`",
        ),
        (
            "beyond a day",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[sign_in]\nsession_absolute_hours = 48\n",
            "gateway.toml:4: sign_in.session_absolute_hours: `48` is out of range: 1 to 24",
        ),
        (
            "negative",
            "[listen]\nhttp = \"127.0.0.1:0\"\nbody_bytes_max = -1\n",
            "gateway.toml:3: listen.body_bytes_max: `-1` is out of range: 0 to 1099511627776",
        ),
        (
            "no request at all",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[limits]\naddress = { requests = 0 }\n",
            "gateway.toml:4: limits.address.requests: `0` is out of range: 1 to 100000000",
        ),
        (
            "a word nobody knows",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[telemetry]\nlog_level = \"inf\"\n",
            "gateway.toml:4: telemetry.log_level: `inf` is not known here (did you mean `info`?)",
        ),
        (
            "a limit without its number",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[limits]\ncredential = { burst = 3 }\n",
            "gateway.toml:4: limits.credential.requests: required, but missing",
        ),
    ]);
}

#[test]
fn listeners() {
    check(&[
        (
            "none at all",
            "",
            "gateway.toml:1: listen.https: nothing to listen on (set `https = \"0.0.0.0:8443\"`, or `http` for plain HTTP)",
        ),
        (
            "HTTPS without a certificate",
            "[listen]\nhttps = \"127.0.0.1:0\"\n",
            "gateway.toml:1: listen.tls: `https` needs a certificate (give `certificate` and `key`, or `self_signed = true` for development)",
        ),
        (
            "a certificate without HTTPS",
            "[listen]\nhttp = \"127.0.0.1:0\"\ntls = { self_signed = true }\n",
            "gateway.toml:3: listen.tls: a certificate without an `https` listener",
        ),
        (
            "a certificate without its key",
            "[listen]\nhttps = \"127.0.0.1:0\"\n[listen.tls]\ncertificate = \"cert.pem\"\n",
            "gateway.toml:3: listen.tls.key: required, but missing",
        ),
        (
            "files that are not there",
            "[listen]\nhttps = \"127.0.0.1:0\"\n[listen.tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n",
            "gateway.toml:4: listen.tls.certificate: no such file: `c.pem`\n\
             gateway.toml:5: listen.tls.key: no such file: `k.pem`",
        ),
        (
            "both kinds of certificate",
            "[listen]\nhttps = \"127.0.0.1:0\"\n[listen.tls]\ncertificate = \"cert.pem\"\nself_signed = true\n",
            "gateway.toml:5: listen.tls.self_signed: either certificate files or a self-signed one",
        ),
        (
            "an address without port",
            "[listen]\nhttp = \"127.0.0.1\"\n",
            "gateway.toml:2: listen.http: `127.0.0.1` is no address with port: write `127.0.0.1:8080` or `[::1]:8080`",
        ),
        (
            "a field larger than the head",
            "[listen]\nhttp = \"127.0.0.1:0\"\nhead = { bytes_max = 2048, target_bytes_max = 1024 }\n",
            "gateway.toml:3: listen.head.field_bytes_max: a field larger than the head it stands in",
        ),
    ]);
}

#[test]
fn places_guards_and_telemetry() {
    check(&[
        (
            "no schema, no policies",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[policy]\nschema = \"a\"\npolicies = \"b\"\n",
            "gateway.toml:4: policy.schema: no such file: `a`\n\
             gateway.toml:5: policy.policies: no such folder: `b`",
        ),
        (
            "an empty path",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[state]\nfile = \"\"\n",
            "gateway.toml:4: state.file: must not be empty",
        ),
        (
            "idle longer than the session",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[sign_in]\nsession_idle_minutes = 61\n",
            "gateway.toml:4: sign_in.session_idle_minutes: `61` is out of range: 1 to 60",
        ),
        (
            "every address allowed",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[outbound]\nallow = [\n  \"10.0.0.0/8\",\n  \"0.0.0.0/0\",\n]\n",
            "gateway.toml:6: outbound.allow[1]: `0.0.0.0/0` is every address: name the networks",
        ),
        (
            "no network, and bits behind the prefix",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[outbound]\nallow = [\"localhost\", \"10.1.2.3/8\"]\n",
            "gateway.toml:4: outbound.allow[0]: `localhost` is no network: write `10.1.0.0/16` or `fd00::/8`\n\
             gateway.toml:4: outbound.allow[1]: `10.1.2.3/8` has bits behind its prefix: write `10.0.0.0/8`",
        ),
        (
            "a collector that is no URL",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[telemetry]\notlp_endpoint = \"127.0.0.1:4317\"\n",
            "gateway.toml:4: telemetry.otlp_endpoint: `127.0.0.1:4317`: relative URL without a base: write `http://127.0.0.1:4317`",
        ),
    ]);
}

/// The start of a file whose services and routes are looked at: lines 1 to 6.
macro_rules! with_service {
    ($rest:literal) => {
        concat!(
            "[listen]\nhttp = \"127.0.0.1:0\"\n",
            "[[service]]\nname = \"hub\"\naddresses = [\"127.0.0.1:9001\"]\n\n",
            $rest
        )
    };
}

#[test]
fn services() {
    check(&[
        (
            "no address",
            with_service!("[[service]]\nname = \"b\"\naddresses = []\n"),
            "gateway.toml:9: service[1].addresses: must not be empty",
        ),
        (
            "addresses that lead nowhere",
            with_service!(
                "[[service]]\nname = \"b\"\naddresses = [\"127.0.0.1\", \"host:0\", \"ho st:1\"]\n"
            ),
            "gateway.toml:9: service[1].addresses[0]: `127.0.0.1` is no address with port: write `127.0.0.1:9001` or `hub.internal:9001`\n\
             gateway.toml:9: service[1].addresses[1]: `host:0` is no address with port: write `127.0.0.1:9001` or `hub.internal:9001`\n\
             gateway.toml:9: service[1].addresses[2]: `ho st:1` is no address with port: write `127.0.0.1:9001` or `hub.internal:9001`",
        ),
        (
            "a name that is none",
            with_service!("[[service]]\nname = \"My Hub\"\naddresses = [\"127.0.0.1:1\"]\n"),
            "gateway.toml:8: service[1].name: `My Hub` is no service name: 1 to 63 of a-z, 0-9, `-` and `_`, starting with a letter or digit",
        ),
        (
            "a name twice",
            with_service!("[[service]]\nname = \"hub\"\naddresses = [\"127.0.0.1:1\"]\n"),
            "gateway.toml:8: service[1].name: the service `hub` is declared in line 3 already",
        ),
        (
            "TLS without a name to verify",
            with_service!("[[service]]\nname = \"b\"\naddresses = [\"h:1\"]\ntls = {}\n"),
            "gateway.toml:10: service[1].tls.server_name: required, but missing",
        ),
        (
            "TLS with an empty name",
            with_service!(
                "[[service]]\nname = \"b\"\naddresses = [\"h:1\"]\ntls = { server_name = \"\" }\n"
            ),
            "gateway.toml:10: service[1].tls.server_name: `` is no host name a certificate bears",
        ),
        (
            "a field the gateway writes itself",
            with_service!(
                "[[service]]\nname = \"b\"\naddresses = [\"h:1\"]\nforward_headers = [\"x-acme-*\", \"x-*\", \"Cookie\", \"cookie\", \"coo*\"]\n"
            ),
            "gateway.toml:10: service[1].forward_headers[1]: `x-*` is written by the gateway itself and never taken from a client\n\
             gateway.toml:10: service[1].forward_headers[2]: `Cookie` names no request field: lower-case letters, digits and `-`, with one `*` at the end at most\n\
             gateway.toml:10: service[1].forward_headers[4]: `coo*` is written by the gateway itself and never taken from a client",
        ),
        (
            "a health path that is none",
            with_service!(
                "[[service]]\nname = \"b\"\naddresses = [\"h:1\"]\nhealth = { path = \"healthz\" }\n"
            ),
            "gateway.toml:10: service[1].health.path: `healthz` is no path: it starts with `/`",
        ),
        (
            "a word for retry",
            with_service!("[[service]]\nname = \"b\"\naddresses = [\"h:1\"]\nretry = \"always\"\n"),
            "gateway.toml:10: service[1].retry: `always` is not known here (known here: `never`, `once`)",
        ),
    ]);
}

/// A route after the service; its own lines begin at 7. `resource` stands in line 12.
macro_rules! with_route {
    ($($line:literal),+) => {
        concat!(
            "[listen]\nhttp = \"127.0.0.1:0\"\n",
            "[[service]]\nname = \"hub\"\naddresses = [\"127.0.0.1:9001\"]\n\n",
            "[[route]]\nservice = \"hub\"\n",
            $($line, "\n"),+
        )
    };
}

#[test]
fn routes() {
    check(&[
        (
            "an unknown service",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[[service]]\nname = \"hub\"\naddresses = [\"127.0.0.1:1\"]\n[[route]]\nservice = \"hbu\"\nhost = \"h\"\nmethods = [\"GET\"]\npath = \"/\"\naction = \"a\"\nresource = \"organisation\"\n",
            "gateway.toml:7: route[0].service: there is no service `hbu` (did you mean `hub`?)",
        ),
        (
            "nearly everything missing, all told",
            with_route!("path = \"/\""),
            "gateway.toml:7: route[0].action: required, but missing\n\
             gateway.toml:7: route[0].host: required, but missing\n\
             gateway.toml:7: route[0].methods: required, but missing\n\
             gateway.toml:7: route[0].resource: required, but missing",
        ),
        (
            "a method nobody knows",
            with_route!(
                "host = \"h\"",
                "methods = [\"GTE\"]",
                "path = \"/\"",
                "action = \"a\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:10: route[0].methods[0]: `GTE` is not known here (did you mean `GET`?)",
        ),
        (
            "a method twice",
            with_route!(
                "host = \"h\"",
                "methods = [\"GET\", \"GET\"]",
                "path = \"/\"",
                "action = \"a\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:10: route[0].methods[1]: `GET` is listed twice",
        ),
        (
            "a host with port, an action with a blank",
            with_route!(
                "host = \"h:80\"",
                "methods = [\"GET\"]",
                "path = \"/\"",
                "action = \"a b\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:9: route[0].host: `h:80` is no host: write it without port and scheme\n\
             gateway.toml:12: route[0].action: `a b` is no action: 1 to 128 of letters, digits, `-`, `_`, `.` and `:`",
        ),
    ]);
}

#[test]
fn routes_that_make_no_table() {
    check(&[
        (
            "a path without slash",
            with_route!(
                "host = \"h\"",
                "methods = [\"GET\"]",
                "path = \"teams\"",
                "action = \"a\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:11: route[0].path: path `teams`: must begin with `/`",
        ),
        (
            "half a parameter",
            with_route!(
                "host = \"h\"",
                "methods = [\"GET\"]",
                "path = \"/teams/{team\"",
                "action = \"a\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:11: route[0].path: path `/teams/{team`: braces: one parameter per segment, written `{name}` or `{*name}`",
        ),
        (
            "a path of the gateway's own",
            with_route!(
                "host = \"h\"",
                "methods = [\"GET\"]",
                "path = \"/.hubgate/x\"",
                "action = \"a\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:11: route[0].path: path `/.hubgate/x`: `/.hubgate` is the gateway's own",
        ),
    ]);
}

#[test]
fn routes_that_contradict_each_other() {
    check(&[
        (
            "the same path and method twice",
            with_route!(
                "host = \"h\"",
                "methods = [\"GET\"]",
                "path = \"/a\"",
                "action = \"a\"",
                "resource = \"organisation\"",
                "[[route]]",
                "service = \"hub\"",
                "host = \"h\"",
                "methods = [\"GET\"]",
                "path = \"/a\"",
                "action = \"b\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:18: route[1].path: `GET /a` already belongs to route `a`",
        ),
        (
            "an action used twice",
            with_route!(
                "host = \"h\"",
                "methods = [\"GET\"]",
                "path = \"/a\"",
                "action = \"a\"",
                "resource = \"organisation\"",
                "[[route]]",
                "service = \"hub\"",
                "host = \"h\"",
                "methods = [\"GET\"]",
                "path = \"/b\"",
                "action = \"a\"",
                "resource = \"organisation\""
            ),
            "gateway.toml:14: route[1].id: the route `a` is declared in line 7 already (give one of them an `id` of its own)",
        ),
        (
            "a WebSocket opened with POST",
            with_route!(
                "host = \"h\"",
                "methods = [\"POST\"]",
                "path = \"/a\"",
                "action = \"a\"",
                "resource = \"organisation\"",
                "stream = \"websocket\""
            ),
            "gateway.toml:10: route[0].methods: a WebSocket opens with GET",
        ),
    ]);
}

/// A route with this resource, which stands in line 13.
macro_rules! resource {
    ($resource:literal) => {
        with_route!(
            "host = \"h\"",
            "methods = [\"GET\"]",
            "path = \"/teams/{team}\"",
            "action = \"a\"",
            $resource
        )
    };
}

#[test]
fn a_path_parameter_is_asked_about_or_its_reason_stands_there() {
    check(&[
        (
            "neither",
            resource!("resource = \"organisation\""),
            "gateway.toml:7: route[0].also: the path parameter `team` is not asked about (ask about it in `resource`, `also` or `body_ids`, or say why not: `unchecked = { team = \"…\" }`)",
        ),
        (
            "a reason for nothing",
            resource!("resource = \"Team::path.team\"\nunchecked = { tem = \"a test\" }"),
            "gateway.toml:14: route[0].unchecked: `tem` is no parameter of this route",
        ),
    ]);
}

#[test]
fn resource_rules() {
    check(&[
        (
            "no rule",
            resource!("resource = \"Team::t-1\""),
            "gateway.toml:13: route[0].resource: `Team::t-1` is no resource rule (write `Team::path.team`, or a table)",
        ),
        (
            "an unknown source",
            resource!("resource = \"Team::pth.team\""),
            "gateway.toml:13: route[0].resource: `pth` is no source of a resource (did you mean `path`?)",
        ),
        (
            "a parameter the path lacks",
            resource!("resource = \"Team::path.tem\""),
            "gateway.toml:13: route[0].resource: the path has no parameter `tem`",
        ),
        (
            "no entity type",
            resource!("resource = \"9Team::path.team\""),
            "gateway.toml:13: route[0].resource: `9Team` is no entity type",
        ),
        (
            "a field that is none",
            resource!("resource = \"Team::header.x_team\""),
            "gateway.toml:13: route[0].resource: `x_team` names no request field",
        ),
        (
            "a pointer that is none",
            resource!("resource = { kind = \"Team\", json = \"team/id\" }"),
            "gateway.toml:13: route[0].resource: `team/id` is no JSON Pointer (it starts with `/`, as `/team/id`)",
        ),
        (
            "a body the route does not take",
            resource!("resource = \"Team::json./team\"\nunchecked = { team = \"a test\" }"),
            "gateway.toml:13: route[0].resource: the resource is in the body, but a method of the route has none",
        ),
        (
            "two places",
            resource!("resource = { kind = \"Team\", path = \"team\", query = \"team\" }"),
            "gateway.toml:13: route[0].resource: the resource is in one place, not in several (either `organisation`, or `active`, or `fixed`, or `among`, or `kind` with one of `path`, `query`, `header`, `json`)",
        ),
        (
            "nothing",
            resource!("resource = {}"),
            "gateway.toml:13: route[0].resource: the resource rule is empty (either `organisation`, or `active`, or `fixed`, or `among`, or `kind` with one of `path`, `query`, `header`, `json`)",
        ),
        (
            "a fixed entity that is none",
            resource!("resource = { fixed = \"Operator\" }"),
            "gateway.toml:13: route[0].resource: `Operator` names no entity: expected `Type::id`, both parts not empty, at most 256 bytes",
        ),
        (
            "a misspelt key",
            resource!("resource = { kind = \"Team\", pth = \"team\" }"),
            "gateway.toml:13: route[0].resource.pth: unknown key (did you mean `path`?)",
        ),
        (
            "a number",
            resource!("resource = 3"),
            "gateway.toml:13: route[0].resource: expected a string or a table, found the number 3",
        ),
    ]);
}

#[test]
fn problems_of_every_section_are_told_at_once() {
    let text = "[listen]\nhtp = 1\n[limits]\naddress = 3\n[[service]]\nname = \"hub\"\n\
                [[route]]\nhost = \"h\"\n[telemetry]\nlog_format = \"xml\"\n";
    let errors = Folder::new().errors(text);
    for line in [
        "gateway.toml:2: listen.htp",
        "gateway.toml:4: limits.address",
        "gateway.toml:5: service[0].addresses",
        "gateway.toml:7: route[0].service",
        "gateway.toml:10: telemetry.log_format",
    ] {
        assert!(errors.contains(line), "{line}\n{errors}");
    }
}

#[test]
fn a_menu_says_all_it_needs() {
    check(&[
        (
            "no kind",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[navigation]\nenter = \"operators:enter\"\n",
            "gateway.toml:3: navigation.kind: is missing: the type of the nodes people work in",
        ),
        (
            "no enter",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[navigation]\nkind = \"Operator\"\n",
            "gateway.toml:3: navigation.enter: is missing: the action that lets enter a node",
        ),
        (
            "a bad area",
            "[listen]\nhttp = \"127.0.0.1:0\"\n[navigation]\nkind = \"Operator\"\nenter = \"x:y\"\nareas = [{ id = \"a\", action = \"b c\" }]\n",
            "gateway.toml:6: navigation.areas[0]: `b c` is no action: 1 to 128 of letters, digits, `-`, `_`, `.` and `:`",
        ),
    ]);
}
