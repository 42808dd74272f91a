use http::{HeaderMap, header};

/// The value of a `Content-Range` header (RFC 9110, section 14.4): `bytes first-last/complete`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) complete: Option<u64>,
}

impl ContentRange {
    /// Reads the header of an answer. `None` if there is not exactly one, if it is no range of bytes, if
    /// `first` is after `last`, or if `last` is not within `complete` (I9).
    ///
    /// # Deviation
    ///
    /// Blanks around the numbers, the unit in capitals, and an equals sign after it as in `Range` are
    /// accepted: they change none of the numbers.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_RANGE).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let (unit, range) = value.to_str().ok()?.trim().split_once([' ', '\t', '='])?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, complete) = range.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, complete) = (first.trim(), last.trim(), complete.trim());
        let (first, last) = (number(first)?, number(last)?);
        let complete = match complete {
            "*" => None,
            complete => Some(number(complete)?),
        };
        let sound = first <= last && complete.is_none_or(|complete| last < complete);
        sound.then_some(Self {
            first,
            last,
            complete,
        })
    }
}

/// Reads digits: `str::parse` would accept a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        let table = [
            ("bytes 5-9/10", Some((5, 9, Some(10)))),
            ("bytes 5-9/*", Some((5, 9, None))),
            ("bytes 0-0/1", Some((0, 0, Some(1)))),
            ("bytes 9-5/10", None),
            ("bytes 5-10/10", None),
            ("bytes 0-18446744073709551615/*", Some((0, u64::MAX, None))),
            ("bytes 0-18446744073709551616/*", None),
            ("bytes +5-9/10", None),
            ("bytes 5-9", None),
            ("bytes -9/10", None),
            ("bytes */10", None),
            ("bytes=5-9/10", Some((5, 9, Some(10)))),
            ("Bytes 5-9/10", Some((5, 9, Some(10)))),
            ("bytes  5 - 9 / 10 ", Some((5, 9, Some(10)))),
            ("BYTES\t5-9/*", Some((5, 9, None))),
            ("octets 5-9/10", None),
            ("bytes 5-9-10/10", None),
            ("5-9/10", None),
            ("", None),
        ];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, value.parse().unwrap());
            let got = ContentRange::of(&headers).map(|range| (range.first, range.last, range.complete));
            assert_eq!(got, expected, "{value}");
            headers.append(header::CONTENT_RANGE, value.parse().unwrap());
            assert_eq!(ContentRange::of(&headers), None, "{value} twice");
        }
    }
}
