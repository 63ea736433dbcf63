//! Paths under `/.hubgate/` belong to the gateway on every host it serves.

use std::sync::Arc;

use async_trait::async_trait;

use super::admission::Pipeline;
use super::answer::Answer;
use super::navigation::Surroundings;
use super::organisations::Reader;
use super::outcome::{BodySource, Reply};
use super::recording::Trail;
use super::sign_in::{GatewayRequest, ME_PATH, Memberships, Places, SignIn, SignInEvent};
use super::snapshot::Snapshot;
use crate::audit::{Actor, AuditEvent, Effect, Event, EventAction, EventRecord, Item, Verdict};
use crate::authn::Authenticated;
use crate::directory::Members;
use crate::model::{Dependency, Malformed, Principal, Refusal, TenantId, UnixNanos};
use crate::routing::{CanonicalRequest, Upgrade};

const KEY_SET_PATH: &str = "/.hubgate/jwks.json";

/// The members of the organisations of one snapshot.
struct Attending<'s> {
    snapshot: &'s Snapshot,
    now: UnixNanos,
}

#[async_trait]
impl Memberships for Attending<'_> {
    async fn members(&self, tenant: &TenantId) -> Result<Arc<Members>, Refusal> {
        let content = self.snapshot.content(tenant, self.now).await?;
        Ok(Arc::clone(&content.members))
    }
}

impl Pipeline {
    /// Answers a path of the gateway's own.
    pub(super) async fn answer(
        &self,
        trail: &mut Trail<'_>,
        request: &Arc<CanonicalRequest>,
        body: &mut dyn BodySource,
    ) -> Result<Reply, Refusal> {
        let is_ours = self.admin_host() == Some(request.host());
        if !is_ours && !trail.snapshot.routes().knows_host(request.host()) {
            return Err(Refusal::UnknownHost);
        }
        if request.upgrade() != Upgrade::None {
            return Err(Refusal::Malformed(Malformed::Upgrade));
        }
        let answer = match (request.path(), request.method().as_str()) {
            (KEY_SET_PATH, "GET") => {
                Answer::Json { body: String::from(&*self.parts.signer.key_set()) }
            }
            (KEY_SET_PATH, _) => {
                return Err(Refusal::MethodNotAllowed { allow: String::from("GET") });
            }
            (path, _) if SignIn::serves(path) => self.sign_in(trail, request, body).await?,
            _ => return Err(Refusal::RouteNotFound),
        };
        self.record_answer(trail, answer)
    }

    async fn sign_in(
        &self,
        trail: &mut Trail<'_>,
        request: &Arc<CanonicalRequest>,
        body: &mut dyn BodySource,
    ) -> Result<Answer, Refusal> {
        let authenticated = self.who(trail, request).await?;
        let body = if request.has_body() {
            body.read(GatewayRequest::BODY_BYTES_MAX).await?
        } else {
            bytes::Bytes::new()
        };
        let principal =
            authenticated.as_ref().map_or(&Principal::Anonymous, Authenticated::principal);
        let places = surroundings(trail, request).await;
        let asked = GatewayRequest {
            places: places.as_ref().map(|places| places as &dyn Places),
            method: request.method(),
            scheme: if trail.arrival.secure { "https" } else { "http" },
            host: request.host(),
            authority: request.authority(),
            path: request.path(),
            query: request.query(),
            headers: request.headers(),
            body: &body,
            principal,
            session: authenticated.as_ref().and_then(Authenticated::session),
            api_key: authenticated.as_ref().and_then(Authenticated::api_key),
        };
        let snapshot = Arc::clone(&trail.snapshot);
        let members = Attending { snapshot: &snapshot, now: trail.arrival.at };
        let answered = self.parts.sign_in.handle(snapshot.directory(), &members, &asked).await;
        let answered = answered.inspect_err(|refusal| self.record_failed(trail, refusal))?;
        if let Some(event) = &answered.event {
            self.record_event(trail, event)?;
            self.note_event(trail, (event, authenticated.as_ref())).await;
        }
        Ok(answered.answer)
    }

    /// Who asks; a stale cookie counts as nobody, so that one can sign in again.
    async fn who(
        &self,
        trail: &mut Trail<'_>,
        request: &CanonicalRequest,
    ) -> Result<Option<Authenticated>, Refusal> {
        let now = trail.arrival.at;
        match self.parts.authenticator.authenticate(request.headers(), now).await {
            Ok(authenticated) => {
                // A session of a suspended organisation gives nothing, but it can still be ended.
                let mut is_readable = true;
                if let Some(tenant) = authenticated.principal().tenant() {
                    let (snapshot, at) = (Arc::clone(&trail.snapshot), (Reader::Known, now));
                    match self.in_force.current(snapshot, tenant, at).await {
                        Ok(current) => trail.snapshot = current,
                        // Nobody waits for it twice.
                        Err(_) => is_readable = false,
                    }
                }
                if is_readable {
                    let asker = trail.snapshot.asker(authenticated.clone(), None, now).await;
                    trail.asker = asker.ok().map(|(asker, _)| asker);
                }
                self.belongs_here(trail, &authenticated, request)?;
                let known = trail.asker.as_ref().map(|asker| asker.authenticated().clone());
                Ok(Some(known.unwrap_or(authenticated)))
            }
            Err(Refusal::CredentialInvalid)
                if !request.headers().contains_key(http::header::AUTHORIZATION) =>
            {
                Ok(None)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// MT-10 holds here too, and so does the limit of the credential, whatever became of its organisation.
    fn belongs_here(
        &self,
        trail: &Trail<'_>,
        authenticated: &Authenticated,
        request: &CanonicalRequest,
    ) -> Result<(), Refusal> {
        let Some(tenant) = authenticated.principal().tenant() else { return Ok(()) };
        let bound = trail.snapshot.directory().organisation_for_host(request.host());
        if bound.is_some_and(|organisation| organisation.id() != tenant) {
            return Err(Refusal::OtherTenant);
        }
        if authenticated.api_key().is_some_and(|key| !key.usable_from(trail.arrival.peer.ip())) {
            return Err(Refusal::AddressNotAllowed);
        }
        let credential = Arc::from(authenticated.credential_handle());
        self.limiter.load().admit_credential(tenant, &credential).map(drop)
    }

    pub(super) fn record_answer(
        &self,
        trail: &Trail<'_>,
        answer: Answer,
    ) -> Result<Reply, Refusal> {
        let now = self.now();
        let id = self.next_id(now);
        // Nothing here reaches an upstream; the record says so by its reason.
        let verdict = Verdict { effect: Effect::Allow, ..Verdict::refused("gateway_endpoint") };
        let record = trail.record(id, now, &self.parts.identity, verdict);
        self.parts.sink.append(record.encode()).map_err(|error| {
            self.unrecorded(&error);
            Refusal::Unavailable(Dependency::Journal)
        })?;
        Ok(Reply { answer, decision: id, fields: self.standings(trail) })
    }

    fn record_event(&self, trail: &Trail<'_>, event: &SignInEvent) -> Result<(), Refusal> {
        let now = self.now();
        let id = self.next_id(now);
        let identity = &self.parts.identity;
        let blank = |kind| EventRecord::of(kind, id, now, &identity.node, &identity.build);
        let (person, session, kind, detail) = match event {
            SignInEvent::Started { .. } => return Ok(()),
            SignInEvent::SignedIn { person, session, member, .. } => {
                let detail = if member.is_none() { Some("not a member") } else { None };
                (person, session, Event::SignIn, detail)
            }
            SignInEvent::SignedOut { person, session } => (person, session, Event::SignOut, None),
        };
        let pseudonym = trail.snapshot.pseudonym(person);
        let connection = crate::model::ConnectionKey {
            tenant: person.tenant.clone(),
            id: person.connection.clone(),
        };
        let member = match event {
            SignInEvent::SignedIn { member: Some(member), .. } => {
                crate::model::EntityUid::new("User", member.as_str()).ok()
            }
            _ => None,
        };
        let record = EventRecord {
            tenant: Some(&person.tenant),
            principal: member.as_ref(),
            person: Some(&pseudonym),
            connection: Some(&connection),
            session: Some(session),
            snapshot: Some(trail.snapshot.id()),
            peer: Some(trail.arrival.peer),
            detail,
            ..blank(kind)
        };
        self.parts.sink.append(record.encode()).map(drop).map_err(|error| {
            self.unrecorded(&error);
            Refusal::Unavailable(Dependency::Journal)
        })
    }

    /// Tells the organisation's administrators who came and who went. The log has it already, so one that is not kept
    /// takes nobody's session.
    async fn note_event(
        &self,
        trail: &Trail<'_>,
        (event, authenticated): (&SignInEvent, Option<&Authenticated>),
    ) {
        let (person, session, action) = match event {
            SignInEvent::Started { .. } => return,
            SignInEvent::SignedIn { person, session, .. } => {
                (person, session, EventAction::SignedIn)
            }
            SignInEvent::SignedOut { person, session } => (person, session, EventAction::SignedOut),
        };
        let directory = trail.snapshot.directory();
        let Some(organisation) = directory.organisation(&person.tenant) else { return };
        let known = match (event, authenticated.map(Authenticated::principal)) {
            (SignInEvent::SignedIn { member, .. }, _)
            | (_, Some(Principal::User { member, .. })) => member.clone(),
            _ => None,
        };
        let content = trail.snapshot.content(&person.tenant, trail.arrival.at).await.ok();
        let member = known.zip(content).and_then(|(id, it)| it.members.member(&id).cloned());
        // Who is no member has no name here: an identity provider's word for them is not kept.
        let name = member.as_ref().map_or("not a member", |member| member.name.as_str());
        let principal = member.as_ref().map_or_else(String::new, |it| format!("User::{}", it.id));
        let at = self.now();
        let Ok(id) = AuditEvent::new_id(at, &*self.parts.entropy) else { return };
        let (kind, item_id) = ("session".to_owned(), session.clone());
        let event = AuditEvent {
            id,
            at,
            action,
            actor: Actor { principal, name: name.to_owned() },
            item: Item { kind, id: item_id, name: person.connection.to_string() },
            parent: Some(organisation.root().to_string()),
            changes: Vec::new(),
            before: None,
            after: None,
            decision: None,
        };
        if self.parts.events.note(&person.tenant, event).await.is_err() {
            tracing::error!(tenant = %person.tenant, "who signed in or out is not in the audit events");
        }
    }

    fn record_failed(&self, trail: &Trail<'_>, refusal: &Refusal) {
        let Refusal::SignInFailed { code } = refusal else { return };
        let now = self.now();
        let id = self.next_id(now);
        let identity = &self.parts.identity;
        let record = EventRecord {
            snapshot: Some(trail.snapshot.id()),
            peer: Some(trail.arrival.peer),
            reason: Some(code),
            ..EventRecord::of(Event::SignInFailed, id, now, &identity.node, &identity.build)
        };
        if let Err(error) = self.parts.sink.append(record.encode()) {
            self.unrecorded(&error);
        }
    }
}

/// Where the one who asks may work; known only for "who am I".
async fn surroundings<'t>(
    trail: &'t Trail<'_>,
    request: &CanonicalRequest,
) -> Option<Surroundings<'t>> {
    let asker = trail.asker.as_ref().filter(|_| request.path() == ME_PATH)?;
    let now = trail.arrival.at;
    let content = trail.snapshot.content(asker.tenant()?, now).await.ok()?;
    // Read anew since the asker was worked out: the next request knows both.
    if content.partition.identity() != asker.partition() {
        return None;
    }
    Some(Surroundings {
        snapshot: &trail.snapshot,
        asker,
        partition: Arc::clone(&content.partition),
        source: trail.arrival.peer.ip(),
        now,
    })
}
