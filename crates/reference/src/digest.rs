use core::fmt;

use crate::{
    ParseError, ParseErrorKind,
    text::{Text, text_type},
};

/// The longest digest accepted, in bytes. The specification sets no limit; a sha512 digest has 135.
const MAX_LENGTH: usize = 1024;

/// The algorithm of a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
    /// SHA-512, 128 hexadecimal digits.
    Sha512,
    /// Grammatical, but nothing can be verified with it.
    Unsupported,
}

impl Algorithm {
    /// The registered name, or `None` for an algorithm nothing can be verified with.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Sha256 => Some("sha256"),
            Self::Sha512 => Some("sha512"),
            Self::Unsupported => None,
        }
    }

    /// Whether content can be verified with it.
    #[must_use]
    pub const fn is_supported(self) -> bool {
        !matches!(self, Self::Unsupported)
    }

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
/// sha256 and sha512 need lowercase hexadecimal of the exact length. Other algorithms that fit the grammar
/// parse, with [`Algorithm::Unsupported`]; nothing verifies with them.
#[derive(Clone)]
pub struct Digest {
    text: Text,
    colon: u16,
    algorithm: Algorithm,
}

impl Digest {
    /// Parses `algorithm:encoded`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (colon, algorithm) = scan(text)?;
        Ok(Self {
            text: Text::new(text),
            colon,
            algorithm,
        })
    }

    /// A digest from a hash computed elsewhere: `bytes` are its raw octets.
    ///
    /// Fails if the length does not fit the algorithm or the algorithm is unsupported.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, ParseError> {
        use core::fmt::Write as _;

        let name = algorithm
            .name()
            .ok_or(ParseError::new(ParseErrorKind::InvalidDigest, 0))?;
        let mut text = alloc::string::String::with_capacity(name.len() + 1 + bytes.len() * 2);
        text.push_str(name);
        text.push(':');
        for byte in bytes {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        }
        Self::parse(&text)
    }

    /// A digest that is a part of an already scanned reference.
    pub(crate) fn from_scanned(text: Text, scanned: (u16, Algorithm)) -> Self {
        Self {
            text,
            colon: scanned.0,
            algorithm: scanned.1,
        }
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

/// Finds the colon and the algorithm of a valid digest.
pub(crate) fn scan(text: &str) -> Result<(u16, Algorithm), ParseError> {
    let invalid = |position| ParseError::new(ParseErrorKind::InvalidDigest, position);
    if text.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    if text.len() > MAX_LENGTH {
        return Err(ParseError::new(ParseErrorKind::InvalidDigestLength, MAX_LENGTH));
    }
    let bytes = text.as_bytes();
    let mut component_start = true;
    let mut colon = None;
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' => component_start = false,
            b'+' | b'.' | b'_' | b'-' if !component_start => component_start = true,
            b':' if !component_start => {
                colon = Some(position);
                break;
            }
            _ => return Err(invalid(position)),
        }
    }
    let colon = colon.ok_or_else(|| invalid(text.len()))?;
    let (name, encoded) = (
        text.get(..colon).unwrap_or_default(),
        bytes.get(colon + 1..).unwrap_or_default(),
    );
    let algorithm = match name {
        "sha256" => Algorithm::Sha256,
        "sha512" => Algorithm::Sha512,
        _ => Algorithm::Unsupported,
    };
    let encoded_ok = |byte: &u8| match algorithm {
        Algorithm::Unsupported => byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'),
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    if let Some(bad) = encoded.iter().position(|byte| !encoded_ok(byte)) {
        return Err(invalid(colon + 1 + bad));
    }
    let fits = algorithm
        .encoded_length()
        .map_or(!encoded.is_empty(), |length| encoded.len() == length);
    if !fits {
        return Err(ParseError::new(ParseErrorKind::InvalidDigestLength, text.len()));
    }
    Ok((u16::try_from(colon).unwrap_or(u16::MAX), algorithm))
}
