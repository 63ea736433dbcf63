//! `hubgate key list`: the keys of an organisation, without any secret.

use std::io::Write;

use clap::Args;

use crate::app::moment;
use crate::authn::{ApiKey, ApiKeys as _, StoreUnavailable};
use crate::config::Places;
use crate::model::{Clock as _, SystemClock, UnixNanos};

use super::create::unknown;
use super::{CommandError, KeyError, open_keys, tenant_id};

/// Whose keys to list.
#[derive(Debug, Args)]
pub(in crate::app) struct List {
    /// The organisation.
    #[arg(long, alias = "organisation", value_name = "ORGANISATION")]
    tenant: String,
}

impl List {
    /// `known` names the organisations, as far as the configuration can be read.
    pub(super) fn run(
        &self,
        places: &Places,
        known: impl FnOnce() -> Option<Vec<String>>,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let tenant = tenant_id(&self.tenant)?;
        let (stored, runtime) = open_keys(places)?;
        let keys = runtime.block_on(stored.list(&tenant)).map_err(KeyError::from)?;
        if keys.is_empty() {
            // A misspelt name would otherwise look like an organisation without keys.
            if let Some(known) = known()
                && !known.iter().any(|name| name == tenant.as_str())
            {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                return Err(unknown("organisation", tenant.as_str(), &known).into());
            }
            writeln!(out, "`{tenant}` has no API keys.")?;
            return Ok(());
        }
        let now = SystemClock.now();
        let last = stored.uses(&tenant, keys.iter().map(|key| &key.id));
        let last =
            runtime.block_on(last).map_err(StoreUnavailable::from).map_err(KeyError::from)?;
        let (created, expires) = ("CREATED (UTC)", "EXPIRES (UTC)");
        let used = "LAST USED (UTC)";
        writeln!(
            out,
            "{:<12}  {:<8}  {created:<16}  {expires:<16}  {used:<16}  NAME",
            "KEY", "STATE"
        )?;
        for key in &keys {
            let created = moment::shown(key.created);
            let expires = key.expires.map_or_else(|| "never".to_owned(), moment::shown);
            let (id, state) = (key.id.as_str(), state(key, now));
            let used = last.get(&key.id).map_or_else(|| "-".to_owned(), |at| moment::shown(*at));
            let times = format!("{created:<16}  {expires:<16}  {used:<16}");
            writeln!(out, "{id:<12}  {state:<8}  {times}  {}", key.name)?;
            for role in &key.roles {
                writeln!(out, "{:14}{} on {}", "", role.role, role.on)?;
            }
            if !key.scopes.is_empty() {
                writeln!(out, "{:14}scopes: {}", "", key.scopes.join(" "))?;
            }
            if !key.networks.is_empty() {
                let networks: Vec<String> = key.networks.iter().map(ToString::to_string).collect();
                writeln!(out, "{:14}from: {}", "", networks.join(" "))?;
            }
        }
        Ok(())
    }
}

fn state(key: &ApiKey, now: UnixNanos) -> &'static str {
    match (key.revoked, key.in_force(now)) {
        (Some(_), _) => "revoked",
        (None, true) => "in force",
        (None, false) => "expired",
    }
}
