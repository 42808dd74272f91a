use std::{fmt, path::PathBuf};

use serde::{Deserialize, Deserializer};
use wharf_content::{Error, ErrorKind};
use wharf_reference::{Reference, Repository, Tag};

use crate::{ArchiveForm, IntoReference, overrides::RegistrySettings};

use super::{TagPattern, Versions, document::Document};

/// A set of images that are copied together.
///
/// Its `Deserialize` reads the document of `skopeo sync --src yaml`, from any format of serde:
///
/// ```
/// use wharf::sync::SyncSet;
///
/// let set: SyncSet = serde_json::from_str(r#"{
///     "registry.example.com": {
///         "images": { "busybox": [], "redis": ["1.0", "2.0"] },
///         "images-by-tag-regex": { "nginx": "^1\\.13\\.[12]-alpine-perl$" },
///         "images-by-semver": { "alpine": ">= 3.12.0" },
///         "credentials": { "username": "ada", "password": "secret" },
///         "tls-verify": true,
///         "cert-dir": "/etc/certs"
///     }
/// }"#)?;
/// # let _ = set;
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// An empty list is all tags of a repository; an entry of a list is a tag or a digest. Credentials, `tls-verify` and
/// `cert-dir` are for reading from that registry alone.
///
/// # Deviation
///
/// An unknown key, a key or registry that stands twice and anything malformed is an error; Skopeo ignores the first, and
/// skips the others with a message.
#[derive(Debug, Clone, Default)]
pub struct SyncSet {
    pub(super) sources: Vec<SetSource>,
    pub(super) registries: Vec<RegistrySettings>,
}

/// A part of a set.
#[derive(Debug, Clone)]
pub(super) enum SetSource {
    Image(Reference),
    Repository { repository: Repository, tags: TagFilter },
    Directory(PathBuf),
    Layout(PathBuf),
    Archive { path: PathBuf, form: ArchiveForm },
}

impl SetSource {
    /// The repository that is read.
    pub(super) fn repository(&self) -> Option<Repository> {
        match self {
            Self::Image(reference) => Some(reference.repository()),
            Self::Repository { repository, .. } => Some(repository.clone()),
            Self::Directory(_) | Self::Layout(_) | Self::Archive { .. } => None,
        }
    }
}

/// The tags of a repository that are copied.
#[derive(Debug, Clone)]
pub(super) enum TagFilter {
    All,
    Matching(TagPattern),
    Versions(Versions),
}

impl TagFilter {
    pub(super) fn selects(&self, tag: &Tag) -> bool {
        match self {
            Self::All => true,
            Self::Matching(pattern) => pattern.is_match(tag.as_str()),
            Self::Versions(versions) => versions.select(tag),
        }
    }
}

impl SyncSet {
    /// All tags of a repository; or one image, if the reference has a tag or digest. A short name is Docker Hub's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed reference.
    pub fn of_repository(reference: impl IntoReference) -> Result<Self, Error> {
        let reference = reference.into_reference()?;
        Ok(Self::of(if reference.has_tag() || reference.has_digest() {
            SetSource::Image(reference)
        } else {
            SetSource::Repository {
                repository: reference.repository(),
                tags: TagFilter::All,
            }
        }))
    }

    /// The tags of a repository that match a pattern.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed reference, and one with a tag or digest.
    pub fn matching(repository: impl IntoReference, pattern: TagPattern) -> Result<Self, Error> {
        Self::filtered(repository, TagFilter::Matching(pattern))
    }

    /// The tags of a repository that are versions of a constraint.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed reference, and one with a tag or digest.
    pub fn versions(repository: impl IntoReference, versions: Versions) -> Result<Self, Error> {
        Self::filtered(repository, TagFilter::Versions(versions))
    }

    /// The images of this directory and all below it, each in a directory with a file `manifest.json`, as Skopeo's `dir:`
    /// keeps them. Symbolic links are not followed.
    pub fn from_directory(path: impl Into<PathBuf>) -> Self {
        Self::of(SetSource::Directory(path.into()))
    }

    /// The images of an OCI image layout, by all their names. Images without a name are not in the set.
    pub fn from_layout(path: impl Into<PathBuf>) -> Self {
        Self::of(SetSource::Layout(path.into()))
    }

    /// The images of an archive, by all their names. Images without a name are not in the set.
    pub fn from_archive(path: impl Into<PathBuf>, form: ArchiveForm) -> Self {
        let path = path.into();
        Self::of(SetSource::Archive { path, form })
    }

    /// This set and another one. Where both have a setting for one registry, it is that of the other set.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sources.extend(other.sources);
        self.registries.extend(other.registries);
        self
    }

    fn of(source: SetSource) -> Self {
        Self {
            sources: vec![source],
            registries: Vec::new(),
        }
    }

    fn filtered(repository: impl IntoReference, tags: TagFilter) -> Result<Self, Error> {
        let reference = repository.into_reference()?;
        if reference.has_tag() || reference.has_digest() {
            let message = format!("{reference} is an image; a repository is expected");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let repository = reference.repository();
        Ok(Self::of(SetSource::Repository { repository, tags }))
    }
}

impl<'de> Deserialize<'de> for SyncSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Document::deserialize(deserializer).map(Document::into_set)
    }
}

impl fmt::Display for SetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(reference) => write!(f, "docker://{reference}"),
            Self::Repository { repository, .. } => write!(f, "docker://{repository}"),
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::Layout(path) => write!(f, "oci:{}", path.display()),
            Self::Archive { path, form } => write!(f, "{}:{}", form.transport(), path.display()),
        }
    }
}
