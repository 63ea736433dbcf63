//! People sign in and out: everything under `/.hubgate/` that a browser sees of it.
//!
//! The flow is OpenID Connect's code flow with PKCE. Each login has a transaction of its own, kept on the
//! server, bound to the browser by a cookie of its own and to one connection by the path of its callback,
//! so many tabs can sign in at once and an answer of one provider is never taken for another's
//! (RFC 9700 §4.4, OC-03, MT-01). This module decides nothing about authority: a session names a person,
//! and only the directory makes a person a member.

mod callback;
mod cookies;
mod event;
mod me;
mod pages;
mod request;
mod return_to;
mod sign_out;
mod start;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::authn::{LoginTransactions, RelyingParty, SessionLimits, Sessions};
use crate::directory::{Directory, Members};
use crate::model::{Clock, ConnectionKey, Dependency, EntityUid, Entropy, Refusal, TenantId};

use super::answer::{Answer, STYLE_PATH};
use super::navigation::Menu;

pub use event::SignInEvent;
pub(super) use pages::{Offer, RefusalPage, refusal_page};
pub use request::GatewayRequest;
pub use return_to::ReturnTo;

/// What sign-in works with.
#[derive(Clone, Debug)]
pub struct SignInParts {
    /// The OpenID Connect client.
    pub relying_party: Arc<dyn RelyingParty>,
    /// Open logins.
    pub transactions: Arc<dyn LoginTransactions>,
    /// Sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How long sessions live, for the cookie and for `/.hubgate/me`.
    pub limits: SessionLimits,
}

/// Sign-in, callback, sign-out and "who am I".
#[derive(Debug)]
pub struct SignIn {
    parts: SignInParts,
}

/// An answer, and what happened on the way. The caller records the event before it sends the answer.
#[derive(Debug)]
pub struct Answered {
    /// What to send.
    pub answer: Answer,
    /// What happened, where it belongs in the log.
    pub event: Option<SignInEvent>,
}

impl Answered {
    const fn plain(answer: Answer) -> Self {
        Self { answer, event: None }
    }
}

/// The members of organisations, read when somebody arrives.
#[async_trait]
pub trait Memberships: Send + Sync {
    /// The members of one organisation.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such organisation, or it cannot be read.
    async fn members(&self, tenant: &TenantId) -> Result<Arc<Members>, Refusal>;
}

/// Where the one who asks may work. The policies are asked when a method is called, and not before.
pub trait Places: fmt::Debug + Sync {
    /// What there is to choose from.
    fn menu(&self) -> Menu;

    /// Whether a node may be chosen, in the menu or not.
    fn may_enter(&self, node: &EntityUid) -> bool;
}

impl SignIn {
    /// Makes the flow out of its parts.
    pub const fn new(parts: SignInParts) -> Self {
        Self { parts }
    }

    /// Whether a path belongs to this module; the caller has checked that the host is one of ours.
    pub fn serves(path: &str) -> bool {
        path.starts_with(CALLBACK_PREFIX) || PATHS.contains(&path)
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`Refusal`] for an unknown path, a method the path has not, a request that breaks a rule of the
    /// flow, a login that failed, and a store or provider that did not answer.
    pub async fn handle(
        &self,
        directory: &Directory,
        memberships: &dyn Memberships,
        request: &GatewayRequest<'_>,
    ) -> Result<Answered, Refusal> {
        match (request.path, request.method.as_str()) {
            (SIGN_IN_PATH, "GET") => self.start(directory, request).await,
            (SIGN_OUT_PATH, "GET") => Ok(sign_out::ask_sign_out(directory, request)),
            (SIGN_OUT_PATH, "POST") => self.sign_out(directory, request).await,
            (SIGNED_OUT_PATH, "GET") => sign_out::signed_out(request),
            (ME_PATH, "GET") => self.me(directory, memberships, request).await,
            (ME_PATH, "POST") => self.work_in(request).await,
            (STYLE_PATH, "GET") => Ok(Answered::plain(pages::style())),
            (path, "GET") if path.starts_with(CALLBACK_PREFIX) => {
                self.callback(directory, memberships, request).await
            }
            (path, _) => Err(no_such_operation(path)),
        }
    }
}

fn no_such_operation(path: &str) -> Refusal {
    match path {
        SIGN_OUT_PATH | ME_PATH => Refusal::MethodNotAllowed { allow: String::from("GET, POST") },
        path if SignIn::serves(path) => Refusal::MethodNotAllowed { allow: String::from("GET") },
        _ => Refusal::RouteNotFound,
    }
}

/// The store did not answer: nobody is signed in on a guess.
fn store_down<E>(_: E) -> Refusal {
    Refusal::Unavailable(Dependency::Store)
}

/// No randomness, no login: a guessable state is worse than none.
fn no_entropy<E>(_: E) -> Refusal {
    Refusal::Unavailable(Dependency::Store)
}

const fn failed(code: &'static str) -> Refusal {
    Refusal::SignInFailed { code }
}

const SIGN_IN_PATH: &str = "/.hubgate/sign-in";
const SIGN_OUT_PATH: &str = "/.hubgate/sign-out";
const SIGNED_OUT_PATH: &str = "/.hubgate/signed-out";
pub(super) const ME_PATH: &str = "/.hubgate/me";
const CALLBACK_PREFIX: &str = "/.hubgate/callback/";

/// Where the provider of a connection sends people back to, on whichever host they came by. The path names the pair,
/// so that a provider that is sent somebody else's authorization response cannot pass it on as its own (MT-01).
pub fn callback_path(connection: &ConnectionKey) -> String {
    format!("{CALLBACK_PREFIX}{}/{}", connection.tenant, connection.id)
}

const PATHS: [&str; 5] = [SIGN_IN_PATH, SIGN_OUT_PATH, SIGNED_OUT_PATH, ME_PATH, STYLE_PATH];
