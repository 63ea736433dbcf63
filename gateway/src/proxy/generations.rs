//! The services of the snapshots in use: a request is carried out with the services it was decided for.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::services::{Service, Services};
use crate::model::{ServiceId, SnapshotId};

/// The present and the one before: a request takes microseconds from its decision to its service, a reload
/// takes longer.
const GENERATIONS_MAX: usize = 2;

/// Services by the snapshot they belong to.
#[derive(Debug)]
pub struct Generations(ArcSwap<Vec<(SnapshotId, Arc<Services>)>>);

impl Generations {
    /// Starts with the services of the first snapshot.
    pub fn new(snapshot: SnapshotId, services: Services) -> Self {
        Self(ArcSwap::from_pointee(vec![(snapshot, Arc::new(services))]))
    }

    /// Adds the services of a snapshot, before it is put in force; the oldest are let go.
    pub fn add(&self, snapshot: &SnapshotId, services: Services) {
        let before = self.0.load();
        let older = before.iter().filter(|(known, _)| known != snapshot).cloned();
        let newest = (snapshot.clone(), Arc::new(services));
        let next = std::iter::once(newest).chain(older).take(GENERATIONS_MAX).collect();
        self.0.store(Arc::new(next));
    }

    /// A service as `snapshot` knows it.
    pub(super) fn find(&self, snapshot: &SnapshotId, service: &ServiceId) -> Option<Arc<Service>> {
        let generations = self.0.load();
        let (_, services) = generations.iter().find(|(known, _)| known == snapshot)?;
        services.find(service).cloned()
    }
}
