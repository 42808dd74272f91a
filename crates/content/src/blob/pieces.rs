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

/// Some of a blob's bytes, and where in the blob they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes of the blob come before these.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Piece {
    /// How many bytes of the blob lie before the end of these.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }
}

/// Pieces as they come, in any order.
pub type PieceStream = Pin<Box<dyn Stream<Item = Result<Piece, Error>> + Send>>;

type Opening = Pin<Box<dyn Future<Output = Result<PieceStream, Error>> + Send>>;

/// A blob's bytes in the order in which they arrive, for a writer that puts each where it belongs: parallel
/// ranges of a large layer.
///
/// They are hashed in the blob's order. A piece that follows what has been hashed is hashed as it passes; one
/// that lies ahead must be given back once the bytes before it are there ([`Pieces::due`], [`Pieces::give_back`]):
/// so what is hashed of it is what was written.
///
/// As with [`Blob`], whoever saw the stream end without an error has exactly the bytes that were promised, and
/// no byte beyond the promised size is ever yielded. Otherwise nothing is verified, the last piece included.
#[must_use = "pieces do nothing until they are read, and prove nothing until they are read to their end"]
pub struct Pieces {
    /// Its position is the front: what has been hashed.
    blob: Blob,
    state: State,
    hasher: Hasher,
    /// What was yielded and lies beyond the front.
    ahead: Ranges,
}

enum State {
    Idle,
    Opening(Opening),
    Open(PieceStream),
    Ended,
}

impl Blob {
    /// The same bytes in the order in which they arrive, always hashed.
    ///
    /// Fails with [`ErrorKind::Invalid`] if some have been read already, and with [`ErrorKind::Unsupported`] if
    /// the digest's algorithm cannot verify anything.
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

    /// The state of the hash over all bytes before the first that is missing or due: as many as its count, for
    /// a later [`Blob::resume`].
    #[must_use]
    pub const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// The next piece; `None` after the last, when all are verified. Give back what is [`due`](Self::due) before
    /// asking for more.
    ///
    /// Bytes that have not been hashed may come twice: those that come later replace the others.
    pub async fn next(&mut self) -> Option<Result<Piece, Error>> {
        poll_fn(|context| self.poll_piece(context)).await
    }

    /// The bytes that were yielded ahead of those before them, and are to be hashed now.
    #[must_use]
    pub fn due(&mut self) -> Option<Range<u64>> {
        let front = self.blob.position;
        self.ahead.advance(front).map(|end| front..end)
    }

    /// Takes in the first of the bytes that are [`due`](Self::due), or all of them, as the writer reads them
    /// back. What is beyond them is ignored.
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

    /// Takes in a piece, without what of it has been hashed: that is not to be written again.
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

/// A stream of bytes as pieces, the first of them at `offset`.
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
