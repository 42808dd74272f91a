use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of a member, in seconds and nanoseconds since 1970; before 1970 the seconds are negative.
///
/// ```
/// use wharf_layer::tar::Time;
/// assert!(Time::new(-1, 500_000_000) < Time::EPOCH); // half a second before
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    seconds: i64,
    nanoseconds: u32,
}

/// Nanoseconds of one second.
const SECOND: u32 = 1_000_000_000;

impl Time {
    /// The start of 1970.
    pub const EPOCH: Self = Self {
        seconds: 0,
        nanoseconds: 0,
    };

    /// The time `seconds` after [`Time::EPOCH`] and `nanoseconds` later. Nanoseconds above 999,999,999 are
    /// cut to that.
    #[must_use]
    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        let nanoseconds = if nanoseconds < SECOND {
            nanoseconds
        } else {
            SECOND - 1
        };
        Self { seconds, nanoseconds }
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`Time::seconds`], below 1,000,000,000.
    #[must_use]
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// The value of a PAX record: a decimal number of seconds, with a fraction or without, of which nine
    /// digits count. `None` for anything else.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut parts = text.splitn(2, |byte| *byte == b'.');
        let whole = parts.next()?;
        let fraction = parts.next();
        if fraction.is_some_and(<[u8]>::is_empty) {
            return None;
        }
        let digits = |text: &[u8]| {
            text.iter().try_fold(0_i64, |number, byte| {
                let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
                number.checked_mul(10)?.checked_add(digit)
            })
        };
        if whole.is_empty() {
            return None;
        }
        let seconds = digits(whole)?;
        let fraction = fraction.unwrap_or_default();
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let nine = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        let nanoseconds = nine.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Some(match (negative, nanoseconds) {
            (false, _) => Self::new(seconds, nanoseconds),
            (true, 0) => Self::new(-seconds, 0),
            (true, _) => Self::new((-seconds).checked_sub(1)?, SECOND - nanoseconds),
        })
    }

    /// The value of a PAX record, in the shortest form.
    pub(super) fn record(self) -> String {
        let (sign, seconds, nanoseconds) = match (self.seconds < 0, self.nanoseconds) {
            (true, 1..) => ("-", (self.seconds + 1).unsigned_abs(), SECOND - self.nanoseconds),
            (true, 0) => ("-", self.seconds.unsigned_abs(), 0),
            (false, _) => ("", self.seconds.unsigned_abs(), self.nanoseconds),
        };
        if nanoseconds == 0 {
            return format!("{sign}{seconds}");
        }
        let fraction = format!("{nanoseconds:09}");
        format!("{sign}{seconds}.{}", fraction.trim_end_matches('0'))
    }
}

/// A time that does not fit is cut to the first or the last one that does.
impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let parts = |duration: Duration| {
            let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
            (seconds, duration.subsec_nanos())
        };
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => {
                let (seconds, nanoseconds) = parts(after);
                Self::new(seconds, nanoseconds)
            }
            Err(before) => match parts(before.duration()) {
                (seconds, 0) => Self::new(-seconds, 0),
                (seconds, nanoseconds) => Self::new((-seconds).saturating_sub(1), SECOND - nanoseconds),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_records_are_read_and_written() {
        type Read = Option<(i64, u32)>;
        let cases: &[(&str, Read, &str)] = &[
            ("0", Some((0, 0)), "0"),
            (
                "1350244992.023960108",
                Some((1_350_244_992, 23_960_108)),
                "1350244992.023960108",
            ),
            (
                "1386065770.44825232",
                Some((1_386_065_770, 448_252_320)),
                "1386065770.44825232",
            ),
            ("1.000000000999", Some((1, 0)), "1"),
            ("-1", Some((-1, 0)), "-1"),
            ("-0.5", Some((-1, 500_000_000)), "-0.5"),
            ("-1.25", Some((-2, 750_000_000)), "-1.25"),
            ("9223372036854775807", Some((i64::MAX, 0)), "9223372036854775807"),
            ("9223372036854775808", None, ""),
            ("", None, ""),
            ("-", None, ""),
            (".5", None, ""),
            ("1.", None, ""),
            ("1.5.5", None, ""),
            ("1e5", None, ""),
            ("+1", None, ""),
            (" 1", None, ""),
            ("nan", None, ""),
            ("--1", None, ""),
        ];
        for (text, expected, written) in cases {
            let read = Time::parse(text.as_bytes());
            assert_eq!(
                read.map(|time| (time.seconds(), time.nanoseconds())),
                *expected,
                "{text}"
            );
            if let Some(time) = read {
                assert_eq!(time.record(), *written, "{text}");
                assert_eq!(Time::parse(written.as_bytes()), Some(time), "{text}");
            }
        }
    }

    #[test]
    fn times_of_the_system_are_taken_over() {
        let before = UNIX_EPOCH - Duration::from_millis(250);
        assert_eq!(Time::from(before), Time::new(-1, 750_000_000));
        let after = UNIX_EPOCH + Duration::new(5, 7);
        assert_eq!(Time::from(after), Time::new(5, 7));
        assert_eq!(Time::from(UNIX_EPOCH), Time::EPOCH);
        assert_eq!(Time::new(1, 2_000_000_000).nanoseconds(), 999_999_999);
    }
}
