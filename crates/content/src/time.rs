//! Times of RFC 3339.

use std::time::{Duration, SystemTime};

const DAY: i64 = 86_400;

/// The moment of a time as RFC 3339 writes it, in configs and annotations; `None` for other text, and where the system's
/// clock cannot state it. A leap second is the second after it, and digits of a fraction after the ninth are cut off.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use wharf_content::parse_time;
///
/// assert_eq!(parse_time("1970-01-01T01:00:05.5+01:00"), Some(SystemTime::UNIX_EPOCH + Duration::from_millis(5500)));
/// assert_eq!(parse_time("1970-01-01"), None);
/// ```
#[must_use]
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let (seconds, nanoseconds) = parse_timestamp(text)?;
    let moment = Duration::new(seconds.unsigned_abs(), 0);
    let whole = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(moment)?
    } else {
        SystemTime::UNIX_EPOCH.checked_add(moment)?
    };
    whole.checked_add(Duration::from_nanos(nanoseconds.into()))
}

/// The seconds from 1970-01-01T00:00:00Z to a time as RFC 3339 writes it, negative before, and the nanoseconds that follow
/// the second; `None` for other text. It is [`parse_time`] for every year from 0000 to 9999 on every system.
///
/// ```
/// use wharf_content::parse_timestamp;
///
/// assert_eq!(parse_timestamp("1970-01-01T01:00:05.5+01:00"), Some((5, 500_000_000)));
/// assert_eq!(parse_timestamp("0001-01-01T00:00:00Z"), Some((-62_135_596_800, 0)));
/// ```
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<(i64, u32)> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_valid = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let seconds = days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    is_valid.then_some((seconds, nanoseconds(fraction)?))
}

/// The time that is this many seconds after 1970-01-01T00:00:00Z, or before if they are negative, as RFC 3339 writes it in
/// UTC; `None` outside of the years 0000 to 9999, which RFC 3339 cannot state.
///
/// ```
/// use wharf_content::format_timestamp;
///
/// assert_eq!(format_timestamp(1_796_031_000).as_deref(), Some("2026-11-30T09:30:00Z"));
/// ```
#[must_use]
pub fn format_timestamp(seconds: i64) -> Option<String> {
    let (first, last) = (days_before(0, 1, 1) * DAY, days_before(10_000, 1, 1) * DAY);
    if !(first..last).contains(&seconds) {
        return None;
    }
    let (days, time) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // A year has 365.2425 days, so that the estimate is a year too late at most.
    let estimate = (days - days_before(0, 1, 1)) * 10_000 / 3_652_425 + 1;
    let year = (0..=estimate)
        .rev()
        .find(|year| days_before(*year, 1, 1) <= days)?;
    let month = (1..=12)
        .rev()
        .find(|month| days_before(year, *month, 1) <= days)?;
    let day = days - days_before(year, month, 1) + 1;
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

/// Numbers of these many digits each, with a separator between them.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (number, length) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == length)?;
        *number = digits_of(part)?;
    }
    parts.next().is_none().then_some(found)
}

fn digits_of(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// A fraction of a second; digits after the ninth are cut off.
fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(nine.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// The seconds by which a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", zone) => (1, zone),
        ("-", zone) => (-1, zone),
        _ => return None,
    };
    let (hours, minutes) = zone.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits_of(hours)?, digits_of(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The days from 1970-01-01 to this date.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    /// The days from the year 0 to 1970.
    const EPOCH: i64 = 719_527;
    let before = year - 1;
    let years = year * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    years + months + day - 1 - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_written_as_it_is_read() {
        let mut expected = [0_i64, 1, 1];
        for days in days_before(0, 1, 1)..days_before(10_000, 1, 1) {
            let [year, month, day] = expected;
            // All days of four centuries, and of every year those around the end of February and of the year.
            if (1800..2200).contains(&year) || (month == 12 || month <= 3) && (day == 1 || day >= 28) {
                let text = format_timestamp(days * DAY + 3_723).unwrap();
                assert_eq!(text, format!("{year:04}-{month:02}-{day:02}T01:02:03Z"));
                assert_eq!(parse_timestamp(&text), Some((days * DAY + 3_723, 0)));
            }
            expected = match (month, day == days_of(year, month)) {
                (12, true) => [year + 1, 1, 1],
                (_, true) => [year, month + 1, 1],
                (_, false) => [year, month, day + 1],
            };
        }
        assert_eq!(expected, [10_000, 1, 1]);
        for (seconds, text) in [
            (-62_167_219_200, Some("0000-01-01T00:00:00Z")),
            (-62_167_219_201, None),
            (-1, Some("1969-12-31T23:59:59Z")),
            (951_868_799, Some("2000-02-29T23:59:59Z")),
            (253_402_300_799, Some("9999-12-31T23:59:59Z")),
            (253_402_300_800, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert_eq!(format_timestamp(seconds).as_deref(), text, "{seconds}");
        }
    }

    #[test]
    fn times_are_moments() {
        for (text, seconds, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0_i64, 0),
            ("1970-01-01T00:00:01.5z", 1, 500_000_000),
            ("1970-01-01t01:00:00+01:00", 0, 0),
            ("1969-12-31T23:59:59-00:00", -1, 0),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            ("2000-02-29T12:00:00Z", 951_825_600, 0),
            ("2026-11-30T09:30:00.123456789123Z", 1_796_031_000, 123_456_789),
            ("2026-11-30T09:30:00-05:30", 1_796_050_800, 0),
            ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
            ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
        ] {
            let found = parse_time(text).unwrap();
            let expected = if seconds < 0 {
                SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs())
            } else {
                SystemTime::UNIX_EPOCH + Duration::new(seconds.unsigned_abs(), nanoseconds)
            };
            assert_eq!(found, expected, "{text}");
        }
        for wrong in [
            "",
            "2026-11-30",
            "2026-11-30 09:30:00Z",
            "2026-11-30T09:30Z",
            "2026-11-30T09:30:00",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-30T24:00:00Z",
            "2026-11-30T00:60:00Z",
            "2026-11-30T00:00:61Z",
            "2026-11-30T00:00:00.Z",
            "2026-11-30T00:00:00.5xZ",
            "2026-11-30T00:00:00+1:00",
            "2026-11-30T00:00:00+24:00",
            "2026-11-30T00:00:00Zx",
            "+026-11-30T00:00:00Z",
            "2026-11-3\u{0660}T00:00:00Z",
            "26-11-30T00:00:00Z",
        ] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }
}
