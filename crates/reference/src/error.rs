use core::fmt;

/// The reason why a text is no valid name, and its position.
///
/// It has no more of the input than the one character that does not fit, escaped, so that it is safe to print;
/// show the input beside it. `Debug`, which `main` prints, is the same text as `Display`; `{:#?}` prints the
/// fields.
///
/// ```
/// use wharf_reference::Reference;
///
/// let error = Reference::parse("quay.io/team/app?x").unwrap_err();
/// assert_eq!((error.position(), error.character()), (16, Some('?')));
/// assert!(error.to_string().ends_with("(at byte 16, '?')"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParseError {
    kind: ParseErrorKind,
    position: usize,
    character: Option<char>,
}

impl ParseError {
    pub(crate) const fn new(kind: ParseErrorKind, position: usize) -> Self {
        Self {
            kind,
            position,
            character: None,
        }
    }

    /// Adds the character of `input` at the position, where it is the character that is wrong.
    pub(crate) fn in_input(self, input: &str) -> Self {
        let rest = input.get(self.position..).filter(|_| self.kind.has_character());
        Self {
            character: rest.and_then(|rest| rest.chars().next()),
            ..self
        }
    }

    /// Moves the position by the offset of the part in the whole.
    pub(crate) const fn at(self, offset: usize) -> Self {
        Self {
            position: self.position + offset,
            ..self
        }
    }

    /// The kind of error.
    #[must_use]
    pub const fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The offset of the first offending byte in the input, counted from 0, always on a character boundary; the
    /// input's length when something is missing at its end.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The character at the position, if it is one that may not be there; `None` if something is missing, too
    /// long or of another kind.
    #[must_use]
    pub const fn character(&self) -> Option<char> {
        self.character
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {}", self.kind.describe(), self.position)?;
        match self.character {
            Some(character) => write!(f, ", {character:?})"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_struct("ParseError")
            .field("kind", &self.kind)
            .field("position", &self.position)
            .field("character", &self.character)
            .finish()
    }
}

impl core::error::Error for ParseError {}

/// The kinds of [`ParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A name, tag or digest is missing.
    Empty,
    /// A host that is not labels of letters, digits and inner hyphens, or a bracketed IPv6 address.
    InvalidHost,
    /// A host that no name can have, because it would be read as a part of a Docker Hub path.
    AmbiguousHost,
    /// A registry of more than 255 bytes.
    HostTooLong,
    /// A port that is not a number from 1 to 65535.
    InvalidPort,
    /// A path component that is not lowercase letters and digits with `.`, `_`, `__` or hyphens between.
    InvalidPath,
    /// An upper-case letter in the repository path.
    UppercasePath,
    /// A path of more than 255 bytes, Docker Hub's `library/` included.
    PathTooLong,
    /// A tag that is not a letter, digit or `_` followed by those, `.` and `-`.
    InvalidTag,
    /// A tag of more than 128 bytes.
    TagTooLong,
    /// A digest that is not `algorithm:encoded`.
    InvalidDigest,
    /// A digest whose encoded part has the wrong length for its algorithm.
    InvalidDigestLength,
    /// A digest algorithm other than sha256 and sha512.
    UnsupportedAlgorithm,
    /// Sixty-four hexadecimal digits, which mean an image identifier, not a name.
    Identifier,
    /// A scheme such as `https://`, which names do not have.
    Scheme,
    /// A name that is valid but not in its full, canonical form.
    NotCanonical,
    /// A name with a registry, where a short name is required.
    NotShort,
    /// A tag or digest, where a repository is required.
    NotRepository,
}

impl ParseErrorKind {
    /// True if a character that may not be there is the reason.
    const fn has_character(self) -> bool {
        matches!(
            self,
            Self::InvalidHost
                | Self::InvalidPort
                | Self::InvalidPath
                | Self::UppercasePath
                | Self::InvalidTag
                | Self::InvalidDigest
        )
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Empty => "expected a name, found nothing",
            Self::InvalidHost => {
                "invalid registry host: expected letters, digits, '.' and inner '-', or an IPv6 address in brackets"
            }
            Self::AmbiguousHost => {
                "a registry host has a '.' or a port, or is 'localhost'; anything else reads as a Docker Hub path"
            }
            Self::HostTooLong => "a registry must not be longer than 255 bytes",
            Self::InvalidPort => "invalid port: expected a number from 1 to 65535",
            Self::InvalidPath => {
                "invalid repository path: expected lowercase letters and digits, separated by '.', '_', '__', '-' or '/'"
            }
            Self::UppercasePath => "a repository path must be lowercase",
            Self::PathTooLong => "a repository path must not be longer than 255 bytes",
            Self::InvalidTag => {
                "invalid tag: expected letters, digits, '_', '.' and '-', not beginning with '.' or '-'"
            }
            Self::TagTooLong => "a tag must not be longer than 128 bytes",
            Self::InvalidDigest => {
                "invalid digest: expected an algorithm, ':' and the encoded hash, in lowercase hexadecimal for sha256 and sha512"
            }
            Self::InvalidDigestLength => "invalid digest: its length does not fit its algorithm",
            Self::UnsupportedAlgorithm => "unsupported digest algorithm: expected sha256 or sha512",
            Self::Identifier => "64 hexadecimal digits are an image identifier, not a name",
            Self::Scheme => "a name has no scheme: leave out everything up to '://'",
            Self::NotCanonical => "the name is not in its full form, registry/path",
            Self::NotShort => "a short name must not have a registry",
            Self::NotRepository => "a repository must not have a tag or digest",
        }
    }
}
