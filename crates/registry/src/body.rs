use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use wharf_content::{ByteStream, Error, ErrorKind};

/// The body of a request.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// The body of an answer: bytes in memory, or a stream of known length.
#[derive(Default)]
pub struct Body {
    inner: Inner,
}

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Whole(Bytes),
    Stream {
        bytes: ByteStream,
        left: u64,
    },
    Wrapped(Box<dyn Wrapper>),
}

/// A body that changes or observes another one.
pub(crate) trait Wrapper: Send {
    /// The bytes that are left.
    fn len(&self) -> u64;

    /// Whether the body has ended: it yields nothing more, not even an error.
    fn is_end(&self) -> bool;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>>;
}

impl Body {
    /// A body without bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { inner: Inner::Empty }
    }

    /// A body of exactly `length` bytes of a stream. It fails with [`ErrorKind::Corrupt`] if the stream has
    /// fewer bytes, and ends after `length` bytes if the stream has more.
    #[must_use]
    pub fn stream(bytes: ByteStream, length: u64) -> Self {
        Self {
            inner: Inner::Stream { bytes, left: length },
        }
    }

    /// A body around another one.
    pub(crate) fn wrapped(body: impl Wrapper + 'static) -> Self {
        Self {
            inner: Inner::Wrapped(Box::new(body)),
        }
    }

    /// The bytes of a body that is in memory.
    #[cfg(feature = "testing")]
    pub(crate) const fn bytes(&self) -> Option<&Bytes> {
        match &self.inner {
            Inner::Whole(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The body cut off after this many bytes.
    #[cfg(feature = "testing")]
    pub(crate) fn shortened(self, length: u64) -> Self {
        let end = usize::try_from(length).unwrap_or(usize::MAX);
        match self.inner {
            Inner::Whole(bytes) => Self::from(bytes.slice(..end.min(bytes.len()))),
            Inner::Stream { bytes, left } => Self::stream(bytes, left.min(length)),
            inner => Self { inner },
        }
    }

    /// The number of bytes that are left.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.inner {
            Inner::Empty => 0,
            Inner::Whole(bytes) => bytes.len() as u64,
            Inner::Stream { left, .. } => *left,
            Inner::Wrapped(body) => body.len(),
        }
    }

    /// Whether no bytes are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            inner: if bytes.is_empty() {
                Inner::Empty
            } else {
                Inner::Whole(bytes)
            },
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.inner {
            Inner::Empty => Poll::Ready(None),
            Inner::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.inner = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Wrapped(body) => body.poll(context),
            Inner::Stream { bytes, left } => {
                if *left == 0 {
                    self.inner = Inner::Empty;
                    return Poll::Ready(None);
                }
                let polled = match ready!(bytes.as_mut().poll_next(context)) {
                    Some(Ok(mut chunk)) => {
                        chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                        *left = left.saturating_sub(chunk.len() as u64);
                        Some(Ok(Frame::data(chunk)))
                    }
                    Some(Err(error)) => Some(Err(error)),
                    None if *left > 0 => Some(Err(Error::new(
                        ErrorKind::Corrupt,
                        "stored content ended too early",
                    ))),
                    None => None,
                };
                if !matches!(polled, Some(Ok(_))) {
                    self.inner = Inner::Empty;
                }
                Poll::Ready(polled)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty | Inner::Stream { left: 0, .. } => true,
            Inner::Wrapped(body) => body.is_end(),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("len", &self.len()).finish()
    }
}
