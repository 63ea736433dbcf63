//! `hubgate key revoke`: a key stops working at once, here and on every node within two seconds.

use std::io::Write;

use clap::Args;

use crate::audit::Event;
use crate::authn::ApiKeys as _;
use crate::config::Places;
use crate::model::{Clock as _, KeyId, SystemClock};

use super::{CommandError, Desk, KeyError, tenant_id};

/// Which key to revoke.
#[derive(Debug, Args)]
pub(in crate::app) struct Revoke {
    /// The organisation it belongs to.
    #[arg(long, alias = "organisation", value_name = "ORGANISATION")]
    tenant: String,
    /// The key's id: the part between `hg_` and the next `_`.
    key: String,
}

impl Revoke {
    pub(super) fn run(&self, places: &Places, out: &mut dyn Write) -> Result<(), CommandError> {
        let tenant = tenant_id(&self.tenant)?;
        // The id alone, or the whole key as somebody found it lying about.
        let id = self.key.strip_prefix("hg_").unwrap_or(&self.key);
        let id = id.split('_').next().unwrap_or(id);
        let id = KeyId::parse(id).map_err(|error| KeyError::Usage(error.to_string()))?;
        let desk = Desk::open(places)?;
        let revoked = desk.keys.revoke(&tenant, &id, SystemClock.now());
        if !desk.runtime.block_on(revoked).map_err(KeyError::from)? {
            return Err(KeyError::Usage(format!("`{tenant}` has no API key `{id}`")).into());
        }
        desk.record(Event::KeyRevoked, &tenant, &id, "revoked on the command line").map_err(
            |source| KeyError::Unrecorded { undone: "the key is revoked all the same", source },
        )?;
        writeln!(
            out,
            "The API key `{id}` of `{tenant}` is revoked; within two seconds everywhere."
        )?;
        Ok(())
    }
}
