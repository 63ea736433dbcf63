//! The report of a verification, for people: what there is, what is wrong, what to note down.

use std::fmt::Write as _;

use super::{BOLD, Colour, DIM, GREEN, RED, clean, moment, size};
use crate::journal::{Ending, Report, ShardReport};

/// Unfinished requests listed per shard; `--json` of the log itself has them all.
const UNFINISHED_SHOWN: usize = 10;
/// Problems listed; the first ones tell the story.
const PROBLEMS_SHOWN: usize = 20;

/// Renders a report as text, last line without newline.
pub fn render_report(report: &Report, colour: Colour) -> String {
    let mut out = String::new();
    shards(&mut out, report, colour);
    decisions(&mut out, report);
    report.shards.iter().for_each(|shard| unfinished(&mut out, shard));
    problems(&mut out, report, colour);
    out.trim_end().to_owned()
}

fn shards(out: &mut String, report: &Report, colour: Colour) {
    let heading = format!(
        "{:<29}  {:<6}  {:>10}  {:>9}  {:<19}  {:<19}  {}",
        "shard", "state", "records", "size", "from (UTC)", "to (UTC)", "last record"
    );
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "{}", colour.paint(BOLD, &heading));
    for shard in &report.shards {
        let _ = writeln!(out, "{}", row(shard));
    }
    if report.shards.is_empty() {
        let _ = writeln!(out, "{}", colour.paint(DIM, "the log is empty"));
    }
}

fn row(shard: &ShardReport) -> String {
    let state = match shard.ending {
        Ending::Closed => "closed",
        Ending::Live => "live",
        Ending::Died => "died",
    };
    let at = |time| moment(time, "%Y-%m-%d %H:%M:%S");
    let (from, to) = shard.span.map_or_else(Default::default, |(from, to)| (at(from), at(to)));
    let head = shard.head.map_or_else(|| "-".into(), |(seq, hash)| format!("{seq}:{hash}"));
    format!(
        "{:<29}  {state:<6}  {:>10}  {:>9}  {from:<19}  {to:<19}  {head}",
        clean(&shard.name),
        shard.records,
        size(shard.bytes),
    )
}

fn decisions(out: &mut String, report: &Report) {
    let counts =
        report.decisions.iter().map(|(effect, count)| format!("{count} {}", clean(effect)));
    let counts: Vec<_> = counts.collect();
    if !counts.is_empty() {
        let _ = writeln!(out, "\ndecisions: {}", counts.join(", "));
    }
}

fn unfinished(out: &mut String, shard: &ShardReport) {
    let count = shard.unfinished.len();
    if count == 0 {
        return;
    }
    let why = match shard.ending {
        Ending::Live => "still under way",
        _ => "under way when the process died",
    };
    let _ = writeln!(out, "\n{count} allowed without outcome in {}: {why}", clean(&shard.name));
    for id in shard.unfinished.iter().take(UNFINISHED_SHOWN) {
        let _ = writeln!(out, "  {}", clean(id));
    }
    if count > UNFINISHED_SHOWN {
        let _ = writeln!(out, "  and {} more", count - UNFINISHED_SHOWN);
    }
}

fn problems(out: &mut String, report: &Report, colour: Colour) {
    if report.is_intact() {
        let text = "intact: every record is sound and in its place";
        let _ = writeln!(out, "\n{}", colour.paint(GREEN, text));
        return;
    }
    let count = report.problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let _ = writeln!(out, "\n{}", colour.paint(RED, &format!("BROKEN: {count} {noun}")));
    for problem in report.problems.iter().take(PROBLEMS_SHOWN) {
        let _ = writeln!(out, "  {}", clean(&problem.to_string()));
    }
    if count > PROBLEMS_SHOWN {
        let _ = writeln!(out, "  and {} more", count - PROBLEMS_SHOWN);
    }
}
