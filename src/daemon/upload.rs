//! The body of a request that is written as an archive: a bounded channel between the thread that writes and the
//! connection that sends.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::concurrency::LockExt as _;

/// The most bytes of a part.
const MAX_PART: usize = 64 * 1024;
/// The most parts that wait to be sent.
const WAITING: usize = 16;

/// A part of the body.
pub(super) enum Part {
    Bytes(Bytes),
    /// The body is whole.
    End,
}

/// Makes a body, and what it is written with.
pub(super) fn body() -> (Upload, Body) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    (Upload(sender), Body(receiver))
}

/// Writes the body, on a thread for blocking work. Writing fails if nobody receives it any more.
#[derive(Clone)]
pub(super) struct Upload(mpsc::Sender<Part>);

impl Upload {
    /// Ends the body. A body that is not ended is an error for its receiver.
    pub(super) async fn end(&self) -> Result<(), io::Error> {
        self.0
            .send(Part::End)
            .await
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// True if nobody receives the body any more.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl io::Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (part, _) = bytes.split_at(bytes.len().min(MAX_PART));
        let sent = self.0.blocking_send(Part::Bytes(Bytes::copy_from_slice(part)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body as it is sent. Its clones are one body.
#[derive(Clone)]
pub(super) struct Body(Arc<Mutex<Option<mpsc::Receiver<Part>>>>);

impl Body {
    /// Receives nothing more: there is an answer already.
    pub(super) fn close(&self) {
        self.0.locked().take();
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut receiver = self.0.locked();
        let part = match receiver.as_mut() {
            Some(receiver) => ready!(receiver.poll_recv(context)),
            None => None,
        };
        Poll::Ready(match part {
            Some(Part::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Part::End) => None,
            None => Some(Err("the archive was given up".into())),
        })
    }
}
