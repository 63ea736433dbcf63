//! Puts a changed configuration in force while the gateway serves: whole, or not at all (promise P10).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::assemble::{Gateway, assertion_keys, keep, record_event, snapshot_parts, source};
use super::convert;
use crate::admin::Overlay;
use crate::app::reload::{Apply, ApplyError};
use crate::audit::{Event, PseudonymKey};
use crate::authn::AssertionSigner;
use crate::config::{
    LimitsSettings, ListenSettings, Loaded, OutboundSettings, Places, Secrets, SignInSettings,
    TelemetrySettings, TokensSettings,
};
use crate::journal::Journal;
use crate::limits::{LimitError, Limiter};
use crate::model::TenantId;
use crate::pipeline::{Identity, Pipeline};
use crate::proxy::{CertificateStore, Generations, Services};

/// What a reload changes, and what it may not.
#[derive(Debug)]
pub(super) struct Live {
    pipeline: Arc<Pipeline>,
    overlay: Arc<Overlay>,
    services: Arc<Generations>,
    signer: Arc<AssertionSigner>,
    certificates: Option<Arc<CertificateStore>>,
    journal: Arc<Journal>,
    identity: Identity,
    pseudonyms: PseudonymKey,
    fixed: Fixed,
    limits: Mutex<LimitsSettings>,
    core: Handle,
}

/// Settings that only a restart can change. What is not in here is taken over.
#[derive(Debug, PartialEq, Eq)]
struct Fixed {
    https: Option<SocketAddr>,
    self_signed: bool,
    listen: ListenSettings,
    platform: Option<TenantId>,
    tokens: TokensSettings,
    places: Places,
    sign_in: SignInSettings,
    outbound: OutboundSettings,
    telemetry: TelemetrySettings,
}

impl Fixed {
    fn of(loaded: &Loaded) -> Self {
        let settings = loaded.settings.clone();
        let https = settings.listen.https.as_ref().map(|https| https.address);
        // Certificates and the usual body limit are taken over.
        let listen = ListenSettings { https: None, body_bytes_max: 0, ..settings.listen };
        Self {
            https,
            self_signed: loaded.certificate.is_none(),
            listen,
            platform: settings.platform,
            tokens: settings.tokens,
            places: settings.places,
            sign_in: settings.sign_in,
            outbound: settings.outbound,
            telemetry: settings.telemetry,
        }
    }

    fn changed(&self, other: &Self) -> Option<&'static str> {
        let (listen, places) = (&self.listen, &self.places);
        let keys = [
            (self.https != other.https, "listen.https"),
            (self.self_signed != other.self_signed, "listen.tls.self_signed"),
            (listen.http != other.listen.http, "listen.http"),
            (listen.observe != other.listen.observe, "listen.observe"),
            (listen.admin != other.listen.admin, "listen.admin"),
            (listen.admin_host != other.listen.admin_host, "listen.admin_host"),
            (self.platform != other.platform, "platform.organisation"),
            (self.tokens != other.tokens, "tokens"),
            (listen.threads != other.listen.threads, "listen.threads"),
            (listen.grace != other.listen.grace, "listen.grace_seconds"),
            (listen.head != other.listen.head, "listen.head"),
            (places.state_file != other.places.state_file, "state.file"),
            (places.secrets_directory != other.places.secrets_directory, "secrets.directory"),
            (places.log_directory != other.places.log_directory, "log.directory"),
            (self.sign_in != other.sign_in, "sign_in"),
            (self.outbound != other.outbound, "outbound"),
            (self.telemetry != other.telemetry, "telemetry"),
            (self != other, "listen"),
        ];
        keys.into_iter().find_map(|(changed, key)| changed.then_some(key))
    }
}

impl Live {
    pub(super) fn new(gateway: &Gateway, loaded: &Loaded, core: Handle) -> Self {
        Self {
            pipeline: Arc::clone(&gateway.pipeline),
            overlay: Arc::clone(&gateway.overlay),
            services: Arc::clone(&gateway.services),
            signer: Arc::clone(&gateway.signer),
            certificates: gateway.listen.certificates.clone(),
            journal: Arc::clone(&gateway.journal),
            identity: gateway.identity.clone(),
            pseudonyms: gateway.pseudonyms.clone(),
            fixed: Fixed::of(loaded),
            limits: Mutex::new(loaded.settings.limits),
            core,
        }
    }

    fn take_over(&self, loaded: &Loaded) -> Result<(), ApplyError> {
        if let Some(key) = self.fixed.changed(&Fixed::of(loaded)) {
            return Err(ApplyError::NeedsRestart { key });
        }
        // Everything that can fail comes before anything is put in force.
        let failed = |error: &dyn std::fmt::Display| ApplyError::Failed(error.to_string());
        let services =
            convert::services(&loaded.settings.services).map_err(|error| failed(&error))?;
        let services = Services::build(services).map_err(|error| failed(&error))?;
        let secrets = Secrets::read(&loaded.settings.places.secrets_directory)?;
        let keys = assertion_keys(&secrets).map_err(|error| failed(&error))?;
        let limiter = self.new_limiter(loaded).map_err(|error| failed(&error))?;
        services.watch_health(&self.core);
        // Services first: a request decided by the new snapshot finds the services it names, and one decided
        // by the old snapshot those of the old.
        keep(loaded);
        let parts = snapshot_parts(loaded, &self.overlay.stored(), self.pseudonyms.clone());
        self.overlay
            .take_over(parts, |snapshot| self.services.add(snapshot.settings(), services))
            .map_err(|error| failed(&error))?;
        source(loaded).forget(&loaded.organisations.directory);
        self.signer.rotate(keys);
        if let Some(limiter) = limiter {
            self.pipeline.limit_by(limiter);
            *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = loaded.settings.limits;
        }
        if let (Some(store), Some(certificate)) = (&self.certificates, &loaded.certificate) {
            store.replace(Arc::clone(certificate));
        }
        self.record(Event::ConfigLoaded, None);
        Ok(())
    }

    /// A new limiter when the limits changed: it counts from zero. Unchanged limits keep their counts.
    fn new_limiter(&self, loaded: &Loaded) -> Result<Option<Limiter>, LimitError> {
        let said = &loaded.settings.limits;
        let same = *self.limits.lock().unwrap_or_else(PoisonError::into_inner) == *said;
        if same { Ok(None) } else { Limiter::new(convert::limits(said)).map(Some) }
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
