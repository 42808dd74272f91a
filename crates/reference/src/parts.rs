//! The offsets of the parts of a name in its text.

use crate::{
    Digest, ParseError, ParseErrorKind, Tag,
    digest::{self, Algorithm},
    registry::{DOCKER_HUB, DOCKER_HUB_LEGACY},
    scan::{self, short},
    text::Text,
};

/// The first path component of Docker Hub's repositories that are written with one component.
pub(crate) const OFFICIAL: &str = "library/";

/// The offsets of the parts after registry and path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    /// End of the name, where the tag's colon or the digest's at sign may stand.
    pub(crate) name_end: u16,
    /// End of the tag; equals `name_end` without one.
    pub(crate) tag_end: u16,
    /// Offset of the digest's colon within the digest, and its algorithm.
    pub(crate) digest: Option<(u16, Algorithm)>,
}

impl Tail {
    pub(crate) const fn has_tag(self) -> bool {
        self.tag_end > self.name_end
    }

    pub(crate) fn tag(self, text: &Text) -> Option<Tag> {
        let (start, end) = (usize::from(self.name_end) + 1, self.tag_end.into());
        self.has_tag().then(|| Tag::from_scanned(text.slice(start, end)))
    }

    pub(crate) fn digest(self, text: &Text) -> Option<Digest> {
        let scanned = self.digest?;
        Some(Digest::from_scanned(
            text.slice(usize::from(self.tag_end) + 1, text.len()),
            scanned,
        ))
    }

    /// These offsets in a text in which `insert` bytes have replaced the first `remove` bytes.
    pub(crate) fn moved(self, insert: usize, remove: usize) -> Self {
        let moved = |end: u16| short((usize::from(end) + insert).saturating_sub(remove));
        Self {
            name_end: moved(self.name_end),
            tag_end: moved(self.tag_end),
            digest: self.digest,
        }
    }
}

/// The offsets of the parts of a name as it was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    /// Start of the path; 0 without a registry, else one past the slash.
    pub(crate) path: u16,
    /// True if the path has only one component.
    pub(crate) single: bool,
    pub(crate) tail: Tail,
}

impl Parts {
    /// Scans a whole name. The limits are those of the normalised name.
    pub(crate) fn scan(input: &str) -> Result<Self, ParseError> {
        Self::scan_bytes(input).map_err(|error| scheme(input).unwrap_or(error).in_input(input))
    }

    fn scan_bytes(input: &str) -> Result<Self, ParseError> {
        let bytes = input.as_bytes();
        let path = match scan::registry_end(bytes) {
            Some(end) => {
                scan::registry(bytes.get(..end).unwrap_or_default())?;
                end + 1
            }
            None => 0,
        };
        let (name_end, single) = scan::path(bytes, path)?;
        let mut end = name_end;
        if bytes.get(end) == Some(&b':') {
            end = scan::tag(bytes, end + 1)?;
        }
        let tag_end = end;
        let digest = match bytes.get(end) {
            Some(_) => Some(digest::scan(bytes, end + 1)?),
            None if path == 0 && single && scan::is_identifier(bytes) => {
                return Err(ParseError::new(ParseErrorKind::Identifier, 0));
            }
            None => None,
        };
        let parts = Self {
            path: short(path),
            single,
            tail: Tail {
                name_end: short(name_end),
                tag_end: short(tag_end),
                digest,
            },
        };
        let official = if parts
            .prefix(input)
            .is_some_and(|(prefix, _)| prefix == OFFICIAL_PREFIX)
        {
            OFFICIAL.len()
        } else {
            0
        };
        if name_end - path + official > scan::MAX_PATH {
            return Err(ParseError::new(
                ParseErrorKind::PathTooLong,
                path + scan::MAX_PATH - official,
            ));
        }
        Ok(parts)
    }

    /// The text that normalisation puts first, and the number of bytes that it replaces; `None` if the text
    /// is in full form.
    pub(crate) fn prefix(&self, text: &str) -> Option<(&'static str, usize)> {
        let path = usize::from(self.path);
        match (
            text.get(..path.saturating_sub(1)).unwrap_or_default(),
            self.single,
        ) {
            ("" | DOCKER_HUB | DOCKER_HUB_LEGACY, true) => Some((OFFICIAL_PREFIX, path)),
            ("" | DOCKER_HUB_LEGACY, false) => Some((DOCKER_HUB_PREFIX, path)),
            _ => None,
        }
    }
}

const DOCKER_HUB_PREFIX: &str = "docker.io/";
const OFFICIAL_PREFIX: &str = "docker.io/library/";

/// The error for a name with a scheme, which is a frequent mistake. Only called for names that are refused,
/// so that valid names cost nothing.
#[cold]
fn scheme(input: &str) -> Option<ParseError> {
    let position = input.find("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let scheme = input.get(..position).unwrap_or_default();
    (!scheme.is_empty() && scheme.bytes().all(is_scheme))
        .then(|| ParseError::new(ParseErrorKind::Scheme, position))
}
