//! Turns what is known of a request into its records.

use std::sync::Arc;
use std::time::Duration;

use super::asker::Asker;
use super::operation::{Operation, is_emergency};
use super::outcome::Arrival;
use super::snapshot::Snapshot;
use super::tokens::Presented;
use crate::audit::{
    AccessDigest, Also, DecisionRecord, Effect, QueryKeys, Source, Verdict, What, Who,
};
use crate::authz::Decision;
use crate::limits::Standing;
use crate::model::{ActionId, DecisionId, EntityUid, Refusal, UnixNanos};
use crate::routing::{CanonicalRequest, Protocol, Route};

/// Who writes the records.
#[derive(Clone, Debug)]
pub struct Identity {
    /// This gateway.
    pub node: String,
    /// Its build.
    pub build: String,
}

/// What is known of a request so far. A refusal at any stage records as much as is known there.
#[derive(Debug)]
pub(super) struct Trail<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) request: Option<&'a CanonicalRequest>,
    /// In its place, an operation of the gateway itself.
    pub(super) operation: Option<Operation<'a>>,
    /// The action asked about, where it is another than the operation's own.
    pub(super) action: Option<ActionId>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) asker: Option<Asker>,
    pub(super) resource: Option<EntityUid>,
    /// The access set of a list, as the service is told it.
    pub(super) access: Option<Arc<str>>,
    /// The access sets for ids in the body, as the service is told them.
    pub(super) body_access: Option<Arc<str>>,
    pub(super) decision: Option<Decision>,
    /// What else was asked, as the record tells it.
    pub(super) also: Vec<Also>,
    /// The first denial among it; then this is the decision on the request.
    pub(super) also_denied: Option<Decision>,
    /// Whether a policy that decided any of it wants its record on disk first.
    pub(super) also_strict: bool,
    pub(super) evaluation: Duration,
    /// What the body proved itself with, where that is what the route asks for.
    pub(super) presented: Option<Presented>,
    /// How the quotas stand that it was counted against.
    pub(super) standings: Vec<Standing>,
}

impl<'a> Trail<'a> {
    /// At the start, only how it came in and the canonical form are known.
    pub(super) const fn new(
        arrival: &'a Arrival,
        request: Option<&'a CanonicalRequest>,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        Self {
            arrival,
            request,
            operation: None,
            action: None,
            snapshot,
            route: None,
            asker: None,
            resource: None,
            access: None,
            body_access: None,
            decision: None,
            also: Vec::new(),
            also_denied: None,
            also_strict: false,
            evaluation: Duration::ZERO,
            presented: None,
            standings: Vec::new(),
        }
    }

    /// The record, with `verdict`.
    pub(super) fn record<'r>(
        &'r self,
        id: DecisionId,
        ts: UnixNanos,
        identity: &'r Identity,
        verdict: Verdict<'r>,
    ) -> DecisionRecord<'r> {
        DecisionRecord {
            id,
            ts,
            node: &identity.node,
            build: &identity.build,
            snapshot: Some(self.snapshot.id()),
            traceparent: self.field("traceparent"),
            who: self.who(),
            from: self.from(),
            what: self.what(),
            decision: verdict,
        }
    }

    /// Whether a deciding policy wants the record on disk before the answer leaves (`@log("strict")`).
    pub(super) fn log_strict(&self) -> bool {
        let emergency = self.asker.as_ref().is_some_and(is_emergency);
        emergency || self.also_strict || self.decision.as_ref().is_some_and(Decision::log_strict)
    }

    /// Forgets what was decided: it came too late to count.
    pub(super) fn forget_decisions(&mut self) {
        (self.decision, self.also_denied) = (None, None);
        self.also.clear();
    }

    /// The verdict of the decision on the request: of all its questions, the one that denied.
    pub(super) fn verdict(&self) -> Verdict<'_> {
        let decision = self.deciding();
        decision.map_or(Verdict::refused("undecided"), |it| verdict_of(it, self.evaluation))
    }

    fn deciding(&self) -> Option<&Decision> {
        self.also_denied.as_ref().or(self.decision.as_ref())
    }

    /// The verdict of a refusal: a denial is the decision's own, everything else the refusal's, also what was
    /// denied after the policies had allowed it. Nobody known is asked for a credential whatever was decided, so
    /// that is what the record says.
    pub(super) fn refusal_verdict<'r>(&'r self, refusal: &'r Refusal) -> Verdict<'r> {
        match (self.deciding(), refusal) {
            (Some(decision), Refusal::Denied { .. } | Refusal::ScopeMissing { .. })
                if !decision.allowed() =>
            {
                self.verdict()
            }
            (_, Refusal::Unavailable(_)) => {
                Verdict { effect: Effect::Error, ..Verdict::refused(refusal.code()) }
            }
            _ => Verdict::refused(refusal.code()),
        }
    }

    fn who(&self) -> Who<'_> {
        let Some(asker) = &self.asker else { return Who::UNKNOWN };
        let credential = &**asker.credential();
        Who {
            tenant: asker.tenant(),
            principal: asker.entity(),
            person: asker.person(),
            credential: if credential.is_empty() { None } else { Some(credential) },
            method: asker.method(),
        }
    }

    fn from(&self) -> Source<'_> {
        Source {
            peer: Some(self.arrival.peer),
            protocol: self.request.map(|request| match request.protocol() {
                Protocol::H1 => "h1",
                Protocol::H2 => "h2",
            }),
            tls: self.arrival.tls_version,
            server_name: self.arrival.server_name.as_deref(),
            user_agent: self.field("user-agent"),
        }
    }

    fn what(&self) -> What<'_> {
        if let Some(operation) = &self.operation {
            return What {
                method: Some(operation.method),
                path: Some(operation.path),
                action: self.action.as_ref().or(Some(operation.action)),
                resource: self.resource.as_ref(),
                also: &self.also,
                ..What::default()
            };
        }
        let Some(request) = self.request else { return What::default() };
        What {
            method: Some(request.method().as_str()),
            authority: Some(request.authority()),
            path: Some(request.path()),
            query: QueryKeys::of(request.query()),
            route: self.route.as_ref().map(|route| route.id()),
            action: self.route.as_ref().map(|route| route.action()),
            resource: self.resource.as_ref(),
            access: self.access.as_deref().map(AccessDigest::of),
            body_access: self.body_access.as_deref().map(AccessDigest::of),
            asked: None,
            also: &self.also,
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let operation = self.operation.as_ref().map(|operation| operation.headers);
        let headers = self.request.map(CanonicalRequest::headers).or(operation)?;
        headers.get(name)?.to_str().ok()
    }
}

/// A decision that took so long, as records tell it.
pub(super) fn verdict_of(decision: &Decision, took: Duration) -> Verdict<'_> {
    Verdict {
        effect: if decision.allowed() { Effect::Allow } else { Effect::Deny },
        reason: decision.reason_code(),
        determining: decision.determining(),
        erring: decision.erring(),
        quota: decision.quota(),
        cached: decision.cached(),
        evaluation_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}
