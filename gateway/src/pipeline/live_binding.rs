//! What a permit stood on.

use std::net::SocketAddr;
use std::sync::Arc;

use super::asker::Asker;
use super::snapshot::Snapshot;
use crate::authz::{Decision, Partition, Question};
use crate::model::{ActionId, EntityUid, TenantId, UnixNanos};
use crate::routing::{Further, Route};

/// What a decision stood on, kept so that a live stream can be decided again.
#[derive(Clone, Debug)]
pub struct LiveBinding {
    pub(super) asker: Asker,
    pub(super) route: Arc<Route>,
    pub(super) resource: EntityUid,
    /// What else the request named.
    pub(super) further: Vec<Further>,
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
        let on = (route.action(), &self.resource);
        self.ask((snapshot, route), (asker, partition), on, now)
    }

    /// Asks it every further question, in order.
    pub(super) fn decide_further(
        &self,
        snapshot: &Snapshot,
        route: &Route,
        asker: (&Asker, &Partition),
        now: UnixNanos,
    ) -> Vec<Decision> {
        let ask = |Further { action, resource }: &Further| {
            self.ask((snapshot, route), asker, (action, resource), now)
        };
        self.further.iter().map(ask).collect()
    }

    /// Whether all of it is allowed. A route that asks otherwise than when the questions were read from the
    /// request cannot be asked again: then nothing is allowed.
    pub(super) fn allowed(
        &self,
        snapshot: &Snapshot,
        route: &Route,
        asker: (&Asker, &Partition),
        now: UnixNanos,
    ) -> bool {
        route.also() == self.route.also()
            && self.decide(snapshot, route, asker, now).allowed()
            && self.decide_further(snapshot, route, asker, now).iter().all(Decision::allowed)
    }

    fn ask(
        &self,
        (snapshot, route): (&Snapshot, &Route),
        (asker, partition): (&Asker, &Partition),
        (action, resource): (&ActionId, &EntityUid),
        now: UnixNanos,
    ) -> Decision {
        let Some(principal) = asker.prepared() else {
            return Decision::without_principal();
        };
        let question = Question {
            principal,
            action,
            resource,
            context: asker.facts(route.scopes(), self.peer.ip(), now),
        };
        snapshot.pdp().decide(self.tenant.as_ref(), partition, &question)
    }
}
