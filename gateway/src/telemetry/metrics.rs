//! The metrics, in Prometheus text form. Names and labels are a contract: `docs/reference/metrics.md`.

use std::time::Duration;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

const EXCHANGES: &str = "hubgate_exchanges_total";
const DURATION: &str = "hubgate_exchange_seconds";
const RELOADS: &str = "hubgate_reloads_total";
const SNAPSHOT_AGE: &str = "hubgate_snapshot_activated_timestamp_seconds";
const RECORD_FAILURES: &str = "hubgate_record_failures_total";
const FLOODS: &str = "hubgate_flood_refusals_unrecorded_total";

/// From half a millisecond to half a minute: below is noise, above is a time-out.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How an exchange ended, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeEnd {
    /// The status sent downstream.
    pub status: Option<u16>,
    /// Why the gateway ended it, where it did.
    pub ended_by: Option<&'static str>,
    /// From the complete head to the end.
    pub duration: Duration,
}

/// The gateway's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    exchanges: IntCounterVec,
    duration: Histogram,
    reloads: IntCounterVec,
    snapshot_activated: IntGauge,
    record_failures: IntCounter,
    floods: IntCounter,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// Prometheus's, when a name is not valid or registered twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let exchanges = IntCounterVec::new(
            Opts::new(
                EXCHANGES,
                "Exchanges that ended, by service, status class and what ended them.",
            ),
            &["service", "status", "ended_by"],
        )?;
        let duration = Histogram::with_opts(
            HistogramOpts::new(DURATION, "Time from the complete head to the end of the exchange.")
                .buckets(BUCKETS.to_vec()),
        )?;
        let reloads = IntCounterVec::new(
            Opts::new(RELOADS, "Configurations taken or rejected since start."),
            &["result"],
        )?;
        let snapshot_activated =
            IntGauge::new(SNAPSHOT_AGE, "When the snapshot in force was activated, Unix time.")?;
        let record_failures =
            IntCounter::new(RECORD_FAILURES, "Refusals and outcomes that could not be recorded.")?;
        let floods = IntCounter::new(
            FLOODS,
            "Refusals of addresses over their limit that were counted and not recorded one by one.",
        )?;
        registry.register(Box::new(floods.clone()))?;
        registry.register(Box::new(exchanges.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        registry.register(Box::new(reloads.clone()))?;
        registry.register(Box::new(snapshot_activated.clone()))?;
        registry.register(Box::new(record_failures.clone()))?;
        Ok(Self {
            registry,
            exchanges,
            duration,
            reloads,
            snapshot_activated,
            record_failures,
            floods,
        })
    }

    /// Counts an exchange that ended.
    pub fn exchange(&self, service: Option<&str>, end: &ExchangeEnd) {
        let labels = [service.unwrap_or("gateway"), class(end.status), end.ended_by.unwrap_or("")];
        self.exchanges.with_label_values(&labels).inc();
        self.duration.observe(end.duration.as_secs_f64());
    }

    /// Counts a configuration that was taken.
    pub fn reloaded(&self, activated_unix_seconds: u64) {
        self.reloads.with_label_values(&["taken"]).inc();
        self.snapshot_activated.set(i64::try_from(activated_unix_seconds).unwrap_or(i64::MAX));
    }

    /// Counts a configuration that was rejected.
    pub fn reload_rejected(&self) {
        self.reloads.with_label_values(&["rejected"]).inc();
    }

    /// Sets how many records could not be written, and how many floods were not recorded one by one.
    pub fn unrecorded(&self, failures: u64, floods: u64) {
        for (counter, total) in [(&self.record_failures, failures), (&self.floods, floods)] {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }

    /// The text form (Prometheus exposition format 0.0.4).
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to a vector fails only for a metric family without metrics; it is then left out.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

/// A status by its class keeps the number of series small.
const fn class(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        _ => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_exchanges_by_service_and_class() {
        let metrics = Metrics::new().unwrap();
        let end = ExchangeEnd {
            status: Some(403),
            ended_by: Some("denied"),
            duration: Duration::from_millis(3),
        };
        metrics.exchange(Some("hub"), &end);
        let text = String::from_utf8(metrics.render()).unwrap();
        let line = r#"hubgate_exchanges_total{ended_by="denied",service="hub",status="4xx"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains("hubgate_exchange_seconds_count 1"), "{text}");
    }
}
