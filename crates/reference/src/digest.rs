use core::fmt;

use crate::{
    ParseError, ParseErrorKind,
    scan::{MAX_DIGEST, short},
    text::{Text, text_type},
};

/// The algorithm of a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
    /// SHA-512, 128 hexadecimal digits.
    Sha512,
    /// Any other algorithm of the grammar. It cannot verify content.
    Unsupported,
}

impl Algorithm {
    /// The registered name; `None` for [`Algorithm::Unsupported`].
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Sha256 => Some("sha256"),
            Self::Sha512 => Some("sha512"),
            Self::Unsupported => None,
        }
    }

    /// True if content can be verified with it.
    #[must_use]
    pub const fn is_supported(self) -> bool {
        !matches!(self, Self::Unsupported)
    }

    /// The number of hexadecimal digits of its hashes.
    const fn encoded_length(self) -> Option<usize> {
        match self {
            Self::Sha256 => Some(64),
            Self::Sha512 => Some(128),
            Self::Unsupported => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name().unwrap_or("unsupported"))
    }
}

/// A content digest, `algorithm:encoded`, valid by construction (image-spec, *Digests*).
///
/// sha256 and sha512 need lowercase hexadecimal digits of the exact length. Other algorithms of the grammar
/// are parsed, up to 1024 bytes, as [`Algorithm::Unsupported`]; they cannot verify content.
#[derive(Clone)]
pub struct Digest {
    text: Text,
    colon: u16,
    algorithm: Algorithm,
}

impl Digest {
    /// Parses `algorithm:encoded`.
    ///
    /// # Errors
    ///
    /// A [`ParseError`] with the position of the first byte that does not fit.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let scanned = scan(text.as_bytes(), 0).map_err(|error| error.in_input(text))?;
        Ok(Self::from_scanned(Text::new(text), scanned))
    }

    /// Makes a digest from a computed hash: `bytes` are its octets, 32 for sha256 and 64 for sha512.
    ///
    /// # Errors
    ///
    /// [`ParseErrorKind::InvalidDigestLength`] if the length does not fit the algorithm, at a position in
    /// `bytes`; [`ParseErrorKind::UnsupportedAlgorithm`] for another algorithm.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, ParseError> {
        let (Some(name), Some(length)) = (algorithm.name(), algorithm.encoded_length()) else {
            return Err(ParseError::new(ParseErrorKind::UnsupportedAlgorithm, 0));
        };
        if bytes.len() * 2 != length {
            let position = bytes.len().min(length / 2);
            return Err(ParseError::new(ParseErrorKind::InvalidDigestLength, position));
        }
        let mut hex = [0; 128];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        let encoded = hex
            .get(..length)
            .and_then(|hex| core::str::from_utf8(hex).ok())
            .unwrap_or_default();
        Ok(Self::from_scanned(
            Text::join(&[name, ":", encoded]),
            (short(name.len()), algorithm),
        ))
    }

    /// A digest that is a part of an already scanned name.
    pub(crate) const fn from_scanned(text: Text, (colon, algorithm): (u16, Algorithm)) -> Self {
        Self {
            text,
            colon,
            algorithm,
        }
    }

    pub(crate) const fn scanned(&self) -> (u16, Algorithm) {
        (self.colon, self.algorithm)
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The text before the colon, also for an unsupported algorithm.
    #[must_use]
    pub fn algorithm_name(&self) -> &str {
        self.text.part(0, self.colon.into())
    }

    /// The text after the colon.
    #[must_use]
    pub fn encoded(&self) -> &str {
        self.text.part(usize::from(self.colon) + 1, self.text.len())
    }
}

text_type!(Digest);

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

/// Checks the digest from `start` to the end of `bytes`. Returns the offset of its colon from `start`, and
/// the algorithm.
pub(crate) fn scan(bytes: &[u8], start: usize) -> Result<(u16, Algorithm), ParseError> {
    let digest = bytes.get(start..).unwrap_or_default();
    scan_whole(digest).map_err(|error| error.at(start))
}

fn scan_whole(bytes: &[u8]) -> Result<(u16, Algorithm), ParseError> {
    if let Some(encoded) = bytes.strip_prefix(b"sha256:") {
        return hex(encoded, 64)
            .map(|()| (6, Algorithm::Sha256))
            .map_err(|error| error.at(7));
    }
    if let Some(encoded) = bytes.strip_prefix(b"sha512:") {
        return hex(encoded, 128)
            .map(|()| (6, Algorithm::Sha512))
            .map_err(|error| error.at(7));
    }
    if bytes.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let colon = algorithm_end(bytes)?;
    let encoded = bytes.get(colon + 1..).unwrap_or_default();
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-');
    if let Some(bad) = encoded.iter().position(|byte| !valid(byte)) {
        return Err(ParseError::new(ParseErrorKind::InvalidDigest, colon + 1 + bad));
    }
    if encoded.is_empty() || bytes.len() > MAX_DIGEST {
        return Err(ParseError::new(
            ParseErrorKind::InvalidDigestLength,
            bytes.len().min(MAX_DIGEST),
        ));
    }
    Ok((short(colon), Algorithm::Unsupported))
}

/// The offset of the colon after `component *(separator component)`.
fn algorithm_end(bytes: &[u8]) -> Result<usize, ParseError> {
    let mut in_component = false;
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => in_component = true,
            b'+' | b'.' | b'_' | b'-' if in_component => in_component = false,
            b':' if in_component => return Ok(position),
            _ => return Err(ParseError::new(ParseErrorKind::InvalidDigest, position)),
        }
    }
    Err(ParseError::new(ParseErrorKind::InvalidDigest, bytes.len()))
}

/// Checks for lowercase hexadecimal digits, exactly `length`.
fn hex(encoded: &[u8], length: usize) -> Result<(), ParseError> {
    let valid = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if let Some(bad) = encoded.iter().position(|byte| !valid(byte)) {
        return Err(ParseError::new(ParseErrorKind::InvalidDigest, bad));
    }
    if encoded.len() == length {
        Ok(())
    } else {
        Err(ParseError::new(
            ParseErrorKind::InvalidDigestLength,
            encoded.len().min(length),
        ))
    }
}
