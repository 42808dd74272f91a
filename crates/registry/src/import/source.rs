use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{ByteStream, Error, MediaType};
use wharf_reference::{Digest, Tag};

use crate::{ExternalObject, Listing, RepositoryPath};

/// A tree of keys in which another registry has stored its data: names between slashes, as in a directory or below
/// the prefix of a bucket. Only read.
///
/// Errors of a kind that tells of the storage itself (the network, a time limit, a login, a failing server) end an
/// import; any other is about the key and makes the import skip what needs it.
#[async_trait]
pub trait KeyTree: Send + Sync {
    /// The names that come directly below a key, in any order; none for a key that is not there.
    ///
    /// # Errors
    ///
    /// Those of the storage; a key that leads out of the tree, as a symbolic link does.
    async fn children(&self, key: &str) -> Result<Listing<String>, Error>;

    /// The size of the object at a key in bytes, and its bytes; `None` if there is none. No bytes are read before
    /// the stream is polled.
    ///
    /// # Errors
    ///
    /// Those of the storage; an object that is no regular file.
    async fn open(&self, key: &str) -> Result<Option<(u64, ByteStream)>, Error>;

    /// The object at a key, there or not, under the name by which an engine that reads the same storage finds it. `None`, as by
    /// default, if there is no such name: what is imported is copied.
    fn locate(&self, key: &str) -> Option<ExternalObject> {
        let _ = key;
        None
    }
}

/// The repositories of another registry. Names are unparsed: the import skips those that are none.
#[async_trait]
pub(super) trait Source: Send + Sync {
    /// The next repository, `None` at the end. `left` is the source's: what it has not looked at yet, at first
    /// only the empty text.
    async fn next_repository(&self, left: &mut Vec<String>) -> Result<Option<Found>, Error>;

    /// The digests of the manifests of a repository.
    async fn manifests(&self, repository: &RepositoryPath) -> Result<Vec<Listing<Found>>, Error>;

    async fn tags(&self, repository: &RepositoryPath) -> Result<Listing<String>, Error>;

    /// The text of the digest at which a tag points.
    async fn tag(&self, repository: &RepositoryPath, tag: &Tag) -> Result<Option<String>, Error>;

    /// A manifest that the repository links, of at most `limit` bytes.
    async fn manifest(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
        limit: u64,
    ) -> Result<Option<StoredManifest>, Error>;

    /// Whether the repository links the blob.
    async fn blob(&self, repository: &RepositoryPath, digest: &Digest) -> Result<Option<LinkedBlob>, Error>;

    /// The size and the bytes of a blob.
    async fn bytes(&self, digest: &Digest, blob: &LinkedBlob) -> Result<Option<(u64, ByteStream)>, Error>;

    /// The object that holds the bytes of a blob, and nothing else, if an engine could read it there.
    fn locate(&self, digest: &Digest) -> Option<ExternalObject> {
        let _ = digest;
        None
    }
}

/// A name in a listing, or a name for which there is nothing to be read, with the reason.
pub(super) type Found = Result<String, (String, Error)>;

/// A manifest as it is stored.
pub(super) struct StoredManifest {
    pub(super) bytes: Bytes,
    /// The type with which it is served, if it is stored.
    pub(super) media_type: Option<MediaType>,
    pub(super) user: Option<Box<str>>,
}

/// A blob of a repository.
#[derive(Default)]
pub(super) struct LinkedBlob {
    /// The size in bytes, if it is recorded.
    pub(super) size: Option<u64>,
    pub(super) user: Option<Box<str>>,
}
