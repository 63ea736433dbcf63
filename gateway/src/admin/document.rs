//! The document of this door, OpenAPI 3.1: put together from the operations and what their files say of them.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::operation::OPERATIONS;
use super::problem::ProblemBody;
use super::{
    authzen_metadata, change_api_client, change_member, connections, create_api_client,
    create_member, domains, end_session, end_sessions, evaluate, evaluate_many, list_api_clients,
    list_events, list_members, list_own_events, list_sessions, nodes, platform, policies,
    provisioning, remove_api_client, remove_member, rotate_api_client, scim, server,
    show_api_client, show_event, show_member, show_own_event,
};

/// The paths, and what is sent and answered there.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hubgate administration",
        description = "What the gateway itself can be asked to do. Every operation is decided by the policies and \
                       is in the decision log; `Hubgate-Request-Id` names its decision. What is refused is answered \
                       as a problem (RFC 9457)."
    ),
    paths(
        server::put_resources,
        server::delete_resources,
        server::begin_upload,
        server::show_upload,
        server::resume_upload,
        server::cancel_upload,
        evaluate::evaluate,
        evaluate_many::evaluate_many,
        authzen_metadata::authzen_metadata,
        list_members::list_members,
        show_member::show_member,
        create_member::create_member,
        change_member::change_member,
        remove_member::remove_member,
        list_api_clients::list_api_clients,
        show_api_client::show_api_client,
        create_api_client::create_api_client,
        change_api_client::change_api_client,
        remove_api_client::remove_api_client,
        rotate_api_client::rotate_api_client,
        list_sessions::list_sessions,
        end_sessions::end_sessions,
        end_session::end_session,
        connections::list::list_connections,
        connections::show::show_connection,
        connections::create::create_connection,
        connections::change::change_connection,
        connections::remove::remove_connection,
        connections::try_out::test_connection,
        domains::list::list_domains,
        domains::show::show_domain,
        domains::create::create_domain,
        domains::change::change_domain,
        domains::remove::remove_domain,
        domains::verify::verify_domain,
        platform::list_organisations::list_organisations,
        platform::show_organisation::show_organisation,
        platform::break_glass::break_glass,
        platform::create_organisation::create_organisation,
        platform::change_organisation::change_organisation,
        platform::issue_bootstrap_key::issue_bootstrap_key,
        platform::suspend::suspend_organisation,
        platform::resume::resume_organisation,
        platform::show_snapshot::show_snapshot,
        platform::list_routes::list_routes,
        platform::list_policies::list_policies,
        policies::list::list_policy_changes,
        policies::show::show_policy_change,
        policies::preview::preview_policy_change,
        policies::propose::propose_policy_change,
        policies::approve::approve_policy_change,
        policies::close::close_policy_change,
        platform::search_decisions::search_decisions,
        provisioning::show::show_provisioning,
        provisioning::replace::replace_provisioning,
        provisioning::remove::remove_provisioning,
        scim::discovery::show_service_provider,
        scim::discovery::list_resource_types,
        scim::discovery::show_resource_type,
        scim::discovery::list_schemas,
        scim::discovery::show_schema,
        scim::users::list_users,
        scim::users::show_user,
        scim::users::create_user,
        scim::users::replace_user,
        scim::users::patch_user,
        scim::users::delete_user,
        scim::groups::list_groups,
        scim::groups::show_group,
        scim::groups::create_group,
        scim::groups::replace_group,
        scim::groups::patch_group,
        scim::groups::delete_group,
        list_events::list_events,
        show_event::show_event,
        list_own_events::list_own_events,
        show_own_event::show_own_event,
        nodes::list::list_nodes,
        nodes::show::show_node,
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "Resources", description = "The hub's own services keep the directory in step with the hub."),
        (name = "Members", description = "Who belongs to an organisation, how they sign in and what they may be."),
        (name = "Nodes", description = "Operators, sub-accounts, teams: what roles are given on."),
        (name = "API clients", description = "Credentials of programs: what they reach, and their secrets."),
        (name = "Sessions", description = "Who is signed in."),
        (name = "Connections", description = "The identity providers that people sign in by."),
        (name = "Domains", description = "E-mail domains that lead people to their connection, proved by the DNS."),
        (name = "Provisioning", description = "What an identity provider's people and groups are given."),
        (name = "SCIM", description = "The identity provider keeps people and groups in step (RFC 7644). Errors are SCIM's."),
        (name = "Platform", description = "For the platform's own administrators; to everybody else there is nothing here."),
        (name = "Policies", description = "Changes of the base policies: one person proposes, another approves."),
        (name = "Audit events", description = "What was changed, by whom, and who came and went."),
        (name = "Decisions", description = "Other services ask the decision point: AuthZEN Authorization API 1.0."),
    )
)]
struct Paths;

/// The answers every operation has besides its own.
const COMMON: [(&str, &str); 5] = [
    ("401", "A credential is missing or not valid."),
    ("403", "The policies do not allow it."),
    ("404", "There is nothing of this name, or not for you."),
    ("429", "Too many requests; `Retry-After` says how long to wait."),
    ("503", "Nothing was done, or it is not known: `Retry-After` says when to try again."),
];

/// The answers of an operation whose request has a body.
const OF_BODIES: [(&str, &str); 5] = [
    ("400", "The request cannot be read."),
    ("408", "The body did not come in time."),
    ("413", "The body is too large."),
    ("415", "The body is of another media type."),
    ("422", "What was sent cannot be taken; `errors` says which fields."),
];

/// The answers of an operation that can be asked for something in particular: by a query, or by a key.
const OF_PARAMETERS: [(&str, &str); 2] = [
    ("400", "The request cannot be read."),
    ("422", "The `Idempotency-Key` stands for another request."),
];

/// The answers of a change.
const OF_CHANGES: [(&str, &str); 2] = [
    ("409", "The state of things does not allow it; `detail` says why."),
    ("412", "It was changed meanwhile."),
];

/// The answers of a change that must say what it changes.
const OF_MATCHES: [(&str, &str); 1] = [("428", "`If-Match` is missing.")];

/// The answers an operation has besides those its file tells of, by what it is sent.
fn further(told: &Value) -> Vec<(&'static str, &'static str)> {
    let parameter = |name: &str, place: &str| {
        let all = told.get("parameters").and_then(Value::as_array).into_iter().flatten();
        all.into_iter().find(|it| {
            it.get("name").is_some_and(|it| name.is_empty() || it == name)
                && it.get("in").is_some_and(|it| it == place)
        })
    };
    let has_body = told.get("requestBody").is_some();
    let key = parameter("Idempotency-Key", "header").is_some();
    let matched = parameter("If-Match", "header");
    let must_match = matched.is_some_and(|it| it.get("required").is_some_and(|it| it == true));
    let mut answers = COMMON.to_vec();
    let mut add = |wanted: bool, more: &[(&'static str, &'static str)]| {
        answers.extend(more.iter().filter(|_| wanted));
    };
    add(has_body, &OF_BODIES);
    add(key || parameter("", "query").is_some(), &OF_PARAMETERS);
    add(key || matched.is_some(), &OF_CHANGES);
    add(must_match, &OF_MATCHES);
    answers
}

/// The document as JSON text, as `schemas/admin-openapi.json` holds it.
///
/// # Errors
/// [`serde_json::Error`], never in practice: it is plain data.
pub fn document() -> Result<String, serde_json::Error> {
    let mut document = serde_json::to_value(Paths::openapi())?;
    // utoipa gives the crate's version; the API has a version of its own, in its paths.
    set(&mut document, &["info", "version"], json!("1"));
    let scheme = json!({
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `hubgate key create`.",
    });
    set(&mut document, &["components", "securitySchemes", "apiKey"], scheme);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, methods) in paths.into_iter().flatten() {
        for (method, told) in methods.as_object_mut().into_iter().flatten() {
            let known = OPERATIONS.iter().find(|operation| {
                operation.path == path && operation.method.as_str().eq_ignore_ascii_case(method)
            });
            let Some(operation) = known else { continue };
            set(told, &["security"], json!([{ "apiKey": operation.scopes }]));
            set(told, &["x-cedar-action"], json!(operation.action));
            for (status, description) in further(told) {
                if told.pointer(&format!("/responses/{status}")).is_some() {
                    continue;
                }
                let answer = if path.starts_with("/scim/") {
                    // RFC 7644 §3.12.
                    json!({ "application/scim+json": { "schema": { "type": "object" } } })
                } else {
                    let problem = json!({ "$ref": "#/components/schemas/ProblemBody" });
                    json!({ "application/problem+json": { "schema": problem } })
                };
                let answer = json!({ "description": description, "content": answer });
                set(told, &["responses", status], answer);
            }
        }
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Sets what is at `path`, whose objects are made where they are not there.
fn set(value: &mut Value, path: &[&str], to: Value) {
    let Some((key, rest)) = path.split_first() else {
        *value = to;
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    let inner = value.as_object_mut().map(|object| object.entry(*key).or_insert(Value::Null));
    if let Some(inner) = inner {
        set(inner, rest, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Value {
        serde_json::from_str(&document().unwrap()).unwrap()
    }

    #[test]
    fn the_document_in_the_repository_is_fresh() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/admin-openapi.json");
        let text = document().unwrap();
        if std::env::var_os("HUBGATE_WRITE_GENERATED").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "schemas/admin-openapi.json is stale: HUBGATE_WRITE_GENERATED=1 cargo test document"
        );
    }

    #[test]
    fn every_operation_is_documented_under_its_name() {
        let document = written();
        for operation in OPERATIONS {
            let method = operation.method.as_str().to_lowercase();
            let told = &document["paths"][operation.path][method];
            assert_eq!(told["operationId"], operation.id, "{}", operation.path);
            assert_eq!(told["x-cedar-action"], operation.action);
            assert!(told["summary"].is_string(), "{}: no summary", operation.id);
        }
    }

    #[test]
    fn everything_documented_is_an_operation_or_open_to_all() {
        let document = written();
        let mut open = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, told) in methods.as_object().unwrap() {
                let id = told["operationId"].as_str().unwrap();
                if !OPERATIONS.iter().any(|operation| operation.id == id) {
                    open.push(format!("{method} {path}"));
                }
            }
        }
        assert_eq!(open, ["get /.well-known/authzen-configuration"]);
    }
}
