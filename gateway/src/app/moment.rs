//! Times as people write and read them on the command line.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::model::UnixNanos;

/// A text that is no time to come.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no time to come: write `90d`, `1y`, `12h`, or a day, as `2027-01-31`")]
pub(super) struct MomentError(String);

/// A text that is no time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no time: write a day, as `2026-11-22`, or a moment, as `2026-11-22T17:00:00Z`")]
pub(super) struct AtError(String);

/// Reads a moment: the start of a day (UTC), or a time with its offset.
pub(super) fn at(text: &str) -> Result<UnixNanos, AtError> {
    let day = text.parse::<Date>().map(|day| day.to_zoned(TimeZone::UTC));
    let moment = match day {
        // A day is the beginning of a moment, too: the longer reading goes first.
        Ok(Ok(day)) if !text.contains('T') => Ok(day.timestamp()),
        _ => text.parse::<Timestamp>(),
    };
    let wrong = || AtError(text.chars().take(80).collect());
    let seconds = moment.map_err(|_| wrong())?.as_second();
    u64::try_from(seconds).map(UnixNanos::from_seconds).map_err(|_| wrong())
}

/// Reads an end: a span from `now`, or the start of a day (UTC).
pub(super) fn end(text: &str, now: UnixNanos) -> Result<UnixNanos, MomentError> {
    let wrong = || MomentError(text.chars().take(80).collect());
    let today = timestamp(now).to_zoned(TimeZone::UTC);
    let end = match text.parse::<Date>() {
        Ok(day) => day.to_zoned(TimeZone::UTC),
        Err(_) => text.parse::<Span>().and_then(|span| today.checked_add(span)),
    };
    let end = end.map_err(|_| wrong())?;
    if end <= today {
        return Err(wrong());
    }
    u64::try_from(end.timestamp().as_second()).map(UnixNanos::from_seconds).map_err(|_| wrong())
}

/// Shows a time to the minute, in UTC.
pub(super) fn shown(moment: UnixNanos) -> String {
    timestamp(moment).strftime("%Y-%m-%d %H:%M").to_string()
}

fn timestamp(moment: UnixNanos) -> Timestamp {
    let seconds = i64::try_from(moment.seconds()).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 12:00 UTC.
    const NOW: UnixNanos = UnixNanos::from_seconds(1_795_348_800);

    #[test]
    fn reads_spans_and_days() {
        assert_eq!(shown(end("90d", NOW).unwrap()), "2027-02-20 12:00");
        assert_eq!(shown(end("12h", NOW).unwrap()), "2026-11-23 00:00");
        assert_eq!(shown(end("1y", NOW).unwrap()), "2027-11-22 12:00");
        assert_eq!(shown(end("2027-01-31", NOW).unwrap()), "2027-01-31 00:00");
    }

    #[test]
    fn reads_moments() {
        assert_eq!(shown(at("2026-11-22").unwrap()), "2026-11-22 00:00");
        assert_eq!(shown(at("2026-11-22T17:05:00+01:00").unwrap()), "2026-11-22 16:05");
        for text in ["", "now", "2026-11-22T17:05", "1969-01-01"] {
            assert!(at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rejects_the_past_and_nonsense() {
        for text in ["", "soon", "-3d", "0d", "2026-11-22", "2001-01-01", "99999999y"] {
            assert!(end(text, NOW).is_err(), "{text}");
        }
    }
}
