//! The crash test: kill the gateway under load, restart it, and look for requests without a record.
//!
//! Promise P5: no request reaches an upstream before its decision is on record. So every id the upstream
//! ever saw must stand on an `allow` decision in the log, whenever the process was killed.

use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use clap::Args;
use hubgate_testkit::stage::{HUB_HOST, Stage};
use tokio::net::TcpListener;

use crate::Places;
use crate::backend::{self, SeenIds};
use crate::decision_log::DecisionLog;
use crate::generator::{Connections, Shot};
use crate::setting::{self, LOAD_KEY};

/// How the crash test is run.
#[derive(Debug, Args)]
pub(crate) struct CrashArguments {
    #[command(flatten)]
    places: Places,
    /// How often the gateway is killed.
    #[arg(long, default_value_t = 100)]
    cycles: usize,
    /// How long each process is loaded before it is killed, in milliseconds; varied by up to a half.
    #[arg(long, default_value_t = 500)]
    load_ms: u64,
    /// Connections kept alive.
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

/// Longest the generator may take to notice that its connections are gone.
const NOTICE_PATIENCE: Duration = Duration::from_secs(10);

/// Runs all cycles, then judges what is left.
pub(crate) async fn run(arguments: &CrashArguments) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let service = listener.local_addr()?;
    let seen = SeenIds::default();
    tokio::spawn(backend::accept(listener, Some(Arc::clone(&seen))));
    let stage = setting::stage(&arguments.places, service, None, 2)?;
    let key = stage.create_key(&LOAD_KEY)?;
    let shot = Shot {
        path: "/api/v1/teams/team-harbour".into(),
        host: HUB_HOST.into(),
        port: stage.gateway().port(),
        credential: Some(("Authorization", format!("Bearer {key}"))),
    };
    let mut answered = 0;
    for cycle in 0..arguments.cycles {
        answered += load_and_kill(&stage, &shot, arguments, cycle).await?;
        if (cycle + 1) % 10 == 0 {
            println!("{} of {} kills, {answered} answers", cycle + 1, arguments.cycles);
        }
    }
    // The last torn tail is cut when the next process starts.
    let mut gateway = stage.start()?;
    gateway.wait_until_ready().await?;
    gateway.stop().await?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    anyhow::ensure!(answered > 0 && !seen.is_empty(), "no request was served: nothing is shown");
    judge(&stage, &seen)
}

/// One process's life; gives how many requests it answered.
async fn load_and_kill(
    stage: &Stage,
    shot: &Shot,
    arguments: &CrashArguments,
    cycle: usize,
) -> anyhow::Result<u64> {
    let mut gateway = stage.start()?;
    gateway.wait_until_ready().await?;
    let config = stage.authority().client_config(&["http/1.1"])?;
    let mut connections =
        Connections::open(stage.gateway(), HUB_HOST, &config, arguments.connections).await?;
    let shot = shot.clone();
    let load = tokio::spawn(async move {
        let tally = connections.run(&shot, NOTICE_PATIENCE).await;
        drop(connections);
        tally
    });
    tokio::time::sleep(load_time(arguments.load_ms, cycle)).await;
    gateway.kill()?;
    Ok(load.await??.answered())
}

/// Between a half and one and a half of the load time, so kills fall on different moments.
fn load_time(load_ms: u64, cycle: usize) -> Duration {
    // 7 and 16 share no divisor: sixteen cycles visit sixteen different times.
    let sixteenth = u64::try_from(cycle * 7 % 16).unwrap_or(0);
    Duration::from_millis(load_ms / 2 + load_ms * sixteenth / 16)
}

fn judge(stage: &Stage, seen: &[String]) -> anyhow::Result<ExitCode> {
    let log = DecisionLog::read(&stage.log_directory())?;
    let unrecorded = seen.iter().filter(|id| !log.allowed.contains(*id)).count();
    let verified = stage.run(&["log", "verify"]);
    println!("\nrequests the upstream saw        {}", seen.len());
    println!("  of them without an id          {}", seen.iter().filter(|id| id.is_empty()).count());
    println!("  of them without an allow       {unrecorded}");
    println!("allow decisions on record        {}", log.allowed.len());
    println!("log lines / shards               {} / {}", log.lines, log.shards);
    println!("torn lines                       {}", log.torn.len());
    println!("decisions on record twice        {}", log.repeated.len());
    println!("hubgate log verify               {}", if verified.is_ok() { "intact" } else { "NO" });
    for torn in log.torn.iter().take(5) {
        println!("  {torn}");
    }
    if let Err(error) = &verified {
        println!("  {error:#}");
    }
    let clean = unrecorded == 0 && log.torn.is_empty() && log.repeated.is_empty();
    Ok(if clean && verified.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn kills_fall_on_many_moments_around_the_load_time() {
        let times: BTreeSet<Duration> = (0..100).map(|cycle| load_time(480, cycle)).collect();
        assert_eq!(times.len(), 16);
        assert_eq!(times.first(), Some(&Duration::from_millis(240)));
        assert_eq!(times.last(), Some(&Duration::from_millis(690)));
    }
}
