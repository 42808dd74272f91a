use core::fmt;

/// Why a text is not the name it should be, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseError {
    kind: ParseErrorKind,
    position: usize,
}

impl ParseError {
    pub(crate) const fn new(kind: ParseErrorKind, position: usize) -> Self {
        Self { kind, position }
    }

    /// Moves the position by the offset of the part in the whole.
    pub(crate) const fn at(self, offset: usize) -> Self {
        Self {
            kind: self.kind,
            position: self.position + offset,
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The byte offset in the input at which it went wrong; the input's length when something is missing
    /// at its end.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind.describe(), self.position)
    }
}

impl core::error::Error for ParseError {}

/// The kinds of [`ParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing where a name, tag or digest must stand.
    Empty,
    /// A host that is not labels of letters, digits and inner hyphens, or a bracketed IPv6 address.
    InvalidHost,
    /// A port that is not a number from 1 to 65535.
    InvalidPort,
    /// A path component that is not lowercase letters and digits with `.`, `_`, `__` or hyphens between.
    InvalidPath,
    /// An upper-case letter in the repository path.
    UppercasePath,
    /// A registry and path of more than 255 bytes together.
    NameTooLong,
    /// A tag that is not a letter, digit or `_` followed by those, `.` and `-`.
    InvalidTag,
    /// A tag of more than 128 bytes.
    TagTooLong,
    /// A digest that is not `algorithm:encoded`.
    InvalidDigest,
    /// A digest whose encoded part has the wrong length for its algorithm.
    InvalidDigestLength,
    /// Sixty-four hexadecimal digits, which mean an image identifier, not a name.
    Identifier,
    /// A scheme such as `https://`, which names do not have.
    Scheme,
    /// A name that is valid but not in its full, canonical form.
    NotCanonical,
    /// A name that has a registry where a short name must stand.
    NotShort,
}

impl ParseErrorKind {
    const fn describe(self) -> &'static str {
        match self {
            Self::Empty => "something is missing: expected a name",
            Self::InvalidHost => "invalid registry host",
            Self::InvalidPort => "invalid port: expected a number from 1 to 65535",
            Self::InvalidPath => {
                "invalid repository path: expected lowercase letters and digits separated by '.', '_', '__' or '-'"
            }
            Self::UppercasePath => "a repository path must be lowercase",
            Self::NameTooLong => "a name must not be longer than 255 bytes",
            Self::InvalidTag => {
                "invalid tag: expected letters, digits, '_', '.' and '-', not starting with '.' or '-'"
            }
            Self::TagTooLong => "a tag must not be longer than 128 bytes",
            Self::InvalidDigest => {
                "invalid digest: expected an algorithm, ':' and lowercase hexadecimal digits"
            }
            Self::InvalidDigestLength => "invalid digest: its length does not fit the algorithm",
            Self::Identifier => "64 hexadecimal digits are an image identifier, not a name",
            Self::Scheme => "a name has no scheme: leave out 'https://'",
            Self::NotCanonical => "the name is not in its full form, registry/path",
            Self::NotShort => "the name has a registry, so it is not a short name",
        }
    }
}
