//! A login ends: the provider's answer is matched with the login that asked for it.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use crate::authn::{
    CodeExchange, Identity, LOGIN_LIFETIME, LoginTransaction, NewSession, Session, SessionId,
    clear_transaction_cookie, set_session_cookie,
};
use crate::directory::{Directory, Member, Members, Organisation};
use crate::model::{Connection, ConnectionId, ConnectionKey, PersonId, Refusal, Secret, TenantId};

use super::super::parameters::Parameters;
use super::request::GatewayRequest;
use super::start::{hash, is_open, redirect_uri, refuse};
use super::{
    Answer, Answered, Memberships, SignIn, SignInEvent, cookies, failed, no_entropy, pages,
    store_down,
};

impl SignIn {
    /// `GET /.hubgate/callback/{organisation}/{connection}`.
    pub(super) async fn callback(
        &self,
        directory: &Directory,
        memberships: &dyn Memberships,
        request: &GatewayRequest<'_>,
    ) -> Result<Answered, Refusal> {
        let named = connection_in(request.path).ok_or(Refusal::RouteNotFound)?;
        let response = request.query_parameters().map_err(|_| failed("response_malformed"))?;
        let (transaction, login_id) = self.take_transaction(request, &response).await?;
        if transaction.connection != named {
            return Err(failed("other_connection"));
        }
        let (organisation, connection) =
            still_open(directory, &named).ok_or(failed("connection_closed"))?;

        let relying_party = &self.parts.relying_party;
        // RFC 9207 §2.4: before anything else of the response is used, an error included.
        relying_party
            .check_response_issuer(connection, response.value("iss"))
            .await
            .map_err(|error| refuse(connection, &error))?;
        let code = code_of(&response)?;
        let identity = relying_party
            .exchange(
                connection,
                CodeExchange {
                    redirect_uri: &redirect_uri(request, connection),
                    code: &code,
                    verifier: &transaction.verifier,
                    nonce: &transaction.nonce,
                },
            )
            .await
            .map_err(|error| refuse(connection, &error))?;

        let person = PersonId {
            tenant: named.tenant,
            connection: named.id,
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
        };
        // Only for somebody the provider vouches for: a stranger must not make the gateway read files.
        let members = memberships.members(&person.tenant).await?;
        let arrival = Arrival { organisation, members, person, identity, transaction, login_id };
        self.open_session(request, arrival).await
    }

    /// Finds the login of this state in this browser, once.
    async fn take_transaction(
        &self,
        request: &GatewayRequest<'_>,
        response: &Parameters,
    ) -> Result<(LoginTransaction, String), Refusal> {
        let state = response.value("state").ok_or(failed("response_malformed"))?;
        let state_key = hash(state);
        // Without the cookie nothing is taken: a stranger who saw a state cannot spoil the login.
        let (login_id, value) =
            cookies::of_login(request.headers, &state_key).ok_or(failed("other_browser"))?;
        let taken = self.parts.transactions.take(&state_key).await.map_err(store_down)?;
        let transaction = taken.ok_or(failed("login_expired"))?;
        let same_browser: bool =
            transaction.browser.as_bytes().ct_eq(hash(&value).as_bytes()).into();
        if !same_browser {
            return Err(failed("other_browser"));
        }
        if self.parts.clock.now().since(transaction.created) > LOGIN_LIFETIME {
            return Err(failed("login_expired"));
        }
        if transaction.host != request.authority {
            return Err(failed("other_host"));
        }
        Ok((transaction, login_id))
    }

    /// Makes a new session and ends the one this browser had (CK-04).
    async fn open_session(
        &self,
        request: &GatewayRequest<'_>,
        arrival: Arrival<'_>,
    ) -> Result<Answered, Refusal> {
        let sessions = &self.parts.sessions;
        let id = SessionId::generate(&*self.parts.entropy).map_err(no_entropy)?;
        let session = self.session_for(&id, &arrival)?;
        let handle = session.key.to_string();
        let replaced = request.session.map(|old| old.key);
        if let Some(old) = &replaced {
            sessions.remove(old).await.map_err(store_down)?;
        }
        let id_token = Some(arrival.identity.id_token.clone());
        sessions.create(NewSession { session, id_token }).await.map_err(store_down)?;

        let members = Arc::clone(&arrival.members);
        let member = members.member_of(&arrival.person);
        let cookies = vec![set_session_cookie(&id), clear_transaction_cookie(&arrival.login_id)];
        let event = SignInEvent::SignedIn {
            person: arrival.person.clone(),
            member: member.map(|member| member.id.clone()),
            session: handle,
            replaced: replaced.map(|key| key.to_string()),
        };
        Ok(Answered { answer: welcome(arrival, member, cookies), event: Some(event) })
    }

    fn session_for(&self, id: &SessionId, arrival: &Arrival<'_>) -> Result<Session, Refusal> {
        let now = self.parts.clock.now();
        let identity = &arrival.identity;
        Ok(Session {
            key: id.key(),
            person: arrival.person.clone(),
            display_name: display_name(identity),
            created: now,
            last_seen: now,
            provider_session: identity.sid.clone(),
            active: None,
            csrf: Secret::new(self.parts.entropy.token().map_err(no_entropy)?),
        })
    }
}

struct Arrival<'a> {
    organisation: &'a Organisation,
    members: Arc<Members>,
    person: PersonId,
    identity: Identity,
    transaction: LoginTransaction,
    login_id: String,
}

fn welcome(arrival: Arrival<'_>, member: Option<&Member>, cookies: Vec<String>) -> Answer {
    if member.is_some() {
        return Answer::Redirect { location: arrival.transaction.return_to, cookies };
    }
    let page = pages::NotMemberPage {
        organisation: arrival.organisation.name(),
        subject: &arrival.person.subject,
        return_to: &arrival.transaction.return_to,
    };
    pages::not_member(&page, cookies)
}

/// The connection a callback path names: exactly two segments.
fn connection_in(path: &str) -> Option<ConnectionKey> {
    let (tenant, id) = path.strip_prefix(super::CALLBACK_PREFIX)?.split_once('/')?;
    Some(ConnectionKey { tenant: TenantId::parse(tenant).ok()?, id: ConnectionId::parse(id).ok()? })
}

/// The connection, unless it was disabled or its organisation suspended while the login was open.
fn still_open<'a>(
    directory: &'a Directory,
    key: &ConnectionKey,
) -> Option<(&'a Organisation, &'a Arc<Connection>)> {
    let organisation = directory.organisation(&key.tenant)?;
    let connection = organisation.connection(&key.id)?;
    is_open(directory, connection).then_some((&**organisation, connection))
}

/// The code, or why there is none. A provider's own words never reach a page.
fn code_of(response: &Parameters) -> Result<Secret<String>, Refusal> {
    let unasked = ["id_token", "access_token", "token_type", "response"];
    let mixed = response.value("error").is_some() && response.value("code").is_some();
    if mixed || unasked.iter().any(|name| response.value(name).is_some()) {
        return Err(failed("response_malformed"));
    }
    match (response.value("code"), response.value("error")) {
        (Some(code), _) if code.len() <= CODE_BYTES_MAX => Ok(Secret::new(code.to_owned())),
        (None, Some("access_denied")) => Err(failed("access_denied")),
        (None, Some(_)) => Err(failed("provider_refused")),
        _ => Err(failed("response_malformed")),
    }
}

/// Longest code passed on; the largest seen in the field are JWTs of about 1.5 KB.
const CODE_BYTES_MAX: usize = 4096;

/// A name to greet with, bounded: it comes from outside and is stored.
fn display_name(identity: &Identity) -> String {
    let name = identity.name.as_ref().or(identity.email.as_ref()).unwrap_or(&identity.subject);
    name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

const NAME_CHARS_MAX: usize = 120;
