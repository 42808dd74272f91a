//! The end of a connection whose client is still sending: it is closed in two steps (RFC 9112, 9.6). If both
//! directions were closed at once, the client's next bytes would be answered with a reset, which discards the
//! answer before the client has read it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a connection is read on after its last answer, if the request was not read to its end: until then
/// the client may notice the answer.
pub(crate) const MAX_DRAIN: Duration = Duration::from_secs(5);
/// The most bytes that a connection is read on after its last answer.
pub(crate) const MAX_DRAINED: usize = 64 << 20;

/// Whether the request that a connection received last has not been read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread(Arc<AtomicBool>);

impl Unread {
    pub(crate) fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed); // one task reads, answers and closes
    }

    /// The body of the next request.
    pub(crate) fn track(&self, body: Incoming) -> TrackedBody {
        self.set(!body.is_end_stream());
        TrackedBody {
            body,
            unread: self.clone(),
        }
    }
}

/// A request's body that notes when it has been read to its end.
pub(crate) struct TrackedBody {
    body: Incoming,
    unread: Unread,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.set(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The reading that goes on after this side of a connection has been closed.
pub(crate) struct Drain {
    unread: Unread,
    /// Set once this side is closed: the time that is left, and the bytes.
    closing: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Drain {
    pub(crate) const fn new(unread: Unread) -> Self {
        Self {
            unread,
            closing: None,
        }
    }

    /// Whether this side has been closed and the client's bytes are being dropped.
    pub(crate) const fn has_begun(&self) -> bool {
        self.closing.is_some()
    }

    /// Reads and drops bytes until the client closes its side or a limit is reached. Ends at once if the last
    /// request has been read to its end.
    pub(crate) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if !self.unread.0.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let (timer, left) = self
            .closing
            .get_or_insert_with(|| (Box::pin(sleep(MAX_DRAIN)), MAX_DRAINED));
        let mut space = [0; 16 * 1024];
        while timer.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            let taken = buffer.filled().len();
            *left = left.saturating_sub(taken);
            if read.is_err() || taken == 0 || *left == 0 {
                break;
            }
        }
        self.unread.set(false);
        Poll::Ready(())
    }
}
