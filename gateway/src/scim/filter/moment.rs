//! A moment as RFC 3339 writes it, only to be compared with another.

/// A moment. The greater one is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Moment {
    /// Reads `2026-01-31T23:59:59.5Z`, or the same with an offset. Digits after the ninth of a second are dropped.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        let (date, time) = text.split_once(['T', 't'])?;
        let zone_at = time.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = time.split_at_checked(zone_at)?;
        let mut parts = date.split('-');
        let year = number(parts.next()?, 4)?;
        let month = ranged(parts.next()?, 1, 12)?;
        let day = ranged(parts.next()?, 1, 31)?;
        let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let mut clock_parts = clock.split(':');
        let hour = ranged(clock_parts.next()?, 0, 23)?;
        let minute = ranged(clock_parts.next()?, 0, 59)?;
        let second = ranged(clock_parts.next()?, 0, 60)?;
        if parts.next().is_some() || clock_parts.next().is_some() {
            return None;
        }
        let local = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self { seconds: local - offset(zone)?, nanoseconds: nanoseconds(fraction)? })
    }
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (ranged(hours, 0, 23)? * 3_600 + ranged(minutes, 0, 59)? * 60))
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("00000000".chars()).take(9).collect();
    digits.parse().ok()
}

fn ranged(text: &str, from: i64, to: i64) -> Option<i64> {
    number(text, 2).filter(|number| (from..=to).contains(number))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Days since 1970-01-01, by Howard Hinnant's `days_from_civil`: years begin in March, so that a leap day ends one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_counted_from_1970() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2024-02-29T12:00:00-05:30", 1_709_227_800),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
        ];
        for (text, seconds) in cases {
            assert_eq!(Moment::parse(text).unwrap(), Moment { seconds, nanoseconds: 0 }, "{text}");
        }
    }

    #[test]
    fn fractions_are_compared_by_their_size() {
        let of = |text: &str| Moment::parse(text).unwrap();
        assert!(of("2026-01-01T00:00:00.5Z") > of("2026-01-01T00:00:00Z"));
        assert!(of("2026-01-01T00:00:00.5Z") > of("2026-01-01T00:00:00.49Z"));
        assert_eq!(of("2026-01-01T00:00:00.50Z"), of("2026-01-01t00:00:00.5z"));
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in [
            "",
            "T",
            "TZ",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
            "26-01-01T00:00:00Z",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00Zx",
            "+026-01-01T00:00:00Z",
            "2026-01-01-01T00:00:00Z",
            "2026-01-01T00:00:00.5.5Z",
            "2026-01-01T00:00:00é",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
