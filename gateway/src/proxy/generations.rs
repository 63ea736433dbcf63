//! The services of the configurations in use: a request is carried out with the services it was decided for.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::services::{Service, Services};
use crate::model::{ServiceId, SnapshotId};

/// The present and the one before: a request takes microseconds from its decision to its service, a reload
/// takes longer.
const GENERATIONS_MAX: usize = 2;

/// Services by the configuration they belong to.
#[derive(Debug)]
pub struct Generations(ArcSwap<Vec<(SnapshotId, Arc<Services>)>>);

impl Generations {
    /// Starts with the services of the first configuration.
    pub fn new(configuration: SnapshotId, services: Services) -> Self {
        Self(ArcSwap::from_pointee(vec![(configuration, Arc::new(services))]))
    }

    /// Adds the services of a configuration, before it is put in force; the oldest are let go.
    pub fn add(&self, configuration: &SnapshotId, services: Services) {
        let before = self.0.load();
        let older = before.iter().filter(|(known, _)| known != configuration).cloned();
        let newest = (configuration.clone(), Arc::new(services));
        let next = std::iter::once(newest).chain(older).take(GENERATIONS_MAX).collect();
        self.0.store(Arc::new(next));
    }

    /// A service as `configuration` knows it.
    pub(super) fn find(
        &self,
        configuration: &SnapshotId,
        service: &ServiceId,
    ) -> Option<Arc<Service>> {
        let generations = self.0.load();
        let (_, services) = generations.iter().find(|(known, _)| known == configuration)?;
        services.find(service).cloned()
    }
}
