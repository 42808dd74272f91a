use crate::{
    ParseError, ParseErrorKind, scan,
    text::{Text, text_type},
};

/// A tag: a letter, digit or underscore, then up to 127 of those, dots and hyphens, in ASCII
/// (distribution-spec, *Pulling manifests*).
///
/// A tag may contain `..`, but is never `.` or `..`. Tags that differ only by case are different, and some
/// are reserved names of file systems: do not name files after tags.
#[derive(Clone)]
pub struct Tag {
    text: Text,
}

impl Tag {
    /// Parses a tag.
    ///
    /// # Errors
    ///
    /// [`ParseErrorKind::Empty`], [`ParseErrorKind::InvalidTag`] or [`ParseErrorKind::TagTooLong`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let end = scan::tag(text.as_bytes(), 0).map_err(|error| error.in_input(text))?;
        if end < text.len() {
            return Err(ParseError::new(ParseErrorKind::InvalidTag, end).in_input(text));
        }
        Ok(Self {
            text: Text::new(text),
        })
    }

    /// The tag of a name that has neither tag nor digest.
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
