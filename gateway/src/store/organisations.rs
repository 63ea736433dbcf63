//! Organisations the platform created, beside those of the files.
//!
//! They lie under the organisation that runs the platform, as the policies it added do.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::StoreError;
use crate::directory::OrganisationData;
use crate::model::{EntityRecord, TenantId, UnixNanos};

/// An organisation as it is kept. Its connections, domains and members are kept as those of any other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredOrganisation {
    /// Its id.
    pub id: TenantId,
    /// Shown to people.
    pub name: String,
    /// Host names that belong to it alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The entity that stands for the whole organisation.
    pub root: EntityRecord,
    /// When it was created.
    pub created: UnixNanos,
    /// When it was last changed.
    pub changed: UnixNanos,
}

impl StoredOrganisation {
    /// The organisation, as one that was read from files is.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it has no JSON form, which names it in the snapshot.
    pub fn data(self) -> Result<OrganisationData, StoreError> {
        let Self { id, name, hosts, root, created: _, changed: _ } = self;
        let damaged = |error: serde_json::Error| StoreError::Damaged {
            key: id.to_string(),
            cause: error.to_string(),
        };
        let said = serde_json::to_vec(&(&name, &hosts, &root)).map_err(damaged)?;
        Ok(OrganisationData {
            name,
            hosts,
            suspended: false,
            root: root.uid.clone(),
            connections: Vec::new(),
            policies: Vec::new(),
            digest: Sha256::digest(said).into(),
            created: Some(root),
            id,
        })
    }
}
