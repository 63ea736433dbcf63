//! Counts requests against quotas, and tells how they stand.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::admission::Pipeline;
use super::asker::Asker;
use super::recording::Trail;
use super::refusing::{ToldLimit, limit_fields};
use crate::limits::{KeptCounts, Quota, QuotaKey, Quotas, Standing, network};
use crate::model::{Dependency, Refusal};

/// What requests are counted with.
#[derive(Debug)]
pub struct Counting {
    /// Counts against quotas.
    pub quotas: Arc<Quotas>,
    /// What other processes counted.
    pub earlier: Arc<dyn KeptCounts>,
}

impl Pipeline {
    /// Counts a request against the quota `name`, if there is one left; the trail tells how it stands. Of several names,
    /// each counts once.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`]; [`Refusal::Unavailable`] where there is no such quota, or no telling what was used.
    pub(super) async fn count(
        &self,
        trail: &mut Trail<'_>,
        asker: &Asker,
        name: &str,
    ) -> Result<(), Refusal> {
        if trail.standings.iter().any(|standing| *standing.quota.name == *name) {
            return Ok(());
        }
        let (counted, quota) = quota_of(trail, asker, name)?;
        let now = trail.arrival.at;
        let Counting { quotas, earlier } = &self.parts.counting;
        if quotas.wants_earlier(&counted, &quota, now) {
            let earlier = earlier.earlier(&counted).await;
            let earlier = earlier.map_err(|_| Refusal::Unavailable(Dependency::Store))?;
            quotas.resume(&counted, &quota, earlier, now);
        }
        match quotas.take(&counted, &quota, now) {
            Ok(standing) => {
                trail.standings.push(standing);
                Ok(())
            }
            Err(standing) => Err(used_up(&standing)),
        }
    }

    /// The fields that tell how the quotas stand that a request was counted against.
    pub(super) fn standings(&self, trail: &Trail<'_>) -> http::HeaderMap {
        if trail.standings.is_empty() {
            return http::HeaderMap::new();
        }
        let told: Vec<ToldLimit<'_>> = trail.standings.iter().map(ToldLimit::from).collect();
        limit_fields(&told, self.wording(trail.request).style, false)
    }
}

/// The quota `name` as it is for who asks.
pub(super) fn quota_of(
    trail: &Trail<'_>,
    asker: &Asker,
    name: &str,
) -> Result<(QuotaKey, Quota), Refusal> {
    let client = asker.authenticated().api_key().map(|key| &key.id);
    let quota = trail.snapshot.plans().quota(name, asker.tenant(), client);
    let quota = quota.ok_or_else(|| {
        tracing::error!(quota = name, "there is no such quota: the request is refused");
        Refusal::Unavailable(Dependency::DecisionPoint)
    })?;
    let credential = match asker.tenant() {
        Some(_) => Arc::clone(asker.credential()),
        None => Arc::from(network(trail.arrival.peer.ip()).to_string()),
    };
    let (tenant, name) = (asker.tenant().cloned(), Arc::clone(&quota.name));
    Ok((QuotaKey { tenant, credential, quota: name }, quota))
}

fn used_up(standing: &Standing) -> Refusal {
    let quota = &standing.quota;
    Refusal::TooManyRequests {
        policy: Cow::Owned(quota.name.to_string()),
        quota: quota.requests.get(),
        window: Duration::from_secs(quota.window.get().into()),
        retry_after: Duration::from_secs(standing.resets_in.into()),
        fair_use: quota.fair_use,
    }
}
