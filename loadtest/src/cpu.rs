//! The processor time a process has used, from `/proc`.

use std::time::Duration;

use anyhow::Context as _;

/// `USER_HZ`: the unit of `/proc/<pid>/stat` is a hundredth of a second on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of the process `id`, all its threads, to a hundredth of a second.
pub(crate) fn used(id: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{id}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse(&text).with_context(|| format!("reading {path}"))
}

fn parse(stat: &str) -> anyhow::Result<Duration> {
    // The name stands in brackets and may hold spaces; fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    // proc(5): utime is field 14, stime field 15; the state, field 3, comes first here.
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next().context("too short")?.parse::<u64>().context("no number");
    let total = ticks()? + ticks()?;
    Ok(Duration::from_millis(total * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_user_and_system_time_behind_any_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 5 0 1 2";
        assert_eq!(parse(stat).unwrap(), Duration::from_millis(1750));
        assert!(parse("42 (a) S 1").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn this_process_has_used_some() {
        used(std::process::id()).unwrap();
        assert!(used(u32::MAX).is_err());
    }
}
