//! The query of a request: `application/x-www-form-urlencoded`, read once, order and repeats kept.

use std::borrow::Cow;

pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads a query or a form; a pair whose escapes are not UTF-8 is dropped.
    pub(crate) fn parse(text: &'a str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .filter_map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    Some((decode(key)?, decode(value)?))
                })
                .collect(),
        )
    }

    /// The first value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(value)
    }

    /// Every value of a key.
    pub(crate) fn values<'k>(&'k self, key: &'k str) -> impl Iterator<Item = &'k str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_ref())
    }
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// A value for a query, escaped where it must be.
pub(crate) fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(encoded, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_repeats_escapes_and_oddities() {
        let query = Query::parse("tag=a&tag=b&digest=sha256%3Aab&x&y=%zz&&z=a+b%20c&e=");
        assert_eq!(query.values("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.value("digest"), Some("sha256:ab"));
        assert_eq!(query.value("x"), Some(""));
        assert_eq!(query.value("y"), None);
        assert_eq!(query.value("z"), Some("a b c"));
        assert_eq!(query.value("e"), Some(""));
        assert_eq!(query.value("missing"), None);
    }

    #[test]
    fn what_is_encoded_reads_back() {
        for value in ["", "v1.0", "a b", "sha256:0", "ü&=%+#?", "a/b"] {
            let text = format!("k={}", encode(value));
            assert_eq!(Query::parse(&text).value("k"), Some(value));
        }
    }
}
