use core::{fmt, str::FromStr};

use crate::{Algorithm, Digest, ParseError, Reference, scan, text::Text};

/// A name or a digest of an image. Local stores find images by either.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AnyReference {
    /// A bare digest.
    Digest(Digest),
    /// A name.
    Reference(Reference),
}

impl AnyReference {
    /// Parses an image identifier (64 lowercase hexadecimal digits, which mean sha256), a bare sha256 or
    /// sha512 digest, or a name as [`Reference::parse`] does. The first of these forms that fits is used.
    ///
    /// `app:1` and `sha256:1` are names with a tag, as neither is a digest of a known algorithm.
    ///
    /// # Errors
    ///
    /// As [`Reference::parse`], other than for an image identifier.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if scan::is_identifier(text.as_bytes()) {
            return Ok(Self::Digest(Digest::from_scanned(
                Text::join(&["sha256:", text]),
                (6, Algorithm::Sha256),
            )));
        }
        match crate::digest::scan(text.as_bytes(), 0) {
            Ok(scanned) if scanned.1.is_supported() => {
                Ok(Self::Digest(Digest::from_scanned(Text::new(text), scanned)))
            }
            _ => Reference::parse(text).map(Self::Reference),
        }
    }

    /// The text in full form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Digest(digest) => digest.as_str(),
            Self::Reference(reference) => reference.as_str(),
        }
    }
}

impl fmt::Display for AnyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AnyReference {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl From<Reference> for AnyReference {
    fn from(reference: Reference) -> Self {
        Self::Reference(reference)
    }
}

impl From<Digest> for AnyReference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

#[cfg(feature = "serde")]
impl serde_core::Serialize for AnyReference {
    fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde_core::Deserialize<'de> for AnyReference {
    fn deserialize<D: serde_core::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::de::text(deserializer, Self::parse)
    }
}
