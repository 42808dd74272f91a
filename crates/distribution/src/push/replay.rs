//! A stream of which the bytes that were sent last can be sent again.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher};
use wharf_http::RequestBody;
use wharf_reference::Digest;

use super::whole::BlobFailure;
use crate::sync::LockExt as _;

/// Bytes of a stream that are kept after they were sent, at least. More than this is seldom on its way between the client
/// and the registry.
pub(super) const KEPT_OF_A_STREAM: u64 = 8 * 1024 * 1024;

/// The bytes of a stream, read once and hashed. The body of an attempt that was given up can no longer take bytes from
/// the body that follows it.
#[derive(Clone)]
pub(super) struct Replay(Arc<Mutex<Inner>>);

struct Inner {
    /// `None` after its end.
    bytes: Option<ByteStream>,
    hasher: Option<Hasher>,
    /// The last bytes that were read, up to `read`.
    kept: VecDeque<Bytes>,
    /// The offset of the first of them.
    start: u64,
    read: u64,
    /// The offset of what is sent next.
    position: u64,
    generation: u64,
    failure: BlobFailure,
}

impl Replay {
    pub(super) fn new(bytes: ByteStream, hasher: Hasher, failure: BlobFailure) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            bytes: Some(bytes),
            hasher: Some(hasher),
            kept: VecDeque::new(),
            start: 0,
            read: 0,
            position: 0,
            generation: 0,
            failure,
        })))
    }

    /// The offset of what is sent next.
    pub(super) fn position(&self) -> u64 {
        self.0.locked().position
    }

    /// True if nothing is left to be sent.
    pub(super) fn is_at_end(&self) -> bool {
        let inner = self.0.locked();
        inner.bytes.is_none() && inner.position == inner.read
    }

    /// True if every byte that was read is kept.
    pub(super) fn has_all(&self) -> bool {
        self.0.locked().start == 0
    }

    /// Moves to this offset; `false` if its byte was not read or is not kept any more. Bodies that were made before end.
    pub(super) fn seek(&self, position: u64) -> bool {
        let mut inner = self.0.locked();
        inner.generation += 1;
        let is_kept = (inner.start..=inner.read).contains(&position);
        if is_kept {
            inner.position = position;
        }
        is_kept
    }

    /// Reads until `length` bytes are there to be sent, or the stream ends. Returns how many of these there are.
    pub(super) async fn fill(&self, length: u64) -> Result<u64, Error> {
        poll_fn(|context| {
            let mut inner = self.0.locked();
            while inner.read - inner.position < length {
                match ready!(inner.poll_read(context)) {
                    Some(Ok(())) => {}
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => break,
                }
            }
            Poll::Ready(Ok(length.min(inner.read - inner.position)))
        })
        .await
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&self) -> Result<Option<Bytes>, Error> {
        poll_fn(|context| self.0.locked().poll_next(u64::MAX, context)).await
    }

    /// A body with the bytes from `offset`, at most `length`; `None` if they are not kept.
    pub(super) fn body(&self, offset: u64, length: Option<u64>) -> Option<RequestBody> {
        if !self.seek(offset) {
            return None;
        }
        let piece = Body {
            replay: self.clone(),
            generation: self.0.locked().generation,
            left: length.unwrap_or(u64::MAX),
        };
        Some(RequestBody::Stream {
            bytes: Box::pin(piece),
            length,
        })
    }

    /// The digest and the number of all bytes.
    pub(super) fn finish(&self) -> Result<(Digest, u64), Error> {
        let mut inner = self.0.locked();
        let hasher = if inner.bytes.is_none() {
            inner.hasher.take()
        } else {
            None
        };
        let hasher = hasher.ok_or_else(|| {
            let message = "the registry took the bytes before they were all sent";
            Error::new(ErrorKind::Server, message)
        })?;
        Ok((hasher.finish()?, inner.read))
    }
}

impl Inner {
    /// Reads bytes and keeps them; `None` at the end.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<(), Error>>> {
        let Some(bytes) = &mut self.bytes else {
            return Poll::Ready(None);
        };
        let Some(piece) = ready!(bytes.as_mut().poll_next(context)) else {
            self.bytes = None;
            return Poll::Ready(None);
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        self.read += piece.len() as u64;
        self.kept.push_back(piece);
        self.forget();
        Poll::Ready(Some(Ok(())))
    }

    /// Drops the pieces that need not be kept.
    fn forget(&mut self) {
        let needed = self.position.min(self.read.saturating_sub(KEPT_OF_A_STREAM));
        while let Some(first) = self.kept.front()
            && self.start + first.len() as u64 <= needed
        {
            self.start += first.len() as u64;
            self.kept.pop_front();
        }
    }

    /// Takes at most `most` bytes to be sent; `None` at the end.
    fn poll_next(&mut self, most: u64, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        while self.position == self.read {
            match ready!(self.poll_read(context)) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(None)),
            }
        }
        let mut end = self.read;
        for piece in self.kept.iter().rev() {
            let start = end - piece.len() as u64;
            if self.position >= start {
                let from = usize::try_from(self.position - start).unwrap_or(piece.len());
                let left = usize::try_from(most).unwrap_or(usize::MAX);
                let bytes = piece.slice(from..piece.len().min(from.saturating_add(left)));
                self.position += bytes.len() as u64;
                return Poll::Ready(Ok(Some(bytes)));
            }
            end = start;
        }
        Poll::Ready(Ok(None))
    }
}

struct Body {
    replay: Replay,
    generation: u64,
    left: u64,
}

impl Stream for Body {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let replay = self.replay.clone();
        let mut inner = replay.0.locked();
        if inner.generation != self.generation {
            return Poll::Ready(Some(Err("this attempt was given up".into())));
        }
        match ready!(inner.poll_next(self.left, context)) {
            Ok(Some(bytes)) => {
                self.left -= bytes.len() as u64;
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok(None) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(inner.failure.set(error).into()))),
        }
    }
}
