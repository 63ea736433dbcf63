//! The stages of the way, in order: route, authenticate, limit, authorize, record, forward.

use std::sync::Arc;

use tracing::Instrument as _;

use super::admission::{DECISION_TIME_MAX, Pipeline, timed};
use super::asker::Asker;
use super::denial::{denied, hides, partition_of, same_site, to_sign_in, usable_from};
use super::further;
use super::in_force::reader;
use super::listing::Listing;
use super::live_binding::LiveBinding;
use super::operation::{is_bootstrap, only_bootstrap};
use super::outcome::{BodySource, Forward, Outcome, Reply};
use super::recording::Trail;
use super::snapshot::Snapshot;
use crate::audit::Recorded;
use crate::authn::Statement;
use crate::authz::{Partition, Permit};
use crate::model::{Dependency, EntityUid, Refusal, TenantId};
use crate::routing::{CanonicalRequest, Further, Matched, OwnAnswer, Place, Route};

/// The span of one stage. Without an exporter nobody wants it, and it costs one look at a flag.
macro_rules! stage {
    ($name:literal) => {
        tracing::debug_span!(target: "hubgate::pipeline", $name)
    };
}
pub(super) use stage;

/// A body that names the resource is read before the decision; PD-19 bounds it.
const RESOURCE_BODY_BYTES_MAX: usize = 64 * 1024;

impl Pipeline {
    /// The stages.
    pub(super) async fn walk(
        &self,
        trail: &mut Trail<'_>,
        request: &Arc<CanonicalRequest>,
        body: &mut dyn BodySource,
    ) -> Result<Outcome, Refusal> {
        let (matched, asker, partition) = self.routed(trail, request, body).await?;
        let snapshot = Arc::clone(&trail.snapshot);
        let bound = snapshot.directory().organisation_for_host(request.host());
        let bound = bound.map(|organisation| organisation.id());
        trail.asker = Some(asker.clone());
        usable_from(&asker, trail.arrival.peer)?;
        if is_bootstrap(&asker) {
            return Err(only_bootstrap());
        }
        let tenant = partition_of(bound, &asker)?.cloned();
        self.limit(trail, (&matched.route, &asker)).await?;
        same_site(&matched.route, request, &asker)?;
        let (resource, further) =
            named(&snapshot, &matched, request, (tenant.as_ref(), &asker), body).await?;
        let listing = Listing {
            snapshot: &snapshot,
            route: &matched.route,
            asker: &asker,
            partition: &partition,
            tenant: tenant.as_ref(),
            arrival: trail.arrival,
        };
        let parts = (&snapshot, &matched.route, &partition);
        let (resource, access) = if listing.is_list() {
            self.lists.work_out(listing, parts, |listing| listing.nodes(resource)).await?
        } else {
            (resource, None)
        };
        trail.resource = Some(resource.clone());
        trail.access.clone_from(&access);
        let binding = LiveBinding {
            asker: asker.clone(),
            route: Arc::clone(&matched.route),
            resource,
            further,
            tenant: tenant.clone(),
            peer: trail.arrival.peer,
        };
        let permit = self.authorize(trail, request, (&binding, &partition))?;
        further::ask(trail, &binding, &partition, request)?;
        if let Some(name) = permit.decision().quota() {
            self.count(trail, &asker, name).await?;
        }
        if !matched.route.body_ids().is_empty() {
            let beside = access.map_or(0, |told| told.len());
            trail.body_access = self
                .lists
                .work_out(listing, parts, move |listing| listing.body_ids(beside))
                .await?;
        }
        self.conclude(trail, request, (permit, binding), &partition).await
    }

    /// Counts the request against the limit of the credential, and against the quota of its route.
    async fn limit(
        &self,
        trail: &mut Trail<'_>,
        (route, asker): (&Route, &Asker),
    ) -> Result<(), Refusal> {
        if let Some(tenant) = asker.tenant() {
            let limiter = self.limiter.load();
            stage!("limit").in_scope(|| limiter.admit_credential(tenant, asker.credential()))?;
        }
        match route.quota() {
            Some(name) => self.count(trail, asker, name).await,
            None => Ok(()),
        }
    }

    /// Decides about the resource.
    #[expect(clippy::unused_self, reason = "a stage, like the others")]
    fn authorize(
        &self,
        trail: &mut Trail<'_>,
        request: &CanonicalRequest,
        (binding, partition): (&LiveBinding, &Partition),
    ) -> Result<Permit, Refusal> {
        let (route, asker) = (&binding.route, &binding.asker);
        let (decision, took) = stage!("authorize").in_scope(|| {
            let at = trail.arrival.at;
            timed(|| binding.decide(&trail.snapshot, route, (asker, partition), at))
        });
        trail.evaluation = took;
        trail.decision = Some(decision.clone());
        if trail.evaluation > DECISION_TIME_MAX {
            trail.decision = None;
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        let hidden = hides(partition, (route, asker), &binding.resource, &decision);
        decision
            .into_permit()
            .map_err(|denial| denied(request, (route, asker), denial.decision().reason(), hidden))
    }

    /// Records the permit, and hands the request on, or what the gateway answers itself.
    async fn conclude(
        &self,
        trail: &Trail<'_>,
        request: &Arc<CanonicalRequest>,
        (permit, binding): (Permit, LiveBinding),
        partition: &Partition,
    ) -> Result<Outcome, Refusal> {
        // Told before it is recorded: a refusal is then the one record of it, and no token leaves without one.
        let own = match binding.route.answer() {
            Some(own) => {
                Some(self.own_answer(trail, request, (own, &binding.asker, partition)).await?)
            }
            None => None,
        };
        let (permit, unsent) = self.record(trail, permit).instrument(stage!("record")).await?;
        let outcome = if let Some(answer) = own {
            let (decision, fields) = (permit.decision(), self.standings(trail));
            Outcome::Answer(Reply { answer, decision, fields })
        } else {
            let forward = self.forward(trail, Arc::clone(request), permit, binding)?;
            Outcome::Forward(Box::new(forward))
        };
        unsent.disarm();
        Ok(outcome)
    }

    /// Finds the route and who asks, both under the snapshot that the trail goes on under.
    async fn routed(
        &self,
        trail: &mut Trail<'_>,
        request: &CanonicalRequest,
        body: &mut dyn BodySource,
    ) -> Result<(Matched, Asker, Arc<Partition>), Refusal> {
        let before = Arc::clone(&trail.snapshot);
        let matched = stage!("route").in_scope(|| before.routes().find(request))?;
        trail.route = Some(Arc::clone(&matched.route));
        let (asker, partition) =
            self.authenticate(trail, request, body).instrument(stage!("authenticate")).await?;
        if Arc::ptr_eq(&before, &trail.snapshot) {
            return Ok((matched, asker, partition));
        }
        // The route of the earlier snapshot is nothing to this one.
        trail.route = None;
        trail.asker = Some(asker.clone());
        let matched = trail.snapshot.routes().find(request)?;
        trail.route = Some(Arc::clone(&matched.route));
        // What the body proved was meant for tokens, and for nothing that a reload made of the route since.
        let gives_tokens =
            matches!(matched.route.answer(), Some(OwnAnswer::Tokens | OwnAnswer::Refresh));
        if trail.presented.is_some() && !gives_tokens {
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        Ok((matched, asker, partition))
    }

    /// Tells who asks. The trail goes on under a later snapshot if the organisation has to be read for it.
    async fn authenticate(
        &self,
        trail: &mut Trail<'_>,
        request: &CanonicalRequest,
        body: &mut dyn BodySource,
    ) -> Result<(Asker, Arc<Partition>), Refusal> {
        let now = trail.arrival.at;
        let presented = self.presented(trail, request, body).await?;
        let authenticated = if let Some(authenticated) = presented {
            authenticated
        } else {
            let found = self.parts.authenticator.authenticate(request.headers(), now).await;
            found.map_err(|refusal| to_sign_in(refusal, request))?
        };
        let of_host = |snapshot: &Snapshot| {
            let bound = snapshot.directory().organisation_for_host(request.host());
            bound.map(|organisation| organisation.id().clone())
        };
        let bound = of_host(&trail.snapshot);
        if let Some(tenant) = authenticated.principal().tenant().or(bound.as_ref()) {
            let at = (reader(&authenticated), now);
            trail.snapshot = self.in_force.current(Arc::clone(&trail.snapshot), tenant, at).await?;
        }
        // The host was given to another organisation while this one was read: nobody is decided on as both.
        if of_host(&trail.snapshot) != bound {
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        trail.snapshot.asker(authenticated, bound.as_ref(), now).await
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
            active: asker.active().cloned(),
            access: trail.access.clone(),
            body_access: trail.body_access.clone(),
            action: route.action().clone(),
            resource: binding.resource.clone(),
            snapshot: trail.snapshot.id().clone(),
        };
        let assertion = self.parts.signer.sign(statement, permit.decision(), self.now());
        let assertion = assertion.map_err(|error| {
            tracing::error!(%error, "no assertion: the request is refused");
            broken
        })?;
        let snapshot = trail.snapshot.settings().clone();
        let fields = self.standings(trail);
        Ok(Forward { permit, request, assertion, binding, snapshot, fields })
    }
}

/// The object the request is about, and what else it names.
async fn named(
    snapshot: &Snapshot,
    matched: &Matched,
    request: &CanonicalRequest,
    (tenant, asker): (Option<&TenantId>, &Asker),
    body: &mut dyn BodySource,
) -> Result<(EntityUid, Vec<Further>), Refusal> {
    let read =
        if matched.needs_body() { Some(body.read(RESOURCE_BODY_BYTES_MAX).await?) } else { None };
    let place = Place { root: snapshot.root(tenant), active: asker.active() };
    let resource = matched.resource(request, read.as_deref(), place)?;
    Ok((resource, matched.further(request, read.as_deref(), place)?))
}
