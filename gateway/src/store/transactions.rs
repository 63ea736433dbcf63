//! Open logins in the store.
//!
//! There are no copies in memory: each is read once, and taking it must be seen by all processes at once.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::key::{Key, Kind};
use super::record::{damaged, locate, located, open, seal};
use super::seal::KeyRing;
use super::state::{StateStore, Versioned};
use crate::authn::{LOGIN_LIFETIME, LoginTransaction, LoginTransactions, StoreUnavailable};
use crate::model::{ConnectionKey, Entropy, UnixNanos};

/// Keeps open logins.
#[derive(Debug)]
pub struct StoredTransactions {
    store: Arc<dyn StateStore>,
    ring: KeyRing,
    entropy: Arc<dyn Entropy>,
}

/// An open login as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    connection: ConnectionKey,
    sealed_nonce: String,
    sealed_verifier: String,
    return_to: String,
    host: String,
    browser: String,
    created: UnixNanos,
}

const NONCE: &str = "nonce";
const VERIFIER: &str = "verifier";

impl StoredTransactions {
    /// Keeps open logins in `store`, their secrets sealed with `ring`.
    pub fn new(store: Arc<dyn StateStore>, ring: KeyRing, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, ring, entropy }
    }

    async fn write(&self, login: &LoginTransaction) -> Result<(), StoreError> {
        let tenant = &login.connection.tenant;
        let (index, place) = located(tenant, Kind::Login, &login.state_key)?;
        let sealed = |field, secret| seal(&self.ring, &*self.entropy, &place, (field, secret));
        let record = Record {
            connection: login.connection.clone(),
            sealed_nonce: sealed(NONCE, &login.nonce)?,
            sealed_verifier: sealed(VERIFIER, &login.verifier)?,
            return_to: login.return_to.clone(),
            host: login.host.clone(),
            browser: login.browser.clone(),
            created: login.created,
        };
        let value = serde_json::to_vec(&record).map_err(|error| damaged(&place, &error))?;
        let end = Some(login.created.plus(LOGIN_LIFETIME));
        self.store.put(&index, tenant.as_str().into(), end).await?;
        self.store.put(&place, value, end).await?;
        Ok(())
    }

    async fn claim(&self, state_key: &str) -> Result<Option<LoginTransaction>, StoreError> {
        let Some(place) = locate(&*self.store, Kind::Login, state_key).await? else {
            return Ok(None);
        };
        let Some(Versioned { version, value }) = self.store.get(&place).await? else {
            return Ok(None);
        };
        // Whoever deletes it has it.
        if !self.store.delete(&place, Some(version)).await? {
            return Ok(None);
        }
        let record: Record =
            serde_json::from_slice(&value).map_err(|error| damaged(&place, &error))?;
        self.opened(state_key, &place, record).map(Some)
    }

    fn opened(
        &self,
        state_key: &str,
        place: &Key,
        record: Record,
    ) -> Result<LoginTransaction, StoreError> {
        Ok(LoginTransaction {
            state_key: state_key.to_owned(),
            nonce: open(&self.ring, place, NONCE, &record.sealed_nonce)?,
            verifier: open(&self.ring, place, VERIFIER, &record.sealed_verifier)?,
            connection: record.connection,
            return_to: record.return_to,
            host: record.host,
            browser: record.browser,
            created: record.created,
        })
    }
}

#[async_trait]
impl LoginTransactions for StoredTransactions {
    async fn put(&self, transaction: LoginTransaction) -> Result<(), StoreUnavailable> {
        Ok(self.write(&transaction).await?)
    }

    async fn take(&self, state_key: &str) -> Result<Option<LoginTransaction>, StoreUnavailable> {
        // What came from outside and cannot be a key was never kept.
        if Key::index(Kind::Login, state_key).is_err() {
            return Ok(None);
        }
        Ok(self.claim(state_key).await?)
    }
}

#[cfg(test)]
mod tests;
