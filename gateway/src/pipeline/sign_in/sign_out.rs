//! A person signs out: here first, then at the provider (LO-08, LO-09).

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use crate::authn::{EndSession, Session, clear_session_cookie};
use crate::directory::Directory;
use crate::model::{Connection, Refusal, Secret};

use super::request::GatewayRequest;
use super::start::hash;
use super::{
    Answer, Answered, SIGNED_OUT_PATH, SignIn, SignInEvent, cookies, failed, no_entropy, pages,
    store_down,
};

impl SignIn {
    /// `POST /.hubgate/sign-out`.
    pub(super) async fn sign_out(
        &self,
        directory: &Directory,
        request: &GatewayRequest<'_>,
    ) -> Result<Answered, Refusal> {
        if !request.is_same_origin() {
            return Err(failed("form_foreign"));
        }
        let form = request.form_parameters()?;
        let Some(session) = request.session else {
            let location = String::from(SIGNED_OUT_PATH);
            return Ok(Answered::plain(Answer::Redirect { location, cookies: Vec::new() }));
        };
        let token = form.value("csrf").unwrap_or_default();
        if !session.csrf.matches(token.as_bytes()) {
            return Err(failed("form_stale"));
        }
        // The session ends before anybody else is asked: a provider that is down keeps nobody signed in.
        let id_token = self.parts.sessions.id_token(&session.key).await.ok().flatten();
        self.parts.sessions.remove(&session.key).await.map_err(store_down)?;
        let answer = self.leave(directory, request, Leaving { session, id_token }).await?;
        let event = SignInEvent::SignedOut {
            person: session.person.clone(),
            session: session.key.to_string(),
        };
        Ok(Answered { answer, event: Some(event) })
    }

    async fn leave(
        &self,
        directory: &Directory,
        request: &GatewayRequest<'_>,
        leaving: Leaving<'_>,
    ) -> Result<Answer, Refusal> {
        let state = self.parts.entropy.token().map_err(no_entropy)?;
        let mut cookies = vec![clear_session_cookie()];
        let Some(connection) = connection_of(directory, leaving.session) else {
            return Ok(pages::signed_out(pages::Left::Here, cookies));
        };
        let end = EndSession {
            id_token: leaving.id_token.as_ref().map(|token| token.expose().as_str()),
            post_logout_redirect_uri: &request.absolute(SIGNED_OUT_PATH),
            state: &state,
        };
        match self.parts.relying_party.end_session_url(connection, end).await {
            None => Ok(pages::signed_out(pages::Left::Here, cookies)),
            Some(url) => {
                cookies.push(cookies::set_leaving(&hash(&state)));
                Ok(pages::leaving(&connection.display_name, &url, cookies))
            }
        }
    }
}

/// `GET /.hubgate/sign-out`: asks. A link or an image must not be able to sign anybody out.
pub(super) fn ask_sign_out(directory: &Directory, request: &GatewayRequest<'_>) -> Answered {
    let Some(session) = request.session else {
        let location = String::from(SIGNED_OUT_PATH);
        return Answered::plain(Answer::Redirect { location, cookies: Vec::new() });
    };
    let organisation = directory.organisation(&session.person.tenant);
    let name = organisation.map_or("", |organisation| organisation.name());
    Answered::plain(pages::sign_out(&session.display_name, name, session.csrf.expose()))
}

/// `GET /.hubgate/signed-out`: says what is so, and nothing more when the state is not ours.
pub(super) fn signed_out(request: &GatewayRequest<'_>) -> Result<Answered, Refusal> {
    if request.session.is_some() {
        return Ok(Answered::plain(pages::signed_out(pages::Left::Not, Vec::new())));
    }
    let parameters = request.query_parameters()?;
    let expected = cookies::leaving(request.headers);
    let came_back = match (parameters.value("state").map(hash), expected) {
        (Some(state), Some(expected)) => bool::from(state.as_bytes().ct_eq(expected.as_bytes())),
        _ => false,
    };
    let answer = if came_back {
        pages::signed_out(pages::Left::Everywhere, vec![cookies::clear_leaving()])
    } else {
        pages::signed_out(pages::Left::Here, Vec::new())
    };
    Ok(Answered::plain(answer))
}

/// A session that has just ended, and what its provider knows it by.
struct Leaving<'a> {
    session: &'a Session,
    id_token: Option<Secret<String>>,
}

fn connection_of<'a>(directory: &'a Directory, session: &Session) -> Option<&'a Arc<Connection>> {
    let organisation = directory.organisation(&session.person.tenant)?;
    organisation.connection(&session.person.connection)
}
