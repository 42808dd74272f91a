//! Streams of bytes.

use std::{
    future::{Future as _, poll_fn},
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::JoinHandle;
use wharf_content::{ByteStream, Error, Hasher};
use wharf_reference::Algorithm;

use crate::{error::At as _, runtime::joined};

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

/// A stream with bytes before it.
pub(crate) struct After {
    first: Option<Bytes>,
    rest: ByteStream,
}

impl After {
    pub(crate) const fn new(first: Bytes, rest: ByteStream) -> Self {
        Self {
            first: Some(first),
            rest,
        }
    }
}

impl Stream for After {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take().filter(|first| !first.is_empty()) {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.rest.as_mut().poll_next(context),
        }
    }
}

/// The bytes of a blocking reader, such as standard input, as a stream. They are read on threads for blocking
/// work, so it must be made within a tokio runtime.
pub fn read_stream(reader: impl io::Read + Send + 'static) -> ByteStream {
    Box::pin(Reading::Idle(Box::new(reader)))
}

/// The bytes of one read.
const CHUNK: usize = 256 * 1024;

type Read = Box<dyn io::Read + Send>;

enum Reading {
    Idle(Read),
    Busy(JoinHandle<Result<(Read, Bytes), Error>>),
    Ended,
}

impl Stream for Reading {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Self::Idle(_) = &*self
            && let Self::Idle(mut reader) = std::mem::replace(&mut *self, Self::Ended)
        {
            *self = Self::Busy(tokio::task::spawn_blocking(move || {
                let bytes = read_some(&mut reader)?;
                Ok((reader, bytes))
            }));
        }
        let Self::Busy(reading) = &mut *self else {
            return Poll::Ready(None);
        };
        let read = joined(ready!(Pin::new(reading).poll(context)));
        *self = Self::Ended;
        match read {
            Ok((_, bytes)) if bytes.is_empty() => Poll::Ready(None),
            Ok((reader, bytes)) => {
                *self = Self::Idle(reader);
                Poll::Ready(Some(Ok(bytes)))
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

fn read_some(reader: &mut Read) -> Result<Bytes, Error> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).at("read", Path::new("the stream")),
        }
    }
}
