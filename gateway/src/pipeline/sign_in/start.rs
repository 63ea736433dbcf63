//! A login begins: which connection, then off to its provider.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::authn::{AuthorizationRequest, LoginTransaction, SignInError, set_transaction_cookie};
use crate::directory::{Directory, Organisation};
use crate::model::{Connection, ConnectionId, Dependency, EntropyError, Refusal, Secret, TenantId};

use super::super::parameters::Parameters;
use super::cookies;
use super::pages::{self, Choice};
use super::request::GatewayRequest;
use super::return_to::ReturnTo;
use super::{Answer, Answered, SignIn, SignInEvent, failed, no_entropy, store_down};

impl SignIn {
    /// `GET /.hubgate/sign-in`.
    pub(super) async fn start(
        &self,
        directory: &Directory,
        request: &GatewayRequest<'_>,
    ) -> Result<Answered, Refusal> {
        if request.is_script() {
            return Err(Refusal::CredentialMissing);
        }
        let parameters = request.query_parameters()?;
        let return_to = ReturnTo::from_wish(parameters.value("return_to"));
        match choose(directory, request, &parameters) {
            Chosen::Connection(connection) => {
                let via_form = parameters.value("via") == Some("page");
                self.send_to_provider(request, &connection, return_to, via_form).await
            }
            Chosen::Ask(choice) => Ok(Answered::plain(pages::sign_in(&choice, return_to.as_str()))),
        }
    }

    async fn send_to_provider(
        &self,
        request: &GatewayRequest<'_>,
        connection: &Connection,
        return_to: ReturnTo,
        via_form: bool,
    ) -> Result<Answered, Refusal> {
        let fresh = self.fresh_secrets().map_err(no_entropy)?;
        let state_key = hash(&fresh.state);
        let now = self.parts.clock.now();
        let url = self
            .parts
            .relying_party
            .authorization_url(
                connection,
                AuthorizationRequest {
                    redirect_uri: &redirect_uri(request, connection),
                    state: &fresh.state,
                    nonce: fresh.nonce.expose(),
                    challenge: &challenge(fresh.verifier.expose()),
                },
            )
            .await
            .map_err(|error| refuse(connection, &error))?;

        let mut cookies = cookies::make_room(request.headers);
        let login_id = cookies::login_id(now, &state_key);
        cookies.push(set_transaction_cookie(&login_id, &fresh.browser));
        let transaction = LoginTransaction {
            state_key,
            connection: connection.key.clone(),
            nonce: fresh.nonce,
            verifier: fresh.verifier,
            return_to: return_to.into(),
            host: request.authority.to_owned(),
            browser: hash(&fresh.browser),
            created: now,
        };
        self.parts.transactions.put(transaction).await.map_err(store_down)?;

        let answer = if via_form {
            pages::onward(&connection.display_name, &url, cookies)
        } else {
            Answer::Redirect { location: url, cookies }
        };
        let event = Some(SignInEvent::Started { connection: connection.key.clone() });
        Ok(Answered { answer, event })
    }

    fn fresh_secrets(&self) -> Result<Fresh, EntropyError> {
        let entropy = &self.parts.entropy;
        let mut browser = [0_u8; 16];
        entropy.fill(&mut browser)?;
        Ok(Fresh {
            state: entropy.token()?,
            nonce: Secret::new(entropy.token()?),
            verifier: Secret::new(entropy.token()?),
            browser: URL_SAFE_NO_PAD.encode(browser),
        })
    }
}

struct Fresh {
    state: String,
    nonce: Secret<String>,
    /// 32 random bytes as 43 characters: the shortest verifier RFC 7636 §4.1 allows.
    verifier: Secret<String>,
    /// 128 bits, so that 32 such cookies stay small.
    browser: String,
}

/// RFC 7636 §4.2: `BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))`.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// SHA-256 as 64 hex digits: how the store knows a state and a browser.
pub(super) fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The callback of a connection, on the host of the request.
pub(super) fn redirect_uri(request: &GatewayRequest<'_>, connection: &Connection) -> String {
    request.absolute(&super::callback_path(&connection.key))
}

/// Turns a failure of the relying party into a refusal; the detail goes to the gateway's own log.
pub(super) fn refuse(connection: &Connection, error: &SignInError) -> Refusal {
    tracing::warn!(connection = %connection.key, code = error.code(), %error, "sign-in failed");
    match error {
        SignInError::Unreachable(_) => Refusal::Unavailable(Dependency::IdentityProvider),
        _ => failed(error.code()),
    }
}

enum Chosen {
    Connection(Arc<Connection>),
    Ask(Choice),
}

/// Chooses by the host, then by what was asked for. Choosing routes a login; it never grants anything
/// (MT-08).
fn choose(directory: &Directory, request: &GatewayRequest<'_>, asked: &Parameters) -> Chosen {
    let bound = directory.organisation_for_host(request.host);
    // One field on the page takes either; links name which they mean.
    let login = asked.value("login").map(str::trim);
    let email = asked.value("email").or_else(|| login.filter(|text| text.contains('@')));
    let slug = asked.value("organisation").or_else(|| login.filter(|text| !text.contains('@')));
    let wish = asked.value("connection");

    if let Some(organisation) = bound {
        return of_organisation(organisation, wish);
    }
    if let Some(slug) = slug {
        let id = TenantId::parse(&slug.to_ascii_lowercase()).ok();
        return match id.and_then(|id| directory.organisation(&id)) {
            Some(organisation) => of_organisation(organisation, wish),
            None => Chosen::Ask(Choice::unknown(slug)),
        };
    }
    match email {
        None => Chosen::Ask(Choice::default()),
        Some(email) => email_domain(email)
            .and_then(|domain| directory.connection_for_domain(&domain))
            .filter(|connection| is_open(directory, connection))
            .map_or_else(
                || Chosen::Ask(Choice::unknown(email)),
                |connection| Chosen::Connection(Arc::clone(connection)),
            ),
    }
}

fn of_organisation(organisation: &Organisation, wish: Option<&str>) -> Chosen {
    if organisation.suspended() {
        return Chosen::Ask(Choice::closed());
    }
    let open: Vec<&Arc<Connection>> =
        organisation.connections().filter(|connection| connection.enabled).collect();
    let wished = wish
        .and_then(|text| ConnectionId::parse(text).ok())
        .and_then(|id| open.iter().find(|connection| connection.key.id == id));
    match (wished, open.as_slice()) {
        (Some(connection), _) | (None, [connection]) => Chosen::Connection(Arc::clone(connection)),
        (None, []) => Chosen::Ask(Choice::closed()),
        (None, several) => Chosen::Ask(Choice::among(organisation, several)),
    }
}

/// Whether a connection may start and finish logins: enabled, its organisation not suspended.
pub(super) fn is_open(directory: &Directory, connection: &Connection) -> bool {
    connection.enabled
        && directory
            .organisation(&connection.key.tenant)
            .is_some_and(|organisation| !organisation.suspended())
}

/// The domain of a plain address. Several `@`, quotes and anything beyond ASCII match no domain
/// (MT-08, CVE-2026-40574).
fn email_domain(email: &str) -> Option<String> {
    let (local, domain) = email.split_once('@')?;
    let local_is_plain =
        local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b));
    let domain_is_plain =
        domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let plain = !local.is_empty() && local_is_plain && domain.contains('.') && domain_is_plain;
    // RFC 5321 §4.5.3.1: a path of at most 256 octets with its two angle brackets.
    if plain && email.len() <= 254 { Some(domain.to_ascii_lowercase()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_is_that_of_the_standard() {
        // RFC 7636 appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn reads_the_domain_of_a_plain_address_only() {
        assert_eq!(email_domain("ada@North.Example").as_deref(), Some("north.example"));
        let odd = [
            "",
            "@",
            "ada",
            "ada@",
            "@north.example",
            "a@b@north.example",
            "\"a\"@north.example",
            "ada@north.example ",
            "ada@nörth.example",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "ada@north.example\n",
            "<ada@north.example>",
            "ada@north.example,x@y.example",
        ];
        for email in odd {
            assert_eq!(email_domain(email), None, "{email:?}");
        }
    }
}
