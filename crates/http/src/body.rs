use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::{Error, ErrorKind, error::Cause};

/// The time limit for a body that is read completely, from its first byte on.
const WHOLE_BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// The time limit for an error page, which is only read for its message.
const ERROR_PAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// The bytes of a response in the order of arrival.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// The bytes of a request body. An error ends the request.
pub type UploadStream = Pin<Box<dyn Stream<Item = Result<Bytes, Cause>> + Send>>;

/// The body of a request.
#[derive(Default)]
#[non_exhaustive]
pub enum RequestBody {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory. The request can be sent again.
    Bytes(Bytes),
    /// Bytes from a stream. The request can be sent once.
    Stream {
        /// The bytes.
        bytes: UploadStream,
        /// The number of bytes; `None` if it is unknown, which sends the body in chunks.
        length: Option<u64>,
    },
}

impl RequestBody {
    /// The number of bytes, if it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }

    /// A copy of the body; `None` for a stream.
    #[must_use]
    pub fn replay(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream { .. } => None,
        }
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length:?})"),
        }
    }
}

/// The body of a response: the bytes exactly as the server sent them, not decoded. It is a stream;
/// [`ResponseBody::read`] collects it.
pub struct ResponseBody {
    bytes: Option<BodyStream>,
    length: Option<u64>,
}

impl ResponseBody {
    /// A body from a stream, with the length that the server declared.
    #[must_use]
    pub const fn new(bytes: BodyStream, length: Option<u64>) -> Self {
        Self {
            bytes: Some(bytes),
            length,
        }
    }

    /// An empty body.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            bytes: None,
            length: Some(0),
        }
    }

    /// The length that the server declared, in bytes. It may be wrong: never allocate by it.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads the whole body, at most `limit` bytes, within 60 s from its first byte. The transport limits
    /// the time to the first byte.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] as soon as more than `limit` bytes are declared or received
    /// (docs/threats.md, X1, X2); [`ErrorKind::Timeout`] if the time is over (docs/threats.md, X3); and the
    /// errors of the transport.
    pub async fn read(mut self, limit: u64) -> Result<Bytes, Error> {
        let first = match self.length {
            Some(length) if length > limit => None,
            _ => self.next().await.transpose()?,
        };
        match tokio::time::timeout(WHOLE_BODY_TIMEOUT, self.read_within(first, limit)).await {
            Ok(read) => read,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                "the server took too long to send its answer",
            )),
        }
    }

    async fn read_within(mut self, mut first: Option<Bytes>, limit: u64) -> Result<Bytes, Error> {
        let too_large = || {
            let message = format!("the answer is larger than the limit of {limit} bytes");
            Error::new(ErrorKind::TooLarge, message)
        };
        if self.length.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        if first.as_ref().is_some_and(|first| first.len() as u64 > limit) {
            return Err(too_large());
        }
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            let held = whole.len() + first.as_ref().map_or(0, Bytes::len);
            if (held + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            match first.take() {
                None if whole.is_empty() => first = Some(chunk),
                None => whole.extend_from_slice(&chunk),
                Some(earlier) => {
                    whole.extend_from_slice(&earlier);
                    whole.extend_from_slice(&chunk);
                }
            }
        }
        Ok(first.unwrap_or_else(|| whole.freeze()))
    }

    /// Reads at most `limit` bytes from the beginning, within 5 s, and drops the rest. A failure ends the
    /// reading and is not reported: for error pages only.
    pub async fn read_prefix(mut self, limit: usize) -> Bytes {
        let mut prefix = BytesMut::new();
        let deadline = tokio::time::Instant::now() + ERROR_PAGE_TIMEOUT;
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout_at(deadline, self.next()).await {
            let room = limit.saturating_sub(prefix.len());
            prefix.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            if prefix.len() >= limit {
                break;
            }
        }
        prefix.freeze()
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    ///
    /// The errors of the transport.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        Self::new(Box::pin(Once(Some(bytes))), Some(length))
    }
}

impl Stream for ResponseBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.bytes {
            Some(bytes) => bytes.as_mut().poll_next(context),
            None => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseBody({:?})", self.length)
    }
}

struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Chunks(Vec<&'static [u8]>);

    impl Stream for Chunks {
        type Item = Result<Bytes, Error>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready((!self.0.is_empty()).then(|| Ok(Bytes::from_static(self.0.remove(0)))))
        }
    }

    fn body(chunks: &[&'static [u8]], length: Option<u64>) -> ResponseBody {
        ResponseBody::new(Box::pin(Chunks(chunks.to_vec())), length)
    }

    #[tokio::test]
    async fn reads_up_to_the_limit_and_no_further() {
        for (limit, ok) in [(4, false), (5, true), (6, true)] {
            let read = body(&[b"ab", b"c", b"de"], None).read(limit).await;
            assert_eq!(read.is_ok(), ok, "{limit}");
        }
        let declared = body(&[], Some(u64::MAX)).read(10).await.unwrap_err();
        assert_eq!(declared.kind(), ErrorKind::TooLarge);
        assert_eq!(body(&[b"ab", b"c"], None).read(3).await.unwrap(), &b"abc"[..]);
        assert_eq!(body(&[b"ab", b"cd"], None).read_prefix(3).await, &b"abc"[..]);
    }
}
