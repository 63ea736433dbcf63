//! Operations of the gateway itself: decided and recorded like every request, but not forwarded.

mod note;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::admission::{DECISION_TIME_MAX, Pipeline, timed};
use super::asker::Asker;
use super::denial::usable_from;
use super::further::told;
use super::in_force::reader;
use super::outcome::{Arrival, Enforcement, Refused};
use super::recording::Trail;
use super::snapshot::Snapshot;
use http::header::{AUTHORIZATION, COOKIE};

use crate::audit::Recorded;
use crate::authz::{Decision, Partition, Permit, Question};
use crate::directory::Members;
use crate::model::{
    ActionId, AuthMethod, DecisionId, Dependency, EntityUid, KeyId, Malformed, MemberId, Principal,
    Refusal, Scopes, TenantId, UnixNanos,
};

pub use note::{ChangeNote, ChangeNoter};

/// One operation somebody asks for.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, for the record.
    pub path: &'a str,
    /// The fields, for the credential and the record.
    pub headers: &'a http::HeaderMap,
    /// The action.
    pub action: &'a ActionId,
    /// The API scopes of which an API client needs one.
    pub scopes: &'a Scopes,
    /// The organisation it is done to; the asker's own where the path names none.
    pub tenant: Option<&'a TenantId>,
    /// Whether a bootstrap key may ask for it: it ends with that.
    pub replaces_bootstrap: bool,
    /// Whether it is the platform's own: to whoever belongs to another organisation it is not there.
    pub platform: bool,
    /// The origin whose pages may ask for a person who is signed in there; nothing where people may not.
    pub origin: Option<String>,
}

/// Leave to carry out one operation: it exists only for a recorded permit (promise P5). When it is dropped, its
/// end is recorded. An operation that takes long asks [`Admitted::still_allowed`] as it goes (promise P8).
#[derive(Debug)]
pub struct Admitted {
    pipeline: Arc<Pipeline>,
    permit: Recorded<Permit>,
    peer: SocketAddr,
    asker: Asker,
    tenant: TenantId,
    /// At least one.
    questions: Vec<Asked>,
    began: Instant,
    status: Option<u16>,
    bytes_in: u64,
}

/// What was asked, to be asked again.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    action: ActionId,
    scopes: Scopes,
    resource: EntityUid,
    peer: IpAddr,
}

/// Who asks for an operation, before anything is decided: what an operation on parts of the organisation finds out
/// from it which questions to put.
#[derive(Debug)]
pub struct Entered {
    tenant: TenantId,
    asker: Asker,
    snapshot: Arc<Snapshot>,
    partition: Arc<Partition>,
    scopes: Scopes,
    peer: IpAddr,
    now: UnixNanos,
    runs_the_platform: bool,
}

/// Why an operation was not admitted.
#[derive(Debug)]
pub enum NotAdmitted<P> {
    /// It was refused; that is recorded.
    Refused(Refused),
    /// What was sent makes no sense; that it was refused is recorded under the id.
    Senseless(P, DecisionId),
}

/// What is wrong with an operation before anything is asked about it.
pub trait Unasked {
    /// How the refusal is recorded.
    fn refusal(&self) -> Refusal {
        Refusal::Malformed(Malformed::Body)
    }
}

impl Unasked for std::convert::Infallible {}

/// Questions about one operation; more would make a decision long. A member has at most as many roles.
pub const QUESTIONS_MAX: usize = 256;

impl Pipeline {
    /// Decides an operation on an organisation as a whole: its root is the resource. The credential is an API key, or a
    /// session whose own page asks.
    ///
    /// # Errors
    /// [`Refused`], recorded.
    pub async fn admit_operation(
        self: &Arc<Self>,
        operation: &Operation<'_>,
        arrival: &Arrival,
    ) -> Result<Admitted, Refused> {
        let whole = async |entered: &Entered| {
            let root = entered.root().cloned().into_iter();
            Ok((root.map(|root| (operation.action.clone(), root)).collect(), ()))
        };
        let admitted = self.admit_asked::<(), std::convert::Infallible>(operation, arrival, whole);
        match admitted.await {
            Ok((admitted, ())) => Ok(admitted),
            Err(NotAdmitted::Refused(refused)) => Err(refused),
            Err(NotAdmitted::Senseless(never, _)) => match never {},
        }
    }

    /// Decides an operation on parts of an organisation: all questions that `ask` finds must be allowed.
    ///
    /// # Errors
    /// [`NotAdmitted`], recorded.
    pub async fn admit_asked<Q, P: Unasked>(
        self: &Arc<Self>,
        operation: &Operation<'_>,
        arrival: &Arrival,
        ask: impl AsyncFnOnce(&Entered) -> Result<(Vec<(ActionId, EntityUid)>, Q), P>,
    ) -> Result<(Admitted, Q), NotAdmitted<P>> {
        let mut trail = Trail::new(arrival, None, self.snapshot());
        trail.operation = Some(operation.clone());
        if let Err(refusal) = self.admit_address(arrival) {
            return Err(NotAdmitted::Refused(self.refuse_flood(&trail, refusal, false)));
        }
        let entered = match self.enter(&mut trail, operation).await {
            Ok(entered) => entered,
            Err(refusal) => {
                let refused = self.refuse_as_logged(&trail, refusal, false).await;
                return Err(NotAdmitted::Refused(refused));
            }
        };
        let (questions, found) = match ask(&entered).await {
            Ok(asked) => asked,
            Err(senseless) => {
                let refused = self.refuse_as_logged(&trail, senseless.refusal(), false).await;
                return Err(NotAdmitted::Senseless(senseless, refused.decision));
            }
        };
        match self.decide_all(&mut trail, entered, questions).await {
            Ok(admitted) => Ok((admitted, found)),
            Err(refusal) => {
                let refused = self.refuse_as_logged(&trail, refusal, false).await;
                Err(NotAdmitted::Refused(refused))
            }
        }
    }

    /// Who asks for an operation, if they may ask at all.
    pub(super) async fn enter(
        &self,
        trail: &mut Trail<'_>,
        operation: &Operation<'_>,
    ) -> Result<Entered, Refusal> {
        let (asker, partition) = self.known(trail, operation).await?;
        let snapshot = Arc::clone(&trail.snapshot);
        trail.asker = Some(asker.clone());
        usable_from(&asker, trail.arrival.peer)?;
        // An API client belongs to an organisation. Whether there is the one in the path is not for others to
        // know.
        let tenant = asker.tenant().ok_or(Refusal::OtherTenant)?;
        if operation.tenant.is_some_and(|named| named != tenant) {
            return Err(Refusal::OtherTenant);
        }
        let runs_the_platform = self.parts.platform.as_ref() == Some(tenant);
        if operation.platform && !runs_the_platform {
            return Err(Refusal::OtherTenant);
        }
        self.limiter.load().admit_credential(tenant, asker.credential())?;
        if asker.authenticated().session().is_some() {
            own_page(operation)?;
        }
        if is_bootstrap(&asker) && !operation.replaces_bootstrap {
            return Err(only_bootstrap());
        }
        if is_emergency(&asker) {
            let reason = String::from("a break-glass key is for the hub, and administers nothing");
            return Err(Refusal::Denied { reason: Some(reason), hidden: false });
        }
        let (tenant, scopes) = (tenant.clone(), operation.scopes.clone());
        let (peer, now) = (trail.arrival.peer.ip(), trail.arrival.at);
        Ok(Entered { tenant, asker, snapshot, partition, scopes, peer, now, runs_the_platform })
    }

    async fn decide_all(
        self: &Arc<Self>,
        trail: &mut Trail<'_>,
        entered: Entered,
        questions: Vec<(ActionId, EntityUid)>,
    ) -> Result<Admitted, Refusal> {
        if questions.is_empty() || questions.len() > QUESTIONS_MAX {
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        let asked = |(action, resource)| entered.asked(action, resource);
        let questions: Vec<Asked> = questions.into_iter().map(asked).collect();
        let (decisions, took) =
            timed(|| questions.iter().map(|it| entered.decide(it)).collect::<Vec<_>>());
        trail.evaluation = took;
        if took > DECISION_TIME_MAX.saturating_mul(u32::try_from(questions.len()).unwrap_or(1)) {
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        let mut answered = questions.iter().zip(decisions);
        let first = answered.next().ok_or(Refusal::Unavailable(Dependency::DecisionPoint))?;
        trail.action = Some(first.0.action.clone());
        trail.resource = Some(first.0.resource.clone());
        trail.decision = Some(first.1.clone());
        let permit = first.1.into_permit().map_err(|denial| {
            let reason = denial.decision().reason().map(str::to_owned);
            Refusal::Denied { reason, hidden: false }
        })?;
        for (asked, decision) in answered {
            trail.also.push(told(&asked.action, &asked.resource, &decision));
            trail.also_strict |= decision.log_strict();
            if !decision.allowed() {
                let reason = decision.reason().map(str::to_owned);
                trail.also_denied = Some(decision);
                return Err(Refusal::Denied { reason, hidden: false });
            }
        }
        let (permit, unsent) = self.record(trail, permit).await?;
        unsent.disarm();
        Ok(Admitted {
            pipeline: Arc::clone(self),
            permit,
            peer: trail.arrival.peer,
            tenant: entered.tenant,
            asker: entered.asker,
            questions,
            began: Instant::now(),
            status: None,
            bytes_in: 0,
        })
    }

    async fn known(
        &self,
        trail: &mut Trail<'_>,
        operation: &Operation<'_>,
    ) -> Result<(Asker, Arc<Partition>), Refusal> {
        let mut headers = http::HeaderMap::new();
        let mut take = |name: http::HeaderName| {
            for value in operation.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        };
        take(AUTHORIZATION);
        if operation.origin.is_some() {
            take(COOKIE);
        }
        let authenticated =
            self.parts.authenticator.authenticate(&headers, trail.arrival.at).await?;
        if authenticated.method() == AuthMethod::None {
            return Err(Refusal::CredentialMissing);
        }
        let now = trail.arrival.at;
        if let Some(tenant) = authenticated.principal().tenant() {
            let at = (reader(&authenticated), now);
            trail.snapshot = self.in_force.current(Arc::clone(&trail.snapshot), tenant, at).await?;
        }
        trail.snapshot.asker(authenticated, None, now).await
    }
}

/// Whether a bootstrap key asks.
pub(super) fn is_bootstrap(asker: &Asker) -> bool {
    asker.authenticated().api_key().is_some_and(|key| key.bootstrap)
}

/// Whether a key for an emergency asks.
pub(super) fn is_emergency(asker: &Asker) -> bool {
    asker.authenticated().api_key().is_some_and(|key| key.emergency)
}

/// What a bootstrap key hears of everything it is not for.
pub(super) fn only_bootstrap() -> Refusal {
    let reason =
        String::from("a bootstrap key makes the API client that takes its place, and nothing else");
    Refusal::Denied { reason: Some(reason), hidden: false }
}

/// Refuses what another site's page asks for in the name of a person who is signed in (ASVS 3.5.1, 3.5.3): browsers say
/// where a request comes from, and one that changes something must say it.
fn own_page(operation: &Operation<'_>) -> Result<(), Refusal> {
    let said = |name: &str| operation.headers.get(name).and_then(|value| value.to_str().ok());
    let origin = operation.origin.as_deref();
    let is_safe = matches!(operation.method, "GET" | "HEAD");
    let site_fits = match said("sec-fetch-site") {
        // A person who typed the address reads; nobody types a change.
        Some("none") | None => true,
        Some(site) => site == "same-origin",
    };
    let origin_fits = match said("origin") {
        None => is_safe,
        Some(given) => origin == Some(given),
    };
    if site_fits && origin_fits {
        return Ok(());
    }
    let reason = String::from("the page that asked for this belongs to another site");
    Err(Refusal::Denied { reason: Some(reason), hidden: false })
}

impl Entered {
    /// The organisation.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The node that stands for the whole organisation.
    pub fn root(&self) -> Option<&EntityUid> {
        self.snapshot.root(Some(&self.tenant))
    }

    /// The action that decides who may give and take a role.
    pub fn giving(&self, role: &str) -> Option<&ActionId> {
        self.snapshot.changes().giving(role)
    }

    /// The nodes that who asks was given roles on: what they may do, they may do there and below.
    pub fn own_nodes(&self) -> impl Iterator<Item = &EntityUid> {
        self.asker.roles().iter().map(|role| &role.on)
    }

    /// Whether the bootstrap key asks.
    pub fn is_bootstrap(&self) -> bool {
        is_bootstrap(&self.asker)
    }

    /// Whether the organisation runs the platform.
    pub const fn runs_the_platform(&self) -> bool {
        self.runs_the_platform
    }

    /// The API scopes of who asks, where that is an API client.
    pub fn own_scopes(&self) -> Option<&[String]> {
        self.asker.authenticated().api_key().map(|key| &key.scopes[..])
    }

    /// The organisation's resources.
    pub const fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// The organisation's members, as they are in force.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when they cannot be read.
    pub async fn members(&self) -> Result<Arc<Members>, Refusal> {
        Ok(Arc::clone(&self.snapshot.content(&self.tenant, self.now).await?.members))
    }

    /// Whether who asks may do `action` to `resource`. It is not recorded: for showing what somebody may see, never
    /// for doing anything.
    pub fn may(&self, action: &ActionId, resource: &EntityUid) -> bool {
        self.decide(&self.asked(action.clone(), resource.clone())).allowed()
    }

    fn asked(&self, action: ActionId, resource: EntityUid) -> Asked {
        Asked { action, scopes: self.scopes.clone(), resource, peer: self.peer }
    }

    fn decide(&self, question: &Asked) -> Decision {
        let whose = (&self.asker, &*self.partition);
        decide(&self.snapshot, whose, question, (&self.tenant, self.now))
    }
}

fn decide(
    snapshot: &Snapshot,
    (asker, partition): (&Asker, &Partition),
    put: &Asked,
    (tenant, now): (&TenantId, UnixNanos),
) -> Decision {
    let Some(principal) = asker.prepared() else {
        return Decision::without_principal();
    };
    let question = Question {
        principal,
        action: &put.action,
        resource: &put.resource,
        context: asker.facts(&put.scopes, put.peer, now),
    };
    snapshot.pdp().decide(Some(tenant), partition, &question)
}

impl Admitted {
    /// The decision, which is also the request's id.
    pub fn decision(&self) -> DecisionId {
        self.permit.decision()
    }

    /// The organisation.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The handle of the credential.
    pub fn credential(&self) -> &str {
        self.asker.credential()
    }

    /// Who asked, as a Cedar principal.
    pub fn principal(&self) -> Option<&EntityUid> {
        self.asker.entity()
    }

    /// What the API client that asks is called; nothing where a person asks.
    pub fn key_name(&self) -> Option<&str> {
        self.asker.authenticated().api_key().map(|key| key.name.as_str())
    }

    /// The members who may stand behind what is asked: whoever asks, or everybody who was shown a secret of the API
    /// key; none where that is not known.
    pub fn people(&self) -> Vec<MemberId> {
        let authenticated = self.asker.authenticated();
        match (authenticated.principal(), authenticated.api_key()) {
            (Principal::User { member: Some(member), .. }, _) => vec![member.clone()],
            (_, Some(key)) => key.people.clone(),
            _ => Vec::new(),
        }
    }

    /// The member who asks with a session of their own.
    pub fn person(&self) -> Option<&MemberId> {
        match self.asker.authenticated().principal() {
            Principal::User { member, .. } => member.as_ref(),
            _ => None,
        }
    }

    /// The bootstrap key, if one asks: it ends with what it was admitted for.
    pub fn bootstrap(&self) -> Option<&KeyId> {
        let key = self.asker.authenticated().api_key();
        key.filter(|key| key.bootstrap).map(|key| &key.id)
    }

    pub(super) const fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether who asks may do `action` to `resource` under `snapshot`.
    pub(super) fn may(
        &self,
        (snapshot, partition): (&Snapshot, &Partition),
        action: &ActionId,
        resource: &EntityUid,
        now: UnixNanos,
    ) -> bool {
        let scopes = self.questions.first().map_or_else(Scopes::none, |it| it.scopes.clone());
        let (action, resource) = (action.clone(), resource.clone());
        let question = Asked { action, scopes, resource, peer: self.peer.ip() };
        decide(snapshot, (&self.asker, partition), &question, (&self.tenant, now)).allowed()
    }

    /// Whether the credential is still valid, and still may do this under the snapshot in force.
    pub async fn still_allowed(&self) -> bool {
        self.still().await.is_some()
    }

    /// What is in force now, if the credential is still valid and may still do this.
    pub(super) async fn still(&self) -> Option<(Arc<Snapshot>, Arc<Partition>, UnixNanos)> {
        let now = self.pipeline.now();
        let authenticator = &self.pipeline.parts.authenticator;
        let authenticated = authenticator.renewed(self.asker.authenticated(), now).await?;
        let at = (reader(&authenticated), now);
        let in_force = &self.pipeline.in_force;
        let snapshot = in_force.current(in_force.load(), &self.tenant, at).await.ok()?;
        let asker = snapshot.asker(authenticated, None, now).await;
        let (asker, partition) = asker.ok()?;
        usable_from(&asker, self.peer).ok()?;
        let at = (&self.tenant, now);
        let decide = |question| decide(&snapshot, (&asker, &partition), question, at);
        let allowed = self.questions.iter().all(|question| decide(question).allowed());
        allowed.then_some((snapshot, partition, now))
    }

    /// Counts `requests` more against the limit of the credential.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`] when they are too many.
    pub fn charge(&self, requests: usize) -> Result<(), Refusal> {
        let limiter = self.pipeline.limiter.load();
        (0..requests).try_for_each(|_| {
            limiter.admit_credential(&self.tenant, self.asker.credential()).map(drop)
        })
    }

    /// Notes what was answered, after how many bytes of the request's body.
    pub const fn answered(&mut self, status: u16, bytes_in: u64) {
        self.status = Some(status);
        self.bytes_in = bytes_in;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let enforcement = Enforcement {
            tenant: Some(self.tenant.clone()),
            status: self.status,
            bytes_in: self.bytes_in,
            duration: self.began.elapsed(),
            // Without an answer the client went away, or the gateway was stopped.
            ended_by: if self.status.is_none() { Some("client_aborted") } else { None },
            ..Enforcement::default()
        };
        self.pipeline.complete(self.permit.decision(), &enforcement);
    }
}
