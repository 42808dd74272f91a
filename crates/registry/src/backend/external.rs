use wharf_content::Verified;
use wharf_reference::Digest;

/// An object that another registry has written, in a storage that an engine may be able to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExternalObject {
    /// The address of the storage, by which an engine knows the one that it reads, such as `s3://bucket`; `file://` for
    /// files of this machine.
    pub store: Box<str>,
    /// The key in the storage; of a file the path, absolute and without symbolic links.
    pub key: Box<str>,
}

impl ExternalObject {
    /// The object at this key of this storage.
    pub fn new(store: impl Into<Box<str>>, key: impl Into<Box<str>>) -> Self {
        Self {
            store: store.into(),
            key: key.into(),
        }
    }
}

/// The content of an external object: its digest and size, and whether somebody has verified them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalContent {
    object: ExternalObject,
    digest: Digest,
    size: u64,
    is_verified: bool,
}

impl ExternalContent {
    /// Content that the caller has read and hashed.
    #[must_use]
    pub fn verified(object: ExternalObject, content: &Verified) -> Self {
        Self {
            object,
            digest: content.digest().clone(),
            size: content.size(),
            is_verified: true,
        }
    }

    /// Content that nobody has hashed: whoever wrote it is trusted. It never takes the place of content in quarantine.
    #[must_use]
    pub const fn trusted(object: ExternalObject, digest: Digest, size: u64) -> Self {
        Self {
            object,
            digest,
            size,
            is_verified: false,
        }
    }

    /// The object.
    #[must_use]
    pub const fn object(&self) -> &ExternalObject {
        &self.object
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether the content was hashed.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.is_verified
    }
}
