//! Stored bytes are only trusted when this process has seen that they have their digest.

use std::{
    ops::Range,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, MediaType, Verified};
use wharf_reference::{Algorithm, Digest};

use super::State;

/// Content of at most so many bytes is verified before any of it is sent.
const SMALL: u64 = 1024 * 1024;
/// Pieces of content that are hashed at a time because a part of them is wanted. The rest of the threads that may
/// block is for other work.
pub(super) const HASHES: usize = 16;

impl State {
    /// Notes that content has its digest.
    pub(crate) fn trust(&self, digest: &Digest) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.insert(digest.clone());
    }

    /// Forgets that content had its digest; it is gone.
    pub(crate) fn forget(&self, digest: &Digest) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.remove(digest);
        if verified.len() < verified.capacity() / 4 {
            verified.shrink_to_fit(); // as seldom as it is worth it
        }
    }

    /// How much content is known to have its digest.
    pub(crate) fn trusted(&self) -> usize {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether this process has noted that content has its digest.
    pub(crate) fn is_trusted(&self, digest: &Digest) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.contains(digest)
    }

    /// Hashes an upload whose bytes were not hashed as they came.
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

    /// Bytes of content that has `size` bytes. The first time, a large whole is verified as it passes, and
    /// fails before its last chunk if it is damaged; a part, or a small whole, is only begun when the whole
    /// has been verified.
    ///
    /// Fails with [`ErrorKind::NotFound`] for content that is missing or has been found damaged.
    pub(crate) async fn open(
        self: &Arc<Self>,
        digest: &Digest,
        size: u64,
        range: Range<u64>,
    ) -> Result<ByteStream, Error> {
        let is_whole = range == (0..size);
        let _turn = if is_whole || self.is_trusted(digest) {
            None
        } else {
            // Many parts of one blob wait here for one hash, and leave the queue when their clients go.
            Some((self.hashing.board(digest).await, self.hashes.acquire().await.ok()))
        };
        if self.backend.verifies() {
            let bytes = self.open_verified(digest, range).await?;
            if !is_whole {
                self.trust(digest);
            }
            return Ok(bytes);
        }
        if self.is_trusted(digest) {
            return self.backend.read(digest, range).await;
        }
        if self
            .backend
            .size(digest)
            .await?
            .is_some_and(|found| found != size)
        {
            self.condemn(digest).await?;
        }
        let descriptor = Descriptor::new(MediaType::OCTET_STREAM, digest.clone(), size)?;
        let bytes = self.backend.read(digest, 0..size).await?;
        let mut blob = Blob::once(descriptor, bytes)?;
        if is_whole && size > SMALL {
            let state = Arc::clone(self);
            let left = size;
            return Ok(Box::pin(Verifying { blob, left, state }));
        }
        while let Some(chunk) = blob.next().await {
            match chunk {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) if error.kind() == ErrorKind::Mismatch => {
                    self.condemn(digest).await?;
                    return Err(Error::new(ErrorKind::NotFound, "the content was damaged"));
                }
                Err(error) => return Err(error),
            }
        }
        self.trust(digest);
        self.backend.read(digest, range).await
    }

    /// The same of a backend that verifies by itself.
    async fn open_verified(
        self: &Arc<Self>,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<ByteStream, Error> {
        match self.backend.read(digest, range).await {
            Ok(bytes) => Ok(Box::pin(Watched {
                bytes,
                digest: digest.clone(),
                state: Arc::clone(self),
            })),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.note_damage(digest);
                Err(Error::new(ErrorKind::NotFound, "the content was damaged"))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes damaged content out of sight, so that it can be pushed again.
    async fn condemn(&self, digest: &Digest) -> Result<(), Error> {
        let _sweep = self.sweep.write().await;
        self.backend.quarantine(digest).await?;
        self.note_damage(digest);
        Ok(())
    }

    /// Tells of content that was damaged and is out of sight.
    fn note_damage(&self, digest: &Digest) {
        self.forget(digest);
        if let Some(observer) = self.observer() {
            observer.damaged(digest);
        }
    }
}

/// Content on its way to a client, on trial.
struct Verifying {
    blob: Blob,
    /// Bytes to come. The last of them only come when all of them are right.
    left: u64,
    state: Arc<State>,
}

impl Stream for Verifying {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = ready!(Pin::new(&mut self.blob).poll_next(context));
        match &polled {
            Some(Ok(chunk)) => {
                self.left = self.left.saturating_sub(chunk.len() as u64);
                if self.left == 0 {
                    self.state.trust(self.blob.descriptor().digest());
                }
            }
            Some(Err(error)) if error.kind() == ErrorKind::Mismatch => {
                condemn_soon(&self.state, self.blob.descriptor().digest());
            }
            Some(Err(_)) | None => {}
        }
        Poll::Ready(polled)
    }
}

/// Content on its way to a client, verified by the backend.
struct Watched {
    bytes: ByteStream,
    digest: Digest,
    state: Arc<State>,
}

impl Stream for Watched {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = ready!(self.bytes.as_mut().poll_next(context));
        if let Some(Err(error)) = &polled
            && error.kind() == ErrorKind::Corrupt
        {
            self.state.note_damage(&self.digest);
        }
        Poll::Ready(polled)
    }
}

/// If it fails, the next one who reads it tries again.
fn condemn_soon(state: &Arc<State>, digest: &Digest) {
    let (state, digest) = (Arc::clone(state), digest.clone());
    drop(tokio::spawn(async move { state.condemn(&digest).await }));
}
