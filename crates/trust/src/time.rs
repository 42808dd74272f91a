//! Times as seconds since 1970, read from the spellings that certificates, timestamps and JSON have.

/// Seconds since 1970-01-01T00:00:00Z; negative before.
pub(crate) type Seconds = i64;

/// The second that a date and time of day name in UTC, or `None` if there is no such date. A leap second
/// counts as the second after it.
pub(crate) fn seconds(date: [u32; 3], time: [u32; 3]) -> Option<Seconds> {
    let [year, month, day] = date;
    let [hour, minute, second] = time;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days from the civil calendar, with years that begin in March.
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second))
}

/// A time in UTC as RFC 3339 has it, to the second: `2024-06-01T00:00:00Z`.
pub(crate) fn shown(seconds: Seconds) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153; // from March
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Takes numbers of a fixed width and single characters off a text.
pub(crate) struct Scanner<'a>(pub(crate) &'a [u8]);

impl Scanner<'_> {
    /// A number of exactly this many digits.
    pub(crate) fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut number = 0u32;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
        }
        self.0 = rest;
        Some(number)
    }

    /// Whether this character came next, which is then taken.
    pub(crate) fn take(&mut self, wanted: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// This character.
    fn expect(&mut self, wanted: u8) -> Option<()> {
        self.take(wanted).then_some(())
    }

    /// The digits that come next, at least one.
    pub(crate) fn fraction(&mut self) -> Option<&[u8]> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        (length > 0).then_some(digits)
    }
}

/// A time of RFC 3339: its whole second, and whether a part of a second follows.
pub(crate) fn rfc3339(text: &str) -> Option<(Seconds, bool)> {
    let mut scanner = Scanner(text.as_bytes());
    let year = scanner.digits(4)?;
    scanner.expect(b'-')?;
    let month = scanner.digits(2)?;
    scanner.expect(b'-')?;
    let day = scanner.digits(2)?;
    scanner.expect(b'T')?;
    let hour = scanner.digits(2)?;
    scanner.expect(b':')?;
    let minute = scanner.digits(2)?;
    scanner.expect(b':')?;
    let second = scanner.digits(2)?;
    let mut part = false;
    if scanner.take(b'.') {
        part = scanner.fraction()?.iter().any(|digit| *digit != b'0');
    }
    let mut offset = 0;
    if !scanner.take(b'Z') {
        let sign = if scanner.take(b'-') { 1 } else { -1 };
        if sign == -1 {
            scanner.expect(b'+')?;
        }
        let hours = i64::from(scanner.digits(2).filter(|hours| *hours < 24)?);
        scanner.expect(b':')?;
        let minutes = i64::from(scanner.digits(2).filter(|minutes| *minutes < 60)?);
        offset = sign * (hours * 3_600 + minutes * 60);
    }
    let whole = seconds([year, month, day], [hour, minute, second])?;
    scanner.0.is_empty().then_some((whole + offset, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds_as_other_calendars_count_them() {
        for (date, time, expected) in [
            ([1970, 1, 1], [0, 0, 0], Some(0)),
            ([1969, 12, 31], [23, 59, 59], Some(-1)),
            ([2000, 2, 29], [12, 0, 0], Some(951_825_600)),
            ([2022, 12, 12], [18, 48, 19], Some(1_670_870_899)),
            ([2038, 1, 19], [3, 14, 8], Some(2_147_483_648)),
            ([9999, 12, 31], [23, 59, 59], Some(253_402_300_799)),
            ([2100, 2, 29], [0, 0, 0], None),
            ([2023, 2, 29], [0, 0, 0], None),
            ([2023, 4, 31], [0, 0, 0], None),
            ([2023, 13, 1], [0, 0, 0], None),
            ([2023, 0, 1], [0, 0, 0], None),
            ([2023, 1, 0], [0, 0, 0], None),
            ([2023, 1, 1], [24, 0, 0], None),
            ([2023, 1, 1], [0, 60, 0], None),
            ([2023, 1, 1], [0, 0, 61], None),
        ] {
            assert_eq!(seconds(date, time), expected, "{date:?} {time:?}");
            if let Some(seconds) = expected {
                let ([year, month, day], [hour, minute, second]) = (date, time);
                let text = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
                assert_eq!(shown(seconds), text);
            }
        }
    }

    #[test]
    fn times_of_json_are_read_with_their_offset_and_nothing_else() {
        for (text, expected) in [
            ("1970-01-01T00:00:01Z", Some((1, false))),
            ("1970-01-01T00:00:01.000Z", Some((1, false))),
            ("1970-01-01T00:00:01.5Z", Some((1, true))),
            ("1970-01-01T01:00:01+01:00", Some((1, false))),
            ("1969-12-31T23:00:01-01:00", Some((1, false))),
            ("1970-01-01 00:00:01Z", None),
            ("1970-01-01T00:00:01", None),
            ("1970-01-01T00:00:01.Z", None),
            ("1970-01-01T00:00:01Z ", None),
            ("1970-1-01T00:00:01Z", None),
            ("", None),
        ] {
            assert_eq!(rfc3339(text), expected, "{text}");
        }
    }
}
