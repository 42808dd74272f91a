//! Times as seconds since 1970, and the parts of those that certificates and timestamps have.

use wharf_content::parse_timestamp;

/// Seconds since 1970-01-01T00:00:00Z; negative before.
pub(crate) type Seconds = i64;

/// The second that a date and time of day name in UTC, or `None` if there is no such date. A leap second
/// counts as the second after it.
pub(crate) fn seconds([year, month, day]: [u32; 3], [hour, minute, second]: [u32; 3]) -> Option<Seconds> {
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    Some(parse_timestamp(&text)?.0)
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

    /// The digits that come next, at least one.
    pub(crate) fn fraction(&mut self) -> Option<&[u8]> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        (length > 0).then_some(digits)
    }
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
        }
    }
}
