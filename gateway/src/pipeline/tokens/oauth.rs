//! The endpoints of OAuth 2.0, on the issuer's host: token (RFC 6749), revocation (RFC 7009), introspection (RFC 7662).

use http::header::AUTHORIZATION;
use serde_json::json;

use super::super::admission::Pipeline;
use super::super::answer::Answer;
use super::super::operation::Operation;
use super::super::outcome::{BodySource, Reply};
use super::super::recording::Trail;
use super::{Issuer, Told, answers, forms, metadata, silent};
use crate::audit::Event;
use crate::authn::TokenState;
use crate::model::{ActionId, Dependency, Malformed, Refusal, Scopes, TenantId, TokenRefusal};
use crate::routing::{CanonicalRequest, Upgrade, is_token_path};

const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke";
const INTROSPECT: &str = "/oauth/introspect";

/// What a client must be allowed to, to ask about tokens other than by using them.
const ASK: &str = "tokens:introspect";
const ASK_SCOPES: [&str; 1] = ["tokens:read"];

impl Pipeline {
    /// The issuer, where a request is for one of its paths.
    pub(in crate::pipeline) fn issuer_of(&self, request: &CanonicalRequest) -> Option<&Issuer> {
        let issuer = self.parts.issuing.issuer.as_ref()?;
        (issuer.host() == request.host() && is_token_path(request.path())).then_some(issuer)
    }

    /// Answers at one of the issuer's paths.
    pub(in crate::pipeline) async fn oauth(
        &self,
        trail: &mut Trail<'_>,
        (issuer, request): (&Issuer, &CanonicalRequest),
        body: &mut dyn BodySource,
    ) -> Result<Reply, Refusal> {
        if request.upgrade() != Upgrade::None {
            return Err(Refusal::Malformed(Malformed::Upgrade));
        }
        let answer = match request.path() {
            TOKEN => self.token(trail, request, body).await?,
            REVOKE => self.revoke(trail, request, body).await?,
            INTROSPECT => self.introspect(trail, (issuer, request), body).await?,
            path => metadata::document(issuer, trail.snapshot.routes(), request.method(), path)?,
        };
        self.record_answer(trail, answer)
    }

    async fn token(
        &self,
        trail: &Trail<'_>,
        request: &CanonicalRequest,
        body: &mut dyn BodySource,
    ) -> Result<Answer, Refusal> {
        let form = forms::parameters(request, body).await?;
        let client = forms::client(request, &form)?;
        let grant = forms::required(&form, "grant_type")?;
        let client = self.proved(trail, (request.host(), &client)).await?;
        let scopes = forms::scopes(&form)?;
        let issued = match grant {
            // RFC 6749 §4.4.3: without a refresh token.
            "client_credentials" => self.give(trail, &client, (scopes, false)).await?,
            "refresh_token" => {
                let token = forms::required(&form, "refresh_token")?;
                self.renew(trail, request.host(), (token, scopes), Some(&client)).await?
            }
            _ => return Err(Refusal::Tokens(TokenRefusal::GrantType)),
        };
        Ok(answers::oauth(&issued, trail.arrival.at))
    }

    /// Whatever the token is, the answer is the same (RFC 7009 §2.2).
    async fn revoke(
        &self,
        trail: &Trail<'_>,
        request: &CanonicalRequest,
        body: &mut dyn BodySource,
    ) -> Result<Answer, Refusal> {
        let form = forms::parameters(request, body).await?;
        let client = forms::client(request, &form)?;
        let token = forms::required(&form, "token")?;
        let client = self.proved(trail, (request.host(), &client)).await?;
        let ended = self.parts.issuing.tokens.revoke(token, &client).await.map_err(silent)?;
        if let Some(family) = &ended {
            let key = client.key();
            let (event, tenant) = (Event::TokensRevoked, &key.tenant);
            self.tell(trail, &Told { event, tenant, key: &key.id, family, detail: None })?;
        }
        Ok(Answer::Tokens { body: String::from("{}") })
    }

    /// For who may ask, about tokens of their own organisation; others are none (AS-13).
    async fn introspect(
        &self,
        trail: &mut Trail<'_>,
        (issuer, request): (&Issuer, &CanonicalRequest),
        body: &mut dyn BodySource,
    ) -> Result<Answer, Refusal> {
        let form = forms::parameters(request, body).await?;
        let token = forms::required(&form, "token")?;
        let tenant = self.may_introspect(trail, request, &form).await?;
        let state =
            self.parts.issuing.tokens.state(token, trail.arrival.at).await.map_err(silent)?;
        let state = state.filter(|state| state.client.tenant == tenant);
        let told = match state {
            None => json!({ "active": false }),
            Some(state) => active(issuer, &state),
        };
        Ok(Answer::Tokens { body: told.to_string() })
    }

    /// The organisation of the API client that asks, if the policies let it ask. A bearer token or the client's secret
    /// proves who it is.
    async fn may_introspect(
        &self,
        trail: &mut Trail<'_>,
        request: &CanonicalRequest,
        form: &super::super::parameters::Parameters,
    ) -> Result<TenantId, Refusal> {
        let mut headers = http::HeaderMap::new();
        let bearer = request.headers().get(AUTHORIZATION).filter(|value| {
            value.as_bytes().get(..7).is_some_and(|it| it.eq_ignore_ascii_case(b"bearer "))
        });
        if bearer.is_some() {
            for value in request.headers().get_all(AUTHORIZATION) {
                headers.append(AUTHORIZATION, value.clone());
            }
        } else {
            let client = forms::client(request, form)?;
            self.proved(trail, (request.host(), &client)).await?;
            let value = format!("Bearer {}", client.secret.expose());
            let value = http::HeaderValue::try_from(value);
            let mut value = value.map_err(|_| Refusal::Tokens(TokenRefusal::Client))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let broken = |_| Refusal::Unavailable(Dependency::DecisionPoint);
        let action = ActionId::parse(ASK).map_err(broken)?;
        let scopes = Scopes::new(ASK_SCOPES);
        let scopes = scopes.map_err(|_| Refusal::Unavailable(Dependency::DecisionPoint))?;
        let operation = Operation {
            method: request.method().as_str(),
            path: request.path(),
            headers: &headers,
            action: &action,
            scopes: &scopes,
            tenant: None,
            replaces_bootstrap: false,
            platform: false,
            origin: None,
        };
        let entered = self.enter(trail, &operation).await?;
        let root = entered.root().cloned();
        if root.is_some_and(|root| entered.may(&action, &root)) {
            return Ok(entered.tenant().clone());
        }
        let held = entered.own_scopes().unwrap_or_default();
        if ASK_SCOPES.into_iter().any(|scope| held.iter().any(|it| it == scope)) {
            return Err(Refusal::Denied { reason: None, hidden: false });
        }
        Err(Refusal::ScopeMissing { accepted: ASK_SCOPES.join(" "), reason: None })
    }
}

/// RFC 7662 §2.2.
fn active(issuer: &Issuer, state: &TokenState) -> serde_json::Value {
    let client = &state.client;
    let mut told = json!({
        "active": true,
        "client_id": client.id,
        "sub": client.id,
        "iss": issuer.url(),
        "scope": client.scopes.join(" "),
        "exp": state.until.seconds(),
        "iat": state.since.seconds(),
    });
    if !state.refresh
        && let Some(facts) = told.as_object_mut()
    {
        facts.insert(String::from("token_type"), "Bearer".into());
    }
    told
}
