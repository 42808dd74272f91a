use std::{fmt, ops::Range};

use async_trait::async_trait;
use wharf_content::{ByteStream, Error};
use wharf_reference::Digest;

use crate::Listing;

/// The bytes of blobs and manifests under their digests, shared by all repositories.
///
/// Content comes from [`Uploads::finish`](super::Uploads::finish). Storage that does not verify what it reads
/// is put into [`Verifying`](super::Verifying).
///
/// ```
/// use std::{collections::HashMap, ops::Range, sync::Mutex};
///
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use futures_util::{future::ready, stream};
/// use wharf_content::{ByteStream, Error, ErrorKind};
/// use wharf_reference::Digest;
/// use wharf_registry::{Content, Listing};
///
/// #[derive(Debug, Default)]
/// struct Map(Mutex<HashMap<Digest, Bytes>>);
///
/// #[async_trait]
/// impl Content for Map {
///     async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
///         Ok(self.0.lock().unwrap().get(digest).map(|bytes| bytes.len() as u64))
///     }
///
///     async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error> {
///         let map = self.0.lock().unwrap();
///         let missing = || Error::new(ErrorKind::NotFound, "no such content");
///         let bytes = map.get(digest).ok_or_else(missing)?;
///         Ok(Box::pin(stream::once(ready(Ok(bytes.slice(range.start as usize..range.end as usize))))))
///     }
///
///     async fn remove(&self, digest: &Digest) -> Result<(), Error> {
///         self.0.lock().unwrap().remove(digest);
///         Ok(())
///     }
///
///     async fn digests(&self) -> Result<Listing<Digest>, Error> {
///         Ok(self.0.lock().unwrap().keys().cloned().collect::<Vec<_>>().into())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64)))?;
/// let map = Map::default();
/// assert_eq!(map.sizes(&[digest.clone()]).await?, [None]);
/// let missing = map.read(&digest, 0..1).await.err().map(|error| error.kind());
/// assert_eq!(missing, Some(ErrorKind::NotFound));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Content: Send + Sync + fmt::Debug {
    /// The size of content in bytes, or `None` if the content is missing or cannot be read for want of
    /// rights. Reports a size although the bytes may be corrupt.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error>;

    /// The sizes of many contents: one answer of [`Content::size`] for each digest, in the order of the
    /// digests. The default asks for one after the other.
    async fn sizes(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, Error> {
        let mut sizes = Vec::with_capacity(digests.len());
        for digest in digests {
            sizes.push(self.size(digest).await?);
        }
        Ok(sizes)
    }

    /// Reads bytes of content, and verifies the whole content: before this returns, if a part or a whole of
    /// up to 1 MiB is read; before the stream's last chunk, if a larger whole is. Content that was verified
    /// by this process before may be read without verifying it again.
    ///
    /// A stream that has been returned yields these bytes or fails, also if the content is removed meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if the content is missing;
    /// [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt), here or from the stream, if it does not have its
    /// digest: it has been [quarantined](Content::quarantine) then.
    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error>;

    /// Verifies content, unless this process has verified it before, so that [`Content::read`] of a part need
    /// not. A registry calls this once for all requests that wait for it, and drops the future when none
    /// waits any more: an implementation stops then, and may use threads of low priority. The default reads
    /// an empty part.
    ///
    /// # Errors
    ///
    /// As [`Content::read`].
    async fn verify(&self, digest: &Digest) -> Result<(), Error> {
        self.read(digest, 0..0).await.map(drop)
    }

    /// Removes content. Does nothing if the content is missing, or needed by other users of the same storage.
    /// Its space is free once no stream reads it.
    async fn remove(&self, digest: &Digest) -> Result<(), Error>;

    /// Removes content that was found corrupt. An implementation may move it elsewhere, so that an operator
    /// can examine it. The default calls [`Content::remove`].
    async fn quarantine(&self, digest: &Digest) -> Result<(), Error> {
        self.remove(digest).await
    }

    /// Lists the digests of the content that [`Content::remove`] would remove. Content that comes or goes
    /// meanwhile may be listed or not.
    async fn digests(&self) -> Result<Listing<Digest>, Error>;
}
