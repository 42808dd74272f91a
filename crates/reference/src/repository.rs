use crate::{
    ParseError, ParseErrorKind, Reference, Registry,
    parts::OFFICIAL,
    scan::{self, short},
    text::{Text, text_type},
};

/// A repository: registry and path, such as `docker.io/library/alpine`, in full form.
#[derive(Clone)]
pub struct Repository {
    text: Text,
    slash: u16,
}

impl Repository {
    /// Parses a repository and normalises it as [`Reference::parse`] does.
    ///
    /// # Errors
    ///
    /// [`ParseErrorKind::NotRepository`] for a name with a tag or digest; otherwise as [`Reference::parse`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let reference = Reference::parse(text)?;
        if reference.has_tag() || reference.has_digest() {
            // What follows the name is never changed, so its length leads back into the input.
            let tail = reference.as_str().len() - reference.repository().as_str().len();
            return Err(ParseError::new(ParseErrorKind::NotRepository, text.len() - tail));
        }
        Ok(reference.repository())
    }

    /// Makes a repository from registry and path. Docker Hub's `library/` is added to a path of one
    /// component.
    ///
    /// # Errors
    ///
    /// A [`ParseError`] with a position in `path`.
    pub fn new(registry: &Registry, path: &str) -> Result<Self, ParseError> {
        let (end, single) = scan::path(path.as_bytes(), 0).map_err(|error| error.in_input(path))?;
        if end < path.len() {
            return Err(ParseError::new(ParseErrorKind::NotRepository, end));
        }
        let official = if single && registry.is_docker_hub() {
            OFFICIAL
        } else {
            ""
        };
        if official.len() + path.len() > scan::MAX_PATH {
            return Err(ParseError::new(
                ParseErrorKind::PathTooLong,
                scan::MAX_PATH - official.len(),
            ));
        }
        Ok(Self {
            text: Text::join(&[registry.as_str(), "/", official, path]),
            slash: short(registry.as_str().len()),
        })
    }

    pub(crate) const fn from_scanned(text: Text, slash: u16) -> Self {
        Self { text, slash }
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::from_scanned(self.text.slice(0, self.slash.into()))
    }

    /// The path within the registry, such as `library/alpine`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.part(usize::from(self.slash) + 1, self.text.len())
    }

    pub(crate) const fn slash(&self) -> u16 {
        self.slash
    }
}

text_type!(Repository);
