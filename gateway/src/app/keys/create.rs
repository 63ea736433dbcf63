//! `hubgate key create`: makes a key and shows its secret, once.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use ipnet::IpNet;

use crate::audit::Event;
use crate::authn::{ApiKey, ApiKeys as _, NewApiKey, Pepper};
use crate::authz::{Partition, PolicySchema};
use crate::config::{Loaded, nearest_name};
use crate::directory::Organisation;
use crate::model::{
    Clock as _, EntityUid, OsEntropy, RoleAssignment, Scopes, Secret, SystemClock, TenantId,
    network,
};

use super::{CommandError, Desk, KeyError, read_content, tenant_id};
use crate::app::moment;
use crate::app::secrets::prepare_secrets;

/// What the new key is to be.
#[derive(Debug, Args)]
pub(in crate::app) struct Create {
    /// The organisation it will belong to.
    #[arg(long, alias = "organisation", value_name = "ORGANISATION")]
    tenant: String,
    /// What to call it, for people: `billing export`.
    #[arg(long)]
    name: String,
    /// A role on a node of the organisation's tree, as `support_agent=Operator::nordvolt-east`; `@` does as
    /// well as `=`. Repeatable.
    #[arg(long = "role", value_name = "ROLE=TYPE::ID", required = true)]
    roles: Vec<String>,
    /// A scope, as `teams:read`. Repeatable; without one the policies for scopes decide.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A network it may be used from, as `192.0.2.0/24`. Repeatable; without one it may be used from everywhere.
    #[arg(long = "network", value_name = "NETWORK", value_parser = network)]
    networks: Vec<IpNet>,
    /// When it ends by itself: `90d`, `1y`, `12h`, or a day, as `2027-01-31`. Never, unless given.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

impl Create {
    pub(super) fn run(&self, loaded: &Loaded, out: &mut dyn Write) -> Result<(), CommandError> {
        let wish = self.wish(loaded)?;
        let desk = Desk::open(&loaded.settings.places)?;
        let (key, token) = Issue { loaded, desk: &desk }.issue(wish, false)?;
        writeln!(out, "{}", token.expose())?;
        writeln!(out)?;
        writeln!(out, "This is the API key `{}` ({}) of `{}`.", key.name, key.id, key.tenant)?;
        writeln!(out, "It is shown this once and cannot be shown again: put it in its place now.")?;
        match key.expires {
            Some(end) => writeln!(out, "It ends by itself at {} (UTC).", moment::shown(end))?,
            None => writeln!(out, "It does not end by itself.")?,
        }
        writeln!(out, "Use it:    curl -H 'Authorization: Bearer <key>' …")?;
        writeln!(out, "Revoke it: hubgate key revoke --tenant {} {}", key.tenant, key.id)?;
        Ok(())
    }

    fn wish(&self, loaded: &Loaded) -> Result<NewApiKey, KeyError> {
        let organisation = organisation_of(loaded, &self.tenant)?;
        let now = SystemClock.now();
        let expires = self.expires.as_deref().map(|text| moment::end(text, now)).transpose();
        Ok(NewApiKey {
            name: self.name.clone(),
            roles: assignments(loaded, organisation, &self.roles)?,
            scopes: self.scopes.iter().map(|text| scope(text)).collect::<Result<_, _>>()?,
            expires: expires.map_err(|error| KeyError::Usage(error.to_string()))?,
            networks: self.networks.clone(),
            tenant: organisation.id().clone(),
        })
    }
}

/// The organisation somebody names.
pub(super) fn organisation_of<'l>(
    loaded: &'l Loaded,
    name: &str,
) -> Result<&'l Arc<Organisation>, KeyError> {
    let tenant = tenant_id(name)?;
    let directory = &loaded.organisations.directory;
    directory.organisation(&tenant).ok_or_else(|| {
        let known: Vec<&str> = directory.organisations().map(|it| it.id().as_str()).collect();
        unknown("organisation", tenant.as_str(), &known)
    })
}

/// The roles somebody names, on nodes of an organisation.
pub(super) fn assignments(
    loaded: &Loaded,
    organisation: &Arc<Organisation>,
    given: &[String],
) -> Result<Vec<RoleAssignment>, KeyError> {
    let schema = &loaded.organisations.schema;
    let content = read_content(loaded, organisation)?;
    let place = (organisation.id(), &*content.partition);
    given.iter().map(|text| assignment(text, schema, place)).collect()
}

/// Makes keys: kept, and on record.
pub(super) struct Issue<'l> {
    pub(super) loaded: &'l Loaded,
    pub(super) desk: &'l Desk,
}

impl Issue<'_> {
    /// Makes one key, and its token.
    pub(super) fn issue(
        &self,
        wish: NewApiKey,
        bootstrap: bool,
    ) -> Result<(ApiKey, Secret<String>), KeyError> {
        let places = &self.loaded.settings.places;
        let secrets = prepare_secrets(&places.secrets_directory, &OsEntropy, &SystemClock)?;
        let pepper = Pepper::new(&secrets.pepper);
        let issued = wish.issue(&pepper, &OsEntropy, SystemClock.now())?;
        let (key, token) = (ApiKey { bootstrap, ..issued.key }, issued.token);
        let desk = self.desk;
        desk.runtime.block_on(desk.keys.create(key.clone()))?;
        let detail = format!("made on the command line: {}", key.name);
        if let Err(source) = desk.record(Event::KeyCreated, &key.tenant, &key.id, &detail) {
            // A key nobody can find in the log must not exist.
            let revoked = desk.keys.revoke(&key.tenant, &key.id, SystemClock.now());
            let undone = match desk.runtime.block_on(revoked) {
                Ok(_) => "the key was revoked",
                Err(_) => "the key may still be in force: revoke it",
            };
            return Err(KeyError::Unrecorded { undone, source });
        }
        Ok((key, token))
    }
}

/// The type of API clients in the schema.
const API_CLIENT: &str = "ApiClient";

fn assignment(
    text: &str,
    schema: &PolicySchema,
    (tenant, resources): (&TenantId, &Partition),
) -> Result<RoleAssignment, KeyError> {
    let form = || KeyError::Usage(format!("`{text}` is no role: write `role=Type::id`"));
    let (role, on) = text.split_once(['=', '@']).ok_or_else(form)?;
    let Some(node) = schema.role_node(API_CLIENT, role) else {
        let known: Vec<&str> = schema.role_names(API_CLIENT).collect();
        return Err(unknown("role", role, &known));
    };
    let on = EntityUid::parse(on).map_err(|error| KeyError::Usage(error.to_string()))?;
    if on.kind() != node {
        let message = format!("the role `{role}` is given on a `{node}`, not on `{on}`");
        return Err(KeyError::Usage(message));
    }
    if !resources.contains(&on) {
        let message = format!("there is no `{on}` in `{tenant}`");
        return Err(KeyError::Usage(message));
    }
    Ok(RoleAssignment { role: role.to_owned(), on })
}

fn scope(text: &str) -> Result<String, KeyError> {
    Scopes::new([text]).map_err(|error| KeyError::Usage(error.to_string()))?;
    Ok(text.to_owned())
}

pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> KeyError {
    let advice = nearest_name(name, known).map(|near| format!(": did you mean `{near}`?"));
    KeyError::Usage(format!("there is no {what} `{name}`{}", advice.unwrap_or_default()))
}
