//! An encoded layer as a stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Stream;
use tokio::{sync::mpsc, task::AbortHandle};
use wharf_content::{Error, ErrorKind};

/// Encoded bytes.
pub(super) enum Piece {
    More(Bytes),
    /// The last ones, which are passed on after the digests were found right.
    Last(Bytes),
}

/// The encoded bytes. Dropped early, it ends the reading of the original.
pub(super) struct Output {
    pub(super) receiver: mpsc::Receiver<Result<Piece, Error>>,
    pub(super) feeder: AbortHandle,
    /// The bytes still to be left out.
    pub(super) skip: u64,
    pub(super) ended: bool,
}

impl Stream for Output {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended {
            let mut piece = match ready!(self.receiver.poll_recv(context)) {
                Some(Ok(Piece::More(piece))) => piece,
                Some(Ok(Piece::Last(piece))) => {
                    self.ended = true;
                    piece
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    // Not an end: nothing says that the digests are right.
                    self.ended = true;
                    let error = Error::new(ErrorKind::Other, "the encoder of a layer stopped before its end");
                    return Poll::Ready(Some(Err(error)));
                }
            };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= skipped as u64;
            let rest = piece.split_off(skipped);
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(rest)));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}
