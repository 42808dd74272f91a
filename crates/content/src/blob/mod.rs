mod pieces;
mod ranges;
mod unverified;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;

pub use self::{
    pieces::{Piece, PieceStream, Pieces},
    unverified::UnverifiedBlob,
};
use crate::{Descriptor, Error, ErrorKind, Event, Hasher, MediaType, Progress, Verified};

/// The size in bytes from which on a blob is worth a task or thread of its own for each stage: a client
/// then receives it ahead of its reader, and a store hashes it on a thread that does nothing else. Hashing
/// decides how long such a blob takes, so no other stage may delay it.
pub const LARGE_BLOB: u64 = 32 * 1024 * 1024;

/// A stream of byte chunks.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

type Opening = Pin<Box<dyn Future<Output = Result<ByteStream, Error>> + Send>>;

/// Opens the bytes of one blob from any offset, any number of times.
///
/// Its bytes need not be verified, because [`Blob`] verifies them. It should resume broken transfers by
/// itself where that is possible.
#[async_trait]
pub trait OpenBlob: Send + Sync {
    /// Opens a stream of the bytes from `offset` to the end.
    async fn open(&self, offset: u64) -> Result<ByteStream, Error>;

    /// Opens a stream of the bytes from `offset` to the end in the order of arrival, for a reader that
    /// writes each piece at its offset ([`Pieces`]). Bytes may be repeated.
    ///
    /// The default yields them in the blob's order.
    async fn open_pieces(&self, offset: u64) -> Result<PieceStream, Error> {
        Ok(pieces::in_order(self.open(offset).await?, offset))
    }

    /// Opens the same bytes without a verification that costs as much as hashing them: for a receiver that verifies them,
    /// see [`Blob::unverified`]. `None` if they are to be verified in any case.
    ///
    /// The default is `None`.
    fn unverified(&self) -> Option<Arc<dyn OpenBlob>> {
        None
    }
}

#[async_trait]
impl<O: OpenBlob + ?Sized> OpenBlob for Arc<O> {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        (**self).open(offset).await
    }

    async fn open_pieces(&self, offset: u64) -> Result<PieceStream, Error> {
        (**self).open_pieces(offset).await
    }

    fn unverified(&self) -> Option<Arc<dyn OpenBlob>> {
        (**self).unverified()
    }
}

/// A stream of the bytes of a descriptor, verified as they pass.
///
/// The last chunk is yielded only if size and digest are right: a reader that saw the stream end without an
/// error has exactly the bytes of the descriptor. No byte beyond the descriptor's size is ever yielded.
/// Bytes before the end are not verified, so those of a blob that was dropped early must not be used.
#[must_use = "a blob does nothing until it is read, and proves nothing until it is read to its end"]
pub struct Blob {
    descriptor: Descriptor,
    opener: Option<Arc<dyn OpenBlob>>,
    progress: Option<Arc<dyn Progress>>,
    /// The location of the bytes, for messages.
    location: Option<Arc<str>>,
    bytes: Bytestate,
    /// `None` if the bytes were verified elsewhere.
    hasher: Option<Hasher>,
    /// The digest and size, once the end has been hashed.
    verified: Option<Verified>,
    position: u64,
    /// The last chunk, held back until the source has ended.
    last: Option<Bytes>,
}

enum Bytestate {
    Idle,
    Opening(Opening),
    Open(ByteStream),
    Ended,
}

impl Blob {
    /// Makes a blob that opens its bytes at the first read, and that can be reopened.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a digest other than sha256 and sha512.
    pub fn new(descriptor: Descriptor, opener: impl OpenBlob + 'static) -> Result<Self, Error> {
        let hasher = Hasher::new(descriptor.digest().algorithm())?;
        Ok(Self::build(
            descriptor,
            Some(Arc::new(opener)),
            Bytestate::Idle,
            Some(hasher),
        ))
    }

    /// Makes a blob from a stream, which cannot be reopened.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a digest other than sha256 and sha512.
    pub fn once(descriptor: Descriptor, bytes: ByteStream) -> Result<Self, Error> {
        let hasher = Hasher::new(descriptor.digest().algorithm())?;
        Ok(Self::build(
            descriptor,
            None,
            Bytestate::Open(bytes),
            Some(hasher),
        ))
    }

    /// Makes a blob of these bytes, with the descriptor that [`Descriptor::of`] gives them.
    ///
    /// ```
    /// use wharf_content::{Blob, MediaType};
    ///
    /// let blob = Blob::of(MediaType::OCI_LAYER, "some layer");
    /// assert_eq!(blob.descriptor().size(), 10);
    /// ```
    pub fn of(media_type: MediaType, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let descriptor = Descriptor::of(media_type, &bytes);
        Self::verified_before(descriptor, InMemory(bytes))
    }

    /// Makes a blob from bytes in memory and a descriptor, against which they are verified when the blob is
    /// read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a digest other than sha256 and sha512.
    pub fn from_bytes(descriptor: Descriptor, bytes: Bytes) -> Result<Self, Error> {
        Self::new(descriptor, InMemory(bytes))
    }

    /// Makes a blob whose bytes the caller has verified since they last changed. Only their number is
    /// checked.
    ///
    /// For a store that has hashed a file in this process and reads it again.
    pub fn verified_before(descriptor: Descriptor, opener: impl OpenBlob + 'static) -> Self {
        Self::build(descriptor, Some(Arc::new(opener)), Bytestate::Idle, None)
    }

    fn build(
        descriptor: Descriptor,
        opener: Option<Arc<dyn OpenBlob>>,
        bytes: Bytestate,
        hasher: Option<Hasher>,
    ) -> Self {
        Self {
            descriptor,
            opener,
            progress: None,
            location: None,
            bytes,
            hasher,
            verified: None,
            position: 0,
            last: None,
        }
    }

    /// Reports the bytes that are read to `progress`, as [`Event::Advanced`].
    pub fn with_progress(mut self, progress: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Sets the location of the bytes, which error messages name.
    pub fn with_location(mut self, location: impl fmt::Display) -> Self {
        self.location = Some(location.to_string().into());
        self
    }

    /// The descriptor against which the bytes are verified.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The number of bytes received, including those before a [`resume`](Self::resume) and a last chunk
    /// that is held back until it is verified.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The state of the hash over the bytes received so far, for a later [`Blob::resume`]. `None` if they
    /// are not hashed here, or the end has been verified.
    ///
    /// If its count is higher than the number of bytes yielded, the last chunk was received but is held
    /// back: the state then includes bytes that the reader does not have.
    #[must_use]
    pub const fn hasher(&self) -> Option<&Hasher> {
        self.hasher.as_ref()
    }

    /// The proof that all bytes have the digest. Available once the last chunk has been yielded, unless the
    /// bytes were verified elsewhere.
    #[must_use]
    pub const fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// True if [`Blob::reopen`] and [`Blob::resume`] return a blob.
    #[must_use]
    pub const fn can_reopen(&self) -> bool {
        self.opener.is_some()
    }

    /// A new blob that starts at the first byte; `None` if this blob cannot be reopened.
    pub fn reopen(&self) -> Option<Self> {
        let opener = Arc::clone(self.opener.as_ref()?);
        let hasher = match &self.hasher {
            Some(hasher) => Some(Hasher::new(hasher.algorithm()).ok()?),
            None => None,
        };
        let mut blob = Self::build(self.descriptor.clone(), Some(opener), Bytestate::Idle, hasher);
        blob.progress.clone_from(&self.progress);
        blob.location.clone_from(&self.location);
        Some(blob)
    }

    /// Opens the bytes for a receiver that verifies them itself, so that only their number is checked here, such
    /// as a registry that confirms the digest of what it has stored. `None` if the bytes are to be verified in any
    /// case: those of a source that is not local, or that was told to verify every read.
    ///
    /// The receiver's refusal says nothing of the cause: [`Blob::check`] then tells whether the bytes are wrong here.
    pub fn unverified(&self) -> Option<UnverifiedBlob> {
        let opener = self.opener.as_ref()?.unverified()?;
        let mut blob = Self::build(self.descriptor.clone(), Some(opener), Bytestate::Idle, None);
        blob.progress.clone_from(&self.progress);
        blob.location.clone_from(&self.location);
        Some(UnverifiedBlob(blob))
    }

    /// Reads all bytes and verifies them, without reporting progress.
    ///
    /// # Errors
    ///
    /// As reading the blob: [`ErrorKind::Mismatch`] if the bytes are not those of the descriptor, or
    /// [`ErrorKind::Corrupt`] where a store finds that out.
    pub async fn check(mut self) -> Result<(), Error> {
        self.progress = None;
        while let Some(chunk) = self.next().await {
            chunk?;
        }
        Ok(())
    }

    /// A new blob of the bytes after those that `hasher` has hashed, which the caller must have. The end is
    /// verified over both parts. `None` if this blob cannot be reopened or the hasher is of another
    /// algorithm or beyond the end.
    pub fn resume(&self, hasher: Hasher) -> Option<Self> {
        let opener = Arc::clone(self.opener.as_ref()?);
        let position = hasher.count();
        if hasher.algorithm() != self.descriptor.digest().algorithm() || position > self.descriptor.size() {
            return None;
        }
        let mut blob = Self::build(
            self.descriptor.clone(),
            Some(opener),
            Bytestate::Idle,
            Some(hasher),
        );
        blob.position = position;
        blob.progress.clone_from(&self.progress);
        blob.location.clone_from(&self.location);
        Some(blob)
    }

    /// Reads the next chunk; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Reads all bytes into memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the descriptor says more than `limit` bytes, before anything is
    /// read.
    pub async fn read_to_end(mut self, limit: u64) -> Result<Bytes, Error> {
        let (digest, size) = (self.descriptor.digest(), self.descriptor.size());
        if size > limit {
            let message = format!("blob {digest} has {size} bytes, more than the limit of {limit}");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next().await {
            whole.extend_from_slice(&chunk?);
        }
        Ok(whole.freeze())
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match &mut self.bytes {
                Bytestate::Idle => match &self.opener {
                    Some(opener) => {
                        let (opener, position) = (Arc::clone(opener), self.position);
                        self.bytes = Bytestate::Opening(Box::pin(async move { opener.open(position).await }));
                    }
                    None => self.bytes = Bytestate::Ended,
                },
                Bytestate::Opening(opening) => {
                    self.bytes = Bytestate::Open(ready!(opening.as_mut().poll(context))?);
                }
                Bytestate::Open(stream) => match ready!(stream.as_mut().poll_next(context)) {
                    Some(Ok(chunk)) if chunk.is_empty() => {}
                    Some(Ok(chunk)) => {
                        if let Some(ready) = self.accept(chunk)? {
                            return Poll::Ready(Some(Ok(ready)));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => {
                        self.bytes = Bytestate::Ended;
                        return Poll::Ready(self.finish().transpose());
                    }
                },
                Bytestate::Ended => return Poll::Ready(None),
            }
        }
    }

    /// Hashes a chunk and returns it, or holds it back if it completes the blob, until the source has
    /// ended.
    fn accept(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Error> {
        let position = self.position.saturating_add(chunk.len() as u64);
        let size = self.descriptor.size();
        if position > size {
            return Err(self.too_long());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        self.position = position;
        if position == size {
            self.last = Some(chunk);
            return Ok(None);
        }
        self.report(chunk.len() as u64);
        Ok(Some(chunk))
    }

    fn too_long(&self) -> Error {
        let (digest, size, from) = (self.descriptor.digest(), self.descriptor.size(), self.from());
        let message = format!("blob {digest}{from} has more than the {size} bytes it was said to have");
        Error::new(ErrorKind::Mismatch, message)
    }

    fn finish(&mut self) -> Result<Option<Bytes>, Error> {
        let (size, expected) = (self.descriptor.size(), self.descriptor.digest());
        if self.position != size {
            let position = self.position;
            let message = format!(
                "blob {expected}{} ended after {position} of {size} bytes",
                self.from()
            );
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        if let Some(hasher) = self.hasher.take() {
            let verified = hasher.prove()?;
            if verified.digest() != expected {
                let (actual, from) = (verified.digest(), self.from());
                let message = format!("blob {expected}{from} was received with the digest {actual}");
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            self.verified = Some(verified);
        }
        let last = self.last.take();
        if let Some(last) = &last {
            self.report(last.len() as u64);
        }
        Ok(last)
    }

    fn from(&self) -> String {
        self.location
            .as_deref()
            .map(|location| format!(" from {location}"))
            .unwrap_or_default()
    }

    fn report(&self, bytes: u64) {
        if let Some(progress) = &self.progress {
            progress.event(Event::Advanced {
                descriptor: &self.descriptor,
                bytes,
            });
        }
    }
}

impl Stream for Blob {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let blob = self.get_mut();
        let polled = blob.poll_chunk(context);
        if let Poll::Ready(Some(Err(_))) = &polled {
            blob.bytes = Bytestate::Ended; // what came before an error stays unverified for ever
            blob.last = None;
        }
        polled
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("digest", self.descriptor.digest())
            .field("size", &self.descriptor.size())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

struct InMemory(Bytes);

#[async_trait]
impl OpenBlob for InMemory {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        Ok(Box::pin(Once(Some(self.0.slice(start..)))))
    }
}

struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
