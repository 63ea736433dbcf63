//! Which quotas there are, and who has more or less of one.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::quotas::Quota;
use crate::model::{KeyId, TenantId};

/// A quota, and who has another number of requests of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The quota, for everybody else.
    pub quota: Quota,
    /// Requests of each credential of these organisations.
    pub organisations: BTreeMap<TenantId, NonZeroU32>,
    /// Requests of these API clients.
    pub clients: BTreeMap<KeyId, NonZeroU32>,
}

/// All quotas, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plans(BTreeMap<Arc<str>, Plan>);

impl Plans {
    /// Of these; of two with one name the later counts.
    pub fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        Self(plans.into_iter().map(|plan| (Arc::clone(&plan.quota.name), plan)).collect())
    }

    /// Whether there is a quota of that name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The quota of that name as it is for a credential of an organisation.
    pub fn quota(
        &self,
        name: &str,
        tenant: Option<&TenantId>,
        client: Option<&KeyId>,
    ) -> Option<Quota> {
        let plan = self.0.get(name)?;
        let own = client.and_then(|client| plan.clients.get(client));
        let own = own.or_else(|| plan.organisations.get(tenant?)).copied();
        let quota = plan.quota.clone();
        Some(Quota { requests: own.unwrap_or(quota.requests), ..quota })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_number_counts() {
        let number = |n| NonZeroU32::new(n).unwrap();
        let (tenant, client) = (TenantId::parse("nordvolt").unwrap(), KeyId::parse("abc").unwrap());
        let quota = Quota {
            name: "partner".into(),
            requests: number(10),
            window: number(600),
            fair_use: false,
        };
        let plans = Plans::new([Plan {
            quota,
            organisations: [(tenant.clone(), number(20))].into(),
            clients: [(client.clone(), number(30))].into(),
        }]);
        let requests = |tenant, client| plans.quota("partner", tenant, client).unwrap().requests;
        assert_eq!(requests(None, None), number(10));
        assert_eq!(requests(Some(&tenant), None), number(20));
        assert_eq!(requests(Some(&tenant), Some(&client)), number(30));
        assert_eq!(plans.quota("other", None, None), None);
    }
}
