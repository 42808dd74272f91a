//! Times as Go's encoder writes them.

use wharf_content::parse_timestamp;

/// A time of RFC 3339 as Go writes the time that it reads from this text: at most nine digits of the fraction of a
/// second, zeros at its end cut, the offset kept, but `Z` for an offset of zero. `None` if Go refuses it.
pub(crate) fn as_go_writes(text: &str) -> Option<String> {
    let (date, clock) = text.split_at_checked(10)?;
    let (clock, rest) = clock.strip_prefix('T')?.split_at_checked(8)?;
    let (fraction, zone) = rest.split_at_checked(rest.find(['Z', '+', '-'])?)?;
    if clock.ends_with(":60") {
        return None; // Go knows no leap seconds
    }
    let fraction = fraction.replacen(',', ".", 1);
    parse_timestamp(&format!("{date}T{clock}{fraction}{zone}"))?;
    let digits = fraction.get(1..).unwrap_or_default();
    let digits = digits.get(..9).unwrap_or(digits).trim_end_matches('0');
    let dot = if digits.is_empty() { "" } else { "." };
    let zone = match zone {
        "+00:00" | "-00:00" => "Z",
        other => other,
    };
    Some(format!("{date}T{clock}{dot}{digits}{zone}"))
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
            ("2024-01-01T00:00:00,Z", None),
            ("2024-01-01T00:00:00.5,5Z", None),
            ("2016-12-31T23:59:60Z", None),
            ("2024-01-01T00:00:00+24:00", None),
            ("2024-01-01T00:00:00z", None),
            ("24-01-01T00:00:00Z", None),
            ("2024-01-01T00:00:00+2:00", None),
            ("", None),
        ] {
            assert_eq!(as_go_writes(read).as_deref(), written, "{read}");
        }
    }
}
