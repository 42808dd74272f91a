use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wharf_content::{Error, ErrorKind};
use wharf_reference::{Registry, Repository};

/// The path of a repository within a registry, such as `library/alpine` (distribution-spec, *Pulling
/// manifests*): 1 to 255 lowercase characters in parts between slashes.
///
/// Paths are equal, ordered and hashed as their text is, by byte. A clone shares the text.
///
/// ```
/// use wharf_registry::RepositoryPath;
///
/// assert_eq!(RepositoryPath::parse("library/alpine")?.as_str(), "library/alpine");
/// assert!(RepositoryPath::parse("Library//alpine").is_err());
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryPath(Arc<str>);

impl RepositoryPath {
    /// Parses a path.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the text breaks the grammar of distribution-spec.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |_| Error::new(ErrorKind::Invalid, "invalid repository name");
        let localhost = Registry::parse("localhost").map_err(invalid)?;
        let repository = Repository::new(&localhost, text).map_err(invalid)?;
        Ok(Self(Arc::from(repository.path())))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For look-ups by text.
impl Borrow<str> for RepositoryPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for RepositoryPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RepositoryPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}
