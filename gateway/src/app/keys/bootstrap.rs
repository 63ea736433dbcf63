//! `hubgate key bootstrap`: the first credential of an organisation, shown once and good for nothing but its own
//! replacement.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use crate::admin::{administration_scopes, scopes_of};
use crate::app::moment;
use crate::authn::{ApiKey, ApiKeys as _, NewApiKey};
use crate::config::Loaded;
use crate::model::{Clock as _, SystemClock};

use super::create::{Issue, assignments, organisation_of};
use super::{CommandError, Desk, KeyError};

/// How long somebody has to replace it.
const LIFETIME: Duration = Duration::from_hours(24);

/// What making API clients is decided by.
const CREDENTIALS: &str = "credentials:manage";

/// Whose first credential it is.
#[derive(Debug, Args)]
pub(in crate::app) struct Bootstrap {
    /// The organisation it will belong to.
    #[arg(long, alias = "organisation", value_name = "ORGANISATION")]
    tenant: String,
    /// The role on the organisation's root that its replacement is to have, as `client=Operator::nordvolt`.
    #[arg(long = "role", value_name = "ROLE=TYPE::ID", required = true)]
    roles: Vec<String>,
}

impl Bootstrap {
    pub(super) fn run(&self, loaded: &Loaded, out: &mut dyn Write) -> Result<(), CommandError> {
        let organisation = organisation_of(loaded, &self.tenant)?;
        let (tenant, now) = (organisation.id().clone(), SystemClock.now());
        let desk = Desk::open(&loaded.settings.places)?;
        let keys = desk.runtime.block_on(desk.keys.list(&tenant)).map_err(KeyError::from)?;
        // One that can make others; a key that only pushes is no way in.
        let makes_others = |key: &&ApiKey| {
            let scopes = scopes_of(CREDENTIALS).unwrap_or_default();
            key.in_force(now) && key.scopes.iter().any(|it| scopes.contains(&it.as_str()))
        };
        if let Some(key) = keys.iter().find(makes_others) {
            let message = format!(
                "`{tenant}` has the key `{}` ({}) already: make others with it, or revoke it first",
                key.name, key.id
            );
            return Err(KeyError::Usage(message).into());
        }
        let end = now.plus(LIFETIME);
        let platform = loaded.settings.platform.as_ref() == Some(&tenant);
        let roles = assignments(loaded, organisation, &self.roles)?;
        if let Some(role) = roles.iter().find(|role| role.on != *organisation.root()) {
            let root = organisation.root();
            let message =
                format!("`{}` is not the organisation's root, which is `{root}`", role.on);
            return Err(KeyError::Usage(message).into());
        }
        let wish = NewApiKey {
            roles,
            scopes: administration_scopes(platform).into_iter().map(str::to_owned).collect(),
            name: String::from("bootstrap"),
            expires: Some(end),
            networks: Vec::new(),
            tenant,
        };
        let (key, token) = Issue { loaded, desk: &desk }.issue(wish, true)?;
        writeln!(out, "{}", token.expose())?;
        writeln!(out)?;
        writeln!(out, "This is the bootstrap key ({}) of `{}`.", key.id, key.tenant)?;
        writeln!(
            out,
            "It does one thing: it makes the API client that takes its place, and ends with that."
        )?;
        writeln!(out, "It ends by itself at {} (UTC).", moment::shown(end))?;
        writeln!(out, "Use it:    hubgate admin create-api-client --name … --scopes … --roles …")?;
        Ok(())
    }
}
