//! Takes a request through every stage, in order. There is no other way to an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::denial::usable_from;
use super::floods::Floods;
use super::help::HELPED_AT_ONCE;
use super::ids::Ids;
use super::in_force::{InForce, reader};
use super::lists::Lists;
use super::live_binding::LiveBinding;
use super::outcome::{Arrival, BodySource, Enforcement, Outcome, Refused};
use super::quotas::Counting;
use super::recording::{Identity, Trail};
use super::sign_in::SignIn;
use super::snapshot::{
    ChangeError, OrganisationsRefused, PoliciesRefused, Snapshot, SnapshotError, SnapshotParts,
};
use super::tokens::Issuing;
use super::unsent::Unsent;
use super::walk::stage;
use crate::audit::{AuditEvents, Durability, OutcomeRecord, RecordBody, Recorded, Sink};
use crate::authn::{AssertionSigner, Authenticator};
use crate::authz::{Partition, Permit};
use crate::directory::OrganisationData;
use crate::limits::Limiter;
use crate::model::{
    Clock, DecisionId, Dependency, Entropy, EntropyError, PolicySource, Refusal, TenantId,
    UnixNanos,
};
use crate::routing::{CanonicalRequest, LogClass, is_gateway_path};

/// PD-13: a decision that took longer was not one the policies' author meant; it is refused.
pub(super) const DECISION_TIME_MAX: Duration = Duration::from_millis(50);

/// What the pipeline works with.
#[derive(Debug)]
pub struct PipelineParts {
    /// Keeps who came and who went.
    pub events: Arc<dyn AuditEvents>,
    /// For ids of events.
    pub entropy: Arc<dyn Entropy>,
    /// The first snapshot.
    pub snapshot: Arc<Snapshot>,
    /// Tells who asks.
    pub authenticator: Authenticator,
    /// Counts requests.
    pub limiter: Arc<Limiter>,
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
    /// The host people administer on, lower case, if they may. No route is on it.
    pub admin_host: Option<String>,
    /// The organisation whose administrators run the platform, if there is one.
    pub platform: Option<TenantId>,
    /// Gives API clients tokens.
    pub issuing: Issuing,
    /// Counts against quotas.
    pub counting: Counting,
}

/// The way of every request.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) parts: PipelineParts,
    pub(super) in_force: Arc<InForce>,
    pub(super) limiter: ArcSwap<Limiter>,
    pub(super) ids: Ids,
    floods: Floods,
    pub(super) lists: Lists,
    pub(super) helping: Arc<Semaphore>,
    failures: AtomicU64,
}

impl Pipeline {
    /// Assembles the way.
    ///
    /// # Errors
    /// [`EntropyError`] when there is no randomness for decision ids.
    pub fn new(parts: PipelineParts, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let in_force = Arc::new(InForce::new(Arc::clone(&parts.snapshot)));
        let limiter = ArcSwap::new(Arc::clone(&parts.limiter));
        let ids = Ids::new(entropy)?;
        let (floods, lists, failures) = (Floods::default(), Lists::new(), AtomicU64::new(0));
        let helping = Arc::new(Semaphore::new(HELPED_AT_ONCE));
        Ok(Self { parts, in_force, limiter, ids, floods, lists, helping, failures })
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.in_force.load()
    }

    /// Puts a snapshot of `parts` in force: requests that start from now on are decided under it (promise P10).
    /// `ready` sees it before that. Changes of resources wait meanwhile, so none is lost. It may block.
    ///
    /// # Errors
    /// [`SnapshotError`]; the snapshot before stays in force.
    pub fn activate(
        &self,
        parts: SnapshotParts,
        ready: impl FnOnce(&Snapshot),
    ) -> Result<(), SnapshotError> {
        self.in_force.activate(parts, ready)
    }

    /// Puts other resources of one organisation in force: those its source has while what was pushed is named
    /// `pushed`. They were made from what [`Pipeline::resources`] told, and nothing is checked again. Requests
    /// that start from now on see them. It may block, for some milliseconds.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing changed.
    pub fn change(
        &self,
        tenant: &TenantId,
        (partition, pushed): (Arc<Partition>, &[u8; 32]),
    ) -> Result<(), ChangeError> {
        self.in_force.change(tenant, (partition, pushed))
    }

    /// Takes over the state one organisation's source is in now, if that is another than the one in force:
    /// after a change by another process, or one whose end was not heard. It may block.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing changed.
    pub fn refresh(&self, tenant: &TenantId) -> Result<(), ChangeError> {
        self.in_force.refresh(tenant)
    }

    /// Decides by other policies that were added to those of the files: requests that start from now on are. Changed
    /// files must not be put in force at the same time. It may block, for as long as all policies take to load.
    ///
    /// # Errors
    /// [`PoliciesRefused`]; nothing changed.
    pub fn decide_by(&self, added: &[PolicySource]) -> Result<(), PoliciesRefused> {
        self.in_force.decide_by(added)
    }

    /// Serves these organisations beside those of the files: requests that start from now on find them. Changed files
    /// must not be put in force at the same time. It may block.
    ///
    /// # Errors
    /// [`OrganisationsRefused`]; nothing changed.
    pub fn serve(&self, created: &[OrganisationData]) -> Result<(), OrganisationsRefused> {
        self.in_force.serve(created)
    }

    /// The organisation whose administrators run the platform, if there is one.
    pub const fn platform(&self) -> Option<&TenantId> {
        self.parts.platform.as_ref()
    }

    /// The resources of an organisation as its source has them now, put in force if they were not. It may block.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn resources(&self, tenant: &TenantId) -> Result<Arc<Partition>, ChangeError> {
        self.in_force.resources(tenant, self.now())
    }

    /// Forgets members and resources of organisations nobody asked about for `idle`; how many.
    pub fn forget_idle(&self, idle: Duration) -> usize {
        self.snapshot().forget_idle(self.now(), idle)
    }

    /// Who writes the records.
    pub const fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// The host people administer on, if they may.
    pub fn admin_host(&self) -> Option<&str> {
        self.parts.admin_host.as_deref()
    }

    /// The time, as this gateway sees it.
    pub fn now(&self) -> UnixNanos {
        self.parts.clock.now()
    }

    /// An id for a refusal that has no record of its own.
    pub fn new_decision_id(&self) -> DecisionId {
        self.ids.next(self.now())
    }

    /// Counts by `limiter` from now on, from zero.
    pub fn limit_by(&self, limiter: Limiter) {
        self.limiter.store(Arc::new(limiter));
    }

    /// Forgets the limiter's idle keys.
    pub fn shrink_limits(&self) {
        self.limiter.load().shrink();
        self.parts.issuing.attempts.shrink();
        self.parts.counting.quotas.shrink(self.now());
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
        if let Err(refusal) = self.admit_address(arrival) {
            return Outcome::Refuse(self.refuse_flood(&trail, refusal, request.wants_html()));
        }
        let end = if is_gateway_path(request.path()) {
            self.answer(&mut trail, &request, body).await.map(Outcome::Answer)
        } else if let Some(issuer) = self.issuer_of(&request) {
            self.oauth(&mut trail, (issuer, &request), body).await.map(Outcome::Answer)
        } else {
            self.walk(&mut trail, &request, body).await
        };
        match end {
            Ok(outcome) => outcome,
            Err(refusal) => {
                let html = request.wants_html();
                let mut refused = self.refuse_as_logged(&trail, refusal, html).await;
                refused.help = self.help(&trail, &refused).await;
                Outcome::Refuse(refused)
            }
        }
    }

    /// Refuses a head that is not canonical. It counts against its address like any other request.
    pub fn refuse_head(&self, arrival: &Arrival, refusal: Refusal) -> Refused {
        let trail = Trail::new(arrival, None, self.snapshot());
        match self.admit_address(arrival) {
            Ok(()) => self.refuse(&trail, refusal, false),
            Err(flood) => self.refuse_flood(&trail, flood, false),
        }
    }

    pub(super) fn admit_address(&self, arrival: &Arrival) -> Result<(), Refusal> {
        stage!("limit").in_scope(|| self.limiter.load().admit_address(arrival.peer.ip()))
    }

    /// Refuses what comes from an address over its limit. Each gets its answer, but only so many a second
    /// get a record: a flood must not fill the log, which would refuse everybody else.
    pub(super) fn refuse_flood(&self, trail: &Trail<'_>, refusal: Refusal, html: bool) -> Refused {
        if self.floods.may_record(self.now()) {
            return self.refuse(trail, refusal, html);
        }
        Refused { refusal, decision: self.new_decision_id(), html, help: None }
    }

    /// How many refusals of floods were counted and not recorded since start.
    pub fn floods_unrecorded(&self) -> u64 {
        self.floods.unrecorded()
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

    /// Records the permit. Until the request is handed to the door, the guard stands for its outcome: an
    /// Allow that never got there says so, whatever ends the way (a panic, a client that left).
    pub(super) async fn record<'g>(
        &'g self,
        trail: &Trail<'_>,
        permit: Permit,
    ) -> Result<(Recorded<Permit>, Unsent<'g>), Refusal> {
        let strict_route =
            trail.route.as_ref().is_some_and(|route| route.log_class() == LogClass::Strict);
        let durability = if strict_route || trail.log_strict() {
            Durability::Strict
        } else {
            Durability::CrashSafe
        };
        let now = self.now();
        let id = self.ids.next(now);
        let tenant = trail.asker.as_ref().and_then(|asker| asker.tenant().cloned());
        let unsent = Unsent::new(self, id, tenant);
        let record = trail.record(id, now, &self.parts.identity, trail.verdict());
        match Recorded::begin(&*self.parts.sink, &record, durability, permit).await {
            Ok(recorded) => Ok((recorded, unsent)),
            Err(error) => {
                unsent.disarm();
                tracing::error!(%error, "a decision could not be recorded: the request is refused");
                Err(Refusal::Unavailable(Dependency::Journal))
            }
        }
    }

    /// Records a refusal. If even that fails, the refusal stands and is counted.
    pub(super) fn refuse(&self, trail: &Trail<'_>, refusal: Refusal, html: bool) -> Refused {
        let (decision, record) = self.refusal_record(trail, &refusal);
        if let Err(error) = self.parts.sink.append(record) {
            self.unrecorded(&error);
        }
        Refused { refusal, decision, html, help: None }
    }

    /// As [`Pipeline::refuse`]; where a deciding policy says `@log("strict")`, the record is on the disk
    /// before the answer leaves.
    pub(super) async fn refuse_as_logged(
        &self,
        trail: &Trail<'_>,
        refusal: Refusal,
        html: bool,
    ) -> Refused {
        if !trail.log_strict() {
            return self.refuse(trail, refusal, html);
        }
        let (decision, record) = self.refusal_record(trail, &refusal);
        if let Err(error) = self.parts.sink.append_strict(record).await {
            self.unrecorded(&error);
        }
        Refused { refusal, decision, html, help: None }
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
        let authenticator = &self.parts.authenticator;
        let Some(authenticated) = authenticator.renewed(binding.asker.authenticated(), now).await
        else {
            return false;
        };
        let mut snapshot = self.snapshot();
        if let Some(tenant) = &binding.tenant {
            let at = (reader(&authenticated), now);
            let Ok(current) = self.in_force.current(snapshot, tenant, at).await else {
                return false;
            };
            snapshot = current;
        }
        let asker = snapshot.asker(authenticated, binding.tenant.as_ref(), now).await;
        let Ok((asker, partition)) = asker else { return false };
        if usable_from(&asker, binding.peer).is_err() {
            return false;
        }
        let Some(route) = snapshot.routes().route(binding.route.id()) else { return false };
        binding.allowed(&snapshot, route, (&asker, &partition), now)
    }
}

/// Decides and tells how long it took. What took too long is decided once more: a decision costs microseconds,
/// so far more often than by a policy the time was lost to a busy machine that took the processor away.
pub(super) fn timed<D>(decide: impl Fn() -> D) -> (D, Duration) {
    let mut started = Instant::now();
    let mut decision = decide();
    if started.elapsed() > DECISION_TIME_MAX {
        started = Instant::now();
        decision = decide();
    }
    (decision, started.elapsed())
}
