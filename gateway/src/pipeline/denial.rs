//! The ends of the way that need no state: whose organisation a request is decided in, and how a denial looks
//! to the one denied.

use std::net::SocketAddr;

use super::asker::Asker;
use crate::authz::{Decision, Partition};
use crate::model::{AuthMethod, EntityUid, Refusal, TenantId};
use crate::routing::{CanonicalRequest, Denials, Route, Stream};

/// The partition a request is decided in: the principal's own organisation; for nobody known, the one its host
/// is bound to. MT-10: a host bound to an organisation serves that organisation's principals only.
pub(super) fn partition_of<'a>(
    bound: Option<&'a TenantId>,
    asker: &'a Asker,
) -> Result<Option<&'a TenantId>, Refusal> {
    match (asker.tenant(), bound) {
        (Some(tenant), Some(bound)) if bound != tenant => Err(Refusal::OtherTenant),
        (Some(tenant), _) => Ok(Some(tenant)),
        (None, bound) => Ok(bound),
    }
}

/// An API key may say where it is used from. Told only after the key is known: the record says whose it is, since it may
/// be somebody else who has it.
pub(super) fn usable_from(asker: &Asker, peer: SocketAddr) -> Result<(), Refusal> {
    let key = asker.authenticated().api_key();
    let usable = key.is_none_or(|key| key.usable_from(peer.ip()));
    if usable { Ok(()) } else { Err(Refusal::AddressNotAllowed) }
}

/// A socket opened with a session belongs to a page of the very same host: browsers send the cookie along
/// for any page, and a WebSocket is not bound by CORS (ASVS 4.4.2).
pub(super) fn same_site(
    route: &Route,
    request: &CanonicalRequest,
    asker: &Asker,
) -> Result<(), Refusal> {
    if route.stream() != Stream::WebSocket || asker.method() != AuthMethod::Session {
        return Ok(());
    }
    let origin = request.headers().get(http::header::ORIGIN).and_then(|value| value.to_str().ok());
    let host = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    if host.is_some_and(|host| host.eq_ignore_ascii_case(request.authority())) {
        return Ok(());
    }
    let reason = String::from("the page that opened this connection belongs to another site");
    Err(Refusal::Denied { reason: Some(reason), hidden: false })
}

/// Whether a denial must look as if nothing were there.
pub(super) fn hides(
    partition: &Partition,
    (route, asker): (&Route, &Asker),
    resource: &EntityUid,
    decision: &Decision,
) -> bool {
    match route.denials() {
        // Who is no member is told that, whatever was asked for.
        Denials::OutsideHidden if asker.entity().is_none() => false,
        Denials::Forbidden => false,
        Denials::Hidden => true,
        // But for a condition they would be let in, so there is nothing to hide from them.
        Denials::OutsideHidden if decision.otherwise_permitted() => false,
        // What stands below no node of a role is as good as somebody else's.
        Denials::OutsideHidden => {
            let nodes = asker.roles().iter().map(|role| &role.on);
            !partition.stands_under(resource, nodes)
        }
    }
}

/// Nobody known may sign in or bring a credential; somebody known is denied.
pub(super) fn denied(
    request: &CanonicalRequest,
    (route, asker): (&Route, &Asker),
    reason: Option<&str>,
    hidden: bool,
) -> Refusal {
    if asker.tenant().is_none() {
        return to_sign_in(Refusal::CredentialMissing, request);
    }
    // Where a service hides what exists, this must not tell a path of its from none.
    if asker.entity().is_none() && !hidden {
        return Refusal::NotMember;
    }
    if !hidden && lacks_scope(route, asker) {
        let (accepted, reason) = (route.stated_scopes().join(" "), reason.map(str::to_owned));
        return Refusal::ScopeMissing { accepted, reason };
    }
    Refusal::Denied { reason: reason.map(str::to_owned), hidden }
}

/// Whether an API client has none of the scopes the operation accepts.
fn lacks_scope(route: &Route, asker: &Asker) -> bool {
    let Some(key) = asker.authenticated().api_key() else { return false };
    let given = |scope: &str| key.scopes.iter().any(|given| given == scope);
    !route.scopes().is_empty() && !route.scopes().names().any(given)
}

/// A browser is sent to sign in where anybody else gets a 401 (CK-10: scripts get the 401 too).
pub(super) fn to_sign_in(refusal: Refusal, request: &CanonicalRequest) -> Refusal {
    let has_header = request.headers().contains_key(http::header::AUTHORIZATION);
    let unknown = matches!(refusal, Refusal::CredentialMissing | Refusal::CredentialInvalid);
    if unknown && !has_header && request.wants_html() {
        return Refusal::SignInNeeded { return_to: request.target().to_owned() };
    }
    refusal
}
