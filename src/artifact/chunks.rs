//! Bytes that are read piece by piece on threads for blocking work.

use std::{
    fs::File,
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::{sync::mpsc, task::JoinHandle};
use wharf_content::{Error, ErrorKind};
use wharf_fs::fill_at;

use super::hashed_file::failed;

/// The bytes of a piece.
pub(super) const PIECE: usize = 256 * 1024;

/// A stream of the bytes of a file from an offset to its end.
pub(super) struct Chunks {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    /// The read that is under way.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Chunks {
    pub(super) const fn new(file: Arc<File>, path: PathBuf, offset: u64) -> Self {
        Self {
            file,
            path,
            offset,
            reading: None,
        }
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let reading = this.reading.get_or_insert_with(|| {
            let (file, offset) = (Arc::clone(&this.file), this.offset);
            tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; PIECE];
                let length = fill_at(&file, &mut piece, offset)?;
                piece.truncate(length);
                Ok(piece.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        this.reading = None;
        let piece = match read {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => return Poll::Ready(Some(Err(failed(&this.path, error)))),
            Err(error) => return Poll::Ready(Some(Err(Error::wrap(ErrorKind::Other, error)))),
        };
        this.offset = this.offset.saturating_add(piece.len() as u64);
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

/// A stream of bytes that a thread for blocking work sends.
pub(super) struct Received(pub(super) mpsc::Receiver<Result<Bytes, Error>>);

impl Stream for Received {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
