//! Takes a request through every stage, in order. There is no other way to an upstream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::asker::Asker;
use super::outcome::{Arrival, BodySource, Enforcement, Forward, Outcome, Refused};
use super::recording::{Identity, Trail};
use super::sign_in::SignIn;
use super::snapshot::Snapshot;
use crate::audit::{Durability, OutcomeRecord, RecordBody, Recorded, Sink};
use crate::authn::{AssertionSigner, Authenticator, Statement};
use crate::authz::{Decision, Facts, Permit, Question};
use crate::limits::Limiter;
use crate::model::{
    Clock, DecisionId, Dependency, EntityUid, Entropy, EntropyError, Refusal, TenantId, UnixNanos,
};
use crate::routing::{CanonicalRequest, LogClass, Matched, Route};

/// A body that names the resource is read before the decision; PD-19 bounds it.
const RESOURCE_BODY_BYTES_MAX: usize = 64 * 1024;
/// PD-13: a decision that took longer was not one the policies' author meant; it is refused.
const DECISION_TIME_MAX: Duration = Duration::from_millis(50);

/// What the pipeline works with.
#[derive(Debug)]
pub struct PipelineParts {
    /// The first snapshot.
    pub snapshot: Arc<Snapshot>,
    /// Tells who asks.
    pub authenticator: Authenticator,
    /// Counts requests.
    pub limiter: Limiter,
    /// Takes records.
    pub sink: Arc<dyn Sink>,
    /// Signs assertions.
    pub signer: Arc<AssertionSigner>,
    /// Signs people in and out.
    pub sign_in: SignIn,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Who writes the records.
    pub identity: Identity,
}

/// The way of every request.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) parts: PipelineParts,
    snapshot: ArcSwap<Snapshot>,
    ids: Ids,
    failures: AtomicU64,
}

impl Pipeline {
    /// Assembles the way.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness for decision ids.
    pub fn new(parts: PipelineParts, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let snapshot = ArcSwap::new(Arc::clone(&parts.snapshot));
        Ok(Self { parts, snapshot, ids: Ids::new(entropy)?, failures: AtomicU64::new(0) })
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a snapshot in force: requests that start from now on are decided under it (promise P10).
    pub fn activate(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
    }

    /// The time, as this gateway sees it.
    pub fn now(&self) -> UnixNanos {
        self.parts.clock.now()
    }

    /// An id for a refusal that has no record of its own.
    pub fn new_decision_id(&self) -> DecisionId {
        self.ids.next(self.now())
    }

    /// Forgets the limiter's idle keys.
    pub fn shrink_limits(&self) {
        self.parts.limiter.shrink();
    }

    /// How many refusals and outcomes could not be recorded since start.
    pub fn record_failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Takes a request to its end: forwarded, answered or refused; recorded in each case.
    pub async fn admit(
        &self,
        request: Arc<CanonicalRequest>,
        arrival: &Arrival,
        body: &mut dyn BodySource,
    ) -> Outcome {
        let mut trail = Trail::new(arrival, Some(&request), self.snapshot());
        let end = if super::gateway_paths::owns(request.path()) {
            self.answer(&mut trail, &request, body).await.map(Outcome::Answer)
        } else {
            let forward = self.walk(&mut trail, &request, body).await;
            forward.map(|forward| Outcome::Forward(Box::new(forward)))
        };
        match end {
            Ok(outcome) => outcome,
            Err(refusal) => {
                Outcome::Refuse(self.refuse_as_logged(&trail, refusal, request.wants_html()).await)
            }
        }
    }

    /// Refuses a head that is not canonical.
    pub fn refuse_head(&self, arrival: &Arrival, refusal: Refusal) -> Refused {
        self.refuse(&Trail::new(arrival, None, self.snapshot()), refusal, false)
    }

    /// Refuses a canonical request for a reason outside the stages.
    pub fn refuse_request(
        &self,
        request: &CanonicalRequest,
        arrival: &Arrival,
        refusal: Refusal,
    ) -> Refused {
        let html = request.wants_html();
        self.refuse(&Trail::new(arrival, Some(request), self.snapshot()), refusal, html)
    }

    /// The stages.
    async fn walk(
        &self,
        trail: &mut Trail<'_>,
        request: &Arc<CanonicalRequest>,
        body: &mut dyn BodySource,
    ) -> Result<Forward, Refusal> {
        let snapshot = Arc::clone(&trail.snapshot);
        let matched = snapshot.routes().find(request)?;
        trail.route = Some(Arc::clone(&matched.route));
        self.parts.limiter.admit_address(trail.arrival.peer.ip())?;
        let bound = snapshot.directory().organisation_for_host(request.host());
        let bound = bound.map(|organisation| organisation.id());
        let asker = self.authenticate(&snapshot, request, bound, trail.arrival.at).await?;
        trail.asker = Some(asker.clone());
        let tenant = partition_of(bound, &asker)?.cloned();
        if let Some(tenant) = asker.tenant() {
            self.parts.limiter.admit_credential(tenant, asker.credential())?;
        }
        let resource = resource(&snapshot, &matched, request, tenant.as_ref(), body).await?;
        trail.resource = Some(resource.clone());
        let started = Instant::now();
        let binding = LiveBinding {
            asker: asker.clone(),
            route: Arc::clone(&matched.route),
            resource,
            tenant,
            peer: trail.arrival.peer,
        };
        let decision = binding.decide(&snapshot, &matched.route, &asker, trail.arrival.at);
        trail.evaluation = started.elapsed();
        trail.decision = Some(decision.clone());
        if trail.evaluation > DECISION_TIME_MAX {
            trail.decision = None;
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        let hidden = snapshot.hides(matched.route.service());
        let permit = decision
            .into_permit()
            .map_err(|denial| denied(request, &asker, denial.decision().reason(), hidden))?;
        let permit = self.record(trail, permit).await?;
        self.forward(trail, Arc::clone(request), permit, binding)
    }

    async fn authenticate(
        &self,
        snapshot: &Snapshot,
        request: &CanonicalRequest,
        bound: Option<&TenantId>,
        now: UnixNanos,
    ) -> Result<Asker, Refusal> {
        let authenticated = self.parts.authenticator.authenticate(request.headers(), now).await;
        let authenticated = authenticated.map_err(|refusal| to_sign_in(refusal, request))?;
        snapshot.asker(authenticated, bound)
    }

    async fn record(&self, trail: &Trail<'_>, permit: Permit) -> Result<Recorded<Permit>, Refusal> {
        let strict_route =
            trail.route.as_ref().is_some_and(|route| route.log_class() == LogClass::Strict);
        let strict_policy = trail.decision.as_ref().is_some_and(Decision::log_strict);
        let durability =
            if strict_route || strict_policy { Durability::Strict } else { Durability::CrashSafe };
        let now = self.now();
        let id = self.ids.next(now);
        let record = trail.record(id, now, &self.parts.identity, trail.verdict());
        Recorded::begin(&*self.parts.sink, &record, durability, permit).await.map_err(|error| {
            tracing::error!(%error, "a decision could not be recorded: the request is refused");
            Refusal::Unavailable(Dependency::Journal)
        })
    }

    fn forward(
        &self,
        trail: &Trail<'_>,
        request: Arc<CanonicalRequest>,
        permit: Recorded<Permit>,
        binding: LiveBinding,
    ) -> Result<Forward, Refusal> {
        let broken = Refusal::Unavailable(Dependency::DecisionPoint);
        let (asker, route) = (&binding.asker, &binding.route);
        let Some(subject) = asker.entity().cloned() else { return Err(broken) };
        let statement = Statement {
            audience: route.service().clone(),
            subject,
            tenant: binding.tenant.clone(),
            method: asker.method(),
            credential: Arc::clone(asker.credential()),
            roles: Arc::clone(asker.roles()),
            action: route.action().clone(),
            resource: binding.resource.clone(),
            snapshot: trail.snapshot.id().clone(),
        };
        let assertion = self.parts.signer.sign(statement, permit.decision(), self.now());
        let assertion = assertion.map_err(|error| {
            tracing::error!(%error, "no assertion: the request is refused");
            // The Allow is in the log already; its outcome says that nothing was sent.
            self.complete_unsent(permit.decision(), trail);
            broken
        })?;
        Ok(Forward { permit, request, assertion, binding })
    }

    /// Records a refusal. If even that fails, the refusal stands and is counted.
    pub(super) fn refuse(&self, trail: &Trail<'_>, refusal: Refusal, html: bool) -> Refused {
        let (decision, record) = self.refusal_record(trail, &refusal);
        if let Err(error) = self.parts.sink.append(record) {
            self.unrecorded(&error);
        }
        Refused { refusal, decision, html }
    }

    /// As [`Pipeline::refuse`]; where a deciding policy says `@log("strict")`, the record is on the disk
    /// before the answer leaves.
    async fn refuse_as_logged(&self, trail: &Trail<'_>, refusal: Refusal, html: bool) -> Refused {
        if !trail.decision.as_ref().is_some_and(Decision::log_strict) {
            return self.refuse(trail, refusal, html);
        }
        let (decision, record) = self.refusal_record(trail, &refusal);
        if let Err(error) = self.parts.sink.append_strict(record).await {
            self.unrecorded(&error);
        }
        Refused { refusal, decision, html }
    }

    fn refusal_record(&self, trail: &Trail<'_>, refusal: &Refusal) -> (DecisionId, RecordBody) {
        let now = self.now();
        let id = self.ids.next(now);
        let verdict = trail.refusal_verdict(refusal);
        (id, trail.record(id, now, &self.parts.identity, verdict).encode())
    }

    /// Records what became of a decision.
    pub fn complete(&self, decision: DecisionId, enforcement: &Enforcement) {
        let record = OutcomeRecord {
            decision_id: decision,
            ts: self.now(),
            tenant: enforcement.tenant.as_ref(),
            service: enforcement.service.as_ref(),
            upstream: enforcement.upstream.as_deref(),
            first_byte_sent: enforcement.first_byte_sent,
            status: enforcement.status,
            bytes_in: enforcement.bytes_in,
            bytes_out: enforcement.bytes_out,
            duration_us: u64::try_from(enforcement.duration.as_micros()).unwrap_or(u64::MAX),
            attempts: enforcement.attempts,
            aborted: enforcement.ended_by,
        };
        if let Err(error) = self.parts.sink.append(record.encode()) {
            self.unrecorded(&error);
        }
    }

    fn complete_unsent(&self, decision: DecisionId, trail: &Trail<'_>) {
        let enforcement = Enforcement {
            tenant: trail.asker.as_ref().and_then(|asker| asker.tenant().cloned()),
            ended_by: Some("unsigned"),
            ..Enforcement::default()
        };
        self.complete(decision, &enforcement);
    }

    pub(super) fn unrecorded(&self, error: &crate::audit::SinkError) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "a record could not be written");
    }

    pub(super) fn next_id(&self, now: UnixNanos) -> DecisionId {
        self.ids.next(now)
    }

    /// Whether what a live stream was allowed by still allows it, now and under the snapshot in force.
    pub async fn still_allowed(&self, binding: &LiveBinding) -> bool {
        let now = self.now();
        let authenticated = binding.asker.authenticated();
        if !self.parts.authenticator.still_valid(authenticated, now).await {
            return false;
        }
        let snapshot = self.snapshot();
        let Ok(asker) = snapshot.asker(authenticated.clone(), binding.tenant.as_ref()) else {
            return false;
        };
        let Some(route) = snapshot.routes().route(binding.route.id()) else { return false };
        binding.decide(&snapshot, route, &asker, now).allowed()
    }
}

/// What a decision stood on, kept so that a live stream can be decided again.
#[derive(Clone, Debug)]
pub struct LiveBinding {
    pub(super) asker: Asker,
    pub(super) route: Arc<Route>,
    pub(super) resource: EntityUid,
    pub(super) tenant: Option<TenantId>,
    pub(super) peer: SocketAddr,
}

impl LiveBinding {
    /// Asks the decision point, for `asker` as the snapshot sees it.
    fn decide(
        &self,
        snapshot: &Snapshot,
        route: &Route,
        asker: &Asker,
        now: UnixNanos,
    ) -> Decision {
        let partition = snapshot.partition(self.tenant.as_ref());
        let (Some(principal), Some(partition)) = (asker.prepared(), partition) else {
            return Decision::without_principal();
        };
        let question = Question {
            principal,
            action: route.action(),
            resource: &self.resource,
            context: Facts { method: asker.method(), source: self.peer.ip(), now },
        };
        snapshot.pdp().decide(self.tenant.as_ref(), partition, &question)
    }
}

/// The partition a request is decided in: the principal's own organisation; for nobody known, the one its host
/// is bound to. MT-10: a host bound to an organisation serves that organisation's principals only.
fn partition_of<'a>(
    bound: Option<&'a TenantId>,
    asker: &'a Asker,
) -> Result<Option<&'a TenantId>, Refusal> {
    match (asker.tenant(), bound) {
        (Some(tenant), Some(bound)) if bound != tenant => Err(Refusal::OtherTenant),
        (Some(tenant), _) => Ok(Some(tenant)),
        (None, bound) => Ok(bound),
    }
}

async fn resource(
    snapshot: &Snapshot,
    matched: &Matched,
    request: &CanonicalRequest,
    tenant: Option<&TenantId>,
    body: &mut dyn BodySource,
) -> Result<EntityUid, Refusal> {
    let read =
        if matched.needs_body() { Some(body.read(RESOURCE_BODY_BYTES_MAX).await?) } else { None };
    matched.resource(request, read.as_deref(), snapshot.root(tenant))
}

/// Nobody known may sign in or bring a credential; somebody known is denied.
fn denied(
    request: &CanonicalRequest,
    asker: &Asker,
    reason: Option<&str>,
    hidden: bool,
) -> Refusal {
    if asker.tenant().is_none() {
        return to_sign_in(Refusal::CredentialMissing, request);
    }
    Refusal::Denied { reason: reason.map(str::to_owned), hidden }
}

/// A browser is sent to sign in where anybody else gets a 401 (CK-10: scripts get the 401 too).
fn to_sign_in(refusal: Refusal, request: &CanonicalRequest) -> Refusal {
    let has_header = request.headers().contains_key(http::header::AUTHORIZATION);
    let unknown = matches!(refusal, Refusal::CredentialMissing | Refusal::CredentialInvalid);
    if unknown && !has_header && request.wants_html() {
        return Refusal::SignInNeeded { return_to: request.target().to_owned() };
    }
    refusal
}

/// Decision ids: 80 random bits of this process plus a counter, so no id costs a system call and none repeats.
#[derive(Debug)]
struct Ids {
    prefix: [u8; 2],
    start: u64,
    count: AtomicU64,
}

impl Ids {
    fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut prefix = [0; 2];
        let mut start = [0; 8];
        entropy.fill(&mut prefix)?;
        entropy.fill(&mut start)?;
        Ok(Self { prefix, start: u64::from_be_bytes(start), count: AtomicU64::new(0) })
    }

    fn next(&self, now: UnixNanos) -> DecisionId {
        let count = self.start.wrapping_add(self.count.fetch_add(1, Ordering::Relaxed));
        let mut random = [0; 10];
        for (to, from) in random.iter_mut().zip(self.prefix.into_iter().chain(count.to_be_bytes()))
        {
            *to = from;
        }
        DecisionId::from_parts(now, random)
    }
}
