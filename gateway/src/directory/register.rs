//! All organisations of one snapshot, found by id, by host name and by e-mail domain.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::organisation::Organisation;
use crate::model::{Connection, TenantId};

/// What two organisations cannot both have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Two organisations with one id.
    #[error("the organisation `{0}` is there twice")]
    DuplicateOrganisation(TenantId),
    /// Two organisations with one host name.
    #[error("the host `{host}` belongs to `{first}` and to `{second}`")]
    SharedHost {
        /// The host name.
        host: String,
        /// Who has it first.
        first: TenantId,
        /// Who has it again.
        second: TenantId,
    },
    /// One e-mail domain that would choose two connections.
    #[error("the e-mail domain `{domain}` chooses both `{first}` and `{second}`")]
    SharedDomain {
        /// The domain.
        domain: String,
        /// The first connection, as `organisation/connection`.
        first: String,
        /// The second.
        second: String,
    },
}

/// All organisations of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    organisations: BTreeMap<TenantId, Arc<Organisation>>,
    hosts: HashMap<String, TenantId>,
    domains: HashMap<String, Arc<Connection>>,
}

impl Directory {
    /// Registers organisations.
    ///
    /// # Errors
    /// Every [`RegisterError`].
    pub fn build(organisations: Vec<Arc<Organisation>>) -> Result<Self, Vec<RegisterError>> {
        let mut directory = Self::default();
        let mut errors = Vec::new();
        for organisation in organisations {
            directory.add(organisation, &mut errors);
        }
        if errors.is_empty() { Ok(directory) } else { Err(errors) }
    }

    /// Registers organisations as they are administered. What the one before has already, a host name or an e-mail
    /// domain, stays theirs.
    pub fn administered(organisations: impl IntoIterator<Item = Arc<Organisation>>) -> Self {
        let mut directory = Self::default();
        for organisation in organisations {
            directory.put(organisation);
        }
        directory
    }

    /// The same organisations, with `organisation` in the place of the one of its id. What another has already,
    /// a host name or an e-mail domain, stays theirs.
    #[must_use]
    pub fn with(&self, organisation: Arc<Organisation>) -> Self {
        let mut directory = self.clone();
        let id = organisation.id();
        directory.hosts.retain(|_, holder| holder != id);
        directory.domains.retain(|_, connection| connection.key.tenant != *id);
        directory.put(organisation);
        directory
    }

    fn put(&mut self, organisation: Arc<Organisation>) {
        let id = organisation.id().clone();
        for host in organisation.hosts() {
            self.hosts.entry(host.clone()).or_insert_with(|| id.clone());
        }
        for connection in organisation.connections() {
            for domain in &connection.email_domains {
                let place = self.domains.entry(domain.to_ascii_lowercase());
                place.or_insert_with(|| Arc::clone(connection));
            }
        }
        self.organisations.insert(id, organisation);
    }

    fn add(&mut self, organisation: Arc<Organisation>, errors: &mut Vec<RegisterError>) {
        let id = organisation.id().clone();
        for host in organisation.hosts() {
            if let Some(first) = self.hosts.insert(host.clone(), id.clone()) {
                let (host, second) = (host.clone(), id.clone());
                errors.push(RegisterError::SharedHost { host, first, second });
            }
        }
        for connection in organisation.connections() {
            for domain in &connection.email_domains {
                let domain = domain.to_ascii_lowercase();
                if let Some(first) = self.domains.insert(domain.clone(), Arc::clone(connection)) {
                    let (first, second) = (first.key.to_string(), connection.key.to_string());
                    errors.push(RegisterError::SharedDomain { domain, first, second });
                }
            }
        }
        if self.organisations.insert(id.clone(), organisation).is_some() {
            errors.push(RegisterError::DuplicateOrganisation(id));
        }
    }

    /// The organisation with this id.
    pub fn organisation(&self, id: &TenantId) -> Option<&Arc<Organisation>> {
        self.organisations.get(id)
    }

    /// The organisations that have files, and `created` as those the platform created.
    ///
    /// # Errors
    /// Every [`RegisterError`].
    pub fn with_created(&self, created: &[Arc<Organisation>]) -> Result<Self, Vec<RegisterError>> {
        let of_files = self.organisations().filter(|it| it.created().is_none());
        Self::build(of_files.chain(created).cloned().collect())
    }

    /// All organisations, in order of their ids.
    pub fn organisations(&self) -> impl Iterator<Item = &Arc<Organisation>> {
        self.organisations.values()
    }

    /// The connection that people of an e-mail domain sign in by. It says nothing of membership.
    pub fn connection_for_domain(&self, domain: &str) -> Option<&Arc<Connection>> {
        self.domains.get(&domain.to_ascii_lowercase())
    }

    /// The organisation that a host name belongs to alone.
    pub fn organisation_for_host(&self, host: &str) -> Option<&Arc<Organisation>> {
        self.organisations.get(self.hosts.get(host)?)
    }
}
