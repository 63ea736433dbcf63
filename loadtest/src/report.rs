//! The result of a comparison: a Markdown table for people, JSON for later.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use crate::generator::Tally;

/// One scenario in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    /// Processor time of the proxy per request, in microseconds.
    pub cpu_us: f64,
    /// Answers per second of wall time.
    pub per_second: f64,
    /// Median latency in microseconds.
    pub p50_us: u32,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: u32,
    /// Answers.
    pub requests: u64,
}

impl Measured {
    /// Divides what was used by what was answered.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub(crate) fn new(cpu: Duration, wall: Duration, tally: &Tally) -> Self {
        let requests = tally.answered();
        let mut latencies = tally.latencies_us.clone();
        latencies.sort_unstable();
        Self {
            cpu_us: cpu.as_secs_f64() * 1e6 / requests.max(1) as f64,
            per_second: requests as f64 / wall.as_secs_f64(),
            p50_us: percentile(&latencies, 50),
            p99_us: percentile(&latencies, 99),
            requests,
        }
    }
}

/// The value below which `percent` of the sorted values lie; 0 of nothing.
fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

/// Every scenario once, in their order.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round(pub Vec<Measured>);

/// All rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    scenarios: Vec<&'static str>,
    rounds: Vec<Round>,
}

impl Report {
    /// An empty report. The first scenario is what the others are divided by.
    pub(crate) fn new(scenarios: impl Iterator<Item = &'static str>) -> Self {
        Self { scenarios: scenarios.collect(), rounds: Vec::new() }
    }

    /// Adds a round.
    pub(crate) fn add(&mut self, round: Round) {
        self.rounds.push(round);
    }

    /// Writes the report into `folder` and gives the file.
    ///
    /// # Errors
    /// When it cannot be written.
    #[expect(clippy::disallowed_methods, reason = "a result is named after the time it was taken")]
    pub(crate) fn keep(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let seconds = std::time::SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("compare-{seconds}.json"));
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }

    /// The median over the rounds of what `value` takes from a scenario and the first one.
    fn median(&self, scenario: usize, value: impl Fn(&Measured, &Measured) -> f64) -> f64 {
        let of_round = |round: &Round| Some(value(round.0.get(scenario)?, round.0.first()?));
        let mut values: Vec<f64> = self.rounds.iter().filter_map(of_round).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = values.get(middle).copied().unwrap_or_default();
        if values.len().is_multiple_of(2) {
            let lower = values.get(middle.saturating_sub(1)).copied().unwrap_or_default();
            return f64::midpoint(lower, upper);
        }
        upper
    }
}

/// The table, with medians over the rounds. The ratio is taken within each round, as the machine's mood
/// changes between rounds.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.rounds.len();
        writeln!(
            f,
            "Medians of {rounds} alternating rounds; CPU is user + system of the proxy.\n"
        )?;
        writeln!(f, "| way | CPU µs/request | × bare | requests/s | p50 µs | p99 µs |")?;
        write!(f, "|---|--:|--:|--:|--:|--:|")?;
        for (number, name) in self.scenarios.iter().enumerate() {
            let of = |value: fn(&Measured) -> f64| self.median(number, |own, _| value(own));
            let ratio = self.median(number, |own, bare| own.cpu_us / bare.cpu_us);
            write!(
                f,
                "\n| {name} | {:.1} | {ratio:.2} | {:.0} | {:.0} | {:.0} |",
                of(|own| own.cpu_us),
                of(|own| own.per_second),
                of(|own| own.p50_us.into()),
                of(|own| own.p99_us.into()),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cpu_us: f64) -> Measured {
        Measured { cpu_us, per_second: 1.0, p50_us: 10, p99_us: 20, requests: 1 }
    }

    #[test]
    fn percentiles_of_few_and_many() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (50, 99));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99)), (7, 7));
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn the_ratio_is_taken_within_a_round() {
        let mut report = Report::new(["bare", "gateway"].into_iter());
        for (bare, gateway) in [(10.0, 12.0), (100.0, 130.0), (10.0, 14.0)] {
            report.add(Round(vec![measured(bare), measured(gateway)]));
        }
        let table = report.to_string();
        assert!(table.contains("| bare | 10.0 | 1.00 |"), "{table}");
        assert!(table.contains("| gateway | 14.0 | 1.30 |"), "{table}");
    }

    #[test]
    fn cpu_is_divided_by_answers() {
        let mut tally = Tally::default();
        tally.statuses.insert(200, 1000);
        let measured = Measured::new(Duration::from_millis(50), Duration::from_secs(2), &tally);
        assert!((measured.cpu_us - 50.0).abs() < 1e-9);
        assert!((measured.per_second - 500.0).abs() < 1e-9);
    }
}
