//! Puts a changed configuration in force while the gateway serves: whole, or not at all (promise P10).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::assemble::{Gateway, assertion_keys, record_event, snapshot};
use super::convert;
use crate::app::reload::{Apply, ApplyError};
use crate::audit::{Event, PseudonymKey};
use crate::authn::AssertionSigner;
use crate::config::{Loaded, Secrets};
use crate::journal::Journal;
use crate::pipeline::{Identity, Pipeline};
use crate::proxy::{CertificateStore, Services};

/// What a reload changes, and what it may not.
#[derive(Debug)]
pub(super) struct Live {
    pipeline: Arc<Pipeline>,
    services: Arc<ArcSwap<Services>>,
    signer: Arc<AssertionSigner>,
    certificates: Option<Arc<CertificateStore>>,
    journal: Arc<Journal>,
    identity: Identity,
    pseudonyms: PseudonymKey,
    fixed: Fixed,
    core: Handle,
}

/// Settings that only a restart can change.
#[derive(Debug, PartialEq, Eq)]
struct Fixed {
    https: Option<SocketAddr>,
    http: Option<SocketAddr>,
    observe: SocketAddr,
    threads: usize,
    state: PathBuf,
    secrets: PathBuf,
    log: PathBuf,
}

impl Fixed {
    fn of(loaded: &Loaded) -> Self {
        let (listen, places) = (&loaded.settings.listen, &loaded.settings.places);
        Self {
            https: listen.https.as_ref().map(|https| https.address),
            http: listen.http,
            observe: listen.observe,
            threads: listen.threads.get(),
            state: places.state_file.clone(),
            secrets: places.secrets_directory.clone(),
            log: places.log_directory.clone(),
        }
    }

    fn changed(&self, other: &Self) -> Option<&'static str> {
        let keys = [
            (self.https != other.https, "listen.https"),
            (self.http != other.http, "listen.http"),
            (self.observe != other.observe, "listen.observe"),
            (self.threads != other.threads, "listen.threads"),
            (self.state != other.state, "state.file"),
            (self.secrets != other.secrets, "secrets.directory"),
            (self.log != other.log, "log.directory"),
        ];
        keys.into_iter().find_map(|(changed, key)| changed.then_some(key))
    }
}

impl Live {
    pub(super) fn new(gateway: &Gateway, loaded: &Loaded, core: Handle) -> Self {
        Self {
            pipeline: Arc::clone(&gateway.pipeline),
            services: Arc::clone(&gateway.services),
            signer: Arc::clone(&gateway.signer),
            certificates: gateway.listen.certificates.clone(),
            journal: Arc::clone(&gateway.journal),
            identity: gateway.identity.clone(),
            pseudonyms: gateway.pseudonyms.clone(),
            fixed: Fixed::of(loaded),
            core,
        }
    }

    fn take_over(&self, loaded: &Loaded) -> Result<(), ApplyError> {
        if let Some(key) = self.fixed.changed(&Fixed::of(loaded)) {
            return Err(ApplyError::NeedsRestart { key });
        }
        // Everything that can fail comes first; what follows cannot.
        let failed = |error: &dyn std::fmt::Display| ApplyError::Failed(error.to_string());
        let snapshot = snapshot(loaded, self.pseudonyms.clone()).map_err(|error| failed(&error))?;
        let services =
            convert::services(&loaded.settings.services).map_err(|error| failed(&error))?;
        let services = Services::build(services).map_err(|error| failed(&error))?;
        let secrets = Secrets::read(&loaded.settings.places.secrets_directory)?;
        let keys = assertion_keys(&secrets).map_err(|error| failed(&error))?;
        services.watch_health(&self.core);
        // Services first: a request decided by the new snapshot finds the services it names.
        self.services.store(Arc::new(services));
        self.pipeline.activate(Arc::new(snapshot));
        self.signer.rotate(keys);
        if let (Some(store), Some(certificate)) = (&self.certificates, &loaded.certificate) {
            store.replace(Arc::clone(certificate));
        }
        self.record(Event::ConfigLoaded, None);
        Ok(())
    }

    fn record(&self, event: Event, detail: Option<&str>) {
        let written = record_event(&self.pipeline, &*self.journal, &self.identity, (event, detail));
        if let Err(error) = written {
            tracing::error!(%error, "a reload is not in the decision log");
        }
    }
}

impl Apply for Live {
    fn apply(&self, loaded: Loaded) -> Result<(), ApplyError> {
        self.take_over(&loaded)
    }

    fn rejected(&self, why: &str) {
        self.record(Event::ConfigRejected, Some(why));
    }
}
