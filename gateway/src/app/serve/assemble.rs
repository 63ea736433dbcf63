//! Puts the parts of a gateway together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::counting::Counter;
use super::feeding::Feeds;
use super::{ServeError, convert};
use crate::admin::{Desk, DeskParts, Feeder, NameServers, Overlay, with_additions};
use crate::app::keys::node;
use crate::app::reload::Reloader;
use crate::app::secrets::prepare_secrets;
use crate::app::self_signed::self_signed_certificate;
use crate::audit::{Event, EventRecord, PseudonymKey, Sink, SinkError};
use crate::authn::{
    AssertionKeys, AssertionSigner, Authenticator, Pepper, SessionLimits, SigningKey, Tokens,
    TokensParts,
};
use crate::config::{self, FileSource, KeptFiles, Loaded, Secrets, TokensSettings};
use crate::directory::Stored;
use crate::journal::{Journal, JournalSettings};
use crate::limits::{AttemptLimiter, Limiter};
use crate::model::{Clock as _, OsEntropy, Secret, SystemClock};
use crate::oidc::{OpenIdRelyingParty, OutboundSettings};
use crate::pipeline::{
    Identity, Issuing, Pipeline, PipelineParts, SignIn, SignInParts, Snapshot, SnapshotParts,
    SourceError,
};
use crate::proxy::{CertificateStore, Generations, Listen, Services};
use crate::store::{
    KeyRing, ManagedObjects, SealKey, SqliteStore, StateStore, StoredApiKeys, StoredSessions,
    StoredTokenFamilies, StoredTransactions, Watcher, watch,
};
use crate::telemetry::Metrics;

/// Issuer of assertions: the gateway itself. Services check it beside the key set they were given.
const ASSERTION_ISSUER: &str = "hubgate";

/// The parts that stay for the life of the process.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) services: Arc<Generations>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) journal: Arc<Journal>,
    pub(super) signer: Arc<AssertionSigner>,
    pub(super) listen: Listen,
    pub(super) identity: Identity,
    pub(super) pseudonyms: PseudonymKey,
    /// Keeps files and pushed resources together.
    pub(super) overlay: Arc<Overlay>,
    /// Takes pushed resources.
    pub(super) feeder: Feeder,
    /// Makes changes.
    pub(super) desk: Desk,
    counter: Counter,
    core: Handle,
}

/// What is kept beyond a request.
struct State {
    store: Arc<dyn StateStore>,
    sessions: Arc<StoredSessions>,
    keys: Arc<StoredApiKeys>,
    families: Arc<StoredTokenFamilies>,
    transactions: Arc<StoredTransactions>,
    ring: KeyRing,
}

impl Gateway {
    /// Opens everything `loaded` names.
    ///
    /// # Errors
    /// [`ServeError`], the first thing that does not open.
    pub(super) fn assemble(loaded: &Loaded, core: &Handle) -> Result<Self, ServeError> {
        let settings = &loaded.settings;
        let clock = Arc::new(SystemClock);
        let entropy = Arc::new(OsEntropy);
        let secrets = prepare_secrets(&settings.places.secrets_directory, &*entropy, &*clock)?;
        let pseudonyms = pseudonyms(&secrets);
        let identity = Identity { node: node(), build: BUILD.to_owned() };
        let journal = open_journal(loaded, &identity)?;
        let state = open_state(loaded, &secrets)?;
        let signer =
            Arc::new(AssertionSigner::new(ASSERTION_ISSUER.to_owned(), assertion_keys(&secrets)?));
        let feeds = Feeds::of(Arc::clone(&state.store), state.ring.clone(), core);
        let snapshot = first_snapshot(loaded, &feeds, &pseudonyms)?;
        let limits = convert::session_limits(&settings.sign_in);
        let relying_party =
            Arc::new(OpenIdRelyingParty::new(outbound(loaded)?, Arc::clone(&clock) as _));
        let counter = Counter::new(&state.store);
        let issuing = issuing(&state, &secrets, &settings.tokens)?;
        let pipeline = Pipeline::new(
            PipelineParts {
                events: Arc::new(ManagedObjects::new(Arc::clone(&state.store))),
                entropy: Arc::clone(&entropy) as _,
                snapshot: Arc::new(snapshot),
                authenticator: authenticator(&state, (&secrets, &issuing.tokens), limits),
                limiter: Arc::new(Limiter::new(convert::limits(&settings.limits))?),
                sink: Arc::clone(&journal) as _,
                signer: Arc::clone(&signer),
                sign_in: SignIn::new(SignInParts {
                    relying_party: Arc::clone(&relying_party) as _,
                    transactions: Arc::clone(&state.transactions) as _,
                    sessions: Arc::clone(&state.sessions) as _,
                    clock: Arc::clone(&clock) as _,
                    entropy: Arc::clone(&entropy) as _,
                    limits,
                }),
                clock,
                identity: identity.clone(),
                admin_host: settings.listen.admin_host.clone(),
                platform: settings.platform.clone(),
                issuing,
                counting: counter.counting(),
            },
            &*entropy,
        )?;
        let services = Services::build(convert::services(&settings.services)?)?;
        services.watch_health(core);
        let pipeline = Arc::new(pipeline);
        let (overlay, feeder) = feeds.start(&pipeline);
        let desk = desk((&state, &secrets), (&overlay, relying_party, loaded), core);
        follow_store(core, &state, &overlay);
        let first = pipeline.snapshot().settings().clone();
        follow_keys(core, &signer, settings.places.secrets_directory.clone());
        tidy(core, &pipeline, &state.keys, &counter);
        let metrics = Metrics::new().map_err(|error| ServeError::Metrics(error.to_string()))?;
        let gateway = Self {
            pipeline,
            services: Arc::new(Generations::new(first, services)),
            metrics: Arc::new(metrics),
            journal,
            signer,
            listen: listen(loaded)?,
            identity,
            pseudonyms,
            overlay,
            feeder,
            desk,
            counter,
            core: core.clone(),
        };
        // Not before nothing can fail any more: a process that serves beside this one may still read what it kept.
        source(loaded).forget(&loaded.organisations.directory);
        Ok(gateway)
    }

    /// Writes an event of the gateway's own life.
    ///
    /// # Errors
    /// [`SinkError`] when it is not in the log.
    pub(super) fn event(&self, event: Event, detail: Option<&str>) -> Result<(), SinkError> {
        record_event(&self.pipeline, &*self.journal, &self.identity, (event, detail))
    }

    /// Keeps what was counted last. It blocks, for a moment.
    pub(super) fn keep_counts(&self) {
        self.counter.keep(&self.core);
    }

    /// Counts reloads for the metrics.
    pub(super) fn follow(&self, reloader: &Arc<Reloader>) {
        let metrics = Arc::clone(&self.metrics);
        let reloader = Arc::downgrade(reloader);
        let pipeline = Arc::downgrade(&self.pipeline);
        metrics.reloaded(SystemClock.now().seconds());
        self.core.spawn(async move {
            let mut seen = crate::app::reload::ReloadStatus::default();
            while let (Some(reloader), Some(_)) = (reloader.upgrade(), pipeline.upgrade()) {
                let status = reloader.status();
                if status.applied > seen.applied {
                    metrics.reloaded(SystemClock.now().seconds());
                }
                (seen.refused..status.refused).for_each(|_| metrics.reload_rejected());
                seen = status;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }
}

/// What is done every few seconds, whoever asks.
fn tidy(core: &Handle, pipeline: &Arc<Pipeline>, keys: &Arc<StoredApiKeys>, counter: &Counter) {
    shrink_limits(core, pipeline);
    forget_idle(core, pipeline);
    keep_uses(core, keys);
    counter.keep_on(core);
}

/// Takes over what other processes change in the store.
fn follow_store(core: &Handle, state: &State, overlay: &Arc<Overlay>) {
    let followers = vec![
        Arc::clone(&state.sessions) as _,
        Arc::clone(&state.keys) as _,
        Arc::clone(&state.families) as _,
        Arc::clone(overlay) as _,
    ];
    let watcher = Watcher::new(Arc::clone(&state.store), Arc::new(SystemClock), followers);
    core.spawn(watch(watcher));
}

/// The snapshot to begin with: what pushes left half written is finished before it is read.
fn first_snapshot(
    loaded: &Loaded,
    feeds: &Feeds,
    pseudonyms: &PseudonymKey,
) -> Result<Snapshot, ServeError> {
    let parts = snapshot_parts(loaded, feeds.stored(), pseudonyms.clone());
    let parts = with_additions(parts, &*feeds.stored().managed)?;
    feeds.recover(&parts.directory)?;
    feeds.check(&parts)?;
    tell_unkept(source(loaded).keep_and_check(&loaded.organisations.directory));
    Snapshot::new(parts, None).map_err(|error| ServeError::Assembly(error.to_string()))
}

/// Writes an event of the gateway's own life.
///
/// # Errors
/// [`SinkError`] when it is not in the log.
pub(super) fn record_event(
    pipeline: &Pipeline,
    sink: &dyn Sink,
    identity: &Identity,
    (event, detail): (Event, Option<&str>),
) -> Result<(), SinkError> {
    let snapshot = pipeline.snapshot();
    let record = EventRecord {
        snapshot: Some(snapshot.id()),
        detail,
        ..EventRecord::of(
            event,
            pipeline.new_decision_id(),
            pipeline.now(),
            &identity.node,
            &identity.build,
        )
    };
    sink.append(record.encode()).map(drop)
}

/// What a snapshot of what was read, and of what is `stored`, is made from.
pub(in crate::app) fn snapshot_parts(
    loaded: &Loaded,
    stored: &Stored,
    pseudonyms: PseudonymKey,
) -> SnapshotParts {
    let read = &loaded.organisations;
    SnapshotParts {
        routes: Arc::clone(&loaded.routes),
        schema: Arc::clone(&read.schema),
        pdp: Arc::clone(&read.pdp),
        book: Arc::clone(&read.book),
        added: Vec::new(),
        directory: Arc::clone(&read.directory),
        source: Arc::new(source(loaded).with_stored(stored)),
        error_styles: convert::error_styles(&loaded.settings),
        plans: loaded.settings.quotas.clone(),
        navigation: loaded.settings.navigation.as_ref().map(convert::navigation),
        changes: read.changes.clone(),
        config_digest: loaded.settings.digest(&loaded.file),
        pseudonyms,
        clock: Arc::new(SystemClock),
    }
}

/// The files of `loaded`, and beside the state what they were when they were taken over.
pub(super) fn source(loaded: &Loaded) -> FileSource {
    loaded.organisations.source.with_kept(KeptFiles::beside(&loaded.settings.places.state_file))
}

/// Keeps the organisations of `loaded` as they are taken over. A full disk must not keep a change from being taken
/// over, so what cannot be kept is told and no more: it matters only if a later reload is refused.
pub(super) fn keep(loaded: &Loaded) {
    tell_unkept(source(loaded).keep(&loaded.organisations.directory));
}

fn tell_unkept(kept: Result<(), SourceError>) {
    if let Err(error) = kept {
        tracing::warn!(%error, "an organisation is not kept as it was taken over");
    }
}

/// The key that signs now and all that are published.
///
/// # Errors
/// [`ServeError::Assembly`] for a key that cannot sign.
pub(super) fn assertion_keys(secrets: &Secrets) -> Result<AssertionKeys, ServeError> {
    let broken = |error: &dyn std::fmt::Display| ServeError::Assembly(error.to_string());
    let keys = &secrets.assertion_keys;
    let signing =
        keys.signing(SystemClock.now()).ok_or_else(|| broken(&"there is no assertion key"))?;
    let read = |key: &config::AssertionKey| SigningKey::from_pem(key.pem.expose().as_bytes());
    let others = keys
        .published()
        .iter()
        .filter(|key| key.created != signing.created)
        .map(read)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| broken(&error))?;
    let signing = read(signing).map_err(|error| broken(&error))?;
    AssertionKeys::new(signing, &others).map_err(|error| broken(&error))
}

/// What tells who asks.
fn authenticator(
    state: &State,
    (secrets, tokens): (&Secrets, &Arc<Tokens>),
    limits: SessionLimits,
) -> Authenticator {
    let (sessions, keys) = (Arc::clone(&state.sessions) as _, Arc::clone(&state.keys) as _);
    let pepper = Pepper::new(&secrets.pepper);
    Authenticator::new(sessions, keys, (pepper, Arc::clone(tokens)), limits)
}

/// What gives tokens.
///
/// # Errors
/// [`ServeError`] when limits cannot be kept.
fn issuing(state: &State, secrets: &Secrets, said: &TokensSettings) -> Result<Issuing, ServeError> {
    let tokens = Tokens::new(TokensParts {
        keys: Arc::clone(&state.keys) as _,
        families: Arc::clone(&state.families) as _,
        pepper: Pepper::new(&secrets.pepper),
        entropy: Arc::new(OsEntropy),
        lifetimes: convert::token_lifetimes(said),
    });
    Ok(Issuing {
        tokens: Arc::new(tokens),
        attempts: AttemptLimiter::new()?,
        issuer: said.issuer.as_ref().map(convert::issuer),
    })
}

/// What makes changes.
fn desk(
    (state, secrets): (&State, &Secrets),
    (overlay, relying_party, loaded): (&Arc<Overlay>, Arc<OpenIdRelyingParty>, &Loaded),
    core: &Handle,
) -> Desk {
    Desk::new(DeskParts {
        objects: ManagedObjects::new(Arc::clone(&state.store)),
        overlay: Arc::clone(overlay),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
        runtime: core.clone(),
        sessions: Arc::clone(&state.sessions),
        keys: Arc::clone(&state.keys),
        pepper: Pepper::new(&secrets.pepper),
        ring: state.ring.clone(),
        relying_party,
        log_directory: loaded.settings.places.log_directory.clone(),
        searching: Arc::default(),
        weighing: Arc::default(),
        dns: Arc::new(NameServers::new(&loaded.settings.outbound.name_servers)),
    })
}

fn open_journal(loaded: &Loaded, identity: &Identity) -> Result<Arc<Journal>, ServeError> {
    let folder = loaded.settings.places.log_directory.clone();
    let settings = JournalSettings::new(folder, identity.node.clone(), identity.build.clone());
    Ok(Arc::new(Journal::open(settings, Arc::new(SystemClock), &OsEntropy)?))
}

fn open_state(loaded: &Loaded, secrets: &Secrets) -> Result<State, ServeError> {
    let settings = &loaded.settings;
    let clock = Arc::new(SystemClock);
    let entropy = Arc::new(OsEntropy);
    let store: Arc<dyn StateStore> =
        Arc::new(SqliteStore::open(&settings.places.state_file, Arc::clone(&clock) as _)?);
    let keys = secrets
        .seal_keys
        .iter()
        .map(|key| SealKey::new(&key.id, Secret::new(*key.key.expose())))
        .collect::<Result<Vec<_>, _>>()?;
    let ring = KeyRing::new(keys)?;
    let sessions = Arc::new(StoredSessions::new(
        Arc::clone(&store),
        ring.clone(),
        Arc::clone(&entropy) as _,
        Arc::clone(&clock) as _,
        convert::session_limits(&settings.sign_in),
    ));
    let keys = Arc::new(StoredApiKeys::new(Arc::clone(&store), Arc::clone(&clock) as _));
    let families = Arc::new(StoredTokenFamilies::new(Arc::clone(&store), Arc::clone(&clock) as _));
    let transactions = Arc::new(StoredTransactions::new(Arc::clone(&store), ring.clone(), entropy));
    Ok(State { store, sessions, keys, families, transactions, ring })
}

fn outbound(loaded: &Loaded) -> Result<OutboundSettings, ServeError> {
    let said = &loaded.settings.outbound;
    let ca_pem =
        match &said.ca_file {
            Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
                ServeError::File { file: file.clone(), cause: error.to_string() }
            })?),
            None => None,
        };
    Ok(OutboundSettings { allow: said.allow.clone(), ca_pem, administered: said.administered })
}

fn listen(loaded: &Loaded) -> Result<Listen, ServeError> {
    let said = &loaded.settings.listen;
    let certificates = match (&said.https, &loaded.certificate) {
        (None, _) => None,
        (Some(_), Some(certificate)) => Some(Arc::clone(certificate)),
        (Some(_), None) => {
            let hosts = loaded.routes.routes().map(|route| route.host().to_owned());
            Some(self_signed_certificate(hosts)?.0)
        }
    };
    Ok(Listen {
        https: said.https.iter().map(|https| https.address).collect(),
        http: said.http.into_iter().collect(),
        certificates: certificates.map(|key| Arc::new(CertificateStore::new(key))),
    })
}

/// The key people are named with in the log: derived, so that losing it loses nothing but the search.
fn pseudonyms(secrets: &Secrets) -> PseudonymKey {
    let mut hash = Sha256::new();
    hash.update(b"hubgate pseudonyms v1");
    hash.update(secrets.pepper.expose());
    PseudonymKey::new(Secret::new(hash.finalize().into()))
}

/// Idle keys of the limiter are forgotten every half minute.
fn shrink_limits(core: &Handle, pipeline: &Arc<Pipeline>) {
    let pipeline = Arc::downgrade(pipeline);
    core.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let Some(pipeline) = pipeline.upgrade() else { return };
            pipeline.shrink_limits();
        }
    });
}

/// Organisations nobody asked about for a quarter of an hour are forgotten: a person at work asks more often,
/// and reading a usual one anew takes milliseconds.
const IDLE: Duration = Duration::from_mins(15);

/// How long after its use a key is shown as used, at most, besides the minute that uses are told by.
const USES_KEPT_EVERY: Duration = Duration::from_secs(5);

/// Looks for idle organisations every half minute.
fn forget_idle(core: &Handle, pipeline: &Arc<Pipeline>) {
    let pipeline = Arc::downgrade(pipeline);
    core.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let Some(pipeline) = pipeline.upgrade() else { return };
            let forgotten = pipeline.forget_idle(IDLE);
            if forgotten > 0 {
                tracing::debug!(forgotten, "idle organisations forgotten");
            }
        }
    });
}

/// Keeps when API keys were used, a little later than they are. It fails for a moment while the store does: the next uses
/// are kept again.
fn keep_uses(core: &Handle, keys: &Arc<StoredApiKeys>) {
    let keys = Arc::downgrade(keys);
    core.spawn(async move {
        loop {
            tokio::time::sleep(USES_KEPT_EVERY).await;
            let Some(keys) = keys.upgrade() else { return };
            if let Err(error) = keys.keep_uses().await {
                tracing::warn!(%error, "uses of API keys are not kept");
            }
        }
    });
}

/// A new assertion key signs when it has been published for five minutes: nothing but time tells, so the
/// folder is read every half minute. Reading fails for a moment while a key is written; the next time counts.
fn follow_keys(core: &Handle, signer: &Arc<AssertionSigner>, folder: PathBuf) {
    let signer = Arc::downgrade(signer);
    core.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let Some(signer) = signer.upgrade() else { return };
            let folder = folder.clone();
            let read = tokio::task::spawn_blocking(move || Secrets::read(&folder)).await;
            match read {
                Ok(Ok(secrets)) => match assertion_keys(&secrets) {
                    Ok(keys) => signer.rotate(keys),
                    Err(error) => tracing::error!(%error, "assertion keys stay as they are"),
                },
                Ok(Err(error)) => tracing::error!(%error, "assertion keys stay as they are"),
                Err(_) => return,
            }
        }
    });
}

/// The build, as records name it.
const BUILD: &str = concat!("hubgate/", env!("CARGO_PKG_VERSION"));
