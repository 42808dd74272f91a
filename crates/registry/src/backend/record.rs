use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use wharf_content::{Manifest, MediaType};
use wharf_reference::{Digest, Tag};

use super::{ContentId, StoredContent};

/// A record of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// The repository holds this blob.
    Blob(Digest, BlobRecord),
    /// The repository holds this manifest.
    Manifest(Digest, Arc<ManifestRecord>),
    /// The tag points at the manifest with this digest, in the same repository.
    Tag(Tag, Digest),
}

impl Record {
    /// The key under which the record is stored.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Blob(digest, _) => RecordKey::Blob(digest.clone()),
            Self::Manifest(digest, _) => RecordKey::Manifest(digest.clone()),
            Self::Tag(tag, _) => RecordKey::Tag(tag.clone()),
        }
    }
}

/// The key of a record. A repository has at most one record for each key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RecordKey {
    /// A blob.
    Blob(Digest),
    /// A manifest.
    Manifest(Digest),
    /// A tag.
    Tag(Tag),
}

/// The facts about a blob of a repository. As JSON it is what [`DiskBackend`](crate::DiskBackend) writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BlobRecord {
    /// The size in bytes.
    pub size: u64,
    /// The user who pushed or mounted the blob last, to whose quota it counts; `None` for a client without a
    /// login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<str>>,
    /// The name of the content; `None` in an engine that names content by its digest. [`Content::link`] sets
    /// it.
    ///
    /// [`Content::link`]: super::Content::link
    #[serde(skip)]
    pub content: Option<ContentId>,
}

impl BlobRecord {
    /// The record of a blob of `size` bytes that was pushed without a login.
    #[must_use]
    pub const fn new(size: u64) -> Self {
        Self {
            size,
            user: None,
            content: None,
        }
    }

    /// The content of the blob with this digest, whose record this is.
    #[must_use]
    pub fn content(&self, digest: &Digest) -> StoredContent {
        StoredContent::new(digest.clone(), self.size).with_id(self.content.clone())
    }

    /// Sets [`BlobRecord::user`].
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }
}

/// The facts about a manifest of a repository that a registry needs without reading the manifest again. As
/// JSON it is what [`DiskBackend`](crate::DiskBackend) writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestRecord {
    /// The media type, with which the manifest is served.
    pub media_type: MediaType,
    /// The size in bytes.
    pub size: u64,
    /// The digest of the manifest's subject, whose referrer it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// The artifact type in a list of referrers: the manifest's own, else its config's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The annotations in a list of referrers; empty for a manifest without a subject.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The blobs that the manifest needs, with their sizes in bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<(Digest, u64)>,
    /// The manifests that the manifest, an index, needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Digest>,
    /// The user who pushed the manifest last, to whose quota it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<str>>,
    /// The name of the content, as [`BlobRecord::content`].
    #[serde(skip)]
    pub content: Option<ContentId>,
}

impl ManifestRecord {
    /// The content of the manifest with this digest, whose record this is.
    #[must_use]
    pub fn content(&self, digest: &Digest) -> StoredContent {
        StoredContent::new(digest.clone(), self.size).with_id(self.content.clone())
    }

    /// The record of a manifest that this user pushed.
    #[must_use]
    pub fn of(manifest: &Manifest, user: Option<&str>) -> Self {
        let config_type = || manifest.config().map(|config| config.media_type().clone());
        Self {
            media_type: manifest.media_type().clone(),
            size: manifest.bytes().len() as u64,
            subject: manifest.subject().map(|subject| subject.digest().clone()),
            artifact_type: manifest.artifact_type().cloned().or_else(config_type),
            annotations: match manifest.subject() {
                Some(_) => manifest.annotations().clone(),
                None => BTreeMap::new(), // nobody lists them
            },
            blobs: manifest
                .blobs()
                .map(|blob| (blob.digest().clone(), blob.size()))
                .collect(),
            manifests: manifest
                .manifests()
                .iter()
                .map(|child| child.digest().clone())
                .collect(),
            user: user.map(Box::from),
            content: None,
        }
    }
}
