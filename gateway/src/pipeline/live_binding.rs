//! What a permit stood on.

use std::net::SocketAddr;
use std::sync::Arc;

use super::asker::Asker;
use super::snapshot::Snapshot;
use crate::authz::{Decision, Partition, Question};
use crate::model::{EntityUid, TenantId, UnixNanos};
use crate::routing::Route;

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
    /// Asks the decision point, for `asker` as the snapshot sees it in `partition`.
    pub(super) fn decide(
        &self,
        snapshot: &Snapshot,
        route: &Route,
        (asker, partition): (&Asker, &Partition),
        now: UnixNanos,
    ) -> Decision {
        let Some(principal) = asker.prepared() else {
            return Decision::without_principal();
        };
        let question = Question {
            principal,
            action: route.action(),
            resource: &self.resource,
            context: asker.facts(route.scopes(), self.peer.ip(), now),
        };
        snapshot.pdp().decide(self.tenant.as_ref(), partition, &question)
    }
}
