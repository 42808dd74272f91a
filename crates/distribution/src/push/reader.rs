use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::ErrorKind;
use wharf_http::RequestBody;

use super::{Outgoing, whole::BlobFailure};
use crate::sync::LockExt as _;

/// A blob that is read in pieces, each by the body of one request. The body of an attempt that was given up
/// can no longer take bytes from the body that follows it.
#[derive(Clone)]
pub(super) struct Reader(Arc<Mutex<Inner>>);

struct Inner {
    /// The blob, at `position` plus the length of `rest`.
    blob: Option<Outgoing>,
    /// The bytes that were read of the blob beyond the last piece.
    rest: Bytes,
    position: u64,
    generation: u64,
    failure: BlobFailure,
}

impl Reader {
    pub(super) fn new(blob: Outgoing, failure: BlobFailure) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            blob: Some(blob),
            rest: Bytes::new(),
            position: 0,
            generation: 0,
            failure,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.locked()
    }

    /// A body with the `length` bytes from `offset`; `None` if the reader is at another offset.
    pub(super) fn piece(&self, offset: u64, length: u64) -> Option<RequestBody> {
        let mut inner = self.lock();
        if inner.position != offset {
            return None;
        }
        inner.generation += 1;
        let piece = Piece {
            reader: self.clone(),
            generation: inner.generation,
            left: length,
        };
        Some(RequestBody::Stream {
            bytes: Box::pin(piece),
            length: Some(length),
        })
    }

    /// Moves to this offset, by reading the blob again if necessary.
    ///
    /// # Errors
    ///
    /// If the blob can be read only once, or the reading fails.
    pub(super) async fn seek(&self, position: u64) -> Result<(), wharf_content::Error> {
        let blob = {
            let mut inner = self.lock();
            inner.generation += 1;
            if inner.position == position {
                return Ok(());
            }
            let reopened = inner.blob.as_ref().and_then(Outgoing::reopen);
            reopened.ok_or_else(|| wharf_content::Error::new(ErrorKind::Network, super::SOURCE_IS_USED_UP))?
        };
        let (blob, rest) = skip(blob, position).await?;
        let mut inner = self.lock();
        inner.blob = Some(blob);
        inner.rest = rest;
        inner.position = position;
        Ok(())
    }
}

/// Skips `position` bytes, and returns the bytes that were read beyond them.
async fn skip(mut blob: Outgoing, position: u64) -> Result<(Outgoing, Bytes), wharf_content::Error> {
    let mut passed = 0;
    while passed < position {
        let Some(chunk) = blob.next().await else { break };
        let mut chunk = chunk?;
        passed += chunk.len() as u64;
        if let Some(over) = passed.checked_sub(position).filter(|over| *over > 0) {
            let at = chunk.len() - usize::try_from(over).unwrap_or(0);
            return Ok((blob, chunk.split_off(at)));
        }
    }
    Ok((blob, Bytes::new()))
}

struct Piece {
    reader: Reader,
    generation: u64,
    left: u64,
}

impl Stream for Piece {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let reader = self.reader.clone();
        let mut inner = reader.lock();
        if inner.generation != self.generation {
            return Poll::Ready(Some(Err("this attempt was given up".into())));
        }
        if inner.rest.is_empty() {
            let Some(blob) = &mut inner.blob else {
                return Poll::Ready(None);
            };
            match std::task::ready!(Pin::new(blob).poll_next(context)) {
                Some(Ok(chunk)) => inner.rest = chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(inner.failure.set(error).into()))),
                None => return Poll::Ready(None),
            }
        }
        let length = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(inner.rest.len());
        let chunk = inner.rest.split_to(length);
        inner.position += chunk.len() as u64;
        self.left -= chunk.len() as u64;
        Poll::Ready(Some(Ok(chunk)))
    }
}
