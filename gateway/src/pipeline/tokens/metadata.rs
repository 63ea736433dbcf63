//! What OAuth clients find out by themselves: about the issuer (RFC 8414) and about the resource (RFC 9728).

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;

use super::super::answer::Answer;
use super::Issuer;
use crate::model::Refusal;
use crate::routing::RouteTable;

const ISSUER: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// The document at `path`.
///
/// # Errors
/// [`Refusal::RouteNotFound`] where there is none, [`Refusal::MethodNotAllowed`].
pub(super) fn document(
    issuer: &Issuer,
    routes: &RouteTable,
    method: &Method,
    path: &str,
) -> Result<Answer, Refusal> {
    let told = match path.strip_prefix(RESOURCE) {
        Some(below) => resource(issuer, routes, below)?,
        None if path == ISSUER => server(issuer, routes),
        None => return Err(Refusal::RouteNotFound),
    };
    if method != Method::GET {
        return Err(Refusal::MethodNotAllowed { allow: String::from("GET") });
    }
    Ok(Answer::Json { body: told.to_string() })
}

/// RFC 8414 §2: only what there is.
fn server(issuer: &Issuer, routes: &RouteTable) -> serde_json::Value {
    let url = issuer.url();
    let methods = ["client_secret_basic", "client_secret_post"];
    json!({
        "issuer": url,
        "token_endpoint": format!("{url}/oauth/token"),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": format!("{url}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": format!("{url}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "response_types_supported": [],
        "scopes_supported": scopes(issuer, routes),
    })
}

/// RFC 9728 §3.3: `resource` is the very URL the client made the path from.
fn resource(
    issuer: &Issuer,
    routes: &RouteTable,
    below: &str,
) -> Result<serde_json::Value, Refusal> {
    let has_routes = routes.routes().any(|route| {
        let rest = route.template().strip_prefix(below);
        route.host() == issuer.host() && rest.is_some_and(|rest| rest.starts_with('/'))
    });
    if !has_routes {
        return Err(Refusal::RouteNotFound);
    }
    Ok(json!({
        "resource": format!("{}{below}", issuer.url()),
        "authorization_servers": [issuer.url()],
        "scopes_supported": scopes(issuer, routes),
        "bearer_methods_supported": ["header"],
    }))
}

fn scopes<'r>(issuer: &Issuer, routes: &'r RouteTable) -> BTreeSet<&'r str> {
    let here = routes.routes().filter(|route| route.host() == issuer.host());
    here.flat_map(|route| route.stated_scopes()).map(String::as_str).collect()
}
