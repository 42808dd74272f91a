//! Numbers in headers: octal digits, or base 256 (GNU, and all who followed).

use super::problem::Problem;

/// The number of a header's field. The field's name is for the message.
///
/// | bytes | read as |
/// |---|---|
/// | spaces, octal digits, then spaces and NULs | the digits |
/// | spaces and NULs alone | 0 |
/// | `0x80`, then a big-endian number | that number |
/// | `0xff`, then a big-endian number | a negative number, in two's complement |
/// | anything else, or above 2^63-1 | refused: readers differ about it |
pub(super) fn parse(field: &[u8], name: &str) -> Result<i64, Problem> {
    let number = match field.first() {
        Some(0x80 | 0xff) => base256(field),
        _ => octal(field),
    };
    number.ok_or_else(|| Problem::corrupt(format!("the field `{name}` of the header is no number")))
}

fn octal(field: &[u8]) -> Option<i64> {
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let field = field.get(start..)?;
    let digits = field
        .iter()
        .position(|byte| !(b'0'..=b'7').contains(byte))
        .unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(digits)?;
    if !rest.iter().all(|byte| matches!(byte, b' ' | 0)) {
        return None;
    }
    digits.iter().try_fold(0_i64, |number, digit| {
        number.checked_mul(8)?.checked_add(i64::from(digit - b'0'))
    })
}

fn base256(field: &[u8]) -> Option<i64> {
    let (sign, digits) = field.split_first()?;
    if digits.len() > 11 {
        return None;
    }
    let magnitude = digits
        .iter()
        .fold(0_i128, |number, byte| (number << 8) | i128::from(*byte));
    let number = if *sign == 0xff {
        magnitude - (1_i128 << (8 * digits.len()))
    } else {
        magnitude
    };
    i64::try_from(number).ok()
}

/// `number` as octal digits with a NUL at the end, if the field has room for it.
pub(super) fn write_octal(field: &mut [u8], number: u64) -> bool {
    let Some((last, digits)) = field.split_last_mut() else {
        return false;
    };
    *last = 0;
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest & 7).unwrap_or_default();
        rest >>= 3;
    }
    rest == 0
}

/// `number` in base 256. The field has 12 bytes, so there is room for any number.
pub(super) fn write_base256(field: &mut [u8; 12], number: u64) {
    *field = [0; 12];
    let (start, end) = field.split_at_mut(4);
    if let Some(first) = start.first_mut() {
        *first = 0x80;
    }
    end.copy_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_readers_agree_about_are_read() {
        let cases: &[(&[u8], Option<i64>)] = &[
            (b"0000644\0", Some(0o644)),
            (b"000644 \0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"77777777", Some(0o7777_7777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"       \0", Some(0)),
            (b"644", Some(0o644)),
            (b"\x80\0\0\0\0\0\x01\x00", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x81\0\0\0\0\0\0\x01", None),
            (b"\xc0\0\0\0\0\0\0\x01", None),
            (b"0000648\0", None),
            (b"-000644\0", None),
            (b"+000644\0", None),
            (b"0o00644\0", None),
            (b"00_0644\0", None),
            (b"644 644\0", None),
            (b"644\0 644", None),
            (b"\x00000644\0", None),
            (b"\0\0\0\0\0\0\x001", None),
            (b"\t000644\0", None),
        ];
        for (field, expected) in cases {
            assert_eq!(parse(field, "mode").ok(), *expected, "{field:?}");
        }
    }

    #[test]
    fn numbers_that_are_written_are_read() {
        for number in [0, 1, 0o777, 0o7_777_777, 0o77_777_777_777] {
            let mut field = [b'x'; 12];
            assert!(write_octal(&mut field, number));
            assert_eq!(parse(&field, "size").ok(), i64::try_from(number).ok());
        }
        assert!(!write_octal(&mut [0; 12], 0o100_000_000_000));
        assert!(!write_octal(&mut [0; 8], 0o10_000_000));
        for number in [0, 1, 1 << 33, i64::MAX as u64] {
            let mut field = [b'x'; 12];
            write_base256(&mut field, number);
            assert_eq!(parse(&field, "size").ok(), i64::try_from(number).ok());
        }
    }
}
