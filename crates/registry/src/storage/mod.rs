//! The storage of a backend that belongs to one process: a log of changes, content and uploads.

mod verifying;

use std::{fmt, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{ByteStream, Error, Verified};
use wharf_reference::Digest;

pub use self::verifying::Verifying;
use crate::{Change, Listing, Record, RepositoryPath};

/// The storage under a [`LocalBackend`](crate::LocalBackend): a log of changes, content under its digest, and
/// files that grow. It only stores; the backend over it decides what is linked, refused and removed.
///
/// One process uses a storage at a time. Storage that does not verify what it reads is put into [`Verifying`].
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug {
    /// Lists the current records of all repositories, in any order. Only called when a backend opens, before
    /// the first change.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) for a record that cannot be read, here or from
    /// the listing; those of the storage.
    async fn records(&self) -> Result<Listing<(RepositoryPath, Record)>, Error>;

    /// Records changes of one repository, in order, all of them or none. They survive a crash when this
    /// returns. Never are two calls for one manifest or tag under way; those for different repositories, and
    /// for blobs of one repository, overlap.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSpace`](wharf_content::ErrorKind::NoSpace) on a full disk; those of the storage. Nothing has
    /// changed then.
    async fn record(&self, repository: &RepositoryPath, changes: &[Change]) -> Result<(), Error>;

    /// Reports whether changes can be recorded. Must not wait. By default nothing is known to fail.
    ///
    /// # Errors
    ///
    /// As [`Records::health`](crate::Records::health).
    fn health(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The size of content in bytes, or `None` if the content is missing or cannot be read for want of
    /// rights. Reports a size although the bytes may be corrupt.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error>;

    /// The sizes of many contents: one answer of [`Storage::size`] for each digest, in the order of the
    /// digests. The default asks for one after the other.
    async fn sizes(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, Error> {
        let mut sizes = Vec::with_capacity(digests.len());
        for digest in digests {
            sizes.push(self.size(digest).await?);
        }
        Ok(sizes)
    }

    /// Reads bytes of content, and verifies them, as [`Content::read`](crate::Content::read).
    ///
    /// # Errors
    ///
    /// As [`Content::read`](crate::Content::read).
    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error>;

    /// Verifies content, unless this process has verified it before, as
    /// [`Content::verify`](crate::Content::verify). The default reads an empty part.
    ///
    /// # Errors
    ///
    /// As [`Content::read`](crate::Content::read).
    async fn verify(&self, digest: &Digest) -> Result<(), Error> {
        self.read(digest, 0..0).await.map(drop)
    }

    /// Removes content. Does nothing if the content is missing, or needed by other users of the same storage.
    /// Its space is free once no stream reads it.
    async fn remove(&self, digest: &Digest) -> Result<(), Error>;

    /// Removes content that was found corrupt. An implementation may move it elsewhere, so that an operator
    /// can examine it. The default calls [`Storage::remove`].
    async fn quarantine(&self, digest: &Digest) -> Result<(), Error> {
        self.remove(digest).await
    }

    /// Lists the digests of the content that [`Storage::remove`] would remove. Content that comes or goes
    /// meanwhile may be listed or not.
    async fn digests(&self) -> Result<Listing<Digest>, Error>;

    /// Begins an empty upload. The id is new and consists of lowercase hexadecimal digits; the note is one
    /// line of text, which is stored with the upload. There are never two calls for one upload under way.
    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error>;

    /// Writes chunks at `offset`, in bytes. If the upload is longer than `offset`, it is first cut off there.
    ///
    /// # Errors
    ///
    /// Any, if the upload is shorter than `offset`; what has been written of the chunks before another error
    /// may stay.
    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error>;

    /// The length of an upload in bytes, or `None` if there is no such upload. These bytes need not survive a
    /// crash.
    async fn length(&self, upload: &str) -> Result<Option<u64>, Error>;

    /// Makes the appended bytes survive a crash, and returns how many bytes do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload.
    async fn flush(&self, upload: &str) -> Result<u64, Error>;

    /// Reads an upload from its first byte to its last.
    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error>;

    /// Makes an upload the content with this digest, and ends the upload. The caller has hashed the upload's
    /// bytes. The content survives a crash when this returns. If there is content with this digest already,
    /// it is replaced or kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`](wharf_content::ErrorKind::Mismatch) if the upload has another size,
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload.
    async fn finish(&self, upload: &str, content: &Verified) -> Result<(), Error>;

    /// Drops an upload. Does nothing if there is no such upload.
    async fn discard(&self, upload: &str) -> Result<(), Error>;

    /// The ids and notes of all uploads. Only called when a backend opens.
    async fn uploads(&self) -> Result<Vec<(String, String)>, Error>;
}
