use std::fmt;

use wharf_reference::{Digest, Reference, Repository, Tag};

use crate::{Error, ErrorKind};

/// The name or digest of a manifest to read from a [`Source`](crate::Source).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The manifest that a name points at now: a tag in a registry, an image name in a store.
    Name(Name),
    /// The manifest with this digest.
    Digest(Digest),
}

impl Target {
    /// The target of a reference within its repository: its digest if it has one, else its tag, else
    /// `latest`.
    #[must_use]
    pub fn of(reference: &Reference) -> Self {
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Self::Digest(digest),
            (None, Some(tag)) => Self::Name(tag.into()),
            (None, None) => Self::Name(Tag::latest().into()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => fmt::Display::fmt(name, f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl From<Name> for Target {
    fn from(name: Name) -> Self {
        Self::Name(name)
    }
}

impl From<&Name> for Target {
    fn from(name: &Name) -> Self {
        Self::Name(name.clone())
    }
}

impl From<Tag> for Target {
    fn from(tag: Tag) -> Self {
        Self::Name(tag.into())
    }
}

impl From<Digest> for Target {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl From<&Digest> for Target {
    fn from(digest: &Digest) -> Self {
        Self::Digest(digest.clone())
    }
}

/// The name of an image in a store: the value of `org.opencontainers.image.ref.name` (image-spec,
/// *Pre-Defined Annotation Keys*). Every tag and every full reference is a valid name.
///
/// Letters, digits and `-._:@+/`, 1 to 512 bytes. A name is never used as a file name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// The longest name of an image in a store, in bytes.
    const MAX_LENGTH: usize = 512;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is empty, too long or has another character.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@+/".contains(&byte);
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.bytes().all(allowed) {
            let shown = crate::bounded(text);
            let message =
                format!("invalid image name {shown:?}: expected letters, digits and any of -._:@+/");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Converts the name to a tag of a registry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it does not have the grammar of a tag.
    pub fn to_tag(&self) -> Result<Tag, Error> {
        Tag::parse(&self.0).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("{:?} cannot be a tag in a registry", self.0),
            )
            .with_source(error)
        })
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<Tag> for Name {
    fn from(tag: Tag) -> Self {
        Self(tag.as_str().into())
    }
}

impl From<&Reference> for Name {
    fn from(reference: &Reference) -> Self {
        Self(reference.as_str().into())
    }
}

/// The location of a source's or sink's content, by which the other side can tell whether it can mount
/// content instead of copying it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A repository of a registry.
    Repository(Repository),
    /// A directory of this machine.
    Directory(std::path::PathBuf),
    /// A directory of this machine with one image, as Skopeo's transport `dir:` keeps it.
    ImageDirectory(std::path::PathBuf),
    /// An archive file of this machine with an OCI image layout.
    Archive(std::path::PathBuf),
    /// An archive file of this machine that is read as `docker save` writes it.
    DockerArchive(std::path::PathBuf),
    /// A daemon that keeps images, such as Docker's, by its address.
    Daemon(String),
    /// The memory of this process.
    Memory,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(repository) => fmt::Display::fmt(repository, f),
            Self::Directory(path)
            | Self::ImageDirectory(path)
            | Self::Archive(path)
            | Self::DockerArchive(path) => fmt::Display::fmt(&path.display(), f),
            Self::Daemon(address) => write!(f, "the daemon at {address}"),
            Self::Memory => f.write_str("memory"),
        }
    }
}
