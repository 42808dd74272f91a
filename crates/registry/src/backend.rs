use std::{fmt, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{ByteStream, Error, Verified};
use wharf_reference::Digest;

use crate::Listing;

/// Where a registry keeps its bytes and records. [`Registry`](crate::Registry) decides who may see what; a
/// backend only stores.
///
/// It holds three kinds of things: content under its digest, shared by all repositories; uploads, which grow
/// and then become content; and small records under text keys, which are read once, when the registry opens.
/// One registry owns a backend; two at a time are not supported.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug {
    /// All records, keys with their values, in any order. Only asked for when a registry opens.
    async fn records(&self) -> Result<Listing<(String, String)>, Error>;

    /// Makes the changes, in order, all of them or none. They survive a crash when this returns.
    async fn write(&self, changes: Vec<Change>) -> Result<(), Error>;

    /// The size of content in bytes, or `None` if it is not there, or cannot be read for want of rights.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error>;

    /// The sizes of many contents, in their order, as [`Backend::size`] says them. By default they are asked for
    /// one by one.
    async fn sizes(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, Error> {
        let mut sizes = Vec::with_capacity(digests.len());
        for digest in digests {
            sizes.push(self.size(digest).await?);
        }
        Ok(sizes)
    }

    /// Whether [`Backend::read`] verifies: a part, or a whole of up to 1 MiB, before it returns, a larger whole
    /// before its last chunk, failing with [`Corrupt`](wharf_content::ErrorKind::Corrupt) and taking what is
    /// damaged out of sight, as [`Backend::quarantine`] does. By default it does not; then the registry hashes
    /// what this process has not seen to be good.
    fn verifies(&self) -> bool {
        false
    }

    /// Bytes of content. A stream once begun yields these bytes or fails, also when the content is removed
    /// meanwhile. Fails with [`NotFound`](wharf_content::ErrorKind::NotFound) if it is not there.
    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error>;

    /// Removes content; what is not there is removed already, and what others than this registry need stays,
    /// where a backend has other users. The place it took is free once nobody reads it.
    async fn remove(&self, digest: &Digest) -> Result<(), Error>;

    /// Removes content that has been found damaged; a backend may keep it elsewhere, to be looked at.
    async fn quarantine(&self, digest: &Digest) -> Result<(), Error> {
        self.remove(digest).await
    }

    /// The digests of all content, less what others need: what [`Backend::remove`] removes. What comes or goes
    /// meanwhile may be among them.
    async fn digests(&self) -> Result<Listing<Digest>, Error>;

    /// Begins an empty upload. The id is new, of lowercase hexadecimal digits; the note is one line of text,
    /// kept with the upload.
    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error>;

    /// Writes at `offset`, the upload's present length, in bytes; what lay beyond it is cut off first.
    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error>;

    /// How many bytes an upload has, or `None` if there is no such upload. They need not survive a crash.
    async fn length(&self, upload: &str) -> Result<Option<u64>, Error>;

    /// Makes everything appended survive a crash, and says how many bytes that are.
    ///
    /// Fails with [`NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload.
    async fn flush(&self, upload: &str) -> Result<u64, Error>;

    /// The bytes of an upload from the first to the last.
    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error>;

    /// Makes an upload the content of this digest, which the caller has seen its bytes to have. It survives a
    /// crash when this returns. Content that is there already is replaced or kept.
    ///
    /// Fails with [`Mismatch`](wharf_content::ErrorKind::Mismatch) if the upload has another number of bytes.
    async fn commit(&self, upload: &str, content: &Verified) -> Result<(), Error>;

    /// Drops an upload; what is not there is dropped already.
    async fn discard(&self, upload: &str) -> Result<(), Error>;

    /// The ids and notes of all uploads. Only asked for when a registry opens.
    async fn uploads(&self) -> Result<Vec<(String, String)>, Error>;

    /// Whether changes can be recorded: an error says why none can be, until it has been mended. What fails for
    /// one call alone, as on a full disk, is no such error. Must not wait. By default nothing is known to fail.
    fn health(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A change of a backend's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The record's key: printable ASCII, at most 1,024 bytes.
    pub key: String,
    /// The new value, one line of text, or `None` to remove the record.
    pub value: Option<String>,
}
