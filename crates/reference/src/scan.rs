//! The grammar, one function for each part. Each function reads bytes once, forwards, and stops at the
//! first that does not fit; offsets are those of the whole input.

use core::net::Ipv6Addr;

use crate::{ParseError, ParseErrorKind};

/// The longest registry, in bytes. A DNS name has at most 253.
pub(crate) const MAX_REGISTRY: usize = 255;
/// The longest path, in bytes.
pub(crate) const MAX_PATH: usize = 255;
/// The longest tag, in bytes.
pub(crate) const MAX_TAG: usize = 128;
/// The longest digest, in bytes. The specification sets no limit; a sha512 digest has 135.
pub(crate) const MAX_DIGEST: usize = 1024;

const LOWER_OR_DIGIT: u8 = 1;
const UPPER: u8 = 1 << 1;
const DOT: u8 = 1 << 2;
const COLON: u8 = 1 << 3;
const HYPHEN: u8 = 1 << 4;
const UNDERSCORE: u8 = 1 << 5;
/// `/` and `@`, which end a component.
const END: u8 = 1 << 6;

const ALNUM: u8 = LOWER_OR_DIGIT | UPPER;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the table has as many entries as a byte has values"
        )]
        let class = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' => LOWER_OR_DIGIT,
            b'A'..=b'Z' => UPPER,
            b'.' => DOT,
            b':' => COLON,
            b'-' => HYPHEN,
            b'_' => UNDERSCORE,
            b'/' | b'@' => END,
            _ => 0,
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "bounded by the loop, and computed at compile time"
        )]
        {
            table[byte] = class;
        }
        byte += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "a byte always has an entry in a table of 256"
)]
fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// The end of the run of bytes in `classes` that begins at `start`.
fn run(bytes: &[u8], start: usize, classes: u8) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start
        + rest
            .iter()
            .position(|byte| class(*byte) & classes == 0)
            .unwrap_or(rest.len())
}

/// The end of the registry at the beginning of a name, or `None` if the name begins with a path: the first
/// component is a registry if a slash follows it and it has a dot, a colon or an upper-case letter, or is
/// `localhost` (distribution reference, `splitDockerDomain`).
pub(crate) fn registry_end(bytes: &[u8]) -> Option<usize> {
    let mut seen = 0;
    for (position, byte) in bytes.iter().enumerate() {
        let class = class(*byte);
        if class == END {
            let is_registry = seen & (DOT | COLON | UPPER) != 0 || bytes.starts_with(b"localhost/");
            return (*byte == b'/' && is_registry).then_some(position);
        }
        seen |= class;
    }
    None
}

/// True if names can have this registry: see [`registry_end`].
pub(crate) fn is_registry(component: &[u8]) -> bool {
    component == b"localhost"
        || component
            .iter()
            .any(|byte| class(*byte) & (DOT | COLON | UPPER) != 0)
}

/// Checks `host[:port]`, the whole of `bytes`.
pub(crate) fn registry(bytes: &[u8]) -> Result<(), ParseError> {
    let invalid = |position| Err(ParseError::new(ParseErrorKind::InvalidHost, position));
    let host_end = if bytes.first() == Some(&b'[') {
        ipv6(bytes)?
    } else {
        host(bytes)?
    };
    match bytes.get(host_end) {
        None => {}
        Some(b':') => port(bytes, host_end + 1)?,
        Some(_) => return invalid(host_end),
    }
    if bytes.len() > MAX_REGISTRY {
        return Err(ParseError::new(ParseErrorKind::HostTooLong, MAX_REGISTRY));
    }
    Ok(())
}

/// The end of the labels at the beginning of `bytes`.
fn host(bytes: &[u8]) -> Result<usize, ParseError> {
    let mut position = 0;
    loop {
        let end = run(bytes, position, ALNUM | HYPHEN);
        let label = bytes.get(position..end).unwrap_or_default();
        match (label.first(), label.last()) {
            (Some(b'-'), _) => return Err(ParseError::new(ParseErrorKind::InvalidHost, position)),
            (_, Some(b'-')) => return Err(ParseError::new(ParseErrorKind::InvalidHost, end - 1)),
            (None, _) => return Err(ParseError::new(ParseErrorKind::InvalidHost, position)),
            _ => {}
        }
        if bytes.get(end) != Some(&b'.') {
            return Ok(end);
        }
        position = end + 1;
    }
}

/// The end of the bracketed address at the beginning of `bytes`. Neither a zone nor an embedded IPv4 address
/// is part of the grammar.
fn ipv6(bytes: &[u8]) -> Result<usize, ParseError> {
    let rest = bytes.get(1..).unwrap_or_default();
    let length = rest
        .iter()
        .position(|byte| !byte.is_ascii_hexdigit() && *byte != b':')
        .unwrap_or(rest.len());
    if rest.get(length) != Some(&b']') {
        return Err(ParseError::new(ParseErrorKind::InvalidHost, 1 + length));
    }
    let address = rest
        .get(..length)
        .and_then(|address| core::str::from_utf8(address).ok());
    if address.is_none_or(|address| address.parse::<Ipv6Addr>().is_err()) {
        return Err(ParseError::new(ParseErrorKind::InvalidHost, 1));
    }
    Ok(length + 2)
}

/// Checks the digits from `start` to the end.
fn port(bytes: &[u8], start: usize) -> Result<(), ParseError> {
    let mut value = 0_u32;
    for (position, byte) in bytes.iter().enumerate().skip(start) {
        if !byte.is_ascii_digit() {
            return Err(ParseError::new(ParseErrorKind::InvalidPort, position));
        }
        value = value.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
    }
    if (1..=u32::from(u16::MAX)).contains(&value) {
        Ok(())
    } else {
        Err(ParseError::new(ParseErrorKind::InvalidPort, start))
    }
}

/// The path at `start`: its end, at a colon, an at sign or the end of the input, and whether it has only one
/// component.
pub(crate) fn path(bytes: &[u8], start: usize) -> Result<(usize, bool), ParseError> {
    let mut position = start;
    let mut single = true;
    loop {
        let end = run(bytes, position, LOWER_OR_DIGIT);
        if end == position {
            return Err(path_error(bytes, position, start));
        }
        position = match bytes.get(end) {
            None | Some(b':' | b'@') => return Ok((end, single)),
            Some(b'/') => {
                single = false;
                end + 1
            }
            Some(b'_') if bytes.get(end + 1) == Some(&b'_') => end + 2,
            Some(b'.' | b'_') => end + 1,
            Some(b'-') => run(bytes, end, HYPHEN),
            Some(_) => return Err(path_error(bytes, end, start)),
        };
    }
}

#[cold]
fn path_error(bytes: &[u8], position: usize, start: usize) -> ParseError {
    let kind = match bytes.get(position) {
        None | Some(b':' | b'@') if position == start => ParseErrorKind::Empty,
        Some(b'A'..=b'Z') => ParseErrorKind::UppercasePath,
        _ => ParseErrorKind::InvalidPath,
    };
    ParseError::new(kind, position)
}

/// The end of the tag at `start`, at an at sign or the end of the input.
pub(crate) fn tag(bytes: &[u8], start: usize) -> Result<usize, ParseError> {
    let end = match bytes.get(start) {
        None | Some(b'@') => return Err(ParseError::new(ParseErrorKind::Empty, start)),
        Some(b'.' | b'-') => start,
        Some(_) => run(bytes, start, ALNUM | UNDERSCORE | DOT | HYPHEN),
    };
    match bytes.get(end) {
        None | Some(b'@') if end - start > MAX_TAG => {
            Err(ParseError::new(ParseErrorKind::TagTooLong, start + MAX_TAG))
        }
        None | Some(b'@') => Ok(end),
        Some(_) => Err(ParseError::new(ParseErrorKind::InvalidTag, end)),
    }
}

/// True for an image identifier, which is the hexadecimal digits of a sha256 digest alone.
pub(crate) fn is_identifier(name: &[u8]) -> bool {
    name.len() == 64 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Converts an offset into a name. The limits of the parts ensure that it fits.
pub(crate) fn short(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
