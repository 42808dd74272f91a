//! Percent-encoding (RFC 3986, 2.1), of paths and of queries.

use std::{borrow::Cow, fmt::Write as _};

/// Undoes the escapes of unreserved characters in a path, which does not change what it names (RFC 3986,
/// 6.2.2.2). `None` if an escape is not two hexadecimal digits.
pub(crate) fn normalise(path: &str) -> Option<Cow<'_, str>> {
    undo(path, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// Undoes each escape of a text once. `None` if an escape is not two hexadecimal digits, or the result is not
/// UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    undo(text, |_| true)
}

fn undo(text: &str, undone: impl Fn(u8) -> bool) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (high, low) = (bytes.next()?, bytes.next()?);
        let escaped = hex(high)? << 4 | hex(low)?;
        if undone(escaped) {
            decoded.push(escaped);
        } else {
            decoded.extend([b'%', high, low]);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Escapes a value for a query.
pub(crate) fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_once() {
        for (text, normal, decoded) in [
            ("/v2/a", Some("/v2/a"), Some("/v2/a")),
            ("%61%2Fb", Some("a%2Fb"), Some("a/b")),
            ("%2e%2E", Some(".."), Some("..")),
            ("sha256%3a0", Some("sha256%3a0"), Some("sha256:0")),
            ("%2561", Some("%2561"), Some("%61")),
            ("%25%32%46", Some("%252F"), Some("%2F")),
            ("%00", Some("%00"), Some("\0")),
            ("%c3%bc", Some("%c3%bc"), Some("ü")),
            ("%ff", Some("%ff"), None),
            ("%", None, None),
            ("%4", None, None),
            ("%zz", None, None),
            ("%+1", None, None),
        ] {
            assert_eq!(normalise(text).as_deref(), normal, "{text}");
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
    }

    #[test]
    fn what_is_encoded_reads_back() {
        for value in ["", "v1.0", "a b", "sha256:0", "ü&=%+#?", "a/b"] {
            assert_eq!(decode(&encode(value)).as_deref(), Some(value));
        }
    }
}
