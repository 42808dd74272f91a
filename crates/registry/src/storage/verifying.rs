use std::{
    collections::HashSet,
    fmt,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, MediaType, Verified};
use wharf_reference::Digest;

use super::Storage;
use crate::{Change, Listing, Record, RepositoryPath, sync::LockExt as _};

/// Content of at most this many bytes is verified before any of it is returned.
const SMALL: u64 = 1024 * 1024;

/// Verifies what is read from a storage that does not do so itself, as [`Storage::read`] demands.
///
/// Each content is hashed once per process: when it is read first, or, if it was uploaded through this value,
/// while it was received. Corrupt content is quarantined.
///
/// ```
/// use wharf_registry::{LocalBackend, MemoryStorage, Registry, Verifying};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let backend = LocalBackend::load(Verifying::new(MemoryStorage::default())).await?;
/// let registry = Registry::open(backend).await?;
/// assert_eq!(registry.inventory().repositories, 0);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Verifying<S>(Arc<Shared<S>>);

struct Shared<S> {
    inner: S,
    /// Content whose bytes this process has hashed.
    verified: Mutex<HashSet<Digest>>,
}

impl<S> Verifying<S> {
    /// Verifies what is read from `content`.
    pub fn new(content: S) -> Self {
        Self(Arc::new(Shared {
            inner: content,
            verified: Mutex::default(),
        }))
    }
}

impl<S> Shared<S> {
    fn verified(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.verified.locked()
    }

    fn forget(&self, digest: &Digest) {
        let mut verified = self.verified();
        verified.remove(digest);
        if verified.len() < verified.capacity() / 4 {
            verified.shrink_to_fit(); // rarely, since each time copies the set
        }
    }
}

impl<S: Storage> Shared<S> {
    /// The whole content, hashed as it is read.
    async fn whole(&self, digest: &Digest) -> Result<Blob, Error> {
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no content of {digest}"));
        let size = self.inner.size(digest).await?.ok_or_else(missing)?;
        let descriptor = Descriptor::new(MediaType::OCTET_STREAM, digest.clone(), size)?;
        Blob::once(descriptor, self.inner.read(digest, 0..size).await?)
    }

    /// Reads content to its end, and records that it was verified.
    async fn drain(&self, mut blob: Blob) -> Result<(), Error> {
        while let Some(chunk) = blob.next().await {
            match chunk {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) if error.kind() == ErrorKind::Mismatch => {
                    return Err(self.quarantine_corrupt(blob.descriptor().digest()).await);
                }
                Err(error) => return Err(error),
            }
        }
        self.verified().insert(blob.descriptor().digest().clone());
        Ok(())
    }

    /// Quarantines content whose bytes were found corrupt, unless an upload has replaced them meanwhile.
    async fn quarantine_corrupt(&self, digest: &Digest) -> Error {
        if !self.verified().contains(digest)
            && let Err(error) = self.inner.quarantine(digest).await
        {
            return error;
        }
        corrupt(digest)
    }
}

fn corrupt(digest: &Digest) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the stored content of {digest} is corrupt"),
    )
}

#[async_trait]
impl<S: Storage + 'static> Storage for Verifying<S> {
    async fn records(&self) -> Result<Listing<(RepositoryPath, Record)>, Error> {
        self.0.inner.records().await
    }

    async fn record(&self, repository: &RepositoryPath, changes: &[Change]) -> Result<(), Error> {
        self.0.inner.record(repository, changes).await
    }

    fn health(&self) -> Result<(), Error> {
        self.0.inner.health()
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        self.0.inner.size(digest).await
    }

    async fn sizes(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, Error> {
        self.0.inner.sizes(digests).await
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error> {
        let inner = &self.0.inner;
        if self.0.verified().contains(digest) {
            return inner.read(digest, range).await;
        }
        let blob = self.0.whole(digest).await?;
        let size = blob.descriptor().size();
        if range == (0..size) && size > SMALL {
            return Ok(Box::pin(VerifyingStream {
                blob,
                left: size,
                content: Arc::clone(&self.0),
                quarantine: None,
            }));
        }
        self.0.drain(blob).await?;
        inner.read(digest, range).await
    }

    async fn verify(&self, digest: &Digest) -> Result<(), Error> {
        if self.0.verified().contains(digest) {
            return Ok(());
        }
        self.0.drain(self.0.whole(digest).await?).await
    }

    async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        self.0.forget(digest);
        self.0.inner.remove(digest).await
    }

    async fn quarantine(&self, digest: &Digest) -> Result<(), Error> {
        self.0.forget(digest);
        self.0.inner.quarantine(digest).await
    }

    async fn digests(&self) -> Result<Listing<Digest>, Error> {
        self.0.inner.digests().await
    }

    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error> {
        self.0.inner.begin(upload, note).await
    }

    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error> {
        self.0.inner.append(upload, offset, chunks).await
    }

    async fn length(&self, upload: &str) -> Result<Option<u64>, Error> {
        self.0.inner.length(upload).await
    }

    async fn flush(&self, upload: &str) -> Result<u64, Error> {
        self.0.inner.flush(upload).await
    }

    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error> {
        self.0.inner.read_upload(upload).await
    }

    async fn finish(&self, upload: &str, content: &Verified) -> Result<(), Error> {
        self.0.inner.finish(upload, content).await?;
        self.0.verified().insert(content.digest().clone());
        Ok(())
    }

    async fn discard(&self, upload: &str) -> Result<(), Error> {
        self.0.inner.discard(upload).await
    }

    async fn uploads(&self) -> Result<Vec<(String, String)>, Error> {
        self.0.inner.uploads().await
    }
}

type Quarantining = Pin<Box<dyn Future<Output = Error> + Send>>;

/// A whole content that is hashed while it is read.
struct VerifyingStream<S> {
    blob: Blob,
    /// Bytes to come. The blob yields the last of them only if all bytes are right.
    left: u64,
    content: Arc<Shared<S>>,
    /// Set once the content was found corrupt.
    quarantine: Option<Quarantining>,
}

impl<S: Storage + 'static> Stream for VerifyingStream<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.quarantine.is_none() {
            let polled = ready!(Pin::new(&mut this.blob).poll_next(context));
            let digest = this.blob.descriptor().digest();
            match &polled {
                Some(Ok(chunk)) => {
                    this.left = this.left.saturating_sub(chunk.len() as u64);
                    if this.left == 0 {
                        this.content.verified().insert(digest.clone());
                    }
                    return Poll::Ready(polled);
                }
                Some(Err(error)) if error.kind() == ErrorKind::Mismatch => {
                    let (content, digest) = (Arc::clone(&this.content), digest.clone());
                    this.quarantine =
                        Some(Box::pin(async move { content.quarantine_corrupt(&digest).await }));
                }
                Some(Err(_)) | None => return Poll::Ready(polled),
            }
        }
        let Some(quarantine) = &mut this.quarantine else {
            return Poll::Ready(None);
        };
        let error = ready!(quarantine.as_mut().poll(context));
        this.quarantine = None; // the blob yields nothing after its error
        Poll::Ready(Some(Err(error)))
    }
}

impl<S: fmt::Debug> fmt::Debug for Verifying<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifying").field(&self.0.inner).finish()
    }
}

#[cfg(test)]
mod tests {
    use wharf_reference::Algorithm;

    use super::*;
    use crate::MemoryStorage;

    async fn upload(uploads: &impl Storage, bytes: Vec<u8>, content: &Verified) {
        uploads.begin("a1", "").await.unwrap();
        uploads.append("a1", 0, vec![bytes.into()]).await.unwrap();
        uploads.finish("a1", content).await.unwrap();
    }

    async fn collect(content: &impl Storage, digest: &Digest, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut stream = content.read(digest, range).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn corrupt_content_is_never_whole_and_is_quarantined() {
        for size in [1_u64, 100, SMALL, SMALL + 1, 3 * SMALL] {
            for range in [0..size, 0..1, size - 1..size] {
                let bytes = vec![7; usize::try_from(size).unwrap()];
                let mut corrupt = bytes.clone();
                *corrupt.last_mut().unwrap() ^= 1;
                let proof = Verified::of(Algorithm::Sha256, &bytes).unwrap();
                let digest = proof.digest();
                let memory = MemoryStorage::default();
                upload(&memory, corrupt, &proof).await;
                let content = Verifying::new(memory);
                let read = collect(&content, digest, range.clone()).await;
                let case = format!("{range:?} of {size}");
                assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{case}");
                assert_eq!(content.size(digest).await.unwrap(), None, "{case}");
                let read = collect(&content, digest, range.clone()).await;
                assert_eq!(read.unwrap_err().kind(), ErrorKind::NotFound, "{case}");
                upload(&content, bytes.clone(), &proof).await;
                let read = collect(&content, digest, range).await;
                assert!(
                    read.is_ok_and(|read| read.iter().all(|byte| *byte == 7)),
                    "{case}"
                );
            }
        }
    }

    #[tokio::test]
    async fn content_that_was_uploaded_or_read_here_is_hashed_once() {
        let bytes = vec![7; 1000];
        let proof = Verified::of(Algorithm::Sha256, &bytes).unwrap();
        let memory = MemoryStorage::default();
        upload(&memory, bytes.clone(), &proof).await;
        let content = Verifying::new(memory);
        assert!(content.0.verified().is_empty());
        assert_eq!(collect(&content, proof.digest(), 0..2).await.unwrap(), [7, 7]);
        assert!(content.0.verified().contains(proof.digest()));
        content.remove(proof.digest()).await.unwrap();
        assert!(content.0.verified().is_empty());
        upload(&content, bytes, &proof).await;
        assert!(content.0.verified().contains(proof.digest()));
    }
}
