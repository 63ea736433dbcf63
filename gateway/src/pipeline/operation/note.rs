//! What is written down of what is done under a permit, besides the decision and its end.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Admitted;
use crate::audit::{Event, EventRecord, SinkError};
use crate::model::{DecisionId, EntityUid, TenantId};
use crate::pipeline::admission::Pipeline;

/// Writes down what is changed under a permit.
#[derive(Clone, Debug)]
pub struct ChangeNoter {
    pipeline: Arc<Pipeline>,
    tenant: TenantId,
    principal: Option<EntityUid>,
    peer: SocketAddr,
    decision: DecisionId,
}

/// What was changed, for the log.
#[derive(Clone, Copy, Debug)]
pub struct ChangeNote<'a> {
    /// The audit event that tells of it.
    pub audit_event: &'a str,
    /// `created`, `updated` or `deleted`.
    pub action: &'a str,
    /// Kind and id of what was changed.
    pub item: (&'a str, &'a str),
    /// SHA-256 of what was there before.
    pub before: Option<&'a str>,
    /// SHA-256 of what is there now.
    pub after: Option<&'a str>,
}

impl Admitted {
    /// Writes down, to the disk, that somebody gets into `tenant` in an emergency, and says so in the gateway's own log
    /// as well: whoever watches it is to be woken.
    ///
    /// # Errors
    /// [`SinkError`] when it is not on record: then it must not be done.
    pub async fn note_break_glass(&self, tenant: &TenantId, told: &str) -> Result<(), SinkError> {
        let pipeline = &self.pipeline;
        let identity = &pipeline.parts.identity;
        let (id, decision) = (pipeline.new_decision_id(), self.decision());
        let record = EventRecord {
            tenant: Some(tenant),
            principal: self.asker.entity(),
            peer: Some(self.peer),
            decision: Some(&decision),
            detail: Some(told),
            ..EventRecord::of(
                Event::BreakGlass,
                id,
                pipeline.now(),
                &identity.node,
                &identity.build,
            )
        };
        tracing::error!(%tenant, who = %self.asker.credential(), %decision, "break-glass: {told}");
        pipeline.parts.sink.append_strict(record.encode()).await.map(drop)
    }

    /// What writes into the log what is changed of `tenant` under this permit, also when nobody waits for the answer
    /// any more.
    pub fn noter(&self, tenant: &TenantId) -> ChangeNoter {
        ChangeNoter {
            pipeline: Arc::clone(&self.pipeline),
            tenant: tenant.clone(),
            principal: self.asker.entity().cloned(),
            peer: self.peer,
            decision: self.decision(),
        }
    }
}

impl ChangeNoter {
    /// Writes a change down. It has its own record where it was made, so a log that fails now takes nothing back: the
    /// next request it cannot record is refused.
    pub fn note(&self, note: &ChangeNote<'_>) {
        let pipeline = &self.pipeline;
        let identity = &pipeline.parts.identity;
        let id = pipeline.new_decision_id();
        let record = EventRecord {
            tenant: Some(&self.tenant),
            principal: self.principal.as_ref(),
            peer: Some(self.peer),
            item_kind: Some(note.item.0),
            item: Some(note.item.1),
            change: Some(note.action),
            before: note.before,
            after: note.after,
            audit_event: Some(note.audit_event),
            decision: Some(&self.decision),
            ..EventRecord::of(Event::Changed, id, pipeline.now(), &identity.node, &identity.build)
        };
        if let Err(error) = pipeline.parts.sink.append(record.encode()) {
            pipeline.unrecorded(&error);
        }
    }
}
