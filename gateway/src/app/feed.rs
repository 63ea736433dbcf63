//! `hubgate feed`: what the hub pushed, read from the store. It works beside a serving gateway.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::cli::CommandError;
use super::moment;
use crate::config::{self, Places};
use crate::model::{IdError, Source, SystemClock, TenantId};
use crate::store::{
    DirectoryObjects, FeedHead, OpenError, SqliteStore, StoreError, Upload, UploadState,
};

/// What is to be told of feeds.
#[derive(Debug, Subcommand)]
pub(super) enum FeedCommand {
    /// Counts an organisation's pushed resources by type and source, and tells of the last upload.
    Status(Status),
}

/// Whose feed.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// The organisation.
    #[arg(long, alias = "organisation", value_name = "ORGANISATION")]
    tenant: String,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum FeedCommandError {
    /// No such organisation can be.
    #[error(transparent)]
    Tenant(#[from] IdError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no runtime.
    #[error("the command cannot be started")]
    Runtime(#[source] std::io::Error),
}

impl FeedCommand {
    pub(super) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        match self {
            // It must work while the configuration is broken.
            Self::Status(status) => status.run(&config::places(file)?, out),
        }
    }
}

impl Status {
    fn run(&self, places: &Places, out: &mut dyn Write) -> Result<(), CommandError> {
        let tenant = TenantId::parse(&self.tenant).map_err(FeedCommandError::from)?;
        let (feed, counts) = read(places, &tenant)?;
        if feed == FeedHead::default() {
            writeln!(out, "Nothing was ever pushed to `{tenant}`.")?;
            return Ok(());
        }
        writeln!(out, "{:<24}  {:<6}  {:>9}", "TYPE", "SOURCE", "RESOURCES")?;
        for ((kind, source), count) in &counts {
            writeln!(out, "{kind:<24}  {:<6}  {count:>9}", source.name())?;
        }
        let changed = feed.changed.map_or_else(|| "never".to_owned(), moment::shown);
        writeln!(
            out,
            "\n{} resources, revision {}, last changed {changed}",
            feed.objects, feed.revision
        )?;
        feed.upload.iter().try_for_each(|upload| show(upload, out))?;
        Ok(())
    }
}

fn show(upload: &Upload, out: &mut dyn Write) -> std::io::Result<()> {
    let state = match upload.state {
        UploadState::Open => "open",
        UploadState::Finishing => "being written",
        UploadState::Complete => "complete",
        UploadState::Refused => "refused",
        UploadState::Cancelled => "cancelled",
    };
    let (id, by) = (&upload.id, &upload.by);
    writeln!(out, "last upload {id} by `{by}`, {}: {state}", moment::shown(upload.touched))?;
    writeln!(
        out,
        "  {} lines, {} applied, {} unchanged, {} deleted, {} failed",
        upload.lines, upload.applied, upload.unchanged, upload.deleted, upload.failed
    )?;
    for error in &upload.errors {
        let line = error.line.map_or_else(String::new, |line| format!("line {line}: "));
        let id = error.id.as_ref().map_or_else(String::new, |id| format!("`{id}`: "));
        writeln!(out, "  {line}{id}{}", error.reason)?;
    }
    Ok(())
}

type Counts = BTreeMap<(String, Source), u64>;

fn read(places: &Places, tenant: &TenantId) -> Result<(FeedHead, Counts), FeedCommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(FeedCommandError::Runtime)?;
    let store = SqliteStore::open(&places.state_file, Arc::new(SystemClock))?;
    let objects = DirectoryObjects::new(Arc::new(store));
    runtime.block_on(async {
        let mut counts = Counts::new();
        let mut after = None;
        loop {
            let (page, next) = objects.page(tenant, after.as_ref()).await?;
            for object in page {
                let kind = object.record.uid.kind().to_owned();
                *counts.entry((kind, object.source)).or_default() += 1;
            }
            if next.is_none() {
                return Ok((objects.head(tenant).await?.feed, counts));
            }
            after = next;
        }
    })
}
