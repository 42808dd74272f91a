//! Times as Go's encoder writes them.

/// A time of RFC 3339 as Go writes the time that it reads from this text: at most nine digits of the fraction of a
/// second, zeros at its end cut, the offset kept, but `Z` for an offset of zero. `None` if Go refuses it.
pub(crate) fn as_go_writes(text: &str) -> Option<String> {
    let (date, clock) = text.split_at_checked(10)?;
    let (clock, rest) = clock.strip_prefix('T')?.split_at_checked(8)?;
    let digits = date.split('-').chain(clock.split(':')).collect::<Vec<_>>();
    let [year, month, day, hour, minute, second] = *digits.as_slice() else {
        return None;
    };
    let year = number(year, 4)?;
    let (month, day) = (number(month, 2)?, number(day, 2)?);
    if day == 0 || day > days(year, month)? || number(hour, 2)? > 23 {
        return None;
    }
    if number(minute, 2)? > 59 || number(second, 2)? > 59 {
        return None;
    }
    let zone = rest.find(['Z', '+', '-'])?;
    let (fraction, zone) = rest.split_at_checked(zone)?;
    let fraction = match fraction.strip_prefix(['.', ',']) {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.get(..9).unwrap_or(digits).trim_end_matches('0')
        }
        None if fraction.is_empty() => "",
        _ => return None,
    };
    let zone = match zone {
        "Z" | "+00:00" | "-00:00" => "Z",
        other => {
            let (hours, minutes) = other.get(1..)?.split_once(':')?;
            if number(hours, 2)? > 23 || number(minutes, 2)? > 59 {
                return None;
            }
            other
        }
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date}T{clock}{dot}{fraction}{zone}"))
}

fn number(digits: &str, length: usize) -> Option<u32> {
    let all_digits = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

fn days(year: u32, month: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    Some(match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::as_go_writes;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (read, written) in [
            ("2024-01-01T00:00:00Z", Some("2024-01-01T00:00:00Z")),
            ("2024-01-01T00:00:00.120000Z", Some("2024-01-01T00:00:00.12Z")),
            ("2024-01-01T00:00:00.000Z", Some("2024-01-01T00:00:00Z")),
            (
                "2024-01-01T00:00:00.1234567891Z",
                Some("2024-01-01T00:00:00.123456789Z"),
            ),
            ("2024-01-01T00:00:00,5Z", Some("2024-01-01T00:00:00.5Z")),
            ("2024-01-01T00:00:00+02:00", Some("2024-01-01T00:00:00+02:00")),
            ("2024-01-01T00:00:00-00:00", Some("2024-01-01T00:00:00Z")),
            ("2024-02-29T23:59:59+00:00", Some("2024-02-29T23:59:59Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("2023-02-29T00:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01t00:00:00z", None),
            ("2024-01-01T00:00:00", None),
            ("2024-01-01", None),
            ("2024-01-01T00:00:00.Z", None),
            ("2024-01-01T00:00:00+2:00", None),
            ("", None),
        ] {
            assert_eq!(as_go_writes(read).as_deref(), written, "{read}");
        }
    }
}
