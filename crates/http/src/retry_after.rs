use std::time::{Duration, SystemTime};

use http::{HeaderMap, header::RETRY_AFTER};

/// The wait that the server asks for (RFC 9110, section 10.2.3): a number of seconds, also with a fraction,
/// which is rounded up, or the time until a date; 0 for a date in the past. If there are several, the
/// longest. `None` if no value can be parsed.
///
/// The server chooses the time, so the caller must bound it (docs/threats.md, X4).
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let values = headers.get_all(RETRY_AFTER).iter();
    values
        .filter_map(|value| read(value.to_str().ok()?.trim(), now))
        .max()
}

fn read(text: &str, now: SystemTime) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if is_number(whole) && is_number(fraction) {
        let whole = Duration::from_secs(whole.parse().unwrap_or(u64::MAX));
        let is_more = fraction.bytes().any(|digit| digit != b'0');
        return Some(whole.saturating_add(Duration::from_secs(is_more.into())));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let table = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(20)),
            ("Tue, 06 Nov 1990 08:49:37 GMT", Some(0)),
            ("-5", None),
            ("1e30", None),
            ("1.5", Some(2)),
            ("3.0", Some(3)),
            (".5", None),
            ("1.5.2", None),
            ("7 s", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            assert_eq!(
                retry_after(&headers, now),
                expected.map(Duration::from_secs),
                "{value}"
            );
            // With another beside it, the longer one counts.
            headers.append(RETRY_AFTER, "60".parse().unwrap());
            let longest = expected.unwrap_or_default().max(60);
            assert_eq!(
                retry_after(&headers, now),
                Some(Duration::from_secs(longest)),
                "{value}"
            );
        }
    }
}
