use std::{fmt, ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{ByteStream, Error, Verified};
use wharf_reference::Digest;

use super::{Commit, ExternalContent, Outcome, SignedUrl};
use crate::RepositoryPath;

/// The bytes of blobs and manifests.
///
/// Content is named by its digest, or by an id of the engine's, a name that is never used for other bytes and
/// never a second time; the records of repositories say which. Content is only there while a repository links
/// it: [`Content::link`] makes bytes content and links them in one step, and
/// [`Backend::collect`](super::Backend::collect) removes what nobody links. So nothing here removes content.
#[async_trait]
pub trait Content: Send + Sync + fmt::Debug {
    /// Whether each of these contents is there with its size, in their order. An engine whose storage cannot
    /// lose linked content need not look. `true` although the bytes may be corrupt; `false` for what cannot be
    /// read for want of rights.
    ///
    /// # Errors
    ///
    /// Those of the storage, for what could not be looked up.
    async fn are_present(&self, contents: &[StoredContent]) -> Result<Vec<bool>, Error>;

    /// Asks the storage itself whether content is there with its size. Content that is not is put in quarantine by an engine
    /// whose [`Content::are_present`] does not look. The default is that.
    ///
    /// # Errors
    ///
    /// Those of the storage, for what could not be looked up.
    async fn probe(&self, content: &StoredContent) -> Result<bool, Error> {
        Ok(self.are_present(std::slice::from_ref(content)).await? == [true])
    }

    /// Reads bytes of content. An engine that does not trust its storage verifies the whole content: before this
    /// returns, if a part or a whole of up to 1 MiB is read; before the stream's last chunk, if a larger whole
    /// is. Content that was verified by this process before may be read without verifying it again.
    ///
    /// A stream that has been returned yields these bytes or fails, also if the content is removed meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if the content is missing;
    /// [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt), here or from the stream, if it does not have its
    /// digest: it has been [quarantined](Content::quarantine) then.
    async fn read(&self, content: &StoredContent, range: Range<u64>) -> Result<ByteStream, Error>;

    /// Whether [`Content::read`] of a part hashes nothing: the content was verified by this process before, or
    /// the storage is trusted, as by default. Must not wait.
    fn is_verified(&self, content: &StoredContent) -> bool {
        let _ = content;
        true
    }

    /// Verifies content, unless it [is verified](Content::is_verified), so that [`Content::read`] of a part need
    /// not. A registry calls this once for all requests that wait for it, and drops the future when none
    /// waits any more: an implementation stops then, and may use threads of low priority. The default does
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`Content::read`].
    async fn verify(&self, content: &StoredContent) -> Result<(), Error> {
        let _ = content;
        Ok(())
    }

    /// Removes content that was found corrupt, or moves it elsewhere, so that an operator can examine it. Links
    /// to it stay: it counts as missing until the content is pushed again. Missing content is no error.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn quarantine(&self, content: &StoredContent) -> Result<(), Error>;

    /// A URL at which a client can read content of the engine's storage without the registry, for GET and no other
    /// method, with and without a range, until `lifetime` has passed. `None` if there is none, as by default.
    ///
    /// # Errors
    ///
    /// The URL cannot be signed.
    async fn url(&self, content: &StoredContent, lifetime: Duration) -> Result<Option<SignedUrl>, Error> {
        let _ = (content, lifetime);
        Ok(None)
    }

    /// Makes bytes content and commits, in one step: no collection removes the content in between, and a crash
    /// leaves all of it or nothing. The records that are put for [`NewContent::digest`] get the content's id.
    ///
    /// An upload ends with the commit, and its bytes count once. If the commit is refused or fails, the upload
    /// may be gone or not; the caller discards it. Content of this digest that is there already is shared or
    /// replaced; corrupt content is not shared by an engine that has found it out.
    ///
    /// Repetition, cancellation and errors are those of [`Records::commit`](super::Records::commit). A repeated
    /// call with an id that was committed is [`Outcome::Committed`] although the upload is gone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload,
    /// [`ErrorKind::Mismatch`](wharf_content::ErrorKind::Mismatch) if it has another size than was verified,
    /// [`ErrorKind::Conflict`](wharf_content::ErrorKind::Conflict) if another request is writing to it;
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) if the engine cannot read an external object; those
    /// of [`Records::commit`](super::Records::commit).
    async fn link(
        &self,
        repository: &RepositoryPath,
        content: NewContent,
        commit: Commit,
    ) -> Result<Outcome, Error>;
}

/// The name of a content, in an engine that does not name content by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(Box<str>);

impl ContentId {
    /// A name that the engine has chosen.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A content as a record names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StoredContent {
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// The name, in an engine that does not name content by its digest.
    pub id: Option<ContentId>,
}

impl StoredContent {
    /// Content that is named by its digest.
    #[must_use]
    pub const fn new(digest: Digest, size: u64) -> Self {
        Self {
            digest,
            size,
            id: None,
        }
    }

    /// Sets [`StoredContent::id`].
    #[must_use]
    pub fn with_id(mut self, id: Option<ContentId>) -> Self {
        self.id = id;
        self
    }
}

/// The bytes that [`Content::link`] makes content.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum NewContent {
    /// Those of the upload with this id, which the caller has hashed, of any user and in any repository: the
    /// caller has judged that.
    Upload(String, Verified),
    /// These, a manifest of at most a few MiB, with their digest.
    Bytes(Bytes, Verified),
    /// Content that another repository, or the same, links.
    Stored(StoredContent),
    /// Content of an object that another registry has written. The engine reads it there and never writes or deletes it. An
    /// engine that cannot read there fails with [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported).
    External(ExternalContent),
}

impl NewContent {
    /// The digest of the content.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        match self {
            Self::Upload(_, verified) | Self::Bytes(_, verified) => verified.digest(),
            Self::Stored(content) => &content.digest,
            Self::External(content) => content.digest(),
        }
    }
}
