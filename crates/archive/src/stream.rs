//! Streams of bytes.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{ByteStream, Error, Hasher};
use wharf_reference::Algorithm;

/// The next item of a stream.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// A stream whose bytes are hashed as they pass.
pub(crate) struct Hashed {
    bytes: ByteStream,
    pub(crate) hasher: Hasher,
}

impl Hashed {
    /// Fails for an algorithm that is not supported.
    pub(crate) fn new(bytes: ByteStream, algorithm: Algorithm) -> Result<Self, Error> {
        Ok(Self {
            bytes,
            hasher: Hasher::new(algorithm)?,
        })
    }
}

impl Stream for Hashed {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = ready!(self.bytes.as_mut().poll_next(context));
        if let Some(Ok(chunk)) = &polled {
            self.hasher.update(chunk);
        }
        Poll::Ready(polled)
    }
}
