//! Connections that end while the client is still sending are closed in two steps (RFC 9112, 9.6): else what it
//! sends meets a closed port, and the answer to it is lost.

use std::{
    io,
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
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a connection is read on after its last answer, if the request was not read to its end: until then the client
/// may notice the answer.
const LONGEST: Duration = Duration::from_secs(5);
/// The most bytes that a connection is read on after its last answer.
const MOST: usize = 64 << 20;

/// Whether the request that a connection received last has not been read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread(Arc<AtomicBool>);

impl Unread {
    fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed); // one task reads, answers and closes
    }

    /// The body of the next request.
    pub(crate) fn follow(&self, body: Incoming) -> Followed {
        self.set(!body.is_end_stream());
        Followed {
            body,
            unread: self.clone(),
        }
    }
}

/// A body that notes when it has been read.
pub(crate) struct Followed {
    body: Incoming,
    unread: Unread,
}

impl Body for Followed {
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

/// A connection that says it is done, and listens for a while before it closes.
pub(crate) struct Lingering<S> {
    stream: S,
    unread: Unread,
    /// From when it has said so: the time that is left, and the bytes.
    closing: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Lingering<S> {
    pub(crate) fn new(stream: S, unread: Unread) -> Self {
        Self {
            stream,
            unread,
            closing: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        if !this.unread.0.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let (alarm, left) = this
            .closing
            .get_or_insert_with(|| (Box::pin(sleep(LONGEST)), MOST));
        let mut space = [0; 16 * 1024];
        while alarm.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            let taken = buffer.filled().len();
            *left = left.saturating_sub(taken);
            if read.is_err() || taken == 0 || *left == 0 {
                break;
            }
        }
        this.unread.set(false);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use super::*;

    fn pair(unread: bool) -> (Lingering<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (near, far) = duplex(1024);
        let note = Unread::default();
        note.set(unread);
        (Lingering::new(near, note), far)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_is_closed_at_once() {
        let (mut near, _far) = pair(false);
        let start = Instant::now();
        near.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_sending_hears_the_answer_first() {
        let (mut near, mut far) = pair(true);
        let client = tokio::spawn(async move {
            far.write_all(&vec![7; 100_000]).await.unwrap(); // more than fits between them
            let mut answer = Vec::new();
            far.read_to_end(&mut answer).await.unwrap();
            answer
        });
        near.write_all(b"no").await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(client.await.unwrap(), b"no");
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_on_is_not_waited_for() {
        let (mut near, _far) = pair(true);
        let start = Instant::now();
        near.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), LONGEST);

        let (mut near, mut far) = pair(true);
        let client = tokio::spawn(async move {
            let mut sent = 0;
            while let Ok(bytes) = far.write(&[7; 1024]).await {
                sent += bytes;
            }
            sent
        });
        near.shutdown().await.unwrap();
        drop(near);
        assert!((MOST..MOST + 4096).contains(&client.await.unwrap()));
    }
}
