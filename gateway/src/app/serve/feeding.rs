//! Puts together what takes pushed resources: the store's objects, the overlay, the administration API.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::ServeError;
use crate::admin::{Administration, Desk, Feeder, FeederParts, Overlay, check_pushed, recover};
use crate::app::keys::stored_parts;
use crate::directory::{Directory, Stored};
use crate::model::{OsEntropy, SystemClock};
use crate::pipeline::{Pipeline, SnapshotParts};
use crate::proxy::HandOver;
use crate::store::{DirectoryObjects, KeyRing, StateStore};

/// The feeds of all organisations, before anything serves.
#[derive(Debug)]
pub(super) struct Feeds {
    objects: DirectoryObjects,
    stored: Stored,
    core: Handle,
}

impl Feeds {
    pub(super) fn of(store: Arc<dyn StateStore>, ring: KeyRing, core: &Handle) -> Self {
        let stored = stored_parts(Arc::clone(&store), Some(ring), core);
        Self { objects: DirectoryObjects::new(store), stored, core: core.clone() }
    }

    /// What the store has of organisations.
    pub(super) const fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Finishes what an earlier process left; before that, no organisation can be read.
    ///
    /// # Errors
    /// [`ServeError::Feed`] when the store does not answer.
    pub(super) fn recover(&self, directory: &Directory) -> Result<(), ServeError> {
        for organisation in directory.organisations() {
            self.core.block_on(recover(&self.objects, organisation.id()))?;
        }
        Ok(())
    }

    /// Checks that everything pushed fits the files.
    ///
    /// # Errors
    /// [`ServeError::Overlay`].
    pub(super) fn check(&self, parts: &SnapshotParts) -> Result<(), ServeError> {
        Ok(check_pushed(parts, &*self.stored.pushed, None)?)
    }

    /// What keeps `pipeline` in step, and what takes new pushes.
    pub(super) fn start(self, pipeline: &Arc<Pipeline>) -> (Arc<Overlay>, Feeder) {
        let overlay = Arc::new(Overlay::new(Arc::clone(pipeline), self.stored));
        self.core.spawn(Arc::clone(&overlay).follow());
        let feeder = Feeder::new(FeederParts {
            objects: self.objects,
            overlay: Arc::clone(&overlay),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            runtime: self.core,
        });
        (overlay, feeder)
    }
}

/// The administration API as a service that listens at `address`.
///
/// # Errors
/// [`ServeError::Assembly`], never in practice.
pub(super) fn administration(
    pipeline: &Arc<Pipeline>,
    (feeder, desk): (&Feeder, &Desk),
    address: SocketAddr,
) -> Result<impl pingora::services::Service + use<>, ServeError> {
    let api = Administration::new(Arc::clone(pipeline), feeder.clone(), desk.clone())
        .map_err(|error| ServeError::Assembly(error.to_string()))?;
    let serve = move |stream, peer, draining| {
        let api = api.clone();
        let served: futures_util::future::BoxFuture<'static, ()> =
            Box::pin(async move { api.serve(stream, peer, draining).await });
        served
    };
    Ok(HandOver::new(serve).service("admin", address))
}
