//! What the platform says of an organisation it creates, and what can be wrong with it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::admin::guard::Guarded;
use crate::admin::problem::{FieldError, Problem};
use crate::audit::Item;
use crate::authz::Partition;
use crate::model::{EntityRecord, EntityUid, TenantId};
use crate::pipeline::Ground;
use crate::store::{Kind, StoredOrganisation};

/// Largest body: an organisation is kept in one piece of 64 KiB at most.
pub(super) const BODY_BYTES_MAX: usize = 32 * 1024;

/// Most host names of one organisation: more have a wildcard certificate, and a route for it.
const HOSTS_MAX: usize = 20;

/// What can be changed of an organisation that was created.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct OrganisationWritten {
    /// Its name: 1 to 120 bytes.
    #[schema(example = "Fjordkraft")]
    pub(super) name: String,
    /// The host names that are its own, at most 20. Routes serve each of them.
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    /// The attributes of its main account, as the schema has them.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) attributes: Map<String, Value>,
}

impl OrganisationWritten {
    /// What was said of an organisation.
    pub(super) fn of(stored: &StoredOrganisation) -> Self {
        Self {
            name: stored.name.clone(),
            hosts: stored.hosts.clone(),
            attributes: stored.root.attributes.clone(),
        }
    }

    /// The root it comes to.
    pub(super) fn root(&self, uid: EntityUid) -> EntityRecord {
        EntityRecord { uid, parents: Vec::new(), attributes: self.attributes.clone() }
    }

    /// What is wrong with it, for the organisation `tenant` whose root is called `uid`.
    pub(super) fn errors(
        &self,
        ground: &Ground<'_>,
        (tenant, uid): (&TenantId, &EntityUid),
    ) -> Vec<FieldError> {
        let mut errors = Vec::new();
        errors.extend(FieldError::of_line("name", &self.name, (1, 120)));
        if self.hosts.len() > HOSTS_MAX {
            errors.push(FieldError::new("hosts", format!("at most {HOSTS_MAX}")));
        }
        let mut seen = BTreeSet::new();
        for (number, host) in self.hosts.iter().take(HOSTS_MAX).enumerate() {
            let reason = if seen.insert(host) {
                host_taken(ground, tenant, host)
            } else {
                Some("it is there twice")
            };
            let field = || format!("hosts[{number}]");
            errors.extend(reason.map(|reason| FieldError::new(field(), reason)));
        }
        let root = self.root(uid.clone());
        let fits = Partition::build(ground.snapshot().schema(), std::iter::once(&root));
        let faults = fits.err().unwrap_or_default();
        errors.extend(faults.iter().map(|fault| FieldError::new("attributes", fault.to_string())));
        errors
    }
}

/// Why an organisation cannot have a host name.
fn host_taken(ground: &Ground<'_>, tenant: &TenantId, host: &str) -> Option<&'static str> {
    let snapshot = ground.snapshot();
    let owner = snapshot.directory().organisation_for_host(host);
    if !snapshot.routes().knows_host(host) {
        // Which routes there are is for the settings to say, and a host nobody serves answers nobody.
        return Some("no route serves this host: name it in the settings first");
    }
    owner.is_some_and(|owner| owner.id() != tenant).then_some("it is another organisation's")
}

/// An organisation in audit events.
pub(super) fn item(stored: &StoredOrganisation) -> Item {
    Item { kind: "organisation".to_owned(), id: stored.id.to_string(), name: stored.name.clone() }
}

/// An organisation as it is kept, if the platform created it.
pub(super) async fn kept(
    guarded: &Guarded<'_>,
    tenant: &TenantId,
) -> Result<Option<StoredOrganisation>, Problem> {
    let (objects, platform) = (guarded.desk.objects(), guarded.admitted.tenant());
    Ok(objects.find(platform, Kind::Organisation, tenant.as_str()).await?)
}
