//! Operations of the gateway itself: decided and recorded like every request, but not forwarded.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::admission::{DECISION_TIME_MAX, Pipeline, timed};
use super::asker::Asker;
use super::in_force::reader;
use super::outcome::{Arrival, Enforcement, Refused};
use super::recording::Trail;
use super::snapshot::Snapshot;
use crate::audit::Recorded;
use crate::authz::{Decision, Partition, Permit, Question};
use crate::model::{
    ActionId, AuthMethod, DecisionId, Dependency, EntityUid, Refusal, Scopes, TenantId, UnixNanos,
};

/// One operation somebody asks for.
#[derive(Clone, Copy, Debug)]
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
    question: Asked,
    began: Instant,
    status: Option<u16>,
    bytes_in: u64,
}

/// What was asked, to be asked again.
#[derive(Clone, Debug)]
struct Asked {
    action: ActionId,
    scopes: Scopes,
    resource: EntityUid,
    peer: IpAddr,
}

impl Pipeline {
    /// Decides an operation on an organisation as a whole: its root is the resource. The credential is an API
    /// key; a session would let another site's page act for a signed-in person.
    ///
    /// # Errors
    /// [`Refused`], recorded.
    pub async fn admit_operation(
        self: &Arc<Self>,
        operation: &Operation<'_>,
        arrival: &Arrival,
    ) -> Result<Admitted, Refused> {
        let mut trail = Trail::new(arrival, None, self.snapshot());
        trail.operation = Some(*operation);
        if let Err(refusal) = self.admit_address(arrival) {
            return Err(self.refuse_flood(&trail, refusal, false));
        }
        match self.decide_operation(&mut trail, operation).await {
            Ok(admitted) => Ok(admitted),
            Err(refusal) => Err(self.refuse_as_logged(&trail, refusal, false).await),
        }
    }

    async fn decide_operation(
        self: &Arc<Self>,
        trail: &mut Trail<'_>,
        operation: &Operation<'_>,
    ) -> Result<Admitted, Refusal> {
        let (asker, partition) = self.known(trail, operation).await?;
        let snapshot = Arc::clone(&trail.snapshot);
        trail.asker = Some(asker.clone());
        // An API client belongs to an organisation. Whether there is the one in the path is not for others to
        // know.
        let tenant = asker.tenant().ok_or(Refusal::OtherTenant)?;
        if operation.tenant.is_some_and(|named| named != tenant) {
            return Err(Refusal::OtherTenant);
        }
        self.limiter.load().admit_credential(tenant, asker.credential())?;
        // The asker was found in its organisation, so there is a root.
        let resource = snapshot.root(Some(tenant)).cloned();
        let resource = resource.ok_or(Refusal::Unavailable(Dependency::DecisionPoint))?;
        trail.resource = Some(resource.clone());
        let question = Asked {
            action: operation.action.clone(),
            scopes: operation.scopes.clone(),
            resource,
            peer: trail.arrival.peer.ip(),
        };
        let at = (tenant, trail.arrival.at);
        let (decision, took) = timed(|| decide(&snapshot, (&asker, &partition), &question, at));
        trail.evaluation = took;
        if took > DECISION_TIME_MAX {
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        trail.decision = Some(decision.clone());
        let permit = decision.into_permit().map_err(|denial| {
            let reason = denial.decision().reason().map(str::to_owned);
            Refusal::Denied { reason, hidden: false }
        })?;
        let (permit, unsent) = self.record(trail, permit).await?;
        unsent.disarm();
        Ok(Admitted {
            pipeline: Arc::clone(self),
            permit,
            peer: trail.arrival.peer,
            tenant: tenant.clone(),
            asker,
            question,
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
        let name = http::header::AUTHORIZATION;
        for value in operation.headers.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
        let authenticated =
            self.parts.authenticator.authenticate(&headers, trail.arrival.at).await?;
        if authenticated.method() != AuthMethod::ApiKey {
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

    pub(super) const fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the credential is still valid, and still may do this under the snapshot in force.
    pub async fn still_allowed(&self) -> bool {
        self.still().await.is_some()
    }

    /// What is in force now, if the credential is still valid and may still do this.
    pub(super) async fn still(&self) -> Option<(Arc<Snapshot>, Arc<Partition>, UnixNanos)> {
        let now = self.pipeline.now();
        let authenticated = self.asker.authenticated();
        if !self.pipeline.parts.authenticator.still_valid(authenticated, now).await {
            return None;
        }
        let at = (reader(authenticated), now);
        let in_force = &self.pipeline.in_force;
        let snapshot = in_force.current(in_force.load(), &self.tenant, at).await.ok()?;
        let asker = snapshot.asker(authenticated.clone(), None, now).await;
        let (asker, partition) = asker.ok()?;
        let decision = decide(&snapshot, (&asker, &partition), &self.question, (&self.tenant, now));
        decision.allowed().then_some((snapshot, partition, now))
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
