//! The clock of a store, beside that of this machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use wharf_content::{Error, ErrorKind};

/// The difference of clocks up to which a process is ready. Clouds refuse signatures from 15 minutes on.
const MAX_DIFFERENCE: Duration = Duration::from_secs(5 * 60);

/// The clock of a store's server, as the `Date` of its last answer has it. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct StoreClock(Arc<AtomicI64>);

impl StoreClock {
    /// The seconds by which the clock of this machine is ahead of the store's, or behind it if they are negative. 0 until the store has
    /// told the time.
    #[must_use]
    pub fn ahead(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails if the clocks differ by more than 5 minutes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`], with the difference.
    pub fn check(&self) -> Result<(), Error> {
        let ahead = self.ahead();
        if ahead.unsigned_abs() <= MAX_DIFFERENCE.as_secs() {
            return Ok(());
        }
        let side = if ahead < 0 { "behind" } else { "ahead of" };
        let message = format!(
            "the clock of this machine is {} s {side} the object store's, which refuses requests with a wrong time: set the clock",
            ahead.unsigned_abs()
        );
        Err(Error::new(ErrorKind::Other, message))
    }

    /// Notes the `Date` of an answer that has come now. What is no date is passed over.
    pub(super) fn note(&self, date: &[u8]) {
        let date = std::str::from_utf8(date).ok();
        let Some(there) = date.and_then(|text| httpdate::parse_http_date(text).ok()) else {
            return;
        };
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let ahead = match SystemTime::now().duration_since(there) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        self.0.store(ahead, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_five_minutes() {
        let now = SystemTime::now();
        let (minute, tolerance) = (Duration::from_secs(60), Duration::from_secs(5));
        for (there, part) in [
            (now, None),
            (now + 5 * minute - tolerance, None),
            (now - 5 * minute + tolerance, None),
            (now + 5 * minute + tolerance, Some("behind the object store's")),
            (now - 5 * minute - tolerance, Some("ahead of the object store's")),
            (SystemTime::UNIX_EPOCH, Some("ahead of the object store's")),
        ] {
            let clock = StoreClock::default();
            clock.note(httpdate::fmt_http_date(there).as_bytes());
            let told = clock.check().map_err(|error| error.to_string());
            match part {
                None => assert_eq!(told, Ok(())),
                Some(part) => assert!(told.is_err_and(|told| told.contains(part)), "{there:?}"),
            }
        }
    }

    #[test]
    fn a_store_that_tells_no_time_is_not_judged() {
        let clock = StoreClock::default();
        for date in [
            &b""[..],
            b"yesterday",
            b"\xff",
            b"2026-01-01T00:00:00Z",
            b"Thu, 99 Foo 2026 00:00:00 GMT",
        ] {
            clock.note(date);
            assert_eq!(clock.ahead(), 0);
            assert!(clock.check().is_ok());
        }
    }
}
