//! `Range` and `Content-Range`.

use std::ops::Range;

use http::{HeaderMap, header};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

/// The part of `size` bytes that a request asks for (RFC 9110, *Range Requests*). Several ranges, other units
/// and malformed ones are ignored, as the RFC allows; a range that ends before it begins cannot be satisfied.
pub(crate) fn parse(headers: &HeaderMap, size: u64) -> Requested {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Requested::Whole;
    };
    let range = value.to_str().ok().and_then(|text| text.split_once('='));
    let range = range.filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = range.and_then(|(_, range)| range.trim().split_once('-')) else {
        return Requested::Whole;
    };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Requested::Whole,
    };
    if part.is_empty() {
        Requested::Unsatisfiable
    } else {
        Requested::Part(part)
    }
}

/// The range that a chunk states: `first-last`, inclusive (distribution-spec, *Pushing a blob in chunks*).
/// `Err` for any other value.
pub(crate) fn content_range(headers: &HeaderMap) -> Result<Option<Range<u64>>, ()> {
    let mut values = headers.get_all(header::CONTENT_RANGE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(());
    }
    let (first, last) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once('-'))
        .ok_or(())?;
    let first = number(first).ok_or(())?;
    let end = number(last).and_then(|last| last.checked_add(1)).ok_or(())?;
    if first < end {
        Ok(Some(first..end))
    } else {
        Err(())
    }
}

/// A decimal number. Numbers above `u64::MAX` become `u64::MAX`.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_blob_of_ten_bytes() {
        let cases = [
            ("bytes=0-4", Requested::Part(0..5)),
            ("bytes=5-", Requested::Part(5..10)),
            ("bytes=-3", Requested::Part(7..10)),
            ("bytes=-30", Requested::Part(0..10)),
            ("bytes=8-30", Requested::Part(8..10)),
            ("bytes=0-18446744073709551615", Requested::Part(0..10)),
            ("bytes=0-99999999999999999999999", Requested::Part(0..10)),
            ("bytes=10-", Requested::Unsatisfiable),
            ("bytes=5-0", Requested::Unsatisfiable),
            ("bytes=-0", Requested::Unsatisfiable),
            ("Bytes=0-4", Requested::Part(0..5)),
            ("bytes= 0-4 ", Requested::Part(0..5)),
            ("bytes=0-1,3-4", Requested::Whole),
            ("bytes 0-4", Requested::Whole),
            ("bytes=", Requested::Whole),
            ("bytes=-", Requested::Whole),
            ("bytes=a-b", Requested::Whole),
            ("bytes=+1-2", Requested::Whole),
            ("lines=0-4", Requested::Whole),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            assert_eq!(parse(&headers, 10), expected, "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=-3".parse().unwrap());
        assert_eq!(parse(&headers, 0), Requested::Unsatisfiable);
    }

    #[test]
    fn ranges_of_a_chunk() {
        let cases = [
            ("0-0", Ok(Some(0..1))),
            ("5-9", Ok(Some(5..10))),
            ("9-5", Err(())),
            ("bytes 0-4/10", Err(())),
            ("0-", Err(())),
            ("-4", Err(())),
            ("0-18446744073709551615", Err(())),
            ("", Err(())),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, text.parse().unwrap());
            assert_eq!(content_range(&headers), expected, "{text}");
        }
    }
}
