//! Reading of content, and the record of content that this process has received or verified.

use std::{
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher, Verified};
use wharf_reference::{Algorithm, Digest};

use super::RegistryState;
use crate::sync::LockExt as _;

impl RegistryState {
    /// Records that content was verified.
    pub(crate) fn mark_verified(&self, digest: &Digest) {
        let mut verified = self.verified.locked();
        verified.insert(digest.clone());
    }

    /// Removes the record that content was verified, since it is gone.
    pub(crate) fn forget(&self, digest: &Digest) {
        let mut verified = self.verified.locked();
        verified.remove(digest);
        if verified.len() < verified.capacity() / 4 {
            verified.shrink_to_fit(); // only below a quarter, since each time copies the set
        }
    }

    /// The number of contents that are recorded as verified.
    pub(crate) fn verified_count(&self) -> usize {
        self.verified.locked().len()
    }

    /// Whether content is recorded as verified.
    pub(crate) fn is_verified(&self, digest: &Digest) -> bool {
        let verified = self.verified.locked();
        verified.contains(digest)
    }

    /// Hashes an upload whose bytes were not hashed when they were received.
    pub(crate) async fn rehash(&self, upload: &str, algorithm: Algorithm) -> Result<Verified, Error> {
        let mut bytes = self.backend.read_upload(upload).await?;
        let mut hasher = Hasher::new(algorithm)?;
        while let Some(chunk) = std::future::poll_fn(|context| bytes.as_mut().poll_next(context)).await {
            let chunk: Bytes = chunk?;
            let hashing = tokio::task::spawn_blocking(move || {
                hasher.update(&chunk);
                hasher
            });
            hasher = hashing
                .await
                .map_err(|error| Error::wrap(ErrorKind::Cancelled, error))?;
        }
        hasher.prove()
    }

    /// Verifies content, once for all requests that wait for it.
    ///
    /// Fails with [`ErrorKind::NotFound`] for content that is missing or was found corrupt.
    async fn verify(self: &Arc<Self>, digest: &Digest) -> Result<(), Error> {
        let (state, content) = (Arc::clone(self), digest.clone());
        let hash = async move {
            match state.backend.verify(&content).await {
                Ok(()) => {
                    state.mark_verified(&content);
                    Ok(())
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    state.note_corrupt(&content);
                    Err(Error::new(ErrorKind::NotFound, "the content was corrupt"))
                }
                Err(error) => Err(error),
            }
        };
        self.hashes.once(digest, hash).await
    }

    /// Reads bytes of content that has `size` bytes.
    ///
    /// Fails with [`ErrorKind::NotFound`] for content that is missing or has been found corrupt.
    pub(crate) async fn open(
        self: &Arc<Self>,
        digest: &Digest,
        size: u64,
        range: Range<u64>,
    ) -> Result<ByteStream, Error> {
        let is_whole = range == (0..size);
        if !is_whole && !self.is_verified(digest) {
            self.verify(digest).await?;
        }
        let bytes = match self.backend.read(digest, range).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.note_corrupt(digest);
                return Err(Error::new(ErrorKind::NotFound, "the content was corrupt"));
            }
            Err(error) => return Err(error),
        };
        Ok(Box::pin(Watched {
            bytes,
            digest: digest.clone(),
            state: Arc::clone(self),
        }))
    }

    /// Tells the observer of content that was found corrupt and quarantined.
    fn note_corrupt(&self, digest: &Digest) {
        self.forget(digest);
        if let Some(observer) = self.observer() {
            observer.corrupt(digest);
        }
    }
}

/// Content on its way to a client; corruption that the backend reports is passed to the observer.
struct Watched {
    bytes: ByteStream,
    digest: Digest,
    state: Arc<RegistryState>,
}

impl Stream for Watched {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = ready!(self.bytes.as_mut().poll_next(context));
        if let Some(Err(error)) = &polled
            && error.kind() == ErrorKind::Corrupt
        {
            self.state.note_corrupt(&self.digest);
        }
        Poll::Ready(polled)
    }
}
