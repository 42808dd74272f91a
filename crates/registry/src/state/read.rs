//! Reading of content.

use std::{
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_reference::Digest;

use super::RegistryState;
use crate::StoredContent;

impl RegistryState {
    /// Whether linked content is there. Content whose file is missing or has another size is treated as if it
    /// had never been pushed. The links stay, so that a push, or the return of the file, heals all
    /// repositories that link it.
    pub(crate) async fn is_present(&self, content: &StoredContent) -> Result<bool, Error> {
        let present = self.backend.are_present(std::slice::from_ref(content)).await?;
        Ok(present == [true])
    }

    /// Verifies content, once for all requests that wait for it.
    ///
    /// Fails with [`ErrorKind::NotFound`] for content that is missing or was found corrupt.
    async fn verify(self: &Arc<Self>, content: &StoredContent) -> Result<(), Error> {
        let (state, hashed) = (Arc::clone(self), content.clone());
        let hash = async move {
            match state.backend.verify(&hashed).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    state.note_corrupt(&hashed.digest);
                    Err(Error::new(ErrorKind::NotFound, "the content was corrupt"))
                }
                verified => verified,
            }
        };
        self.hashes.once(&content.digest, hash).await
    }

    /// Reads bytes of content.
    ///
    /// Fails with [`ErrorKind::NotFound`] for content that is missing or has been found corrupt.
    pub(crate) async fn open(
        self: &Arc<Self>,
        content: &StoredContent,
        range: Range<u64>,
    ) -> Result<ByteStream, Error> {
        let is_whole = range == (0..content.size);
        if !is_whole && !self.backend.is_verified(content) {
            self.verify(content).await?;
        }
        let bytes = match self.backend.read(content, range).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.note_corrupt(&content.digest);
                return Err(Error::new(ErrorKind::NotFound, "the content was corrupt"));
            }
            Err(error) => return Err(error),
        };
        Ok(Box::pin(Watched {
            bytes,
            digest: content.digest.clone(),
            state: Arc::clone(self),
        }))
    }

    /// Tells the observer of content that was found corrupt and quarantined.
    fn note_corrupt(&self, digest: &Digest) {
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
