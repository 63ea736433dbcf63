//! `hubgate key`: API keys on the command line, and the gateway's own signing key.
//!
//! The store and the decision log are shared with a serving gateway: a revocation is in force there within
//! two seconds, and every change is in the log.

mod bootstrap;
mod create;
mod list;
mod revoke;
mod rotate;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use tokio::runtime::Handle;

use crate::admin::with_additions;
use crate::audit::{Event, EventRecord, PseudonymKey, Sink as _, SinkError};
use crate::authn::{CreateApiKeyError, IssueError, StoreUnavailable};
use crate::config::{self, Loaded, Places};
use crate::directory::{Organisation, Stored};
use crate::journal::{Journal, JournalError, JournalSettings};
use crate::model::{
    Clock as _, DecisionId, Entropy as _, EntropyError, KeyId, OsEntropy, Secret, SnapshotId,
    SystemClock, TenantId,
};
use crate::pipeline::{Content, OrganisationSource as _, Snapshot, SnapshotParts, SourceError};
use crate::store::{
    DirectoryObjects, KeyRing, ManagedObjects, OpenError, SqliteStore, StateStore, StoredApiKeys,
    StoredParts, StoredResources,
};

use super::cli::CommandError;
use super::secrets::SecretsError;
use super::serve::snapshot_parts;

/// What is to be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Makes an API key and shows its secret, once.
    Create(create::Create),
    /// Makes the first key of an organisation that has none; it makes the one that takes its place, and no more.
    Bootstrap(bootstrap::Bootstrap),
    /// Lists the API keys of an organisation, expired and revoked ones too.
    List(list::List),
    /// Revokes an API key, at once and for ever.
    Revoke(revoke::Revoke),
    /// Publishes a new key for assertions; it signs five minutes later, when every service knows it.
    RotateAssertion,
}

/// Why a key command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The gateway's own secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    /// The key was not made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The key was not kept.
    #[error(transparent)]
    Create(#[from] CreateApiKeyError),
    /// The decision log cannot be opened; nothing was done.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The change is not in the decision log.
    #[error("the change is not recorded; {undone}")]
    Unrecorded {
        /// What became of the change.
        undone: &'static str,
        /// Why.
        #[source]
        source: SinkError,
    },
    /// The organisation cannot be read.
    #[error(transparent)]
    Organisation(#[from] SourceError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The system gives no runtime.
    #[error("the command cannot be started")]
    Runtime(#[source] std::io::Error),
}

impl KeyCommand {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        match self {
            Self::Create(create) => create.run(&with_added(config::load(file)?)?, out),
            Self::Bootstrap(bootstrap) => bootstrap.run(&with_added(config::load(file)?)?, out),
            // The others must work while the configuration is broken.
            Self::List(list) => list.run(&config::places(file)?, || organisations(file), out),
            Self::Revoke(revoke) => revoke.run(&config::places(file)?, out),
            Self::RotateAssertion => rotate::run(&config::places(file)?, out),
        }
    }
}

fn organisations(file: &Path) -> Option<Vec<String>> {
    let loaded = with_added(config::load(file).ok()?).ok()?;
    let directory = &loaded.organisations.directory;
    Some(directory.organisations().map(|it| it.id().to_string()).collect())
}

/// The store and the log, opened for one command.
struct Desk {
    keys: StoredApiKeys,
    journal: Journal,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    fn open(places: &Places) -> Result<Self, KeyError> {
        let settings = JournalSettings::new(places.log_directory.clone(), node(), BUILD.to_owned());
        let journal = Journal::open(settings, Arc::new(SystemClock), &OsEntropy)?;
        let (keys, runtime) = open_keys(places)?;
        Ok(Self { keys, journal, runtime })
    }

    /// Writes what was done into the log, down to the disk.
    fn record(
        &self,
        event: Event,
        tenant: &TenantId,
        key: &KeyId,
        detail: &str,
    ) -> Result<(), SinkError> {
        let (now, node) = (SystemClock.now(), node());
        let mut random = [0; 10];
        OsEntropy.fill(&mut random).map_err(|_| SinkError::Unencodable)?;
        let id = DecisionId::from_parts(now, random);
        let record = EventRecord {
            tenant: Some(tenant),
            key: Some(key),
            detail: Some(detail),
            ..EventRecord::of(event, id, now, &node, BUILD)
        };
        self.runtime.block_on(self.journal.append_strict(record.encode())).map(drop)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.journal.close();
    }
}

/// The API keys, as the gateway keeps them, and a runtime to ask for them.
pub(super) fn open_keys(
    places: &Places,
) -> Result<(StoredApiKeys, tokio::runtime::Runtime), KeyError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(KeyError::Runtime)?;
    let store = SqliteStore::open(&places.state_file, Arc::new(SystemClock))?;
    Ok((StoredApiKeys::new(Arc::new(store), Arc::new(SystemClock)), runtime))
}

/// What `store` has of organisations, read on `runtime`; `ring` opens the secrets of connections.
pub(in crate::app) fn stored_parts(
    store: Arc<dyn StateStore>,
    ring: Option<KeyRing>,
    runtime: &Handle,
) -> Stored {
    let objects = DirectoryObjects::new(Arc::clone(&store));
    let pushed = Arc::new(StoredResources::new(objects, runtime.clone()));
    let managed = Arc::new(StoredParts::new(ManagedObjects::new(store), ring, runtime.clone()));
    Stored { pushed, managed }
}

/// Members and resources of an organisation, with what the store has of it.
pub(super) fn read_content(
    loaded: &Loaded,
    organisation: &Arc<Organisation>,
) -> Result<Content, KeyError> {
    let (source, schema) = (&loaded.organisations.source, &loaded.organisations.schema);
    let Some(opened) = OpenedStore::open(loaded)? else {
        return Ok(source.open(organisation, schema)?);
    };
    let source = source.with_stored(&opened.stored);
    Ok(source.open(&source.managed(organisation)?.0, schema)?)
}

/// What was read, with the organisations and the policies that the platform added to the files.
pub(super) fn with_added(mut loaded: Loaded) -> Result<Loaded, KeyError> {
    if let Some(opened) = OpenedStore::open(&loaded)? {
        let parts = added_parts(&loaded, &opened)?;
        (loaded.organisations.pdp, loaded.organisations.directory) = (parts.pdp, parts.directory);
    }
    Ok(loaded)
}

fn added_parts(loaded: &Loaded, opened: &OpenedStore) -> Result<SnapshotParts, KeyError> {
    // The name does not depend on how people are named in the log.
    let pseudonyms = PseudonymKey::new(Secret::new([0; 32]));
    let parts = snapshot_parts(loaded, &opened.stored, pseudonyms);
    let parts = with_additions(parts, &*opened.stored.managed);
    parts.map_err(|error| KeyError::Usage(error.to_string()))
}

/// The name of the snapshot a gateway would decide under now; nothing where no gateway ever ran.
pub(super) fn snapshot_now(loaded: &Loaded) -> Result<Option<SnapshotId>, KeyError> {
    let Some(opened) = OpenedStore::open(loaded)? else { return Ok(None) };
    let snapshot = Snapshot::new(added_parts(loaded, &opened)?, None);
    let snapshot = snapshot.map_err(|error| KeyError::Usage(error.to_string()))?;
    Ok(Some(snapshot.id().clone()))
}

/// What the store has of organisations, and what reads it.
struct OpenedStore {
    stored: Stored,
    /// Reading ends with it.
    _runtime: tokio::runtime::Runtime,
}

impl OpenedStore {
    /// Nothing without a store: opening it would make one.
    fn open(loaded: &Loaded) -> Result<Option<Self>, KeyError> {
        let file = &loaded.settings.places.state_file;
        if !file.exists() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(KeyError::Runtime)?;
        let store = Arc::new(SqliteStore::open(file, Arc::new(SystemClock))?);
        let stored = stored_parts(store, None, runtime.handle());
        Ok(Some(Self { stored, _runtime: runtime }))
    }
}

fn tenant_id(text: &str) -> Result<TenantId, KeyError> {
    TenantId::parse(text).map_err(|error| KeyError::Usage(error.to_string()))
}

/// This machine, as records name it.
pub(super) fn node() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "hubgate".to_owned() } else { name.to_owned() }
}

/// The build, as records name it.
const BUILD: &str = concat!("hubgate/", env!("CARGO_PKG_VERSION"), "+cli");

#[cfg(test)]
mod tests;
