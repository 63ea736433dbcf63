//! Tokens for API clients: in the JSON of an API that has them for long, and at the endpoints of OAuth 2.0.
//!
//! Both ask [`crate::authn::Tokens`]. Attempts are counted before anything is looked up; a client that proved itself must be
//! welcome here, too: its address, its organisation and the host must allow it before a token changes hands.

mod answers;
mod credential;
mod forms;
mod issuer;
mod json;
mod metadata;
mod oauth;

use super::admission::Pipeline;
use super::recording::Trail;
use crate::audit::{Actor, AuditEvent, Event, EventAction, EventRecord, Item};
use crate::authn::{ApiKey, Issued, NoTokens, ProvedClient, StoreUnavailable};
use crate::model::{
    Dependency, EntityUid, FamilyId, KeyId, Refusal, Secret, TenantId, TokenRefusal,
};

pub use issuer::{Issuer, Issuing};
pub(super) use json::Presented;

/// What a client proves itself with.
#[derive(Debug)]
struct ClientSecret {
    id: String,
    secret: Secret<String>,
}

/// What a record says of tokens.
struct Told<'a> {
    event: Event,
    tenant: &'a TenantId,
    key: &'a KeyId,
    family: &'a FamilyId,
    detail: Option<&'static str>,
}

impl Pipeline {
    /// The client that proves itself.
    async fn proved(
        &self,
        trail: &Trail<'_>,
        (host, client): (&str, &ClientSecret),
    ) -> Result<ProvedClient, Refusal> {
        let (peer, now) = (trail.arrival.peer.ip(), trail.arrival.at);
        self.parts.issuing.attempts.admit(&client.id, peer)?;
        let found = self.parts.issuing.tokens.client(&client.id, client.secret.expose(), now).await;
        let found = found.map_err(silent)?.ok_or(Refusal::Tokens(TokenRefusal::Client))?;
        self.parts.issuing.attempts.proved(&client.id, peer);
        welcome(trail, host, found.key())?;
        Ok(found)
    }

    /// Gives tokens to a client that proved itself.
    async fn give(
        &self,
        trail: &Trail<'_>,
        client: &ProvedClient,
        wish: (Option<Vec<String>>, bool),
    ) -> Result<Issued, Refusal> {
        let issued = self.parts.issuing.tokens.issue(client, wish, trail.arrival.at).await;
        let issued = issued.map_err(refusal)?;
        self.tell_issued(trail, Event::TokensIssued, &issued)?;
        Ok(issued)
    }

    /// Gives new tokens for a refresh token.
    async fn renew(
        &self,
        trail: &Trail<'_>,
        host: &str,
        (token, scopes): (&str, Option<Vec<String>>),
        client: Option<&ProvedClient>,
    ) -> Result<Issued, Refusal> {
        // A token that is used and not told of would look stolen when it is sent again later.
        if !self.parts.sink.is_writable() {
            return Err(Refusal::Unavailable(Dependency::Journal));
        }
        let is_welcome = |key: &ApiKey| welcome(trail, host, key);
        let tokens = &self.parts.issuing.tokens;
        match tokens.refresh((token, scopes), (client, &is_welcome), trail.arrival.at).await {
            Ok(issued) => {
                self.tell_issued(trail, Event::TokensRefreshed, &issued)?;
                Ok(issued)
            }
            Err(NoTokens::Used { tenant, key, family }) => {
                self.alarm(trail, (&tenant, &key, &family)).await?;
                Err(Refusal::Tokens(TokenRefusal::Grant))
            }
            Err(error) => Err(refusal(error)),
        }
    }

    fn tell_issued(&self, trail: &Trail<'_>, event: Event, issued: &Issued) -> Result<(), Refusal> {
        let key = &issued.client;
        let detail = issued.again.then_some("the same tokens again, for a request sent again");
        let (tenant, family) = (&key.tenant, &issued.family);
        self.tell(trail, &Told { event, tenant, key: &key.id, family, detail })
    }

    /// Tells the log.
    fn tell(&self, trail: &Trail<'_>, told: &Told<'_>) -> Result<(), Refusal> {
        let now = self.now();
        let identity = &self.parts.identity;
        let principal = EntityUid::new("ApiClient", told.key.as_str()).ok();
        let record = EventRecord {
            tenant: Some(told.tenant),
            principal: principal.as_ref(),
            key: Some(told.key),
            snapshot: Some(trail.snapshot.id()),
            peer: Some(trail.arrival.peer),
            item_kind: Some("token-family"),
            item: Some(told.family.as_str()),
            detail: told.detail,
            ..EventRecord::of(told.event, self.next_id(now), now, &identity.node, &identity.build)
        };
        self.parts.sink.append(record.encode()).map(drop).map_err(|error| {
            self.unrecorded(&error);
            Refusal::Unavailable(Dependency::Journal)
        })
    }

    /// Tells everybody who should hear of it that two hold one refresh token. The family has ended already.
    async fn alarm(
        &self,
        trail: &Trail<'_>,
        (tenant, key, family): (&TenantId, &KeyId, &FamilyId),
    ) -> Result<(), Refusal> {
        tracing::warn!(%tenant, %key, %family, "a refresh token was used twice: its tokens are taken back");
        let detail =
            Some("a refresh token was used twice, or by another client: its tokens are taken back");
        self.tell(trail, &Told { event: Event::TokenReused, tenant, key, family, detail })?;
        let at = self.now();
        let Ok(id) = AuditEvent::new_id(at, &*self.parts.entropy) else { return Ok(()) };
        let directory = trail.snapshot.directory();
        let parent = directory.organisation(tenant).map(|own| own.root().to_string());
        let event = AuditEvent {
            id,
            at,
            action: EventAction::TokenReused,
            // Who it was is the question.
            actor: Actor { principal: format!("ApiClient::{key}"), name: key.to_string() },
            item: Item {
                kind: String::from("token-family"),
                id: family.to_string(),
                name: key.to_string(),
            },
            parent,
            changes: Vec::new(),
            before: None,
            after: None,
            decision: None,
        };
        if self.parts.events.note(tenant, event).await.is_err() {
            tracing::error!(%tenant, "a reused refresh token is not in the audit events");
        }
        Ok(())
    }
}

/// Whether an API client may be given tokens here.
fn welcome(trail: &Trail<'_>, host: &str, key: &ApiKey) -> Result<(), Refusal> {
    let directory = trail.snapshot.directory();
    let bound = directory.organisation_for_host(host);
    if bound.is_some_and(|organisation| *organisation.id() != key.tenant) {
        return Err(Refusal::OtherTenant);
    }
    let own = directory.organisation(&key.tenant).ok_or(Refusal::CredentialInvalid)?;
    if own.suspended() {
        let reason = Some(String::from("this organisation is suspended"));
        return Err(Refusal::Denied { reason, hidden: false });
    }
    if key.usable_from(trail.arrival.peer.ip()) { Ok(()) } else { Err(Refusal::AddressNotAllowed) }
}

const fn silent(_: StoreUnavailable) -> Refusal {
    Refusal::Unavailable(Dependency::Store)
}

fn refusal(error: NoTokens) -> Refusal {
    match error {
        NoTokens::Grant | NoTokens::Used { .. } => Refusal::Tokens(TokenRefusal::Grant),
        NoTokens::Scope => Refusal::Tokens(TokenRefusal::Scope),
        NoTokens::Kind => Refusal::Tokens(TokenRefusal::Unauthorized),
        NoTokens::Unwelcome(refusal) => refusal,
        NoTokens::Store(error) => silent(error),
    }
}
