use crate::{
    ParseError, ParseErrorKind,
    text::{Text, text_type},
};

const MAX_LENGTH: usize = 128;

/// A tag: a letter, digit or underscore, then up to 127 of those, dots and hyphens, in ASCII
/// (distribution-spec, *Pulling manifests*).
#[derive(Clone)]
pub struct Tag {
    text: Text,
}

impl Tag {
    /// Parses a tag.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        scan(text)?;
        Ok(Self {
            text: Text::new(text),
        })
    }

    /// The tag that is meant when a name has neither tag nor digest.
    #[must_use]
    pub fn latest() -> Self {
        Self {
            text: Text::new("latest"),
        }
    }

    pub(crate) const fn from_scanned(text: Text) -> Self {
        Self { text }
    }
}

text_type!(Tag);

pub(crate) fn scan(text: &str) -> Result<(), ParseError> {
    if text.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let valid = |(position, byte): (usize, &u8)| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => true,
        b'.' | b'-' => position > 0,
        _ => false,
    };
    if let Some(position) = text
        .bytes()
        .enumerate()
        .position(|(position, byte)| !valid((position, &byte)))
    {
        return Err(ParseError::new(ParseErrorKind::InvalidTag, position));
    }
    if text.len() > MAX_LENGTH {
        return Err(ParseError::new(ParseErrorKind::TagTooLong, MAX_LENGTH));
    }
    Ok(())
}
