use std::{
    fmt,
    future::{Future, poll_fn},
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_core::Stream;

use super::{Blob, ByteStream, Bytestate, ranges::Ranges};
use crate::{Descriptor, Error, ErrorKind, Hasher};

/// A range of a blob's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The offset of the bytes in the blob.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Piece {
    /// The offset of the byte after these.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }
}

/// A stream of pieces in any order.
pub type PieceStream = Pin<Box<dyn Stream<Item = Result<Piece, Error>> + Send>>;

type Opening = Pin<Box<dyn Future<Output = Result<PieceStream, Error>> + Send>>;

/// The bytes of a blob in the order of arrival, for a writer that puts each piece at its offset. A large
/// layer may arrive as parallel ranges.
///
/// Bytes are hashed in the blob's order. A piece at the front, where hashing goes on, is hashed as it
/// passes. A piece ahead of the front becomes [`due`](Pieces::due) when the bytes before it are there: the
/// writer then reads it back and passes it to [`Pieces::give_back`], so that the hash covers what was
/// written.
///
/// As with [`Blob`], a reader that saw the stream end without an error has exactly the bytes of the
/// descriptor, and no byte beyond its size is ever yielded. Until then nothing is verified, including the
/// last piece.
#[must_use = "pieces do nothing until they are read, and prove nothing until they are read to their end"]
pub struct Pieces {
    /// A blob whose position is the front.
    blob: Blob,
    state: State,
    hasher: Hasher,
    /// The ranges beyond the front that were yielded.
    ahead: Ranges,
}

enum State {
    Idle,
    Opening(Opening),
    Open(PieceStream),
    Ended,
}

impl Blob {
    /// The bytes of this blob in the order of arrival. They are hashed even if the blob was verified
    /// before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if some have been read already, and with [`ErrorKind::Unsupported`] if
    /// the digest is neither sha256 nor sha512.
    pub fn into_pieces(mut self) -> Result<Pieces, Error> {
        let hasher = match self.hasher.take() {
            Some(hasher) => hasher,
            None => Hasher::new(self.descriptor.digest().algorithm())?,
        };
        let state = match std::mem::replace(&mut self.bytes, Bytestate::Ended) {
            Bytestate::Idle if hasher.count() == self.position => State::Idle,
            Bytestate::Open(stream) if self.position == 0 => State::Open(in_order(stream, 0)),
            _ => {
                let message = "a blob that has been read in part does not come in pieces";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        Ok(Pieces {
            blob: self,
            state,
            hasher,
            ahead: Ranges::default(),
        })
    }
}

impl Pieces {
    /// The descriptor that the bytes must fit.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.blob.descriptor
    }

    /// The state of the hash over all bytes before the front, for a later [`Blob::resume`].
    #[must_use]
    pub const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Reads the next piece; `None` after the last, once all bytes are verified. The caller gives back all
    /// bytes that are [`due`](Self::due) before the next call.
    ///
    /// Bytes that were not hashed yet may be yielded again; the later ones replace the earlier.
    pub async fn next(&mut self) -> Option<Result<Piece, Error>> {
        poll_fn(|context| self.poll_piece(context)).await
    }

    /// The range of bytes that were yielded ahead of the front and must be given back now; `None` if there
    /// are none.
    #[must_use]
    pub fn due(&mut self) -> Option<Range<u64>> {
        let front = self.blob.position;
        self.ahead.advance(front).map(|end| front..end)
    }

    /// Hashes the first of the bytes that are [`due`](Self::due), or all of them, as the writer has read
    /// them back. Bytes beyond the range are ignored.
    pub fn give_back(&mut self, bytes: &[u8]) {
        let due = self.due().map_or(0, |due| due.end - due.start);
        let count = bytes.len().min(usize::try_from(due).unwrap_or(usize::MAX));
        self.take_in(bytes.get(..count).unwrap_or_default());
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.blob.position = self.hasher.count();
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Error>>> {
        let polled = self.poll_source(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.state = State::Ended;
        }
        polled
    }

    fn poll_source(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Error>>> {
        loop {
            match &mut self.state {
                State::Idle => {
                    let Some(opener) = self.blob.opener.clone() else {
                        return Poll::Ready(self.finish().err().map(Err));
                    };
                    let front = self.blob.position;
                    self.state = State::Opening(Box::pin(async move { opener.open_pieces(front).await }));
                }
                State::Opening(opening) => {
                    self.state = State::Open(ready!(opening.as_mut().poll(context))?);
                }
                State::Open(stream) => match ready!(stream.as_mut().poll_next(context)) {
                    Some(Ok(piece)) => {
                        if let Some(piece) = self.accept(piece)? {
                            return Poll::Ready(Some(Ok(piece)));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(self.finish().err().map(Err)),
                },
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    /// Cuts off the part of a piece that was hashed already, which must not be written again, and hashes
    /// the rest if it is at the front.
    fn accept(&mut self, mut piece: Piece) -> Result<Option<Piece>, Error> {
        if piece.end() > self.blob.descriptor.size() {
            return Err(self.blob.too_long());
        }
        let front = self.blob.position;
        let known = usize::try_from(front.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
        if known >= piece.bytes.len() {
            return Ok(None);
        }
        piece.bytes.advance(known);
        piece.offset = piece.offset.max(front);
        let new = self.ahead.add(piece.offset..piece.end());
        if piece.offset == front {
            self.take_in(&piece.bytes);
        }
        self.blob.report(new);
        Ok(Some(piece))
    }

    fn finish(&mut self) -> Result<(), Error> {
        if let Some(due) = self.due() {
            let (digest, Range { start, end }) = (self.blob.descriptor.digest(), due);
            let message = format!("bytes {start} to {end} of blob {digest} were not given back");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if let Some(first) = self.ahead.first() {
            let (digest, front) = (self.blob.descriptor.digest(), self.blob.position);
            let message = format!(
                "blob {digest}{} lacks its bytes {front} to {first}",
                self.blob.from()
            );
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        self.blob.hasher = Some(self.hasher.clone());
        self.blob.finish().map(drop)
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("blob", &self.blob)
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}

/// Turns a stream of bytes into pieces, the first of them at `offset`.
pub(super) fn in_order(stream: ByteStream, offset: u64) -> PieceStream {
    Box::pin(InOrder { stream, offset })
}

struct InOrder {
    stream: ByteStream,
    offset: u64,
}

impl Stream for InOrder {
    type Item = Result<Piece, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(self.stream.as_mut().poll_next(context));
        Poll::Ready(chunk.map(|chunk| {
            let piece = Piece {
                offset: self.offset,
                bytes: chunk?,
            };
            self.offset = piece.end();
            Ok(piece)
        }))
    }
}
