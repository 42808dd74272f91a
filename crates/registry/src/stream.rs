use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    drain::{Drain, Unread},
    write_timeout::WriteTimeout,
};

/// A client's connection: given up when the client takes no bytes for too long, and closed so that a client
/// that is still sending gets its answer.
pub(crate) struct ClientStream<S> {
    stream: S,
    write_timeout: WriteTimeout,
    drain: Drain,
}

impl<S> ClientStream<S> {
    /// `unread` says whether the last request has been read to its end.
    pub(crate) const fn new(stream: S, write_timeout: Duration, unread: Unread) -> Self {
        Self {
            stream,
            write_timeout: WriteTimeout::new(write_timeout),
            drain: Drain::new(unread),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.write_timeout.check(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.write_timeout.check(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.write_timeout.check(polled, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.drain.has_begun() {
            let polled = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.write_timeout.check(polled, context))?;
        }
        this.drain.poll(&mut this.stream, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::{Instant, advance},
    };

    use super::*;
    use crate::drain::{MAX_DRAIN, MAX_DRAINED};

    fn pair(unread: bool) -> (ClientStream<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (near, far) = duplex(1024);
        let note = Unread::default();
        note.set(unread);
        (ClientStream::new(near, Duration::from_secs(30), note), far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_request_was_read_is_closed_at_once() {
        let (mut near, _far) = pair(false);
        let start = Instant::now();
        near.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_sending_gets_the_answer_first() {
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
    async fn a_client_that_goes_on_sending_is_not_waited_for() {
        let (mut near, _far) = pair(true);
        let start = Instant::now();
        near.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), MAX_DRAIN);

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
        assert!((MAX_DRAINED..MAX_DRAINED + 4096).contains(&client.await.unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_bytes_is_given_up() {
        let (near, mut far) = duplex(4);
        let mut near = ClientStream::new(near, Duration::from_secs(30), Unread::default());
        let slow = tokio::spawn(async move {
            for _ in 0..4 {
                advance(Duration::from_secs(20)).await;
                let mut taken = [0; 2];
                far.read_exact(&mut taken).await.unwrap();
            }
            far
        });
        near.write_all(b"12345678").await.unwrap(); // slow, but it goes on
        let _far = slow.await.unwrap();
        near.write_all(b"1234").await.unwrap();
        let start = Instant::now();
        let error = near.write_all(b"5").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 30);
    }
}
